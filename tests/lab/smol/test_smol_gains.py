"""What more votes gain on the same pairs."""

from __future__ import annotations

import numpy as np
import pytest

from lab.smol.gains import gain, right


def test_votes_are_counted_in_expectation_and_a_tie_is_wrong() -> None:
    rng = np.random.default_rng(0)
    assert right([6, -6, 6, 6], 1, rng) == 0.75
    assert right([6, -6, 6, 6], 4, rng) == 1.0
    assert right([6, -6], 2, rng) == 0.0
    assert right([6, -7, 6, 6], 3, rng) == 1.0
    assert right([6, -7, 6, 6], 2, rng) == pytest.approx(0.5, abs=0.1)


def test_the_gain_is_over_pairs() -> None:
    found = gain([[5.0, 5.0, -4.0]] * 30 + [[-5.0, -5.0, 4.0]] * 10, 1, 3)
    assert found.value == pytest.approx((30 * (1 - 2 / 3) + 10 * (0 - 1 / 3)) / 40)
    assert found.low is not None
    assert found.value is not None
    assert found.low < found.value < 0.34
    assert found.n == 40
