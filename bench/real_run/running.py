"""Running the workflow's stages one after another through DVC, each measured as a whole; a killed run goes on."""

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import stages
from bench.real_run import needs
from bench.real_run.watching import Watch
from pipeline import cli, files
from pipeline.errors import InputError

MEASURED, BEGUN = "measured.json", "begun.json"
WORK = ".work"
NOT_INHERITED = ("DVC_ROOT", "DVC_EXP_BASELINE_REV")


@dataclass(frozen=True)
class Cost:
    """What a stage took, DVC's own part included."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    """Of the largest process, in decimal GB."""
    gpu_peak_gb: float | None = None
    """Taken on the GPU beyond what was taken before; None where there is none."""


Run = Callable[[str, Path], Cost]


def measure(name: str, copy: Path) -> Cost:
    """Run ``dvc repro --single-item`` for a stage and wait for it.

    Raises:
        InputError: it failed.
    """
    environment = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment |= {"PATH": programs, "PYTHONPATH": str(copy), "SUR_WORK": str(copy / WORK)}
    command = shlex.join([sys.executable, "-m", "dvc", "repro", "--single-item", name])
    try:
        with Watch(needs.free_gpu_gb) as watch:
            wall, processor, peak_mb = stages.measure_apart(command, copy, environment)
    except SystemExit as error:
        raise InputError(f"stage {name} failed, see above: the same command goes on from there") from error
    return Cost(wall, processor, peak_mb / 1000, watch.taken)


def run_all(copy: Path, run: Run = measure) -> dict[str, Cost]:
    """Run each stage that has not been measured yet, in the order of dvc.yaml; what it costs is noted at once.

    A stage that was cut off is run anew as a whole, so that its figures are those of one run.

    Args:
        copy: a working copy.
        run: runs one stage and measures it.

    Raises:
        InputError: a stage failed; it said why.
    """
    measured = {name: Cost(**cost) for name, cost in _read(copy / MEASURED).items()}
    for name, _ in stages.commands(copy):
        if name in measured:
            cli.say(f"real-shapes: {name} was run and measured before")
            continue
        if _read(copy / BEGUN).get("stage") == name:
            shutil.rmtree(copy / WORK / name.partition("@")[0], ignore_errors=True)
        files.write_json(copy / BEGUN, {"stage": name})
        cli.say(f"real-shapes: {name}")
        measured[name] = run(name, copy)
        files.write_json(copy / MEASURED, {stage: asdict(cost) for stage, cost in measured.items()})
    return measured


def figures(measured: dict[str, Cost]) -> dict[str, float]:
    """Costs as a bench keeps them (``embed_peak_gb``), and those of all stages together."""
    found = dict[str, float]()
    for name, cost in measured.items():
        stage = name.partition("@")[0]
        found |= {f"{stage}_{figure}": value for figure, value in asdict(cost).items() if value is not None}
    costs = list(measured.values())
    found["all_wall_s"] = sum(cost.wall_s for cost in costs)
    found["all_cpu_s"] = sum(cost.cpu_s for cost in costs)
    found["all_peak_gb"] = max(cost.peak_gb for cost in costs)
    return {name: round(value, 3) for name, value in found.items()}


def _read(path: Path) -> dict[str, Any]:
    return dict(files.read_json(path)) if path.is_file() else {}
