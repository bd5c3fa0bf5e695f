from pathlib import Path

import pytest
from PIL import Image

from pipeline.plots import figure


def _draw(path: Path) -> bytes:
    with figure(path, 3.0, 2.0) as axes:
        axes.plot([0, 1, 2], [1, 0, 2])
        axes.set_title("a line")
    return path.read_bytes()


def test_the_same_chart_has_the_same_bytes(tmp_path: Path) -> None:
    assert _draw(tmp_path / "first.png") == _draw(tmp_path / "second.png")


def test_the_size_is_asked_for_in_inches(tmp_path: Path) -> None:
    _draw(tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as picture:
        assert picture.size == (360, 240)
        assert "Software" not in picture.info


def test_a_failed_chart_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), figure(tmp_path / "chart.png"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
