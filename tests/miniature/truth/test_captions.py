from miniature.language import caption
from miniature.truth.captions import exactness, kind_of, right
from miniature.world import Group, Scene

SHAPES = Scene((Group(3, "star", "red"),), "blue")
PEOPLE = Scene((Group(1, "person", "red", "waving"),), "blue")
TWO = Scene((Group(2, "circle", "red"), Group(1, "star", "white")), "grey")
MIXED_UP = "one red circle and two white stars on a grey background"


def _exactness(*said):
    rows = [{"sample_id": str(number), "simple_prompt": text} for number, (text, _) in enumerate(said)]
    return exactness(rows, {str(number): {"scene": scene} for number, (_, scene) in enumerate(said)})


def test_captions_are_scored_by_what_their_pictures_show():
    found = _exactness(
        (caption(SHAPES), SHAPES), ("two red stars on a blue wall", SHAPES), (caption(PEOPLE), PEOPLE), (MIXED_UP, TWO)
    )
    assert list(found["by_kind"]) == ["all", "shapes", "people", "two groups"]
    assert found["by_kind"]["shapes"] == {
        "captions": 2, "count": 0.5, "colour": 1.0, "kind": 1.0, "ground": 1.0, "all": 0.5,
    }  # fmt: skip
    assert found["by_kind"]["people"]["action"] == 1.0
    assert found["by_kind"]["all"] == {
        "captions": 4, "count": 0.75, "colour": 1.0, "kind": 1.0, "action": 1.0, "ground": 1.0, "all": 0.5,
    }  # fmt: skip


def test_right_values_of_the_wrong_groups_are_counted_and_wrong():
    found = _exactness((MIXED_UP, TWO))
    assert found["mixed_up"] == 1
    assert found["by_kind"]["two groups"]["count"] == 1.0
    assert found["by_kind"]["two groups"]["all"] == 0.0


def test_a_right_caption_says_all_and_nothing_else():
    assert right(caption(TWO), TWO)
    assert not right("two red circles on a grey background", TWO)
    assert not right(MIXED_UP, TWO)


def test_scenes_are_shapes_people_or_two_groups():
    assert [kind_of(scene) for scene in (SHAPES, PEOPLE, TWO)] == ["shapes", "people", "two groups"]
