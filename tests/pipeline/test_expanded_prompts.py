import json

import pytest
from pydantic import ValidationError

from pipeline import expanded_prompts
from pipeline.errors import InputError
from tests.pipeline import tiny_models
from tests.pipeline.test_shots import config, prompt


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_each_prompt_gets_its_text_and_one_without_an_entry_none(tmp_path):
    file = write(tmp_path / "llm.json", {"a": "Two squares, each of a deep red."})
    found = expanded_prompts.add([prompt("a"), prompt("b")], file)
    assert [each.expanded for each in found] == ["Two squares, each of a deep red.", None]
    assert [each.text_of("expanded") for each in found] == ["Two squares, each of a deep red.", None]
    assert [each.text_of("complex") for each in found] == ["red square, 2"] * 2
    assert {each.text_of(arm) for each in found for arm in ("base", "adapted")} == {"two red squares"}


def test_without_a_file_prompts_stay_as_they_are():
    assert expanded_prompts.add([prompt("a")], None) == [prompt("a")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (["two squares"], "must be a JSON object, prompt id -> text"),
        ({"a": "  \n"}, "a has no text"),
        ({"a": None}, "a has no text"),
        ({"a": "x", "c": "y", "d": "z"}, "c is no prompt of sample.prompts (unknown ids: 2)"),
        ('{"a": "one", "a": "another"}', "a comes twice"),
        ("{", "is not readable as JSON"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path, content, said):
    file = write(tmp_path / "llm.json", content)
    with pytest.raises(InputError, match=r"llm\.json") as caught:
        expanded_prompts.add([prompt("a"), prompt("b")], file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_where_it_is_named(tmp_path):
    with pytest.raises(InputError, match=r"llm\.json is missing: see sample\.expanded"):
        expanded_prompts.add([prompt("a")], str(tmp_path / "llm.json"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reference_arms": ["expanded"], "expanded": None}, "must name a file in prompts/"),
        ({"reference_arms": ["expanded"], "expanded": ""}, "must name a file in prompts/"),
        ({"reference_arms": ["complex"], "expanded": "prompts/llm.json"}, "is read with expanded among"),
        ({"reference_arms": [], "expanded": "prompts/llm.json"}, "is read with expanded among"),
        ({"reference_arms": ["complex", "complex"]}, "names an arm twice"),
    ],
)
def test_the_arm_needs_its_file_and_the_file_its_arm(changes, said):
    with pytest.raises(ValidationError, match=said) as caught:
        config(**changes)
    assert caught.value.error_count() == 1


def test_an_unknown_arm_is_the_only_fault_told():
    with pytest.raises(ValidationError) as caught:
        config(reference_arms=["expended"], expanded="prompts/llm.json")
    assert [fault["loc"] for fault in caught.value.errors()] == [("reference_arms", 0)]


def test_texts_beyond_the_text_encoders_length_are_counted():
    texts = ["a " * 75, "a " * 76, "a"]  # start and end make 77, 78 and 3
    assert expanded_prompts.count_cut(texts, str(tiny_models.folder())) == 1
    assert expanded_prompts.count_cut(texts, "somebody/model") == 0
