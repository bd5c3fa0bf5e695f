import json
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import tables
from pipeline.errors import EmptyResultError
from pipeline.review.tasks import QUEUE
from pipeline.samples import SCORES
from stages import review_export as stage
from tests.pipeline.review.rows import scored


def _write(path: Path, *, all_dropped: bool = False) -> Path:
    rows = scored(margins=[0.5, 1.5])
    lost = scored(margins=[0.0, 0.0, -1.0], kept=False).slice(2)
    table = lost if all_dropped else pa.concat_tables([rows, lost])
    tables.write(table, path, SCORES)
    return path


def test_only_kept_pairs_are_to_be_reviewed(tmp_path: Path) -> None:
    stage.review_export(_write(tmp_path / "scores.parquet"), tmp_path / "out")
    queue = tables.read(tmp_path / "out" / "queue.parquet", QUEUE)
    assert queue.column("sample_id").to_pylist() == ["a:0", "a:1"]
    assert len(json.loads((tmp_path / "out" / "tasks.json").read_text())) == 2
    assert len((tmp_path / "out" / "tasks.csv").read_text().splitlines()) == 3
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["in"] == 3
    assert report["out"] == 2
    assert report["dropped"] == {"not_kept_by_clip_filter": 1}


def test_nothing_to_review_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(EmptyResultError, match=r"clip\.margin"):
        stage.review_export(_write(tmp_path / "scores.parquet", all_dropped=True), tmp_path / "out")


def test_the_same_pairs_give_the_same_bytes(tmp_path: Path) -> None:
    scores = _write(tmp_path / "scores.parquet")
    for name in ("one", "two"):
        stage.review_export(scores, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_main_works_in_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write(stage.SCORED)
    stage.main()
    assert (stage.TARGET / "README.md").is_file()
