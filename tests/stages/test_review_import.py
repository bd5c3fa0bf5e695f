import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import tables
from pipeline.errors import EmptyResultError, InputError
from pipeline.review.tasks import row_key
from pipeline.review.verdicts import ReviewParams
from pipeline.samples import SCORES, VERDICTS
from stages import review_import as stage
from tests.pipeline.review.rows import scored


def _params(**joined):
    return ReviewParams(**joined, overlap=0.1, reviewers=(), tie=True, seed=0)


REST = "  overlap: 0.1\n  reviewers: []\n  tie: true\n  seed: 0\n"
LENIENT = _params(require=False, policy="majority", unsure="drop")


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "scores.parquet"
    tables.write(scored(margins=[1.0, 2.0, 3.0]), path, SCORES)
    return path


@pytest.fixture
def keys() -> list[str]:
    return [row_key(row) for row in scored(margins=[1.0, 2.0, 3.0]).to_pylist()]


def _say(folder: Path, reviewer: str, said: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    lines = [{"review_key": key, "verdict": verdict, "reviewer": reviewer} for key, verdict in said.items()]
    (folder / f"{reviewer}.jsonl").write_text("\n".join(json.dumps(line) for line in lines))


def _run(scores: Path, tmp_path: Path, config: ReviewParams) -> tuple[dict[str, Any], dict[str, Any]]:
    stage.review_import(scores, tmp_path / "reviews", tmp_path / "out", config)
    rows = tables.read(tmp_path / "out" / "verdicts.parquet", VERDICTS).to_pylist()
    report: dict[str, Any] = json.loads((tmp_path / "out" / "report.json").read_text())
    return {row["sample_id"]: row for row in rows}, report


def test_verdicts_decide_and_unreviewed_pairs_stay(tmp_path: Path, scores: Path, keys: list[str]) -> None:
    _say(tmp_path / "reviews", "Ann", {keys[0]: "keep", keys[1]: "reject", "f" * 64: "reject"})
    _say(tmp_path / "reviews", "Bob", {keys[0]: "keep"})
    rows, report = _run(scores, tmp_path, LENIENT)
    assert {name: row["verdict"] for name, row in rows.items()} == {"a:0": "keep", "a:1": "reject", "a:2": "unreviewed"}
    assert [rows[name]["kept"] for name in ("a:0", "a:1", "a:2")] == [True, False, True]
    assert rows["a:0"]["reviewers"] == 2
    assert report["stale"] == 1
    assert report["dropped"] == {"rejected": 1}
    assert report["verdicts"] == {"keep": 1, "reject": 1, "unreviewed": 1}
    dropped = tables.read(tmp_path / "out" / "dropped.parquet", tables.DROPPED).to_pylist()
    assert dropped == [{"sample_id": "a:1", "drop_reason": "rejected"}]


def test_agreement_counts_only_verdicts_that_hold(tmp_path: Path, scores: Path, keys: list[str]) -> None:
    _say(tmp_path / "reviews", "Ann", {keys[0]: "keep", keys[1]: "reject", "f" * 64: "reject"})
    _say(tmp_path / "reviews", "Bob", {keys[0]: "keep", keys[1]: "keep", "f" * 64: "keep"})
    _run(scores, tmp_path, LENIENT)
    figures = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert figures["raw_share"] == 0.5
    assert figures["judged_by_both"] == {"Ann | Bob": 2}


def test_a_tie_is_unsure_and_follows_its_setting(tmp_path: Path, scores: Path, keys: list[str]) -> None:
    _say(tmp_path / "reviews", "Ann", {keys[0]: "keep"})
    _say(tmp_path / "reviews", "Bob", {keys[0]: "reject"})
    rows, _ = _run(scores, tmp_path, LENIENT)
    assert rows["a:0"]["drop_reason"] == "unsure"
    rows, _ = _run(scores, tmp_path, _params(require=False, policy="majority", unsure="keep"))
    assert rows["a:0"]["kept"]


def test_an_adjudicator_decides_a_conflict_and_counts_in_no_agreement(
    tmp_path: Path, scores: Path, keys: list[str]
) -> None:
    _say(tmp_path / "reviews", "Ann", {keys[0]: "keep", keys[1]: "keep"})
    _say(tmp_path / "reviews", "Bob", {keys[0]: "reject", keys[1]: "reject"})
    ruling = {"review_key": keys[0], "verdict": "keep", "reviewer": "Cem", "adjudicated": True}
    (tmp_path / "reviews" / "cem.jsonl").write_text(json.dumps(ruling))
    rows, report = _run(scores, tmp_path, _params(require=False, policy="adjudicated", unsure="drop"))
    assert {name: row["verdict"] for name, row in rows.items()} == {"a:0": "keep", "a:1": "unsure", "a:2": "unreviewed"}
    assert rows["a:0"]["reviewers"] == 2
    assert (report["adjudicated"], report["reviewers"]) == (1, ["Ann", "Bob", "Cem"])
    assert list(json.loads((tmp_path / "out" / "agreement.json").read_text())["reviewers"]) == ["Ann", "Bob"]


def test_a_persons_word_counts_and_a_programs_only_where_nobody_has_spoken(
    tmp_path: Path, scores: Path, keys: list[str]
) -> None:
    _say(tmp_path / "reviews", "an oracle (not a person)", dict.fromkeys(keys, "reject"))
    _say(tmp_path / "reviews", "another rule (not a person)", dict.fromkeys(keys[:2], "reject"))
    _say(tmp_path / "reviews", "Ann", {keys[0]: "keep"})
    for policy in ("majority", "any_reject", "adjudicated"):
        rows, _ = _run(scores, tmp_path, _params(require=False, policy=policy, unsure="drop"))
        assert [rows[name]["verdict"] for name in ("a:0", "a:1", "a:2")] == ["keep", "reject", "reject"]
        assert [rows[name]["reviewers"] for name in ("a:0", "a:1", "a:2")] == [3, 2, 1]


def test_required_verdicts_that_are_missing_stop_with_what_to_do(tmp_path: Path, scores: Path, keys: list[str]) -> None:
    _say(tmp_path / "reviews", "Ann", {keys[0]: "keep"})
    with pytest.raises(InputError, match=r"2 of 3 pairs have no verdict: look at .* review\.require: false") as caught:
        _run(scores, tmp_path, _params(require=True, policy="majority", unsure="drop"))
    assert len(str(caught.value).splitlines()) == 1
    assert not list((tmp_path / "out").iterdir())


def test_a_review_that_rejects_everything_is_told(tmp_path: Path, scores: Path, keys: list[str]) -> None:
    _say(tmp_path / "reviews", "Ann", dict.fromkeys(keys, "reject"))
    with pytest.raises(EmptyResultError, match=r"no pair is left.*review\.policy"):
        _run(scores, tmp_path, LENIENT)


def test_main_works_without_any_review(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("review:\n  require: false\n  policy: any_reject\n  unsure: drop\n" + REST)
    tables.write(scored(margins=[1.0]), stage.SCORED, SCORES)
    stage.main()
    assert json.loads((stage.TARGET / "report.json").read_text())["out"] == 1
