"""Memory of the stage ``caption`` at 10,000 and at 100,000 pictures: made-up captions, a tenth of them dropped.

The stage is as it is, with torch loaded and an operator that makes captions up. Each size is a process of its own; the
figure is its peak resident memory. Prints its figures as JSON, for bench.captioning, which keeps them.

    python -m bench.caption_memory [fewer] [more]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.scoring import ROOT, SIZES, UNIT, pack

if TYPE_CHECKING:  # libraries are imported in the children alone: a child's peak counts from its parent's size
    import pyarrow as pa


def stage(_: int) -> None:
    """The stage ``caption`` on what ``pack`` wrote: its table extends SAMPLES."""
    from pipeline import params
    from pipeline.captioning import BlipParams
    from stages.caption import caption

    config = params.load(BlipParams, "blip", ROOT / "params.yaml")
    caption(Path("captions.parquet"), Path("parts"), Path("out"), config, build=lambda: _say, unit=UNIT)


def _say(rows: "pa.Table") -> "pa.Table":
    """Captions that nearly all differ, every tenth one empty."""
    import pyarrow as pa

    keys = rows.column("key").to_pylist()
    said = [f"a person in front of a wall, seen as number {key[:8]}" if at % 10 else "" for at, key in enumerate(keys)]
    return pa.table({"key": keys, "simple_prompt": said, "caption_truncated": [False] * len(keys)})


STEPS = {"pack": pack, "stage": stage}


def run(step: str, count: int, folder: Path) -> float:
    """Peak memory in MB of one step in a process of its own.

    Raises:
        SystemExit: the step failed.
    """
    command = [sys.executable, "-m", "bench.caption_memory", "--step", step, str(count)]
    places = {"SUR_WORK": str(folder / "work"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **places}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit(f"{step} of {count:,} pictures failed")
    return usage.ru_maxrss / 1024


def measure(fewer: int, more: int) -> dict[str, float]:
    """Peaks, wall seconds, and how many times as much memory the larger size takes."""
    figures: dict[str, float] = {}
    for count, size in ((fewer, "fewer"), (more, "more")):
        with tempfile.TemporaryDirectory() as name:
            run("pack", count, Path(name))
            started = time.perf_counter()
            peak = run("stage", count, Path(name))
            seconds = time.perf_counter() - started
        figures |= {f"{size}_pictures": count, f"{size}_mb": round(peak, 3), f"{size}_s": round(seconds, 3)}
    return figures | {"memory_ratio": round(figures["more_mb"] / figures["fewer_mb"], 3)}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--step", step, count]:
            STEPS[step](int(count))
        case []:
            print(json.dumps(measure(*SIZES)))
        case [fewer, more]:
            print(json.dumps(measure(int(fewer), int(more))))
        case _:
            raise SystemExit("python -m bench.caption_memory [fewer] [more]")
