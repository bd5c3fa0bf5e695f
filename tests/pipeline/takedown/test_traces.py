import re

import pytest

from pipeline.takedown.traces import Traces

TRACES = Traces(ids={"lexica:1"}, addresses={"https://a.org/p?x=1&y=2"}, pictures={"ab" * 32})


@pytest.mark.parametrize(
    "text",
    [
        "lexica:1",
        '{"sample_id": "lexica:1"}',
        "lexica:1,next",
        "see https://a.org/p?x=1&y=2 there",
        '<a href="https://a.org/p?x=1&amp;y=2">',
        '"https:\\/\\/a.org\\/p?x=1&y=2"',
        "?imageUrl=https%3A%2F%2Fa.org%2Fp%3Fx%3D1%26y%3D2&ratio=1",
        f"({'ab' * 32})",
    ],
)
def test_every_spelling_is_found(text):
    assert re.search(TRACES.text_pattern(), text)
    assert TRACES.bytes_pattern().search(text.encode())


@pytest.mark.parametrize("text", ["lexica:12", "lexica:1.5", "xlexica:1", "https://a.org/p?x=1&y=23", "ab" * 33, ""])
def test_longer_ids_and_addresses_are_others(text):
    assert not re.search(TRACES.text_pattern(), text)


def test_nothing_to_find_is_found_nowhere():
    assert not re.search(Traces().text_pattern(), "anything\nat all")


def test_a_journal_is_read_back():
    assert Traces.from_json(TRACES.as_json()) == TRACES
    other = Traces(ids={"lexica:2"}, looks={"look:x"})
    other |= TRACES
    assert (other.ids, other.looks) == ({"lexica:1", "lexica:2"}, {"look:x"})
