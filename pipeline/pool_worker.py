"""A worker of a pool in other processes, whatever starts them: it reads, computes and writes units, and answers.

Errors are answers too: a user's mistake must arrive as the one line that it is, not in some library's wrapping.
"""

import os
import pickle
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from pipeline.errors import InputError
from pipeline.operating import Operator, Work, prepared

ANSWER = pa.schema(
    {
        "written": pa.string(),  # what the store's writer said
        "rows": pa.int64(),
        "failure": pa.binary(),  # or else an error, packed
    }
)


class Worker:
    """Called by two threads: one has the model while the other reads and prepares the next unit, or writes.

    Args:
        work: what is done.
        writer: keeps a unit's results, see :class:`pipeline.operating.Store`.
        folder: the project's folder, which relative paths start from.
    """

    def __init__(self, work: Work, writer: Callable[[pa.Table], str], folder: Path) -> None:
        self._work, self._writer, self._folder = work, writer, folder
        self._operator: Operator | None = None
        self._building, self._model = threading.Lock(), threading.Lock()

    def __call__(self, rows: pa.Table) -> pa.Table:
        """A unit's rows in, one row of ANSWER out."""
        try:
            answer = {"written": self._finish(rows), "rows": rows.num_rows, "failure": None}
        except Exception as error:
            answer = {"written": None, "rows": 0, "failure": packed(error)}
        return pa.Table.from_pylist([answer], ANSWER)

    def _finish(self, rows: pa.Table) -> str:
        operator = self._built()
        ready = prepared(self._work, operator, rows)
        with self._model:
            results = operator(ready)
        return self._writer(results)

    def _built(self) -> Operator:
        with self._building:
            if self._operator is None:
                self._enter()
                self._operator = self._work.build()
            return self._operator

    def _enter(self) -> None:
        try:
            os.chdir(self._folder)
        except OSError as error:
            raise InputError(
                f"node {socket.gethostname()} of the cluster has no folder {self._folder}: the project must lie"
                " under the same path on every node"
            ) from error


class WorkerSideError(Exception):
    """Where in a worker an error was raised: shown as its cause."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def packed(error: Exception) -> bytes:
    """An error as bytes, with its traceback; one that cannot be sent is told as a RuntimeError."""
    trace = "".join(traceback.format_exception(error))
    try:
        content = pickle.dumps((error, trace))
        pickle.loads(content)
    except Exception:  # whatever its class does
        return pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), trace))
    return content


def unpacked(content: bytes) -> Exception:
    """What :func:`packed` took, caused by the worker's traceback."""
    error, trace = pickle.loads(content)
    assert isinstance(error, Exception)
    error.__cause__ = WorkerSideError(trace)
    return error
