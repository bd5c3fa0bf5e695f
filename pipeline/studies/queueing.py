"""Running the rows of a study through DVC's queue, so that a killed study goes on where it was and leaves no daemon."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import cli
from pipeline.errors import InputError
from pipeline.studies.commands import reason
from pipeline.studies.tasks import FAILED, QUEUED, RUNNING, Queue, Status

POLL_S = 10.0
DEAF_POLLS = 4
Pause = Callable[[float], None]


@dataclass(frozen=True)
class Experiment:
    """A row under the name by which DVC knows it."""

    name: str
    overrides: Mapping[str, Any]
    until: str | None = None
    """The last stage to run; None: all of them."""


def complete(
    experiments: Sequence[Experiment], queue: Queue, *, jobs: int = 1, again: bool = False, pause: Pause = time.sleep
) -> dict[str, str]:
    """Run what is not finished.

    All rows are queued before the first one runs, so that all of them see the workspace as it is at the start. Rows
    that wait or run since an earlier call are taken over; failed ones are tried again.

    Args:
        experiments: the rows.
        queue: DVC's queue.
        jobs: experiments at a time, where no worker is at work yet.
        again: forget finished rows and run them too; where nothing has changed DVC takes a stage's outputs from its
            run cache, so that this costs seconds, and makes anew what its cache has lost.
        pause: waits so many seconds.

    Returns:
        Name -> why it failed, for each row that did.

    Raises:
        InputError: DVC refuses; what this call had queued is withdrawn.
    """
    names, finished = [experiment.name for experiment in experiments], queue.finished()
    if again:
        queue.forget([name for name in names if name in finished])
        finished = set()
    missing = [experiment for experiment in experiments if experiment.name not in finished]
    cli.say(f"{len(experiments) - len(missing)} of {len(experiments)} experiments were finished before")
    if not missing:
        return {}
    try:
        before = _queue(missing, queue, pause)
        if not _works(before, queue):
            queue.start(jobs)
        _follow(names, queue, jobs, pause)
        return _failures(missing, queue)
    except BaseException:  # an interrupt too
        with contextlib.suppress(InputError):
            _withdraw(names, queue)
        raise
    finally:
        with contextlib.suppress(InputError):
            _stop_idle(queue)


def _queue(missing: Sequence[Experiment], queue: Queue, pause: Pause) -> Status:
    """Queue what is not in the queue yet; gives the queue as it was found."""
    status = _without_dead([experiment.name for experiment in missing], queue, pause)
    known = {experiment.name: status.tasks.get(experiment.name) for experiment in missing}
    queue.remove([name for name, task in known.items() if task and task.state == FAILED])
    for experiment in missing:
        task = known[experiment.name]
        if task is None or task.state not in (RUNNING, QUEUED):
            queue.add(experiment.name, experiment.overrides, experiment.until)
    return status


def _without_dead(names: Sequence[str], queue: Queue, pause: Pause) -> Status:
    """The queue's status after tasks are marked as failed that stand as running though nothing runs them any more.

    A machine that was switched off leaves such tasks behind.
    """
    status = queue.status()
    for _ in range(DEAF_POLLS):
        if _works(status, queue) or not _dead(names, status, queue):
            return status
        pause(1.0)
        status = queue.status()
    queue.kill(_dead(names, status, queue))
    return queue.status()


def _dead(names: Sequence[str], status: Status, queue: Queue) -> list[str]:
    return [name for name in names if name in status.names(RUNNING) and not queue.is_alive(status.tasks[name])]


def _follow(names: Sequence[str], queue: Queue, jobs: int, pause: Pause) -> None:
    """Say what goes on until no row waits or runs."""
    said, deaf = "", 0
    while True:
        pause(POLL_S)
        status = queue.status()
        going = [name for name in names if name in status.tasks and status.tasks[name].state in (RUNNING, QUEUED)]
        line = _line(names, going, status, queue)
        if line != said:
            cli.say(line)
        said = line
        if not going:
            return
        deaf = 0 if _works(status, queue) else deaf + 1
        if deaf > DEAF_POLLS:
            queue.kill(_dead(names, status, queue))
            queue.start(jobs)
            deaf = 0


def _works(status: Status, queue: Queue) -> bool:
    """Whether there is a worker: one answers, or what it runs is alive.

    A busy worker misses the question; DVC would then start a second one beside it.
    """
    return bool(status.workers) or any(queue.is_alive(status.tasks[name]) for name in status.names(RUNNING))


def _line(names: Sequence[str], going: Sequence[str], status: Status, queue: Queue) -> str:
    """``2 of 5 done, running: seeds-2-1a2b3c4d (train)``."""
    running = [f"{name} ({queue.stage(status.tasks[name])})" for name in going if status.tasks[name].state == RUNNING]
    others = len([name for name in status.names(QUEUED) + status.names(RUNNING) if name not in names])
    said = f"{len(names) - len(going)} of {len(names)} done" + (f", running: {', '.join(running)}" if running else "")
    return said + (f"; {others} other experiments in DVC's queue run too" if others else "")


def _failures(missing: Sequence[Experiment], queue: Queue) -> dict[str, str]:
    finished = queue.finished()
    failed = [experiment.name for experiment in missing if experiment.name not in finished]
    tasks = queue.status().tasks if failed else {}
    return {name: reason(queue.log(tasks[name])) if name in tasks else "DVC lost it" for name in failed}


def _withdraw(names: Sequence[str], queue: Queue) -> None:
    """Take this study's rows out of the queue and end those that run: nothing goes on behind the user's back."""
    status = queue.status()
    queue.remove([name for name in status.names(QUEUED) if name in names])
    queue.kill([name for name in status.names(RUNNING) if name in names])


def _stop_idle(queue: Queue) -> None:
    """End the workers, unless others' experiments are in the queue."""
    status = queue.status()
    if not status.names(QUEUED) and not status.names(RUNNING):
        queue.stop()
