"""Is a judge no worse than another by more than a margin? For paired right-or-wrong items.

"No significant difference" is no answer: with few items nothing is ever significant. Here the new
judge has to show that it is not worse by the margin (Tango, Statistics in Medicine 17, 1998: a
score test of paired proportions, right where few items differ).
"""

from __future__ import annotations

import math

from deemster.schemas import Count, Record
from deemster.suites.metrics.estimate import Estimate, tidy


class NonInferiority(Record):
    """A paired score test that the second judge is not worse than the first by the margin."""

    difference: Estimate
    """Accuracy of the second less that of the first, with Tango's interval at 1 - 2 alpha: its
    lower end is the one-sided bound that the test looks at."""
    margin: float
    p_value: float | None
    """One-sided, of a difference at or below minus the margin; None without items."""
    holds: bool
    """Whether p is below alpha."""
    n_needed: Count | None
    """Items to show it with a probability of 0.8 if both are equally good and differ on as many
    items as here; None where they differ on none."""


def non_inferiority(
    only_first: int, only_second: int, n: int, *, margin: float, alpha: float = 0.05
) -> NonInferiority:
    """Test `n` items of which each judge alone gets some right.

    Args:
        only_first: items that only the first gets right.
        only_second: items that only the second gets right.
        n: all items.
        margin: how much worse the second may be, > 0 and < 1.
        alpha: of the one-sided test.
    """
    from scipy.stats import norm  # noqa: PLC0415 - slow to import

    if not n:
        none = Estimate(value=None, low=None, high=None, n=0)
        return NonInferiority(
            difference=none, margin=margin, p_value=None, holds=False, n_needed=None
        )
    p = float(norm.sf(_score(only_first, only_second, n, -margin)))
    low, high = _interval(only_first, only_second, n, float(norm.isf(alpha)))
    discordant = (only_first + only_second) / n
    reach = float(norm.isf(alpha) + norm.isf(0.2))
    return NonInferiority(
        difference=Estimate(
            value=tidy((only_second - only_first) / n), low=tidy(low), high=tidy(high), n=n
        ),
        margin=margin,
        p_value=tidy(p),
        holds=p < alpha,
        n_needed=math.ceil(reach**2 * discordant / margin**2) if discordant else None,
    )


def _score(b: int, c: int, n: int, difference: float) -> float:
    """Z of the observed difference (c - b) / n against a true one."""
    # The probability that only the first is right, most likely under the true difference: a root
    # of 2n q^2 - s q + b d (1 + d), d being how much better the first is.
    d = -difference
    s = b * (1 + 3 * d) + c * (1 + d) + 2 * (n - b - c) * d
    root = math.sqrt(max(s * s - 8 * n * b * d * (1 + d), 0.0))
    q = (s + root) / (4 * n)
    variance = (2 * q - d - d * d) / n
    gap = (c - b) / n - difference
    if variance <= 1e-15:
        return math.copysign(math.inf, gap) if abs(gap) > 1e-15 else 0.0
    return gap / math.sqrt(variance)


def _interval(b: int, c: int, n: int, z: float) -> tuple[float, float]:
    """The differences that the score test does not reject on either side."""
    from scipy.optimize import brentq  # noqa: PLC0415 - slow to import

    seen, edge = (c - b) / n, 1 - 1e-9

    def bound(end: float, sign: float) -> float:
        def excess(difference: float) -> float:
            return min(max(sign * _score(b, c, n, difference), -50.0), 50.0) - z

        if abs(seen - end) < 1e-9 or excess(end) < 0:
            return end
        return float(brentq(excess, seen, end))

    return bound(-edge, 1.0), bound(edge, -1.0)
