import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from pipeline.metrics import statistics
from pipeline.metrics.statistics import Pairs, paired_difference

SETTINGS = {"confidence": 0.95, "resamples": 500, "seed": 0}
PAPER_TABLE_7 = (
    np.array([63.08, 8.46, 0, 86.15, 17.69, 0, 41.54, 25.38, 15.38]),
    np.array([73.85, 41.54, 36.92, 93.85, 20, 6.92, 56.92, 50.77, 32.31]),
)


def _pairs(seed: int, *, prompts: int = 12, images: int = 4, gain: float = 0.0) -> Pairs:
    rng = np.random.default_rng(seed)
    names = [f"p{index:02d}" for index in range(prompts) for _ in range(images)]
    base = (rng.random(len(names)) < 0.4).astype(np.float64)
    ours = (rng.random(len(names)) < 0.4 + gain).astype(np.float64)
    return Pairs(names, base, ours)


def test_the_sign_flip_p_equals_its_definition() -> None:
    differences = np.array([0.5, -0.25, 0.75, 0.25, 0.0, 0.5])
    flips = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=6)]
    expected = np.mean(np.array(flips) >= abs(differences.sum()) - 1e-12)
    assert statistics.sign_flip(differences, seed=0) == pytest.approx(expected, abs=1e-15)


def test_drawn_sign_flips_come_close_to_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(1).normal(0.3, 1.0, 14)
    exact = statistics.sign_flip(differences, seed=0)
    monkeypatch.setattr(statistics, "EXACT_UP_TO", 5)
    assert statistics.sign_flip(differences, seed=0) == pytest.approx(exact, abs=0.02)
    assert statistics.sign_flip(differences, seed=0) == statistics.sign_flip(differences, seed=0)


def test_with_no_effect_the_primary_test_rejects_in_five_of_a_hundred_runs() -> None:
    rng = np.random.default_rng(0)
    ps = [statistics.sign_flip(rng.normal(0.0, 1.0, 9), seed=0) for _ in range(1000)]
    assert 0.03 <= np.mean(np.array(ps) <= 0.05) <= 0.07


def test_where_few_prompts_differ_intervals_are_too_narrow_and_the_test_is_not() -> None:
    """Why reports let the p decide (ADR 0031): a quarter of 20 prompts of 4 images differs, either way alike."""
    rng = np.random.default_rng(0)
    excluded, rejected, runs = 0, 0, 200
    for _ in range(runs):
        moved = (rng.random(20) < 0.25) * rng.choice([-1, 1], 20) * rng.integers(1, 5, 20) / 4
        low, high = statistics.cluster_interval(moved, confidence=0.95, resamples=500, seed=0)
        excluded += low is not None and high is not None and not low <= 0 <= high
        rejected += statistics.sign_flip(moved, seed=0) < 0.05
    assert excluded / runs > 0.08
    assert rejected / runs < 0.05


def test_at_the_papers_size_a_null_effect_is_found_in_five_of_a_hundred_runs_and_the_papers_tests_find_more() -> None:
    """15 prompts of 10 images; a prompt is easier in one arm or in the other by chance, and on average in neither."""
    rng, found = np.random.default_rng(0), []
    names = [f"p{prompt:02d}" for prompt in range(15) for _ in range(10)]
    for _ in range(1000):
        middle, gain = rng.uniform(0.2, 0.8, 15), rng.uniform(-0.2, 0.2, 15)
        base, ours = ((rng.random((15, 10)) < (middle + way * gain)[:, None]).ravel() for way in (-0.5, 0.5))
        pairs = Pairs(names, base.astype(np.float64), ours.astype(np.float64))
        means = pairs.prompt_means()
        found.append([statistics.sign_flip(means[1] - means[0], seed=0), statistics.mcnemar(pairs.base, pairs.ours)])
    primary, by_image = np.mean(np.array(found) <= 0.05, axis=0)
    assert 0.03 <= primary <= 0.07
    assert by_image > primary  # McNemar takes images of a prompt for independent


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    ends = [
        statistics.cluster_interval(rng.normal(0.1, 0.3, 20), confidence=0.95, resamples=300, seed=run)
        for run in range(100)
    ]
    assert 85 <= sum(low <= 0.1 <= high for low, high in ends if low is not None and high is not None) <= 100


def test_pairing_finds_what_the_papers_test_misses() -> None:
    # Table 7 of the paper: nine prompts; the independent t-test gives p = .21, the paired ones p < .01.
    base, ours = PAPER_TABLE_7
    found = paired_difference(Pairs([str(index) for index in range(9)], base, ours), **SETTINGS)
    assert found.paper_ttest_p == pytest.approx(0.21, abs=0.005)
    assert found.p == pytest.approx(2 / 512)
    assert found.low is not None
    assert found.low > 0


def test_the_papers_test_equals_scipys() -> None:
    base, ours = PAPER_TABLE_7
    assert statistics.independent_t(base, ours) == pytest.approx(stats.ttest_ind(ours, base).pvalue)
    assert statistics.independent_t(np.ones(4), np.ones(4)) is None
    assert statistics.independent_t(np.ones(4), np.array([0.0, 1.0, 0.0, 1.0])) == pytest.approx(0.1340, abs=1e-4)


def _bca(differences: np.ndarray, confidence: float, resamples: int) -> tuple[float, float]:
    """Efron's interval by his formulas (Better bootstrap confidence intervals, 1987; section 14.3 of the 1993 book)."""
    rng, count, mean = np.random.default_rng(99), len(differences), differences.mean()
    means = differences[rng.integers(0, count, (resamples, count))].mean(axis=1)
    bias = stats.norm.ppf((means < mean).mean() + (means == mean).mean() / 2)
    left_out = np.array([np.delete(differences, index).mean() for index in range(count)])
    pull = left_out.mean() - left_out
    skew = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    ends = bias + stats.norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(means, stats.norm.cdf(bias + ends / (1 - skew * ends)))
    return float(low), float(high)


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_equals_efrons_formulas(confidence: float) -> None:
    differences = np.random.default_rng(4).exponential(0.3, 15) - 0.1
    found = statistics.cluster_interval(differences, confidence=confidence, resamples=40_000, seed=0)
    expected = _bca(differences, confidence, 40_000)
    assert found == pytest.approx(expected, abs=0.02 * (expected[1] - expected[0]))


@pytest.mark.parametrize("value", [0.0, 0.25, -1.0])
def test_prompts_that_all_differ_by_the_same_have_no_interval_of_width_zero(value: float) -> None:
    differences = np.full(5, value)
    assert statistics.cluster_interval(differences, confidence=0.95, resamples=200, seed=0) == (None, None)


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=10), st.sampled_from([1e-6, 0.1, 1e3, 1e7]))
@settings(max_examples=40)
def test_the_unit_of_a_metric_does_not_change_p(steps: list[int], unit: float) -> None:
    expected = statistics.sign_flip(np.array(steps, np.float64), seed=0)
    assert statistics.sign_flip(np.array(steps, np.float64) * unit, seed=0) == expected


def test_all_figures_of_a_line_are_means_over_prompts_by_hand() -> None:
    pairs = Pairs(["b", "a", "a", "b", "a"], np.array([0.0, 1, 0, 1, 0]), np.array([1.0, 1, 1, 1, 0]))
    found = paired_difference(pairs, **SETTINGS)
    base, ours = np.array([1 / 3, 1 / 2]), np.array([2 / 3, 1.0])
    assert (found.prompts, found.pairs) == (2, 5)
    assert (found.base, found.adapted) == (pytest.approx(base.mean()), pytest.approx(ours.mean()))
    assert found.difference == pytest.approx((ours - base).mean())
    assert found.p == pytest.approx(2 / 4)
    assert found.mcnemar_p == pytest.approx(stats.binomtest(2, 2).pvalue)


def test_mcnemar_equals_statsmodels() -> None:
    rng = np.random.default_rng(6)
    base, ours = (rng.integers(0, 2, 60).astype(np.float64) for _ in range(2))
    table = [[np.sum((base == b) & (ours == o)) for o in (0, 1)] for b in (0, 1)]
    assert statistics.mcnemar(base, ours) == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_mcnemar_equals_the_binomial_of_the_pairs_that_disagree() -> None:
    base = np.array([1.0] * 10 + [0.0] * 10)
    ours = np.array([1.0] * 9 + [0.0] + [1.0] * 6 + [0.0] * 4)
    assert statistics.mcnemar(base, ours) == pytest.approx(stats.binomtest(6, 7).pvalue)
    assert statistics.mcnemar(base + 0.5, ours) is None


@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_swapped_arms_swap_the_sign_and_nothing_else(seed: int) -> None:
    pairs = _pairs(seed, gain=0.2)
    found = paired_difference(pairs, **SETTINGS)
    swapped = paired_difference(Pairs(pairs.prompts, pairs.ours, pairs.base), **SETTINGS)
    assert swapped.difference == pytest.approx(-found.difference)
    assert (swapped.p, swapped.mcnemar_p) == (found.p, found.mcnemar_p)
    assert swapped.paper_ttest_p == pytest.approx(found.paper_ttest_p)
    assert (swapped.base, swapped.adapted) == (found.adapted, found.base)


@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_permuted_rows_change_nothing(seed: int) -> None:
    pairs = _pairs(seed, gain=0.2)
    order = np.random.default_rng(seed).permutation(len(pairs.prompts))
    permuted = Pairs([pairs.prompts[index] for index in order], pairs.base[order], pairs.ours[order])
    first, second = paired_difference(pairs, **SETTINGS), paired_difference(permuted, **SETTINGS)
    assert first.paper_ttest_p == pytest.approx(second.paper_ttest_p)
    assert (first.difference, first.low, first.high, first.p) == (second.difference, second.low, second.high, second.p)


def test_identical_images_show_no_difference_at_all() -> None:
    pairs = _pairs(3)
    found = paired_difference(Pairs(pairs.prompts, pairs.base, pairs.base), **SETTINGS)
    assert (found.difference, found.low, found.high) == (0.0, None, None)
    assert (found.p, found.mcnemar_p, found.paper_ttest_p) == (1.0, 1.0, pytest.approx(1.0))


def test_a_prompt_weighs_the_same_whatever_its_number_of_images() -> None:
    pairs = Pairs(["a", "b", "b", "b"], np.zeros(4), np.array([1.0, 0.0, 0.0, 0.0]))
    assert paired_difference(pairs, **SETTINGS).difference == 0.5


def test_one_prompt_has_no_interval() -> None:
    found = paired_difference(Pairs(["a"], np.zeros(1), np.ones(1)), **SETTINGS)
    assert (found.low, found.high, found.paper_ttest_p) == (None, None, None)
    assert statistics.equivalence(Pairs(["a"], np.zeros(1), np.ones(1)), margin_sd=0.2) is None


def test_equivalence_equals_statsmodels() -> None:
    rng = np.random.default_rng(5)
    base = rng.normal(0.0, 1.0, 30)
    ours = base + rng.normal(0.02, 0.2, 30)
    found = statistics.equivalence(Pairs([f"{index:02d}" for index in range(30)], base, ours), margin_sd=0.2)
    assert found is not None
    margin = 0.2 * base.std(ddof=1)
    assert found.margin == pytest.approx(margin)
    p, (_, lower, _), _ = ttost_paired(ours, base, -margin, margin)
    assert (found.p, found.p_not_worse) == pytest.approx((p, lower))


def test_equal_arms_are_equivalent_and_shifted_ones_are_not() -> None:
    base = np.arange(6.0)
    names = [str(index) for index in range(6)]
    same = statistics.equivalence(Pairs(names, base, base), margin_sd=0.2)
    shifted = statistics.equivalence(Pairs(names, base, base + 1.0), margin_sd=0.2)
    assert same is not None
    assert shifted is not None
    assert (same.p, shifted.p) == (0.0, 1.0)
    assert (same.p_not_worse, shifted.p_not_worse) == (0.0, 0.0)
    worse = statistics.equivalence(Pairs(names, base, base - 1.0), margin_sd=0.2)
    assert worse is not None
    assert (worse.p, worse.p_not_worse) == (1.0, 1.0)


def test_an_arm_that_is_much_better_is_not_equal_but_no_worse() -> None:
    base = np.arange(6.0)
    ours = base + np.array([2.0, 2.5, 2.2, 2.1, 2.4, 2.3])
    found = statistics.equivalence(Pairs([str(index) for index in range(6)], base, ours), margin_sd=0.2)
    assert found is not None
    assert found.p > 0.99
    assert found.p_not_worse < 0.001


@pytest.mark.parametrize("ps", [[0.04], [0.01, 0.04, 0.03, 0.005], [0.02, 0.02, 0.9], [0.3, 0.9, 0.001, 0.02, 0.02]])
def test_holm_equals_statsmodels(ps: list[float]) -> None:
    assert statistics.holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])


def test_numbers_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="same length"):
        Pairs(["a"], np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match="finite"):
        Pairs(["a"], np.zeros(1), np.array([np.nan]))
