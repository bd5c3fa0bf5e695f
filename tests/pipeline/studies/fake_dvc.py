"""DVC's and git's commands as a study uses them, played in memory: each status question moves the queue on."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.studies.commands import Answer

DEAD_PID = 2**22 + 1  # beyond the largest that Linux gives


@dataclass
class Task:
    name: str
    revision: str
    state: str = "Queued"
    left: int = 1
    """Status questions that it stays running."""


@dataclass
class FakeDvc:
    """One experiment runs at a time and takes one status question.

    Args:
        logs: where logs and process files appear.
        failing: part of a name -> what its log ends with.
    """

    logs: Path
    failing: dict[str, str] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    workers: int = 0
    answers: bool = True
    """Whether workers answer when they are asked."""
    refuses: dict[str, str] = field(default_factory=dict)
    """Words of a command -> the error with which it ends."""
    tracked: dict[str, list[str]] = field(default_factory=dict)
    untracked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __call__(self, command):
        line = " ".join(command)
        self.said.append(line)
        for words, error in self.refuses.items():
            if words in line:
                return Answer(255, "", f"some warning\nERROR: {error}\n\n")
        match command[:3]:
            case ["git", "ls-files", *_]:
                return Answer(0, "".join(f"{name}\0" for name in self._listed(command)))
            case ["dvc", "exp", "list"]:
                return Answer(0, "".join(f"{name}\n" for name in self.finished))
            case ["dvc", "queue", "status"]:
                return Answer(0, self._status())
        self._act(command)
        return Answer(0)

    def _act(self, command):
        match command[:3]:
            case ["dvc", "exp", "remove"]:
                self.finished = [name for name in self.finished if name not in command[3:]]
            case ["dvc", "exp", "run"]:
                name = command[command.index("-n") + 1]
                self.tasks.append(Task(name, f"{len(self.said):07x}"))
            case ["dvc", "queue", "start"]:
                self.workers = int(command[-1])
            case ["dvc", "queue", "stop"]:
                self.workers = 0
            case ["dvc", "queue", "remove"]:
                self.tasks = [task for task in self.tasks if task.name not in command[3:]]
            case ["dvc", "queue", "kill"]:
                for task in self.tasks:
                    task.state = "Failed" if task.name in command[3:] and task.state == "Running" else task.state

    def run_since(self, name, pid):
        """Let a task stand as running whose process has this number; None: DVC has not noted any."""
        task = Task(name, f"{len(self.tasks) + 0xABC:07x}", "Running", left=9)
        self.tasks.append(task)
        if pid is not None:
            self._note(task, pid, "Running stage 'train':\n")

    def _listed(self, command):
        if "--others" in command:
            return self.untracked
        return [name for asked in command[command.index("--") + 1 :] for name in self.tracked.get(asked, [])]

    def _status(self):
        if self.workers:
            self._pass()
        text = "".join(f"{task.revision}  {task.name}   10:15 AM   {task.state}\n" for task in self.tasks)
        shown = self.workers if self.answers else 0
        return f"Task     Name         Created    Status\n{text}\nWorker status: {shown} active, 0 idle\n"

    def _pass(self):
        running = [task for task in self.tasks if task.state == "Running"]
        for task in running:
            task.left -= 1
            if task.left > 0:
                continue
            why = [end for part, end in self.failing.items() if part in task.name]
            task.state = "Failed" if why else "Success"
            self._note(task, DEAD_PID, f"Running stage 'train':\n{''.join(why)}\nERROR: failed to reproduce 'train'\n")
            if not why:
                self.finished.append(task.name)
        waiting = [task for task in self.tasks if task.state == "Queued"]
        if waiting and not any(task.state == "Running" for task in self.tasks):
            waiting[0].state = "Running"
            self._note(waiting[0], os.getpid(), "Running stage 'check':\n> python -m stages.check\n")

    def _note(self, task, pid, text):
        folder = self.logs / f"{task.revision}{'0' * 33}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{folder.name}.out").write_text(text)
        (folder / f"{folder.name}.json").write_text(json.dumps({"pid": pid}))
