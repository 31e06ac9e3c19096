"""Equivalence of accuracies: the statistics by hand, by scipy and by simulation; the command end to end."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lit_mnist.comparison.equivalence import EquivalenceError, compare_means, mcnemar, summarize, tost_power

RANDOM = np.random.default_rng(0)
SPREAD = stats.norm.ppf((np.arange(12) + 0.5) / 12) * 0.06  # 12 values like those of MNIST runs, in points


def test_by_hand() -> None:
    """Means 2 and 3, variances 1 and 1, n = 3: standard error sqrt(2/3), 4 degrees of freedom, t = -1.2247."""
    found = compare_means([1, 2, 3], [2, 3, 4], margin=0.1)
    assert found.difference == -1 and found.degrees_of_freedom == pytest.approx(4)
    assert found.standard_error == pytest.approx(math.sqrt(2 / 3))
    assert found.p_different == pytest.approx(0.2878641347266908)  # 1 - t(2 - ...): tables of t with 4 degrees
    assert found.interval[0] == pytest.approx(-1 - 2.131846786 * math.sqrt(2 / 3))  # t(0.95, 4) = 2.1318


@pytest.mark.parametrize("sizes", [(3, 3), (5, 12), (12, 12)])
def test_by_scipy(sizes: tuple[int, int]) -> None:
    a, b = RANDOM.normal(99.2, 0.05, sizes[0]), RANDOM.normal(99.2, 0.2, sizes[1])
    found = compare_means(a, b, margin=0.1)
    two_sided = stats.ttest_ind(a, b, equal_var=False)
    low = stats.ttest_ind(a + 0.1, b, equal_var=False, alternative="greater").pvalue
    high = stats.ttest_ind(a - 0.1, b, equal_var=False, alternative="less").pvalue
    assert found.p_different == pytest.approx(two_sided.pvalue)
    assert found.p_equivalent == pytest.approx(max(low, high))
    assert found.interval == pytest.approx(tuple(two_sided.confidence_interval(0.9)))


def test_planted_verdicts() -> None:
    assert compare_means(99.2 + SPREAD, 99.2 + SPREAD).verdict == "equivalent"
    assert compare_means(99.2 + SPREAD, 98.9 + SPREAD).verdict == "different"
    assert compare_means(98.9 + SPREAD, 99.2 + SPREAD).verdict == "different"
    assert compare_means([99.1, 99.3], [99.2, 99.3]).verdict == "undecided"
    assert compare_means([99.2], [99.2]).verdict == "undecided"
    assert compare_means([99.2, 99.2], [99.2, 99.2]).verdict == "equivalent"  # no spread at all
    assert compare_means([99.2, 99.2], [98.2, 98.2]).verdict == "different"


def test_a_real_but_small_difference_is_equivalent() -> None:
    found = compare_means(99.2 + SPREAD / 10, 99.25 + SPREAD / 10)
    assert found.p_different < 0.05 and found.verdict == "equivalent"


def test_equivalent_agrees_with_the_interval() -> None:
    for _ in range(200):
        a, b = RANDOM.normal(0, 0.06, 8), RANDOM.normal(0.04, 0.06, 8)
        found = compare_means(a, b)
        inside = -found.margin < found.interval[0] and found.interval[1] < found.margin
        assert (found.verdict == "equivalent") == inside


def test_power_by_simulation() -> None:
    """4,000 experiments of 2 x 6 runs: the share found equivalent is the power within 4 standard errors."""
    runs, n, deviation = 4000, 6, 0.08
    a, b = RANDOM.normal(0, deviation, (2, runs, n))
    error = np.sqrt((a.var(1, ddof=1) + b.var(1, ddof=1)) / n)
    room = 0.1 - stats.t.ppf(0.95, 2 * n - 2) * error
    share = float((np.abs(a.mean(1) - b.mean(1)) < room).mean())
    expected = tost_power(deviation * math.sqrt(2 / n), 2 * n - 2)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / runs)


def test_level_is_kept() -> None:
    """At a true difference of exactly the margin, equivalence is found in at most alpha of experiments."""
    assert tost_power(0.02, 22, difference=0.1) == pytest.approx(0.05, abs=0.002)
    assert tost_power(0.5, 22) < 0.01  # hopeless spread
    assert tost_power(0.001, 22) > 0.999


def test_mcnemar_by_hand() -> None:
    found = mcnemar([1, 2, 3, 4, 5, 9], [9])
    assert (found.first_alone_wrong, found.second_alone_wrong) == (5, 0)
    assert found.p == pytest.approx(2 / 2**5)  # all five one way, two-sided
    assert mcnemar([3, 7], [7, 3]).p == 1.0


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 1.0]])
def test_bad_samples_are_refused(values: list[float]) -> None:
    with pytest.raises(EquivalenceError, match="accepted"):
        summarize(values)


@pytest.mark.parametrize(("margin", "alpha"), [(0, 0.05), (-1, 0.05), (math.nan, 0.05), (0.1, 0), (0.1, 0.5)])
def test_bad_margins_and_levels_are_refused(margin: float, alpha: float) -> None:
    with pytest.raises(EquivalenceError, match="margin"):
        compare_means([1, 2], [1, 2], margin, alpha)
