"""Checkpoints that a killed training goes on from, and the history of its figures that goes with them."""

import shutil
from pathlib import Path
from typing import Any

from pipeline.files import read_json, write_json

KEPT = 2
HISTORY = "history.json"

Figures = dict[str, float]
History = list[tuple[int, Figures]]
"""Step, counted from 1, and what was measured in it."""


class Checkpoints:
    """Accelerate states in ``folder/step-000050``, each whole or not there; the newest two are kept.

    Args:
        folder: of this run alone: its name says everything that decides the result.
        accelerator: after ``prepare``; saves weights, optimiser, gradient scaler and random states of every process.
    """

    def __init__(self, folder: Path, accelerator: Any) -> None:
        self.folder, self.accelerator = folder, accelerator

    def save(self, step: int, history: History) -> None:
        """Keep the state after ``step`` steps."""
        temporary, target = self.folder / f".step-{step:06d}.tmp", self.folder / f"step-{step:06d}"
        if self.accelerator.is_main_process:
            _remove(temporary)
            temporary.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            write_json(temporary / HISTORY, history)
            _remove(target)
            temporary.rename(target)
            for old in self._found()[:-KEPT]:
                _remove(old)

    def restore(self) -> tuple[int, History]:
        """Load the newest state; give the steps done and their figures, 0 and none for a new run."""
        found = self._found()
        if not found:
            return 0, []
        self.accelerator.load_state(str(found[-1]))
        history = [(int(step), dict(figures)) for step, figures in read_json(found[-1] / HISTORY)]
        return int(found[-1].name.removeprefix("step-")), history

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
