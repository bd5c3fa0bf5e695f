"""The examples of docs/evaluation.md are settings that are accepted."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import expanded_prompts, prompts
from pipeline.metrics.settings import EvaluateParams
from pipeline.params import load
from pipeline.sample_settings import SampleParams

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs/evaluation.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:^ {4}.*\n)+", GUIDE, re.MULTILINE)
SECTIONS = {"evaluate": EvaluateParams, "sample": SampleParams}


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_of_the_guide_is_accepted(block, tmp_path):
    yaml = YAML(typ="safe")
    settings = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    ((section, given),) = yaml.load(re.sub(r"^ {4}", "", block, flags=re.MULTILINE)).items()
    settings[section] |= given
    with (tmp_path / "params.yaml").open("w") as stream:
        yaml.dump(settings, stream)
    read = load(SECTIONS[section], section, tmp_path / "params.yaml")
    assert len(getattr(read, next(iter(given)))) == len(next(iter(given.values())))


def test_there_is_an_example_of_each_thing_to_set():
    assert [re.findall(r"metrics:|judges:|prompts:|reference_arms:", block)[0] for block in BLOCKS] == [
        "metrics:",
        "judges:",
        "prompts:",
        "reference_arms:",
    ]


def test_the_example_of_llm_expanded_prompts_is_accepted(tmp_path):
    [example] = re.findall(r"^```json\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    (tmp_path / "llm.json").write_text(example, encoding="utf-8")
    found = expanded_prompts.add(prompts.read([ROOT / "prompts/paper.json"]), str(tmp_path / "llm.json"))
    assert sum(each.expanded is not None for each in found) == 2
