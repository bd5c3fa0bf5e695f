"""Wall time, processor time and peak memory of every stage, run one after another in this folder.

Runs the commands of dvc.yaml as they stand (DVC's own cost comes on top), so ``data/`` holds a fresh run
afterwards. Work stores are used as they are: delete ``.work`` first for the cost of a first run.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML


def commands() -> Iterator[tuple[str, str]]:
    """Name and command of every stage in the order of dvc.yaml, matrix instances apart."""
    yaml = YAML(typ="safe")
    params = yaml.load(Path("params.yaml").read_text(encoding="utf-8"))
    for name, stage in yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"].items():
        if "matrix" not in stage:
            yield name, stage["cmd"]
            continue
        for source in params["sources"]["enabled"]:
            yield f"{name}@{source}", stage["cmd"].replace("${item.source}", source)


def measure(command: str) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak memory in MB of one command.

    Raises:
        SystemExit: the command failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, shell=True)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main() -> None:
    """Run and print a table with sums."""
    rows = [(name, *measure(command)) for name, command in commands()]
    print(f"\n{'stage':32}{'wall s':>9}{'cpu s':>9}{'peak MB':>9}")
    for name, wall, cpu, peak in rows:
        print(f"{name:32}{wall:9.1f}{cpu:9.1f}{peak:9.0f}")
    wall, cpu, peak = (sum(row[1] for row in rows), sum(row[2] for row in rows), max(row[3] for row in rows))
    print(f"{'all':32}{wall:9.1f}{cpu:9.1f}{peak:9.0f}")


if __name__ == "__main__":
    main()
