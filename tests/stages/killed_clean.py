"""Kills ``clean`` with SIGKILL at random moments, lets it finish, and compares with an undisturbed run.

Run by test_clean_killed.py as a process of its own: a child is forked for each run, so that only the first run pays for
imports.

    python -m tests.stages.killed_clean <folder with parts> <kills> <seed>
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from pipeline import examining, params
from pipeline.cleaning import CleanParams, HeldOut
from pipeline.takedown_list import Takedowns
from stages import clean
from tests.closure import ROOT

BATCH = 4  # pictures between two writes to the work store


def child(folder, work, target):
    """Start one run of the stage in a process of its own; gives its number."""
    number = os.fork()
    if number:
        return number
    run(folder, work, target)
    os._exit(0)


def run(folder, work, target):
    """The stage."""
    os.environ["SUR_WORK"] = str(work)
    config = params.load(CleanParams, "clean", ROOT / "params.yaml")
    examining.BATCH = BATCH
    clean.clean(folder / "parts", target, config, taken_down=Takedowns(), held_out=HeldOut([]))


def finished(number):
    """Wait for a run; whether it ended by itself."""
    _, status = os.waitpid(number, 0)
    return not os.WIFSIGNALED(status)


def contents(folder):
    """What lies in a folder, leftovers included."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def main(folder, kills, seed):
    """Print how many runs were killed, at how many written chunks, and how many finished results differ."""
    rng = random.Random(seed)
    run(folder, folder / "work", folder / "undisturbed")
    started = time.perf_counter()
    assert finished(child(folder, folder / "work-again", folder / "again"))
    length = time.perf_counter() - started
    expected = contents(folder / "undisturbed")
    killed, chunks, different = 0, [], 0
    for kill in range(kills):
        work, target = folder / f"work-{kill}", folder / f"out-{kill}"
        number = child(folder, work, target)
        time.sleep(rng.uniform(0.02, 1.0) * length)
        os.kill(number, signal.SIGKILL)
        killed += not finished(number)
        chunks.append(len(list(work.rglob("chunk-*.parquet"))))
        assert finished(child(folder, work, target))
        different += contents(target) != expected
    told = {"killed": killed, "chunks": chunks, "different": different, "files": sorted(expected)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
