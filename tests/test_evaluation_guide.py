"""The examples of docs/evaluation.md are settings that are accepted."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.metrics.settings import EvaluateParams
from pipeline.params import load
from pipeline.sample_settings import SampleParams

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"(?:^ {4}.*\n)+", (ROOT / "docs/evaluation.md").read_text(encoding="utf-8"), re.MULTILINE)
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


def test_there_is_an_example_of_metrics_of_judges_and_of_prompts():
    assert [re.findall(r"metrics:|judges:|prompts:", block)[0] for block in BLOCKS] == [
        "metrics:",
        "judges:",
        "prompts:",
    ]
