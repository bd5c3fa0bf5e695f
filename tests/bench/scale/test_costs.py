import pytest

from bench.scale.assumptions import CARDS, SHARE_REACHED
from bench.scale.costs import Costing
from bench.scale.rates import MissingError, Rates
from bench.scale.sizes import PAPER, SIZES
from tests.bench.scale.made_results import copied, with_gpu


@pytest.fixture
def rates(tmp_path):
    return copied(tmp_path)


def stage(costing, name):
    return next(cost for cost in costing.stages if cost.stage == name)


def test_the_papers_numbers_come_back(rates):
    assert (PAPER.records, PAPER.scored, PAPER.kept) == (114_148, 66_408, 57_603)
    costing = Costing(PAPER, rates)
    assert stage(costing, "embed").output_b == pytest.approx(23.6e9, rel=0.01)  # 57,603 x 5,120 x 2 x 40
    assert stage(costing, "latents").output_b == pytest.approx(7.55e9, rel=0.01)
    assert stage(costing, "download").requests == 114_148
    assert costing.steps() == 5000
    assert costing.step_flop() / 1e12 == pytest.approx(27.2, rel=0.02)  # 26.7 and both prompts' encoding


def test_gpu_hours_are_flop_over_peak_and_share(rates, tmp_path):
    cost, card = stage(Costing(PAPER, rates), "caption"), CARDS[1]
    assert cost.gpu_h(card, rates) == pytest.approx(cost.flop / (card.peak_flop_s * SHARE_REACHED) / 3600)
    with_gpu(tmp_path, "NVIDIA H200", blip_share_of_peak=0.1)
    assert cost.gpu_h(card, rates) == pytest.approx(cost.flop / (card.peak_flop_s * 0.1) / 3600)
    assert cost.gpu_h(CARDS[0], rates) == pytest.approx(cost.flop / (CARDS[0].peak_flop_s * SHARE_REACHED) / 3600)


def test_results_kept_twice_are_counted_twice(rates):
    for name in ("embed", "latents"):
        cost = stage(Costing(PAPER, rates), name)
        assert cost.store_b == cost.output_b == cost.disk_b / 2


def test_an_import_asks_nobody(rates):
    for size in SIZES[1:]:
        costing = Costing(size, rates)
        assert costing.total("requests") == costing.total("polite_s") == 0
        assert sum(costing.polite_s()) > 30 * 86400


def test_everything_but_sampling_grows_with_the_records(rates):
    small, large = (Costing(size, rates) for size in (PAPER, SIZES[2]))
    factor = SIZES[2].records / PAPER.records
    for name in ("clean", "caption", "clip_filter", "embed", "latents", "train"):
        mine, other = stage(small, name), stage(large, name)
        assert other.flop == pytest.approx(mine.flop * factor, rel=1e-4)
        assert other.core_s == pytest.approx(mine.core_s * factor, rel=1e-4)
    assert stage(small, "sample") == stage(large, "sample")


def test_money_is_hours_and_bytes_times_prices(rates):
    costing = Costing(PAPER, rates)
    money = costing.usd(CARDS[0])
    assert money["gpu"] == pytest.approx(costing.gpu_h(CARDS[0]) * 0.30)
    assert money["people"] == pytest.approx(66_408 * 2 / 3600 * 20)
    assert money["disk"] == pytest.approx(costing.total("disk_b") / 1e9 * 0.02)


def test_a_missing_figure_says_which_bench_to_run(tmp_path):
    with pytest.raises(MissingError, match=r"pictures.json lacks decode_ms: run python -m bench.pictures"):
        Rates(tmp_path)("pictures", "decode_ms")
    assert Rates(tmp_path).get("pictures", "decode_ms") is None
