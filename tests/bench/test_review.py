import os
import subprocess
import sys

import pytest

from bench import review
from tests.closure import ROOT
from tests.pipeline.review_page.made import chromium


def test_a_small_queue_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(review, "ASKED", 8)
    monkeypatch.setattr(review, "PRESSED", 3)
    subprocess.run(
        [sys.executable, "-m", "bench.review", "--make", "200", str(tmp_path)],
        cwd=ROOT,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with monkeypatch.context() as nowhere:
        nowhere.setattr(review.shutil, "which", lambda name: None)
        figures = review.measure(tmp_path, 200)
    assert set(figures) == {"start_s", "start_cpu_s", "items_ms", "picture_ms", "server_peak_mb"}
    assert min(figures.values()) > 0
    if chromium() is None:
        pytest.skip("no Chromium on PATH: the page itself is not measured")
    figures = review.measure(tmp_path, 200)
    assert figures["next_slowest_ms"] >= figures["next_ms"] > 0
    assert figures["usable_s"] > 0


def test_one_shard_of_ten_has_pictures_of_full_size():
    assert [number for number in range(0, 20_000, 1000) if review.large(number)] == [9000, 19_000]
    assert len(review.picture(0, True)) > 2 * len(review.picture(0, False))
