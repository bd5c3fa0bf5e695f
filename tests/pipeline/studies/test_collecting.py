import json

import pytest

from pipeline.errors import InputError
from pipeline.studies.collecting import PROMPTS, STATISTICS, TRAINING, collect
from tests.pipeline.studies.made_outcomes import row

FILES = {
    STATISTICS: json.dumps({"accuracy": {"all": {"base": 0.5}}}),
    PROMPTS: "prompt_id,type,source,text,adapted,base\na-1,action,x,three stars,0.7500,0.5000\n",
    TRAINING: json.dumps({"in": 3, "validation": {"adapted": 0.5, "base": None}}),
}


def test_a_finished_row_is_read():
    found = collect(row(), "ablation-both-1", lambda name: lambda path: FILES[path])
    assert found.experiment == "ablation-both-1"
    assert found.accuracy == {"all": {"base": 0.5}}
    assert found.prompts[0]["adapted"] == "0.7500"
    assert found.validation == {"adapted": 0.5, "base": None}


def test_a_row_without_judge_or_validation_is_read_too():
    files = {**FILES, STATISTICS: "{}", TRAINING: "{}", PROMPTS: "prompt_id,type,source,text,base\n"}
    found = collect(row(), "x", lambda name: files.__getitem__)
    assert (found.accuracy, list(found.prompts), found.validation) == ({}, [], {})


def test_files_that_are_gone_from_the_cache_are_told():
    def read(path):
        raise FileNotFoundError(path)

    with pytest.raises(InputError, match=r"experiment x has no data/evaluate/statistics\.json any more: .*--again"):
        collect(row(), "x", lambda name: read)
