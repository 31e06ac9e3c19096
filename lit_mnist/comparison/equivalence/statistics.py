"""Are two training methods equally accurate? Welch's TOST, its power, and McNemar's test.

Equivalence is shown, not assumed: "no significant difference" may only mean too few runs. Formulas:
B. L. Welch (1947), Biometrika 34; D. J. Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics
15 (two one-sided tests); Q. McNemar (1947), Psychometrika 12, with the exact binomial distribution.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...errors import UserError

MARGIN = 0.1  # percentage points of test accuracy, fixed before any run
ALPHA = 0.05
EQUIVALENT = "equivalent"
DIFFERENT = "different"
UNDECIDED = "undecided"
_CELLS = 4000  # of the integral over the standard error's distribution


class EquivalenceError(UserError):
    """Samples, a margin or a level that cannot be tested."""


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation and size of a sample.

    The deviation divides by n - 1, and is NaN for one value.
    """

    mean: float
    deviation: float
    n: int


@dataclass(frozen=True)
class Equivalence:
    """Two samples compared; `difference` is first minus second, `interval` has level 1 - 2 alpha.

    `p_equivalent` is the larger p-value of the two one-sided tests, `p_different` that of Welch's
    two-sided test, `power` the probability of "equivalent" if the true difference were zero at this
    n and deviation.
    """

    first: Summary
    second: Summary
    difference: float
    standard_error: float
    degrees_of_freedom: float
    interval: tuple[float, float]
    p_equivalent: float
    p_different: float
    power: float
    margin: float
    alpha: float
    verdict: str


@dataclass(frozen=True)
class McNemar:
    """Images that only one of two networks gets wrong, and the exact two-sided p-value."""

    first_alone_wrong: int
    second_alone_wrong: int
    p: float


def summarize(values: Sequence[float]) -> Summary:
    """Return mean, standard deviation and size.

    Raises EquivalenceError for no value or a non-finite one.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise EquivalenceError(
            f"sample {values!r}: cannot be compared; accepted: one or more finite numbers"
        )
    deviation = float(array.std(ddof=1)) if array.size > 1 else math.nan
    return Summary(float(array.mean()), deviation, array.size)


def compare_means(
    first: Sequence[float], second: Sequence[float], margin: float = MARGIN, alpha: float = ALPHA
) -> Equivalence:
    """Compare the means of two samples in the unit of `margin`.

    The verdict is equivalent if both one-sided tests reject a difference of `margin` or more; else
    different if Welch's two-sided test rejects equal means; else undecided. Samples of one value
    are undecided. Raises EquivalenceError if no test is possible.
    """
    if not (math.isfinite(margin) and margin > 0 and 0 < alpha < 0.5):
        raise EquivalenceError(
            f"margin {margin!r}, alpha {alpha!r}: cannot work; accepted: margin above 0, alpha "
            "between 0 and 0.5"
        )
    a = summarize(first)
    b = summarize(second)
    difference = a.mean - b.mean
    error, freedom = welch(a, b)
    if min(a.n, b.n) < 2:
        return Equivalence(
            a,
            b,
            difference,
            math.nan,
            math.nan,
            (math.nan, math.nan),
            math.nan,
            math.nan,
            math.nan,
            margin,
            alpha,
            UNDECIDED,
        )
    p_equivalent = max(
        _above(margin - difference, error, freedom), _above(margin + difference, error, freedom)
    )
    p_different = 2 * _above(abs(difference), error, freedom) if difference else 1.0
    reach = float(stats.t.ppf(1 - alpha, freedom)) * error
    verdict = UNDECIDED
    if p_equivalent < alpha:
        verdict = EQUIVALENT
    elif p_different < alpha:
        verdict = DIFFERENT
    return Equivalence(
        a,
        b,
        difference,
        error,
        freedom,
        (difference - reach, difference + reach),
        p_equivalent,
        p_different,
        tost_power(error, freedom, margin, alpha),
        margin,
        alpha,
        verdict,
    )


def welch(a: Summary, b: Summary) -> tuple[float, float]:
    """Return the standard error of the difference of means, and Welch's degrees of freedom."""
    x = a.deviation**2 / a.n
    y = b.deviation**2 / b.n
    if x + y == 0:  # no spread at all: the limit of equal, vanishing deviations
        return 0.0, float(a.n + b.n - 2)
    return math.sqrt(x + y), (x + y) ** 2 / (x**2 / max(a.n - 1, 1) + y**2 / max(b.n - 1, 1))


def tost_power(
    error: float,
    freedom: float,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    difference: float = 0.0,
) -> float:
    """Return the probability that both tests reject if the true difference is `difference`.

    The mean of P(|D| < margin - t s) over the estimated standard error s, with D normal of
    deviation `error` and (s / error)^2 chi-square over its degrees of freedom: exact where both
    deviations are equal.
    """
    if error == 0:
        return float(abs(difference) < margin)
    probabilities = (np.arange(_CELLS) + 0.5) / _CELLS
    estimated = error * np.sqrt(stats.chi2.ppf(probabilities, freedom) / freedom)
    room = np.maximum(margin - float(stats.t.ppf(1 - alpha, freedom)) * estimated, 0.0)
    inside = stats.norm.cdf((room - difference) / error) - stats.norm.cdf(
        (-room - difference) / error
    )
    return float(inside.mean())


def mcnemar(first_wrong: Collection[int], second_wrong: Collection[int]) -> McNemar:
    """Compare two networks by the images (numbers) that each gets wrong; p = 1 if they agree."""
    first = set(first_wrong)
    second = set(second_wrong)
    only_first = len(first - second)
    only_second = len(second - first)
    total = only_first + only_second
    p = float(stats.binomtest(only_first, total, 0.5).pvalue) if total else 1.0
    return McNemar(only_first, only_second, p)


def _above(distance: float, error: float, freedom: float) -> float:
    """Return the one-sided p-value of an estimate `distance` inside (negative: outside) a bound."""
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / error, freedom))
