"""Wall time, processor time and peak memory of every stage, run one after another in this folder.

Runs the commands of dvc.yaml as they stand (DVC's own cost comes on top), so ``data/`` holds a fresh run
afterwards. Work stores are used as they are: delete ``.work`` first for the cost of a first run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def commands(folder: Path = Path()) -> Iterator[tuple[str, str]]:
    """Name and command of every stage of a working copy in the order of dvc.yaml, matrix instances apart."""
    yaml = YAML(typ="safe")
    params = yaml.load((folder / "params.yaml").read_text(encoding="utf-8"))
    for name, stage in yaml.load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"].items():
        if "matrix" not in stage:
            yield name, stage["cmd"]
            continue
        for source in params["sources"]["enabled"]:
            yield f"{name}@{source}", stage["cmd"].replace("${item.source}", source)


def measure(command: str, folder: Path = Path()) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak memory in MB of one command, that of the largest of its processes.

    Raises:
        SystemExit: the command failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, shell=True, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def measure_apart(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[float, float, float]:
    """As :func:`measure`, from a process that holds little.

    The kernel counts what a process held when it became another program, so that a large one cannot measure small ones.

    Args:
        command: for the shell.
        folder: where it runs.
        environment: it has.

    Raises:
        SystemExit: the command failed.
    """
    with tempfile.TemporaryDirectory() as made:
        answer = Path(made) / "answer.json"
        asked = [sys.executable, "-m", "bench.stages", "--one", str(answer), str(folder), command]
        if subprocess.run(asked, cwd=ROOT, env=environment, check=False).returncode:
            raise SystemExit(f"{command} failed")
        wall, processor, peak = json.loads(answer.read_text(encoding="utf-8"))
    return wall, processor, peak


def main() -> None:
    """Run and print a table with sums."""
    rows = [(name, *measure(command)) for name, command in commands()]
    print(f"\n{'stage':32}{'wall s':>9}{'cpu s':>9}{'peak MB':>9}")
    for name, wall, cpu, peak in rows:
        print(f"{name:32}{wall:9.1f}{cpu:9.1f}{peak:9.0f}")
    wall, cpu, peak = (sum(row[1] for row in rows), sum(row[2] for row in rows), max(row[3] for row in rows))
    print(f"{'all':32}{wall:9.1f}{cpu:9.1f}{peak:9.0f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--one", answer, folder, command]:
            Path(answer).write_text(json.dumps(measure(command, Path(folder))), encoding="utf-8")
        case _:
            main()
