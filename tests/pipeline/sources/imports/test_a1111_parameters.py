import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.imports.a1111_parameters import parse

LAST = (
    'Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 8x8, Lora hashes: "a: 1, b: 2"'
)


def test_the_three_parts_are_told_apart():
    found = parse(f"a star,\nat night\nNegative prompt: blurry,\nnoisy\n{LAST}")
    assert (found.prompt, found.negative_prompt) == ("a star,\nat night", "blurry,\nnoisy")
    assert found.settings["Lora hashes"] == "a: 1, b: 2"
    assert found.fields()["sampler"] == "DPM++ 2M Karras"
    assert (found.fields()["steps"], found.fields()["seed"], found.fields()["model"]) == ("20", "1", None)


@pytest.mark.parametrize(
    ("text", "prompt", "negative"),
    [
        ("a star", "a star", ""),
        ("a star\nNegative prompt: blurry", "a star", "blurry"),
        (f"a star\n{LAST}", "a star", ""),
        (f"Negative prompt: x\n{LAST}", "", "x"),
        ("a star, mood: calm", "a star, mood: calm", ""),
        (LAST, "", ""),
        ("", "", ""),
    ],
)
def test_parts_may_be_missing(text, prompt, negative):
    found = parse(text)
    assert (found.prompt, found.negative_prompt) == (prompt, negative)


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("A: 1, B: 2, C: 3", {"A": "1", "B": "2", "C": "3"}),
        ('A: "x, y", B: "say \\"z\\"", C: 3', {"A": "x, y", "B": 'say "z"', "C": "3"}),
        ('A: "never closed, B: 2, C: 3', {"A": '"never closed', "B": "2", "C": "3"}),
        ("A: 1, (odd): 2, B: 3, C:", {"A": "1", "B": "3", "C": ""}),
        ("A: 1, B: 2, C: 3,", {"A": "1", "B": "2", "C": "3"}),
        ("A: 12:30, B: 2, C: 3, text", {"A": "12:30", "B": "2", "C": "3"}),
        (f"A: 1, {'k' * 100}: 2, B: 3, C: 4", {"A": "1", "B": "3", "C": "4"}),
    ],
)
def test_settings_are_pairs_whose_values_may_be_quoted(line, settings):
    assert parse(f"star\n{line}").settings == settings


@pytest.mark.parametrize("schedule", ["", ", Schedule type: Automatic"])
def test_a_sampler_without_a_schedule_stays_as_it_is(schedule):
    assert parse(f"star\nSteps: 1, Sampler: Euler a, Seed: 1{schedule}").fields()["sampler"] == "Euler a"


@given(st.text(alphabet='ab:,"\\ \n', max_size=60))
def test_any_text_can_be_taken_apart(text):
    assert parse(text).prompt == parse(text).prompt.strip()


@pytest.mark.parametrize("text", ["a," * 100_000 + "b:", 'a: "' * 50_000, "a:" * 100_000, '"' * 100_000])
def test_long_hostile_lines_take_no_time(text):
    start = time.process_time()
    parse(text)
    assert time.process_time() - start < 5.0
