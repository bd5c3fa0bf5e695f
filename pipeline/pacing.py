"""When a host may be asked: a rate with jitter, pauses that a host asks for, and back-off between attempts."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

BACK_OFF_FIRST_S = 1.0
BACK_OFF_CAP_S = 60.0
RETRY_AFTER_CAP_S = 120.0  # urllib3's own cap is six hours: one hostile header would stall the run


@dataclass(frozen=True)
class Clock:
    """The three views of time that a client needs; tests give their own, so that no test sleeps."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Pace:
    """One rate for every host, kept across threads.

    Args:
        per_s: requests a second to one host, on average.
        clock: where time comes from.
        rng: jitter; intervals are 0.5 to 1.5 times the mean.
    """

    per_s: float
    clock: Clock = field(default_factory=Clock)
    rng: random.Random = field(default_factory=random.Random)
    _next: dict[str, float] = field(default_factory=dict, init=False)
    _least_s: dict[str, float] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def wait(self, host: str) -> None:
        """Take the host's next free moment and sleep until then."""
        with self._lock:
            now = self.clock.now()
            start = max(now, self._next.get(host, now))
            interval = self.rng.uniform(0.5, 1.5) / self.per_s
            self._next[host] = start + max(interval, self._least_s.get(host, 0.0))
        if start > now:
            self.clock.sleep(start - now)

    def hold(self, host: str, seconds: float) -> None:
        """Ask the host nothing for that long: it said so."""
        with self._lock:
            until = self.clock.now() + seconds
            self._next[host] = max(until, self._next.get(host, until))

    def slow_down(self, host: str, least_s: float) -> None:
        """From now on leave at least that long between two requests to a host: its robots.txt says so."""
        self._least_s[host] = least_s

    def back_off(self, attempt: int) -> None:
        """Sleep between two attempts: a random part of 1, 2, 4 ... at most 60 s ("full jitter").

        Args:
            attempt: how many attempts have failed, from 1.
        """
        longest = min(BACK_OFF_CAP_S, BACK_OFF_FIRST_S * 2.0 ** (attempt - 1))
        self.clock.sleep(self.rng.uniform(0.0, longest))


def retry_after_s(value: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, at most 120; None where it is absent or no sense.

    Args:
        value: the header: seconds or an HTTP date.
        now: wall-clock time in seconds since 1970.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value.strip()), RETRY_AFTER_CAP_S)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, moment.timestamp() - now), RETRY_AFTER_CAP_S)
