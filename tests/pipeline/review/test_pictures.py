import io
from pathlib import Path

import pytest
from PIL import Image

from pipeline import tables
from pipeline.review import pictures
from pipeline.tables import IMAGE, column
from tests.pipeline.review.rows import queued, scored

PICTURES = tables.schema(column("sample_id", tables.DROPPED.field("sample_id").type, ""), column("image", IMAGE, ""))


def _png(side_px: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side_px, side_px), "red").save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    path = queued(scored(margins=[1.0, 2.0]), tmp_path / "queue.parquet")
    rows = [{"sample_id": f"a:{index}", "image": {"bytes": _png(1000 * index + 8), "path": None}} for index in range(2)]
    tables.write(tables.from_rows(rows, PICTURES), tmp_path / "parts" / "part-00000.parquet", PICTURES)
    return path


def test_pictures_are_named_by_their_digest_and_fit_a_screen(tmp_path: Path, queue: Path) -> None:
    assert pictures.unpack(queue, tmp_path / "parts", tmp_path / "out") == 2
    with Image.open(tmp_path / "out" / f"{1:064x}.jpg") as picture:
        assert picture.size == (768, 768)


def test_pictures_that_are_there_are_left_alone(tmp_path: Path, queue: Path) -> None:
    pictures.unpack(queue, tmp_path / "parts", tmp_path / "out")
    assert pictures.unpack(queue, tmp_path / "parts", tmp_path / "out") == 0


def test_the_command_says_how_many_it_wrote(
    tmp_path: Path, queue: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pictures, "TASKS", queue)
    monkeypatch.setattr(pictures, "PARTS", tmp_path / "parts")
    pictures.main(str(tmp_path / "out"))
    assert "2 pictures written" in capsys.readouterr().err
