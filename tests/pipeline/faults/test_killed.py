"""A download that is killed at random moments ends as one that nobody disturbed."""

import multiprocessing
import random
import time

import pytest

from tests.pipeline.faults import downloading_once

KILLS, MOST_RUNS = 20, 60
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
    rng, killed, longest_s = random.Random(0), 0, took[1]
    for number in range(MOST_RUNS):
        folder = tmp_path / f"killed-{number}"
        process, moment_s = start(folder), rng.uniform(0.0, longest_s)
        process.join(moment_s)
        process.kill()
        process.join()
        hit = process.exitcode == -9
        killed += hit
        if not hit:  # it had finished before its moment came: a free processor makes it faster
            longest_s = moment_s
        finish(start(folder))
        assert outputs(folder) == undisturbed
        if killed == KILLS:
            break
    assert killed == KILLS
