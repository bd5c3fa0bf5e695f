from pathlib import Path
from typing import Any

import pytest

from miniature import reviews
from miniature.language import caption, plain_sentence
from miniature.world import Group, Scene
from pipeline import tables
from pipeline.review.tasks import QUEUE, row_key
from pipeline.review.verdicts import read_reviews
from tests.pipeline.review.rows import queued, scored

SCENE = Scene((Group(3, "circle", "red"),), "blue")


def _verdict(said: str, *, fault: str | None = None, scene: Scene = SCENE) -> dict[str, Any]:
    rows = scored(margins=[1.0], simple_prompt=said)
    rows = rows.append_column("review_key", [[row_key(row) for row in rows.to_pylist()]])
    (verdict,) = reviews.judge(rows, {"a:0": {"scene": scene, "fault": fault}})
    return verdict


@pytest.mark.parametrize("said", [caption(SCENE), plain_sentence(SCENE), "a trio of crimson discs on a blue ground"])
def test_a_caption_that_says_what_is_shown_is_kept(said: str) -> None:
    assert _verdict(said)["verdict"] == "keep"


@pytest.mark.parametrize(
    ("said", "reasons"),
    [
        ("two red circles on a blue background", ["wrong_count"]),
        ("three green circles on a blue background", ["wrong_colour"]),
        ("three red stars on a blue background", ["wrong_object"]),
        ("three red circles on a white background", ["wrong_ground"]),
        ("nothing at all", ["wrong_count", "wrong_colour", "wrong_object", "wrong_action", "wrong_ground"]),
    ],
)
def test_a_caption_that_says_something_else_is_rejected_with_its_reason(said: str, reasons: list[str]) -> None:
    found = _verdict(said)
    assert (found["verdict"], found["reasons"]) == ("reject", reasons)


def test_a_caption_with_another_action_is_rejected() -> None:
    runner = Scene((Group(1, "person", "red", "running"),), "blue")
    assert _verdict(caption(runner), scene=runner)["reasons"] == []
    assert _verdict("one red person sitting on a blue ground", scene=runner)["reasons"] == ["wrong_action"]


def test_a_caption_that_mixes_up_the_groups_is_rejected() -> None:
    two = Scene((Group(1, "star", "red"), Group(2, "circle", "white")), "blue")
    assert _verdict("two white circles and one red star on a blue ground", scene=two)["reasons"] == []
    assert _verdict("two red circles and one white star on a blue ground", scene=two)["reasons"] == ["wrong_group"]


def test_a_prompt_of_another_picture_is_rejected_whatever_the_caption_says() -> None:
    assert _verdict(caption(SCENE), fault="wrong_prompt")["reasons"] == ["other_picture"]


def test_pairs_from_elsewhere_get_no_verdict(tmp_path: Path) -> None:
    path = queued(scored(margins=[1.0]), tmp_path / "queue.parquet")
    assert reviews.judge(tables.read(path, QUEUE), {}) == []


def test_the_file_can_be_imported_and_says_that_it_is_no_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reviews, "truth", lambda: [{"sample_id": "a:0", "scene": SCENE, "fault": None}])
    reviews.TASKS.parent.mkdir(parents=True)
    queued(scored(margins=[1.0, 2.0], simple_prompt=caption(SCENE)), reviews.TASKS)
    reviews.main()
    assert "1 verdicts written" in capsys.readouterr().err
    (ballot,) = read_reviews(Path("reviews/triplets")).said.items()
    assert (ballot[0], list(ballot[1].values())) == ("miniature truth (not a person)", ["keep"])
