"""Work on many addresses at once, each host in a lane of its own, so that a slow host stalls nobody else."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

from pipeline.http_answers import host_of

LANES = 32  # hosts at the same time; more share lanes
ResultT = TypeVar("ResultT")


def as_they_come(urls: Sequence[str], work: Callable[[str], ResultT], *, workers: int) -> Iterator[ResultT]:
    """Work on every address and give the results in the order in which they are ready.

    Not more than one result a thread waits to be taken, so that a slow taker does not fill the memory. What ``work``
    raises is raised here. Whoever stops taking does not wait for requests under way.

    Args:
        urls: addresses; within a host they are begun in this order.
        work: called in threads.
        workers: threads for each host.
    """
    lanes = _lanes(urls)
    threads = [lane for lane in lanes for _ in range(min(workers, len(lane)))]
    done: Queue[ResultT | _Raised] = Queue(maxsize=max(1, len(threads)))
    stop = Event()
    for lane in threads:
        Thread(target=_drive, args=(lane, work, done, stop), daemon=True).start()
    try:
        for _ in urls:
            result = done.get()
            if isinstance(result, _Raised):
                raise result.error
            yield result
    finally:
        stop.set()
        _empty(done)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _lanes(urls: Sequence[str]) -> list[deque[str]]:
    hosts: dict[str, list[str]] = {}
    for url in urls:
        hosts.setdefault(host_of(url), []).append(url)
    lanes: list[deque[str]] = [deque() for _ in range(min(LANES, len(hosts)))]
    for index, waiting in enumerate(hosts.values()):
        lanes[index % LANES].extend(waiting)
    return lanes


def _drive(lane: deque[str], work: Callable[[str], ResultT], done: "Queue[ResultT | _Raised]", stop: Event) -> None:
    while not stop.is_set():
        try:
            url = lane.popleft()
        except IndexError:
            return
        try:
            done.put(work(url))
        except BaseException as error:  # raised again where results are taken
            done.put(_Raised(error))
            return


def _empty(done: "Queue[ResultT | _Raised]") -> None:
    """Make room, so that every thread can put its last result and end."""
    while True:
        try:
            done.get_nowait()
        except Empty:
            return
