import pytest

from pipeline.metrics.noun_chunks import noun_chunks


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("a red bench and a yellow clock", ["a red bench", "a yellow clock"]),
        ("A green apple on the left of a wooden table.", ["a green apple", "a wooden table"]),
        ("Two dogs", ["two dogs"]),
        ("the metal box the wooden chair", ["the metal box", "the wooden chair"]),
        ("", []),
    ],
)
def test_things_are_taken_with_what_stands_before_them(text, chunks):
    assert noun_chunks(text) == chunks


def test_eight_chunks_are_the_most():
    assert len(noun_chunks(", ".join(["a red car"] * 12))) == 8
