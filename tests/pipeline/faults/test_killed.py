"""A download that is killed at random moments ends as one that nobody disturbed."""

import multiprocessing
import random
import time

import pytest

from tests.pipeline.faults import downloading_once

KILLS = 20
LATE_IMPORTS = ("pandas", "pyarrow.fs", "PIL.PngImagePlugin")  # PyArrow and Pillow would import them in every process


@pytest.fixture(scope="module")
def start():
    """Begins a download in a process of its own, forked from one that has everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([downloading_once.__name__, *LATE_IMPORTS])

    def begin(folder):
        folder.mkdir(exist_ok=True)
        process = context.Process(target=downloading_once.run, args=(folder,))
        process.start()
        return process

    return begin


def finish(process):
    process.join(60)
    assert process.exitcode == 0


def outputs(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / "out").rglob("*"))
        if path.is_file()
    }


def test_twenty_kills_at_random_moments_change_no_byte(start, tmp_path):
    took = []
    for number in range(2):  # the first pays for imports
        began = time.monotonic()
        finish(start(tmp_path / f"whole-{number}"))
        took.append(time.monotonic() - began)
    undisturbed = outputs(tmp_path / "whole-1")
    assert set(undisturbed) == {
        *("out/failures.parquet", "out/ledger.parquet", "out/parts/part-00000.parquet"),
        *("out/report.json", "out/sheet.png"),
    }
    rng, killed = random.Random(0), 0
    for number in range(KILLS):
        folder = tmp_path / f"killed-{number}"
        process = start(folder)
        process.join(rng.uniform(0.0, took[1]))
        process.kill()
        process.join()
        killed += process.exitcode == -9
        finish(start(folder))
        assert outputs(folder) == undisturbed
    assert killed >= KILLS // 2  # the others had finished before their moment came
