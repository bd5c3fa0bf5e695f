import threading

import pytest

from pipeline import lanes
from pipeline.lanes import as_they_come


def test_every_address_is_worked_on_once():
    urls = [f"https://{host}/{number}" for host in "abc" for number in range(50)]
    assert sorted(as_they_come(urls, str.upper, workers=4)) == sorted(url.upper() for url in urls)
    assert list(as_they_come([], str.upper, workers=4)) == []


def test_with_one_worker_a_host_is_worked_through_in_order():
    urls = [f"https://a/{number}" for number in range(20)]
    assert list(as_they_come(urls, str, workers=1)) == urls


def test_a_host_that_does_not_answer_stalls_no_other():
    """The slow host answers only after all of the fast one's addresses have come: a shared batch would never end."""
    fast_is_done = threading.Event()

    def work(url):
        if url.startswith("https://slow/"):
            assert fast_is_done.wait(20)
        return url

    fast = [f"https://fast/{number}" for number in range(300)]
    came = as_they_come([f"https://slow/{number}" for number in range(8)] + fast, work, workers=4)
    assert {next(came) for _ in fast} == set(fast)
    fast_is_done.set()
    assert len(list(came)) == 8


def test_more_hosts_than_lanes_share_them():
    urls = [f"https://host{number}/" for number in range(3 * lanes.LANES + 1)]
    running, most, lock = [0], [0], threading.Lock()

    def work(url):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        with lock:
            running[0] -= 1
        return url

    assert sorted(as_they_come(urls, work, workers=8)) == sorted(urls)
    assert most[0] <= 8 * lanes.LANES


def test_hosts_are_worked_on_by_as_many_threads_as_stated():
    together = threading.Barrier(3)

    def work(url):
        together.wait(20)  # breaks unless three threads are here
        return url

    assert len(list(as_they_come([f"https://a/{number}" for number in range(9)], work, workers=3))) == 9


def test_an_error_is_raised_where_results_are_taken():
    def work(url):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(as_they_come(["https://a/1", "https://b/2"], work, workers=2))


def _drivers():
    return {thread for thread in threading.enumerate() if "_drive" in thread.name}


def test_results_wait_in_a_short_queue_and_threads_end_when_nobody_takes_them():
    before, begun = _drivers(), []
    came = as_they_come([f"https://a/{number}" for number in range(1000)], begun.append, workers=2)
    next(came)
    threads = _drivers() - before
    came.close()
    for thread in threads:
        thread.join(20)
    assert [thread.is_alive() for thread in threads] == [False, False]
    assert len(begun) < 20
