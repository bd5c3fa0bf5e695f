import csv

import numpy as np
import pyarrow as pa
import pytest

from pipeline import layer_figures
from pipeline.layer_figures import LayerStatistics

WIDTH = 3


def vectors(values, dtype="float16"):
    flat = pa.array(np.array(values, dtype).reshape(-1))
    return pa.chunked_array([pa.FixedSizeListArray.from_arrays(flat, WIDTH)])


def test_statistics_follow_their_definition():
    figures = LayerStatistics(5, WIDTH)
    figures.add(vectors([[3, 0, 4]]))
    figures.add(vectors([[0, 0, 10], [0, 0.5, 0]], "float32"))
    norms = np.array([5, 10, 0.5])
    row = figures.row()
    assert row["layer"] == 5
    assert row["mean_norm"] == pytest.approx(norms.mean(), rel=1e-4)
    assert row["std_norm"] == pytest.approx(norms.std(), rel=1e-4)
    energy = np.array([9, 0.25, 116])
    assert row["outlier_dimensions"] == "0 2"
    assert row["outlier_share"] == pytest.approx((9 + 116) / energy.sum(), abs=1e-4)


def test_vectors_of_zero_have_no_outliers():
    figures = LayerStatistics(1, WIDTH)
    figures.add(vectors([[0, 0, 0]]))
    assert figures.row() == {
        "layer": 1,
        "mean_norm": 0.0,
        "std_norm": 0.0,
        "outlier_share": 0.0,
        "outlier_dimensions": "",
    }


def test_figures_of_parts_are_those_of_the_whole():
    values = np.random.default_rng(0).normal(30, 0.01, (500, WIDTH)).astype(np.float32)
    whole, parts = LayerStatistics(1, WIDTH), LayerStatistics(1, WIDTH)
    whole.add(vectors(values, "float32"))
    for start in (0, 1, 7, 300):
        end = {0: 1, 1: 7, 7: 300, 300: 500}[start]
        parts.add(vectors(values[start:end], "float32"))
        parts.add(vectors(values[:0], "float32"))
    assert parts.row() == whole.row()
    assert whole.row()["std_norm"] == pytest.approx(np.linalg.norm(values.astype(float), axis=1).std(), rel=1e-4)


def test_the_table_and_the_chart_show_every_layer(tmp_path):
    rows = []
    for layer in (1, 2):
        figures = LayerStatistics(layer, WIDTH)
        figures.add(vectors([[layer, 0, 0]]))
        rows.append(figures.row())
    layer_figures.write_table(tmp_path / "layers.csv", rows)
    layer_figures.draw(tmp_path / "norms.png", rows)
    told = list(csv.DictReader((tmp_path / "layers.csv").read_text().splitlines()))
    assert [(row["layer"], row["mean_norm"], row["outlier_dimensions"]) for row in told] == [
        ("1", "1.0", "0"),
        ("2", "2.0", "0"),
    ]
    assert (tmp_path / "norms.png").read_bytes().startswith(b"\x89PNG")
