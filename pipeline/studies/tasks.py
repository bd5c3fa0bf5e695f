"""DVC's queue of experiments as a study sees it: what is finished, what waits or runs, and the log of a task."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.studies.commands import Run, require

RUNNING, QUEUED, FAILED = "Running", "Queued", "Failed"
STATES = (RUNNING, QUEUED, FAILED, "Success", "Unknown")  # a name that is there twice has the first of these
LOGS = Path(".dvc/tmp/exps/run")
TASK = re.compile(rf"^([0-9a-f]{{7}})\s+(\S+)\s.*\s({'|'.join(STATES)})\s*$", re.MULTILINE)
WORKERS = re.compile(r"^Worker status: (\d+) active, (\d+) idle", re.MULTILINE)
STAGE = re.compile(r"^Running stage '([^']+)'", re.MULTILINE)


@dataclass(frozen=True)
class Task:
    """One experiment in the queue."""

    revision: str
    state: str


@dataclass(frozen=True)
class Status:
    """All tasks by name, and how many workers answer."""

    tasks: Mapping[str, Task]
    workers: int

    def names(self, state: str) -> list[str]:
        """Those in a state."""
        return [name for name, task in self.tasks.items() if task.state == state]


class Queue:
    """DVC's queue through its commands.

    Args:
        run: what runs a command.
        logs: where DVC keeps what it knows of running tasks.
    """

    def __init__(self, run: Run, logs: Path = LOGS) -> None:
        self._run, self._logs = run, logs

    def finished(self) -> set[str]:
        """Names of all finished experiments, of whatever commit."""
        return set(require(self._run, ["dvc", "exp", "list", "-A", "--name-only"], "DVC lists no experiments").split())

    def status(self) -> Status:
        """What waits, runs and has failed."""
        text = require(self._run, ["dvc", "queue", "status"], "DVC's queue does not answer")
        found: dict[str, Task] = {}
        for revision, name, state in TASK.findall(text):
            known = found.get(name)
            if known is None or STATES.index(state) < STATES.index(known.state):
                found[name] = Task(revision, state)
        workers = WORKERS.search(text)
        return Status(found, sum(map(int, workers.groups())) if workers else 0)

    def add(self, name: str, overrides: Mapping[str, Any], until: str | None = None) -> None:
        """Queue an experiment on the workspace as it is now, uncommitted edits of files in git included.

        Args:
            name: of the experiment.
            overrides: dotted key -> value.
            until: the last stage to run; None: all of them.
        """
        targets = [] if until is None else [until]
        settings = [part for key, value in overrides.items() for part in ("-S", f"{key}={written(value)}")]
        require(
            self._run, ["dvc", "exp", "run", "--queue", "-n", name, *settings, *targets], f"DVC cannot queue {name}"
        )

    def start(self, jobs: int) -> None:
        """Start workers, so that there are so many; they end by themselves some seconds after the queue is empty."""
        require(self._run, ["dvc", "queue", "start", "-j", str(jobs)], "DVC cannot start its queue")

    def stop(self) -> None:
        """Let workers end after the task that they run."""
        self._run(["dvc", "queue", "stop"])

    def kill(self, names: Sequence[str]) -> None:
        """End running tasks, which count as failed then."""
        if names:
            self._run(["dvc", "queue", "kill", *names])

    def remove(self, names: Sequence[str]) -> None:
        """Forget tasks that wait or have failed."""
        if names:
            self._run(["dvc", "queue", "remove", *names])

    def forget(self, names: Sequence[str]) -> None:
        """Remove finished experiments."""
        if names:
            require(self._run, ["dvc", "exp", "remove", *names], "DVC cannot remove the finished experiments")

    def log(self, task: Task) -> str:
        """What the task has written so far; empty where it has not started."""
        path = self._file(task, ".out")
        return path.read_text(encoding="utf-8", errors="replace") if path else ""

    def stage(self, task: Task) -> str:
        """The stage that a running task is at."""
        reached: list[str] = STAGE.findall(self.log(task))
        return reached[-1] if reached else "starting"

    def is_alive(self, task: Task) -> bool:
        """Whether the process that DVC started for a task is still there."""
        path = self._file(task, ".json")
        if path is None:
            return False
        try:
            os.kill(int(json.loads(path.read_text(encoding="utf-8"))["pid"]), 0)
        except (OSError, ValueError):
            return False
        return True

    def _file(self, task: Task, suffix: str) -> Path | None:
        return next(iter(sorted(self._logs.glob(f"{task.revision}*/{task.revision}*{suffix}"))), None)


def written(value: Any) -> str:
    """A value as ``dvc exp run -S`` reads it: JSON, but for keys of mappings, which it wants without quotes."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)
