import pytest

from bench import evaluation
from bench.evaluation import Size
from pipeline.files import read_json


@pytest.mark.timeout(900)  # two stages of ten processor seconds each, which wait for their turn on a busy machine
def test_a_small_evaluation_is_drawn_and_scored_from_nothing(tmp_path):
    size = Size(prompts_per_skill=1, images_per_prompt=2, threads=1)
    evaluation.prepare(tmp_path, size, {"steps": 1})
    figures = evaluation.measured(tmp_path, size)
    assert figures["pictures"] == 12
    assert figures["all_s"] == figures["sample_s"] + figures["evaluate_s"] > 0
    assert min(figures.values()) > 0
    assert (tmp_path / "work").is_dir()
    scored = read_json(tmp_path / "data/evaluate/statistics.json")
    assert scored["accuracy"]["all"]["pairs"] == scored["clip_score"]["all"]["pairs"] == 6


def test_the_whole_is_as_large_as_the_papers():
    assert Size().pictures == 900
