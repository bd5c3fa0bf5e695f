import pytest

from pipeline.metric_names import CLIP_SCORE, QUALITY, meaning


def test_brisque_alone_is_better_where_it_is_lower() -> None:
    assert [name for name, each in QUALITY.items() if not each.higher_is_better] == ["brisque"]
    assert (meaning("brisque").titled, meaning("clip_iqa").titled) == ("BRISQUE ↓", "CLIP-IQA ↑")


@pytest.mark.parametrize(
    ("name", "label", "low"),
    [
        ("clip_cosine", "CLIP cosine", -1.0),
        ("clip_score", "CLIP Score", 0.0),
        ("siglip_sigmoid", "SigLIP sigmoid", 0.0),
        ("mine_score", "mine Score", 0.0),
        ("vqa_soft", "VQA soft score", 0.0),
    ],
)
def test_figures_of_clip_like_models_are_known_by_their_ends(name: str, label: str, low: float) -> None:
    found = meaning(name)
    assert (found.label, found.low, found.high, found.higher_is_better) == (label, low, 1.0, True)
    assert not found.is_quality


def test_the_papers_score_is_that_of_the_metric_named_clip() -> None:
    assert CLIP_SCORE == "clip_score"
    assert meaning(CLIP_SCORE).titled == "CLIP Score ↑"


def test_a_name_that_nothing_gives_is_refused() -> None:
    with pytest.raises(KeyError):
        meaning("accuracy_of_nothing")
