import pytest

from pipeline.errors import SourceError
from pipeline.sources.record import Rejected, Unusable
from pipeline.sources.walking import Guard, items, json_object


def _items(*names):
    return [Rejected(name, "x") for name in names]


def test_each_item_passes_once():
    guard = Guard(10)
    assert [item.source_id for item in guard.fresh(_items("a", "b", "a"))] == ["a", "b"]
    assert [item.source_id for item in guard.fresh(_items("b", "c"))] == ["c"]


def test_a_full_guard_lets_nothing_through():
    guard = Guard(2)
    assert len(list(guard.fresh(_items("a", "b", "c")))) == 2
    assert guard.full
    assert list(guard.fresh(_items("d"))) == []


@pytest.mark.parametrize("text", ["<html>", "", '{"images": 1}', "[]", '{"items": []}'])
def test_an_answer_of_another_form_is_told_with_its_address(text):
    with pytest.raises(SourceError, match=r"https://a\.example"):
        json_object(text, "https://a.example", "images")


def test_unusable_items_are_rejected_by_id_or_place():
    def refuse(item):
        raise Unusable("no_prompt")

    found = items([{"id": 7}, {"id": None}, "nonsense"], "https://a.example", refuse)
    assert [item.source_id for item in found] == ["7", "https://a.example#1", "https://a.example#2"]


def test_half_of_a_cut_emoji_does_not_reach_a_table():
    found = json_object('{"images": [{"prompt": "cat \\ud83d"}]}', "https://a.example", "images")
    assert found["images"][0]["prompt"] == "cat ?"
