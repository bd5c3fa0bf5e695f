"""How much of a GPU's memory a stage takes: looked at from outside, since a stage is a process of its own."""

import threading
from collections.abc import Callable
from types import TracebackType

PAUSE_S = 0.2


class Watch:
    """Asks for the free memory again and again while a block runs.

    Args:
        free_gb: gives the free memory; None where there is no GPU.
        pause_s: between two looks.
    """

    def __init__(self, free_gb: Callable[[], float | None], pause_s: float = PAUSE_S) -> None:
        self._free_gb, self._pause_s = free_gb, pause_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.taken: float | None = None
        """The most that was taken at any look, in GB, beyond what was taken when the block began."""

    def __enter__(self) -> "Watch":
        self._before = self._free_gb()
        if self._before is not None:
            self.taken = 0.0
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(self._pause_s):
            now = self._free_gb()
            if now is not None and self._before is not None and self.taken is not None:
                self.taken = max(self.taken, self._before - now)
