import os
import subprocess
import sys

import pytest

from bench import review
from tests.closure import ROOT
from tests.pipeline.review_page import browsing

SERVERS = {"start_s", "start_cpu_s", "items_ms", "picture_ms", "server_peak_mb"}


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A small one, of which little is asked."""
    monkeypatch.setattr(review, "ASKED", 8)
    monkeypatch.setattr(review, "PRESSED", 3)
    subprocess.run(
        [sys.executable, "-m", "bench.review", "--make", "200", str(tmp_path)],
        cwd=ROOT,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return tmp_path


def test_a_small_queue_is_measured_where_there_is_no_browser(queue, monkeypatch, capsys):
    monkeypatch.setattr(review.shutil, "which", lambda name: None)
    figures = review.measure(queue, 200)
    assert set(figures) == SERVERS
    assert min(figures.values()) > 0
    assert "no Chromium on PATH: usable_s and next_ms are left out" in capsys.readouterr().err


def test_the_page_of_a_small_queue_is_measured_in_a_browser(queue):
    browsing.needed()
    figures = review.measure(queue, 200)
    assert set(figures) == SERVERS | {"usable_s", "next_ms", "next_slowest_ms"}
    assert figures["next_slowest_ms"] >= figures["next_ms"] > 0
    assert figures["usable_s"] > 0


def test_one_shard_of_ten_has_pictures_of_full_size():
    assert [number for number in range(0, 20_000, 1000) if review.large(number)] == [9000, 19_000]
    assert len(review.picture(0, True)) > 2 * len(review.picture(0, False))
