import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import tables
from pipeline.errors import EmptyResultError, InputError
from pipeline.generated import MANIFEST
from pipeline.metrics.clip_based import SCORES
from pipeline.metrics.judging import VERDICTS, Judge
from pipeline.metrics.settings import EvaluateParams
from stages import evaluate as stage
from tests.pipeline.metrics.fake_gauges import clip_gauge, no_weights
from tests.stages.generated_images import PROMPTS, write_sample

CONFIG = EvaluateParams(metrics=(), judges=(), confidence=0.95, bootstrap=200, equivalence_margin_sd=0.2, seed=0)


def _is_red(image: Image.Image, atoms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    red = image.getpixel((0, 0)) == (255, 0, 0)
    return [{"atom": index, "p": float(red), "verdict": red, "reason": "red"} for index in range(len(atoms))]


JUDGE = Judge("fake", "0" * 16, _is_red)


RATING_JUDGE = Judge("fake", "0" * 16, _is_red, lambda image: 0.9 if image.getpixel((0, 0)) == (255, 0, 0) else 0.2)


def _run(tmp_path: Path, name: str = "out", **changed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    options = {"prompts": PROMPTS, "judges": [JUDGE], "gauges": [clip_gauge()], **changed}
    stage.evaluate(tmp_path / "sample", tmp_path / "reviews", tmp_path / name, CONFIG, **options)
    figures, report = (json.loads((tmp_path / name / f"{file}.json").read_text()) for file in ("statistics", "report"))
    return figures, report


@pytest.fixture
def sampled(tmp_path: Path) -> Path:
    write_sample(tmp_path / "sample", lambda arm, index: "black" if arm == "base" and index else "red")
    return tmp_path / "sample"


def _write_reviews(tmp_path: Path, sampled: Path) -> None:
    digests = {
        row["sample_id"]: row["sha256"] for row in tables.read(sampled / "manifest.parquet", MANIFEST).to_pylist()
    }
    for folder in ("semantic", "preference"):
        (tmp_path / "reviews" / folder).mkdir(parents=True)
    said = {"disc/00/base": "yes", "disc/00/adapted": "no", "pair/00/base": "yes", "pair/00/adapted": "yes"}
    lines = [
        {"sample_id": name, "sha256": digests[name], "reviewer": "Ann", "verdict": word} for name, word in said.items()
    ]
    choice = {"prompt_id": "disc", "index": 0, "sha256_base": digests["disc/00/base"], "reviewer": "Ann"}
    choice |= {"sha256_adapted": digests["disc/00/adapted"], "choice": "adapted"}
    (tmp_path / "reviews" / "semantic" / "ann.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "reviews" / "preference" / "ann.jsonl").write_text(json.dumps(choice))


@pytest.mark.usefixtures("sampled")
def test_both_arms_are_judged_and_compared(tmp_path: Path) -> None:
    figures, report = _run(tmp_path)
    assert figures["accuracy"]["colour"]["base"] == 0.5
    assert figures["accuracy"]["colour"]["adapted"] == 1.0
    assert figures["accuracy"]["colour"]["complex"] == 1.0
    assert "complex" not in figures["accuracy"]["counting"]
    assert figures["accuracy"]["all"]["prompts"] == 2
    assert figures["clip_score"]["all"]["base"] + figures["clip_score"]["all"]["adapted"] == pytest.approx(1.0)
    assert figures["clip_cosine"]["all"]["adapted"] == 1.0
    assert {gap["metric"] for gap in report["not_computed"]} == {"preference", "judge_agreement"}


@pytest.mark.usefixtures("sampled")
def test_every_image_has_its_scores_and_verdicts(tmp_path: Path) -> None:
    _run(tmp_path)
    scores = tables.read(tmp_path / "out" / "scores.parquet", SCORES)
    verdicts = tables.read(tmp_path / "out" / "verdicts.parquet", VERDICTS)
    assert scores.column("metric").to_pylist().count("clip_cosine") == 10
    assert scores.column("metric").to_pylist().count("clip_score") == 8
    assert verdicts.num_rows == 6 + 2 * 4
    with (tmp_path / "out" / "prompts.csv").open() as stream:
        assert [(row["prompt_id"], row["base"], row["complex"]) for row in csv.DictReader(stream)] == [
            ("disc", "0.5000", "1.0000"),
            ("pair", "0.5000", ""),
        ]


@pytest.mark.usefixtures("sampled")
def test_a_judge_that_rates_pictures_has_its_quality_compared(tmp_path: Path) -> None:
    figures, report = _run(tmp_path, judges=[RATING_JUDGE], gauges=[clip_gauge(no_weights)])
    line = figures["judge_quality"]["all"]
    assert (line["base"], line["adapted"]) == (pytest.approx(0.55), pytest.approx(0.9))
    scores = tables.read(tmp_path / "out" / "scores.parquet", SCORES)
    assert scores.column("metric").to_pylist() == ["judge_quality"] * 10
    assert set(scores.column("metric_version").to_pylist()) == {"fake " + "0" * 16}
    assert not [gap for gap in report["not_computed"] if "judge_quality" in gap["metric"]]


def test_equal_quality_is_tested_where_the_bases_pictures_differ(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", lambda arm, index: "red")
    seen = iter(range(100))
    by_prompt = Judge("fake", "0" * 16, _is_red, lambda image: 0.3 if next(seen) < 6 else 0.8)  # disc comes first
    figures, _ = _run(tmp_path, judges=[by_prompt])
    assert figures["judge_quality"]["all"]["difference"] == 0.0
    assert figures["judge_quality_equivalence"] == {
        "difference": 0.0,
        "margin": pytest.approx(0.2 * np.std([0.3, 0.8], ddof=1), rel=1e-5),
        "p": 0.0,
        "p_not_worse": 0.0,
    }


@pytest.mark.usefixtures("sampled")
def test_a_judge_that_does_not_rate_pictures_leaves_no_quality(tmp_path: Path) -> None:
    figures, report = _run(tmp_path)
    assert not [name for name in figures if name.startswith("judge_quality")]
    assert "judge_quality" not in tables.read(tmp_path / "out" / "scores.parquet", SCORES).column("metric").to_pylist()
    assert not [gap for gap in report["not_computed"] if "quality" in gap["metric"]]


@pytest.mark.usefixtures("sampled")
def test_missing_weights_are_told_and_no_figure_is_made_up(tmp_path: Path) -> None:
    figures, report = _run(tmp_path, gauges=[clip_gauge(no_weights)])
    assert not {"clip_score", "clip_cosine"} & figures.keys()
    assert {"metric": "clip_score", "reason": "weights X missing"} in report["not_computed"]
    assert tables.read(tmp_path / "out" / "scores.parquet", SCORES).num_rows == 0


@pytest.mark.usefixtures("sampled")
def test_without_a_judge_or_people_no_accuracy_is_made_up(tmp_path: Path) -> None:
    figures, report = _run(tmp_path, judges=[])
    assert "accuracy" not in figures
    assert "accuracy" in {gap["metric"] for gap in report["not_computed"]}


def test_people_who_judged_the_same_image_have_their_agreement(tmp_path: Path, sampled: Path) -> None:
    _write_reviews(tmp_path, sampled)
    ann = [json.loads(line) for line in (tmp_path / "reviews" / "semantic" / "ann.jsonl").read_text().splitlines()]
    bob = [json.dumps({**line, "reviewer": "Bob", "verdict": "yes", "seconds": 3}) for line in ann]
    (tmp_path / "reviews" / "semantic" / "bob.jsonl").write_text("\n".join(bob))
    _run(tmp_path)
    found = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert found["semantic"]["raw_share"] == 0.75
    assert found["semantic"]["reviewers"]["Bob"] == {"judged": 4, "yes_rate": 1.0, "median_seconds": 3.0}
    assert found["preference, overall"]["reviewers"] == {"Ann": {"judged": 1, "adapted_rate": 1.0}}


def test_people_decide_where_there_is_no_judge(tmp_path: Path, sampled: Path) -> None:
    _write_reviews(tmp_path, sampled)
    figures, _ = _run(tmp_path, judges=[])
    assert figures["accuracy"]["colour"]["difference"] == -1.0
    assert figures["accuracy"]["counting"]["difference"] == 0.0
    assert figures["preference"]["adapted"] == 1.0


def test_the_judge_is_held_against_people(tmp_path: Path, sampled: Path) -> None:
    _write_reviews(tmp_path, sampled)
    figures, report = _run(tmp_path)
    found = figures["judge_agreement"]["fake"]
    assert (found["images"], found["accuracy"], found["kappa"]) == (4, 0.75, 0.0)
    assert (found["by_arm"]["base"]["accuracy"], found["by_type"]["counting"]["accuracy"]) == (1.0, 1.0)
    assert set(figures["prediction_powered"]["fake"]) == {"base", "adapted"}
    assert figures["prediction_powered"]["fake"]["base"]["people"] == 2
    assert figures["accuracy"]["colour"]["adapted"] == 1.0
    assert report["verdicts"]["by_people"] == 4


def test_identical_images_show_no_difference(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", lambda arm, index: "red")
    figures, _ = _run(tmp_path)
    assert figures["clip_score"]["all"]["adapted"] == 0.5
    line = figures["accuracy"]["all"]
    assert (line["difference"], line["p"], line["mcnemar_p"]) == (0.0, 1.0, 1.0)


@pytest.mark.usefixtures("sampled")
def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    _run(tmp_path, "one")
    _run(tmp_path, "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.usefixtures("sampled")
def test_a_prompt_that_left_its_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 sampled prompts are not in .* first disc"):
        _run(tmp_path, prompts=[replace(PROMPTS[0], id="other")])


def test_no_image_at_all_is_told(tmp_path: Path) -> None:
    tables.write(MANIFEST.empty_table(), tmp_path / "sample" / "manifest.parquet", MANIFEST)
    with pytest.raises(EmptyResultError, match=r"sample\.prompts"):
        _run(tmp_path)


@pytest.mark.usefixtures("sampled")
def test_main_reads_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "params.yaml").read_text()
    text = text.replace("model: miniature/models/clip\n", "model: ./nowhere\n")
    text = text.replace("prompts: [prompts/miniature.json]", "prompts: [prompts.json]")
    monkeypatch.chdir(tmp_path)
    entries = [{**vars(prompt), "atoms": list(prompt.atoms)} for prompt in PROMPTS]
    for entry in entries:
        del entry["expanded"]  # which no prompt file has
    (tmp_path / "prompts.json").write_text(json.dumps(entries))
    Path("params.yaml").write_text(text)
    monkeypatch.setattr(stage, "SAMPLED", tmp_path / "sample")
    monkeypatch.setattr(stage.judges, "build", lambda setting, where: JUDGE)
    stage.main()
    report = json.loads(Path("data/evaluate/report.json").read_text())
    assert report["judge"] == "fake"
    assert any("./nowhere is missing" in gap["reason"] for gap in report["not_computed"])


@pytest.mark.usefixtures("sampled")
def test_a_second_judge_stands_beside_the_first(tmp_path: Path) -> None:
    other = replace(JUDGE, name="other", ask=lambda image, atoms: [_holds(index) for index in range(len(atoms))])
    figures, _ = _run(tmp_path, judges=[JUDGE, other])
    assert figures["accuracy"]["all"]["base"] == 0.5
    assert figures["other_judges"]["other"]["all"]["base"] == 1.0


def _holds(index: int) -> dict[str, Any]:
    return {"atom": index, "p": 1.0, "verdict": True, "reason": "always"}


@pytest.mark.usefixtures("sampled")
def test_a_judge_that_cannot_be_had_leaves_its_place_to_the_next(tmp_path: Path) -> None:
    gone = replace(JUDGE, name="gone", load=no_weights)
    figures, report = _run(tmp_path, judges=[gone, JUDGE])
    assert figures["accuracy"]["all"]["base"] == 0.5
    assert {"metric": "verdicts of gone", "reason": "weights X missing"} in report["not_computed"]
    assert report["judge"] == "fake"


@pytest.mark.usefixtures("sampled")
def test_the_next_judge_answers_what_the_first_cannot(tmp_path: Path) -> None:
    """Each row of the verdicts still names who answered the statement."""
    colours = replace(
        JUDGE,
        name="colours",
        can=lambda atom: atom["skill"] == "colour",
        ask=lambda image, atoms: _is_red(image, atoms)[:1],
    )
    other = replace(JUDGE, name="other", ask=lambda image, atoms: [_holds(index) for index in range(len(atoms))])
    figures, report = _run(tmp_path, judges=[colours, other])
    assert report["judge"] == "colours, then other"
    assert {name: line["base"] for name, line in figures["accuracy"].items()} == {
        "all": 0.5,
        "colour": 0.5,
        "counting": 0.5,
    }
    assert {name: list(lines) for name, lines in figures["other_judges"].items()} == {
        "colours": ["all", "colour"],
        "other": ["all", "colour", "counting"],
    }
    rows = tables.read(tmp_path / "out" / "verdicts.parquet", VERDICTS).to_pylist()
    said = [(row["judge"], row["atom"]) for row in rows if row["sample_id"] == "pair/00/base"]
    assert said == [("colours", 0), ("other", 0), ("other", 1)]


def test_peoples_own_comparison_stands_beside_the_judges(tmp_path: Path, sampled: Path) -> None:
    _write_reviews(tmp_path, sampled)
    figures, report = _run(tmp_path)
    alone, _ = _run(tmp_path, "alone", judges=[])
    assert report["judge"] == "fake"
    assert figures["other_judges"] == {"people": alone["accuracy"]}
    assert "other_judges" not in alone


def test_judges_together_are_held_against_people_as_each_alone_is(tmp_path: Path, sampled: Path) -> None:
    _write_reviews(tmp_path, sampled)
    colours = replace(
        JUDGE,
        name="colours",
        can=lambda atom: atom["skill"] == "colour",
        ask=lambda image, atoms: _is_red(image, atoms)[:1],
    )
    figures, _ = _run(tmp_path, judges=[colours, JUDGE])
    assert {name: found["images"] for name, found in figures["judge_agreement"].items()} == {
        "colours, then fake": 4,
        "colours": 2,
        "fake": 4,
    }
    assert set(figures["prediction_powered"]) == {"colours, then fake", "fake"}  # no spread over one prompt
    assert set(figures["other_judges"]) == {"colours", "fake", "people"}


@pytest.mark.usefixtures("sampled")
def test_prompts_in_unseen_words_are_told_apart(tmp_path: Path) -> None:
    disc, pair = PROMPTS
    unseen = replace(pair, wording="unseen")
    figures, _ = _run(tmp_path, prompts=[disc, unseen])
    found = figures["accuracy_by_wording"]
    assert {name: list(lines) for name, lines in found.items()} == {
        "seen": ["all", "colour"],
        "unseen": ["all", "counting"],
    }
    assert found["seen"]["colour"].keys() == figures["accuracy"]["colour"].keys()
    assert found["unseen"]["all"]["adapted"] == 1.0
    both, _ = _run(tmp_path, "both")
    assert "accuracy_by_wording" not in both
    with (tmp_path / "out" / "prompts.csv").open() as stream:
        assert [row["wording"] for row in csv.DictReader(stream)] == ["seen", "unseen"]


def test_the_adapter_is_compared_with_llm_expanded_prompts_where_they_were_drawn(tmp_path: Path) -> None:
    """Without that arm every file is what it was."""

    def colour_of(arm: str, index: int) -> str:
        return "red" if arm == "adapted" or (arm == "expanded" and index) else "black"

    write_sample(tmp_path / "sample", colour_of)
    before, _ = _run(tmp_path, "before")
    write_sample(tmp_path / "sample", colour_of, more=["expanded"])
    after, _ = _run(tmp_path, "after")
    against = after.pop("accuracy_against_expanded")
    assert list(against) == ["all", "colour", "counting"]
    line = against["all"]
    assert (line["expanded"], line["adapted"], line["difference"], line["prompts"]) == (0.5, 1.0, 0.5, 2)
    assert "base" not in line
    assert after["accuracy"]["all"].pop("expanded") == 0.5
    assert before["accuracy"]["all"] == after["accuracy"]["all"]
    assert "accuracy_against_expanded" not in before
    headline = json.loads((tmp_path / "after/metrics.json").read_text())
    assert (headline["counting"]["expanded"], headline["counting"]["adapted"]) == (0.5, 1.0)
    with (tmp_path / "after/prompts.csv").open() as stream:
        assert [(row["base"], row["expanded"]) for row in csv.DictReader(stream)] == [("0.0000", "0.5000")] * 2
