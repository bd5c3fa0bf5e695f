"""Time that passes only when somebody sleeps."""

import random

from pipeline.pacing import Clock, Pace


class FakeTime:
    def __init__(self):
        self.moment = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += seconds

    def clock(self) -> Clock:
        return Clock(now=self.now, wall=self.now, sleep=self.sleep)

    def pace(self, per_s: float = 1000.0) -> Pace:
        return Pace(per_s, self.clock(), random.Random(0))
