from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageColor

from pipeline import describing


@given(st.lists(st.sampled_from(["a", "red", "circle,"]), max_size=400))
def test_lengths_are_words_and_end_at_300(words):
    assert describing.length(" ".join(words)) == min(len(words), 300)


def test_the_summary_is_of_the_uncut_lengths():
    found = describing.length_summary(["a b", "a", "x " * 450])
    assert found == {"mean": 151.0, "median": 2, "greatest": 450, "longer_than_300": 1}


def test_nouns_are_counted_with_their_plurals():
    found = describing.nouns(
        ["Two red Circles jumping over a navy ground", "a circle and three people", "best quality, 8k"]
    )
    assert found["circle"] == 2
    assert found["person"] == 1
    assert found["quality"] == 1
    assert not {"red", "jumping", "two", "8k", "best"} & set(found)


def test_shares_are_of_all_words_and_ties_are_alphabetical():
    assert describing.shares(Counter(b=2, a=2, c=4), 2) == [("c", 0.5), ("a", 0.25)]
    assert describing.shares(Counter(), 5) == []


def test_the_cloud_is_the_same_every_time():
    first, second = (describing.word_cloud(["best quality, red circle", "best quality"]) for _ in range(2))
    assert first.size == describing.CLOUD_PX
    assert first.tobytes() == second.tobytes()


def test_stop_words_alone_give_a_white_cloud():
    assert describing.word_cloud(["the and of", "a"]).getcolors() == [(1200 * 600, (255, 255, 255))]


def _contrast_with_white(colour):
    """WCAG's ratio, 1 to 21."""
    shares = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return 1.05 / (sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), shares, strict=True)) + 0.05)


def test_no_word_of_the_cloud_is_faint_on_white():
    allowed = [ImageColor.getrgb(colour) for colour in describing.CLOUD_COLOURS]
    assert min(_contrast_with_white(colour) for colour in allowed) > 4.5
    cloud = describing.word_cloud(" ".join(f"word{letter}" for letter in "abcdefghijklmnopqrst") for _ in range(2))
    commonest = sorted(cloud.getcolors(1 << 20), reverse=True)[: len(allowed) + 1]
    assert {colour for _, colour in commonest} == {(255, 255, 255), *allowed}
