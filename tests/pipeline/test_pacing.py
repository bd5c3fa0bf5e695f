from email.utils import formatdate

import pytest

from pipeline.pacing import RETRY_AFTER_CAP_S, retry_after_s
from tests.pipeline.fake_clock import FakeTime


def test_a_host_is_asked_at_the_stated_rate_on_average():
    time = FakeTime()
    pace = time.pace(per_s=2.0)
    start = time.now()
    for _ in range(201):
        pace.wait("a")
    assert (time.now() - start) / 200 == pytest.approx(0.5, rel=0.05)


def test_intervals_jitter_between_half_and_one_and_a_half():
    time = FakeTime()
    pace = time.pace(per_s=1.0)
    for _ in range(100):
        pace.wait("a")
    assert 0.5 <= min(time.slept) < 0.6
    assert 1.4 < max(time.slept) <= 1.5


def test_one_host_does_not_wait_for_another():
    time = FakeTime()
    pace = time.pace(per_s=0.01)
    pace.wait("a")
    pace.wait("b")
    assert time.slept == []


def test_a_host_that_asked_for_a_pause_gets_it():
    time = FakeTime()
    pace = time.pace()
    pace.wait("a")
    pace.hold("a", 30.0)
    pace.wait("a")
    assert time.slept == [30.0]


def test_a_pause_never_shortens_a_longer_one():
    time = FakeTime()
    pace = time.pace()
    pace.hold("a", 30.0)
    pace.hold("a", 1.0)
    pace.wait("a")
    assert time.slept == [30.0]


def test_back_off_grows_and_stays_below_a_minute():
    time = FakeTime()
    pace = time.pace()
    for attempt in range(1, 12):
        pace.back_off(attempt)
    limits = [min(60.0, 2.0**power) for power in range(11)]
    assert all(0.0 <= slept <= limit for slept, limit in zip(time.slept, limits, strict=True))
    assert max(time.slept) > 20.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("999999", RETRY_AFTER_CAP_S),
        (formatdate(1040.0, usegmt=True), 40.0),
        (formatdate(10.0, usegmt=True), 0.0),
        ("Thu, 01 Jan 1970 00:17:00 -0000", 20.0),
        ("soon", None),
        ("-3", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_capped(header, seconds):
    assert retry_after_s(header, now=1000.0) == seconds
