import json
from collections import Counter
from pathlib import Path

import pytest

from pipeline import prompts
from pipeline.errors import InputError

ENTRY = {
    "id": "counting-01",
    "text": "three red circles",
    "complex": "(red circle:1.2), 3, best quality",
    "type": "counting",
    "atoms": [{"skill": "counting", "question": "How many circles?", "answer": "3"}],
    "source": "miniature",
    "wording": "seen",
}


def write(path, entries):
    path.write_text(json.dumps(entries))
    return path


def test_prompts_are_read_in_their_order(tmp_path):
    one = write(tmp_path / "one.json", [ENTRY, {**ENTRY, "id": "b", "complex": None}])
    two = write(tmp_path / "two.json", [{**ENTRY, "id": "a"}])
    read = prompts.read([one, two])
    assert [prompt.id for prompt in read] == ["counting-01", "b", "a"]
    assert read[0].atoms[0]["answer"] == "3"
    assert read[1].complex is None


def test_an_id_that_comes_twice_is_refused(tmp_path):
    path = write(tmp_path / "one.json", [ENTRY, ENTRY])
    with pytest.raises(InputError, match="prompt id counting-01 comes twice"):
        prompts.read([path])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "shape"}, "0.type should be 'counting', 'colour' or 'action', got 'shape'"),
        ({"text": ""}, "0.text should have at least 1 character, got ''"),
        ({"atoms": []}, "0.atoms should have at least 1 item"),
        ({"id": "a/b"}, "0.id should match pattern"),
        ({"more": 1}, "0.more is not known"),
    ],
)
def test_a_wrong_entry_is_told_with_its_place(tmp_path, change, said):
    path = write(tmp_path / "one.json", [{**ENTRY, **change}])
    with pytest.raises(InputError, match=rf"one\.json: {said}") as caught:
        prompts.read([path])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_list_is_refused(tmp_path):
    with pytest.raises(InputError, match="Input should be a valid list"):
        prompts.read([write(tmp_path / "one.json", {"prompts": []})])


def test_a_missing_file_names_its_setting(tmp_path):
    with pytest.raises(InputError, match=r"is missing: see sample\.prompts"):
        prompts.read([tmp_path / "none.json"])


def test_the_first_of_each_type_are_taken(tmp_path):
    kinds = ["counting", "colour", "counting", "action", "counting"]
    entries = [{**ENTRY, "id": str(index), "type": kind} for index, kind in enumerate(kinds)]
    read = prompts.read([write(tmp_path / "one.json", entries)])
    assert [prompt.id for prompt in prompts.first_of_each_type(read, 2)] == ["0", "1", "2", "3"]


def test_the_papers_printed_prompts_are_all_there():
    read = [prompt for prompt in prompts.read([Path("prompts/paper.json")]) if prompt.source != "authored"]
    sources = [prompt.source for prompt in read]
    assert (sources.count("paper_table7"), sources.count("paper_table8")) == (9, 9)
    assert {kind: sum(prompt.type == kind for prompt in read) for kind in ("counting", "colour", "action")} == {
        "counting": 6,
        "colour": 6,
        "action": 6,
    }
    assert all(prompt.complex is None and prompt.atoms for prompt in read)


def test_the_papers_file_has_15_prompts_of_each_type_18_of_them_printed_by_the_paper():
    found = prompts.read(["prompts/paper.json"])
    assert Counter(prompt.type for prompt in found) == {"counting": 15, "colour": 15, "action": 15}
    assert Counter(prompt.source for prompt in found) == {"paper_table7": 9, "paper_table8": 9, "authored": 27}
    for prompt in found:
        assert all(atom["question"].endswith("?") and atom["class"] for atom in prompt.atoms)
        assert prompt.type in {atom["skill"] for atom in prompt.atoms}
        assert len({atom["question"] for atom in prompt.atoms}) == len(prompt.atoms)
