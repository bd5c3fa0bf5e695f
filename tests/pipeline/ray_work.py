"""Work for pools of Ray actors in tests: operators that die, stall or fail at a row of their own, once."""

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline import operating, tables
from pipeline.errors import ModelError
from pipeline.operating import Work, as_they_are
from pipeline.ray_pool import RayParams
from pipeline.tables import column
from pipeline.work import ResultStore


def asked(count):
    return pa.table({"key": [str(number) for number in range(count)]})


@dataclass(frozen=True)
class Doubling:
    """The operator of most tests; ``notes`` is a folder where it leaves word."""

    notes: Path
    dies_at: int | None = None
    stalls_at: int | None = None
    head: int | None = None
    """Pid of a node's raylet: a worker of any other node stalls at its second unit, and that node's wait until then."""

    fails_at: int | None = None
    bug_at: int | None = None

    def __call__(self, rows):
        keys = [int(key) for key in rows.column("key").to_pylist()]
        if self.dies_at in keys and self._first("died"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.stalls_at in keys:
            self._stall()
        if self.head is not None:
            self._wait_or_stall()
        if self.fails_at in keys:
            raise ModelError("model m has no weights: name another")
        if self.bug_at in keys:
            raise ZeroDivisionError("a bug")
        (self.notes / f"raylet-{os.getppid()}").touch()
        return pa.table({"key": rows.column("key"), "value": [2 * key for key in keys]})

    def _wait_or_stall(self):
        if os.getppid() != self.head:
            if (self.notes / f"raylet-{os.getppid()}").exists():
                self._stall()
        elif not (self.notes / "stalled").exists():
            with (self.notes / "gate").open("rb", buffering=0) as gate:
                gate.read(1)

    def _stall(self):
        """Tell the test, which reads the pipe, and never come back."""
        (self.notes / "stalled").touch()
        (self.notes / "fifo").write_text(str(os.getppid()))
        threading.Event().wait()

    def _first(self, name):
        try:
            (self.notes / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def work(operator, unit=3):
    return Work("doubling", lambda: operator, as_they_are, unit)


def store(name="doubling"):
    return ResultStore(name, {}, tables.schema(column("value", pa.int64(), "twice the key")))


def bytes_of(kept):
    """The store's chunks by name."""
    return {path.name: path.read_bytes() for path in sorted(kept.folder.glob("chunk-*.parquet"))}


def doubled(kept, count):
    rows = kept.take([str(number) for number in range(count)])
    return rows.column("value").to_pylist() == [2 * number for number in range(count)]


def pool(**changes):
    return RayParams(**{"address": None, "actors": 2, "cpus_per_actor": 1, "gpus_per_actor": 0} | changes)


def local_bytes(count, folder):
    """What the engine ``local`` makes of the same work."""
    kept = store("locally")
    operating.local(work(Doubling(folder)), asked(count), kept)
    return bytes_of(kept)
