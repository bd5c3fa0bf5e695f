import json

import pytest

from pipeline.errors import InputError
from pipeline.studies.collecting import CURVE, PROMPTS, STATISTICS, TRAINING, collect
from tests.pipeline.studies.made_outcomes import RUN, row

FILES = {
    STATISTICS: json.dumps({"accuracy": {"all": {"base": 0.5}}}),
    PROMPTS: "prompt_id,type,source,text,adapted,base\na-1,action,x,three stars,0.7500,0.5000\n",
    TRAINING: json.dumps({"in": 3, "validation": {"adapted": 0.5, "base": None}}),
    CURVE: "step\tdenoising\n50\t0.75\n100\t0.5\n",
}


def test_a_finished_row_is_read():
    (found,) = collect(row(), "ablation-both-1", lambda name: lambda path: FILES[path], RUN)
    assert found.experiment == "ablation-both-1"
    assert found.accuracy == {"all": {"base": 0.5}}
    assert found.prompts[0]["adapted"] == "0.7500"
    assert found.validation == {"adapted": 0.5, "base": None}
    assert found.curve == [(50, 0.75), (100, 0.5)]
    assert (found.run, found.method) == (RUN, None)
    assert found.label == found.row.label


def test_a_row_that_drew_with_several_methods_is_one_outcome_each_plain_sampling_first():
    cells = {
        f"some/model {name}": {"accuracy": {"all": {"base": base}}} for name, base in (("sag", 0.1), ("none", 0.2))
    }
    files = {**FILES, STATISTICS: json.dumps({"accuracy": {"all": {"base": 0.1}}, "cells": cells})}
    plain, sag = collect(row(), "x", lambda name: files.__getitem__, RUN)
    assert (plain.method, plain.accuracy["all"]["base"], len(plain.prompts)) == ("none", 0.2, 1)
    assert (sag.method, sag.accuracy["all"]["base"], len(sag.prompts)) == ("sag", 0.1, 0)
    assert (len(plain.curve), len(sag.curve)) == (2, 0)
    assert sag.label == f"{sag.row.label}, sag"


def test_quality_and_tests_of_equality_are_found_whatever_was_measured():
    figures = {"brisque": {"all": {"base": 3.0}}, "brisque_equivalence": {"p": 0.1}, "siglip_cosine_equivalence": None}
    (found,) = collect(row(), "x", lambda name: {**FILES, STATISTICS: json.dumps(figures)}.__getitem__, RUN)
    assert found.quality == {"brisque": {"base": 3.0}}
    assert found.equivalence == {"brisque": {"p": 0.1}}


def test_a_row_without_judge_or_validation_is_read_too():
    files = {STATISTICS: "{}", TRAINING: "{}", PROMPTS: "prompt_id,type,source,text,base\n"}
    (found,) = collect(row(), "x", lambda name: files.__getitem__, RUN)
    assert (found.accuracy, list(found.prompts), found.validation, found.curve) == ({}, [], {}, [])


def test_files_that_are_gone_from_the_cache_are_told():
    def read(path):
        raise FileNotFoundError(path)

    with pytest.raises(InputError, match=r"experiment x has no data/evaluate/statistics\.json any more: .*--again"):
        collect(row(), "x", lambda name: read, RUN)


def test_a_row_that_drew_with_one_controlled_method_alone_is_called_by_it():
    (found,) = collect(row(), "x", lambda name: FILES.__getitem__, RUN, methods=("canny",))
    assert (found.method, found.label) == ("canny", f"{found.row.label}, canny")
