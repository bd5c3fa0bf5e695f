import pytest

from bench.scale import limits
from pipeline import grouping
from tests.bench.scale.made_results import copied


def test_limits_come_in_the_order_in_which_they_are_met(tmp_path):
    found = limits.limits(copied(tmp_path))
    bears = [limit.records for limit in found]
    assert bears == sorted(bears)
    assert min(bears) > 114_148  # the paper's size holds on one machine
    assert all(
        limit.origin.split(":")[0].split()[0] in {"tried", "measured", "computed", "assumed", "counted"}
        for limit in found
    )


def test_memory_limits_follow_what_was_measured(tmp_path):
    def bears(rates):
        return {limit.what: limit.records for limit in limits.limits(rates)}["caption: rows in memory"]

    once = bears(copied(tmp_path, row_memory={"caption_memory_b_a_row": 1000.0}))
    twice = bears(copied(tmp_path, row_memory={"caption_memory_b_a_row": 2000.0}))
    assert once == pytest.approx(64e6) == pytest.approx(2 * twice)


def test_near_duplicates_cost_what_grouping_reckons_with():
    rows, bits = 100_000, 4
    blocks = grouping.block_count(rows, bits)
    assert blocks > bits
    assert limits.near_duplicates_s(rows) > blocks * rows * grouping.SORTING * 1e-9
    assert limits.near_duplicates_s(10 * rows) > 10 * limits.near_duplicates_s(rows)


def test_the_most_rows_within_a_day_take_a_day():
    assert limits.near_duplicates_s(limits._near_duplicates(86_400)) == pytest.approx(86_400, rel=0.01)
