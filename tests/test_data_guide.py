"""docs/data.md says what is there: its settings load, its reasons are the code's."""

import re

import pytest
from ruamel.yaml import YAML

from pipeline import params
from pipeline.sources.imports.kinds import KINDS
from pipeline.sources.settings import SITES, SourcesParams
from tests.closure import ROOT

GUIDE = (ROOT / "docs" / "data.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def _sections(text):
    read = YAML(typ="safe").load(text)
    return read.get("sources", read)


def _imports():
    return {name: one for text in EXAMPLES for name, one in _sections(text).items() if "kind" in one}


def test_there_is_one_example_of_every_kind():
    assert sorted(one["kind"] for one in _imports().values()) == sorted(KINDS)


@pytest.mark.parametrize("name", sorted(_imports()))
def test_the_examples_are_settings_that_load(name, tmp_path):
    document = YAML().load(ROOT / "params.yaml")
    document["sources"]["enabled"] = [name]
    document["sources"][name] = _imports()[name]
    YAML().dump(document, tmp_path / "params.yaml")
    config = params.load(SourcesParams, "sources", tmp_path / "params.yaml")
    assert list(config.enabled_imports) == [name]


def test_the_example_of_lexicas_other_way_loads(tmp_path):
    document = YAML().load(ROOT / "params.yaml")
    document["sources"]["lexica"] |= next(_sections(text)["lexica"] for text in EXAMPLES if "infinite_prompts" in text)
    YAML().dump(document, tmp_path / "params.yaml")
    assert params.load(SourcesParams, "sources", tmp_path / "params.yaml").lexica.infinite_prompts


def test_every_site_and_kind_is_described():
    assert [name for name in SITES if f"| `{name}`" not in GUIDE] == []
    assert [kind for kind in KINDS if f"### `{kind}`" not in GUIDE] == []


def test_every_reason_to_reject_is_described_and_every_described_one_exists():
    table = GUIDE[GUIDE.index("| reason |") : GUIDE.index("A file that cannot be read at all")]
    described = {
        reason for row in table.splitlines()[2:] for reason in re.findall(r"`(\w+)`", row.split("|")[1] if row else "")
    }
    code = "\n".join(path.read_text() for path in (ROOT / "pipeline" / "sources").rglob("*.py"))
    raised = set(re.findall(r'Unusable\("(\w+)"', code)) | {"not_json", "not_utf8", "picture_missing", "no_file_name"}
    later = {"picture_changed", "no_import"}  # told by download
    assert described == raised - later
