"""Agreement beyond chance: against published values, another library, and shuffled places."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from deemster.suites.metrics import Bootstrap
from deemster.suites.metrics.raters import Label, Rated, agreement_beyond_chance, ceiling

FEW = Bootstrap(resamples=200)
PAIR: tuple[Label, ...] = ((0,), (1,), (0, 1))


def against(judge: Label, rater: Label, times: int = 1, n: int = 1) -> list[Rated]:
    return [Rated(n, judge, (rater,))] * times


def test_the_example_of_gwet_where_kappa_collapses() -> None:
    """118, 5, 2 and 0 of 125: AC1 0.941 and kappa -0.023 (Gwet 2008, Table 1)."""
    items = against(1.0, 1.0, 118) + against(1.0, 0.0, 5) + against(0.0, 1.0, 2)
    found = agreement_beyond_chance(items, bootstrap=FEW)
    assert found.agreement.value == pytest.approx(0.944)
    assert found.kappa.value == pytest.approx(-0.0234, abs=5e-5)
    assert found.ac.value == pytest.approx(0.9408, abs=5e-5)


def test_grades_have_quadratic_weights() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 4, 300)
    two = np.where(rng.random(300) < 0.6, one, rng.integers(0, 4, 300))
    items = [Rated(1, float(a), (float(b),)) for a, b in zip(one, two, strict=True)]
    found = agreement_beyond_chance(items, bootstrap=FEW)
    expected = cohen_kappa_score(one, two, weights="quadratic")
    assert found.kappa.value == pytest.approx(expected)


def test_pairs_are_as_if_stored_in_both_orders() -> None:
    rng = np.random.default_rng(1)
    one = rng.integers(0, 3, 300)
    two = np.where(rng.random(300) < 0.6, one, rng.integers(0, 3, 300))
    items = [Rated(2, PAIR[a], (PAIR[b],)) for a, b in zip(one, two, strict=True)]
    other = np.array([1, 0, 2])
    expected = cohen_kappa_score([*one, *other[one]], [*two, *other[two]])
    found = agreement_beyond_chance(items, bootstrap=FEW)
    assert found.kappa.value == pytest.approx(expected)
    # A data set that stores the better response first says the same of the judge.
    first = [
        Rated(2, PAIR[other[a]] if b == 1 else PAIR[a], (PAIR[0 if b == 1 else b],))
        for a, b in zip(one, two, strict=True)
    ]
    assert agreement_beyond_chance(first, bootstrap=FEW) == found


def test_lists_of_different_lengths_have_chances_of_their_own() -> None:
    """A guess among 4 is right 1 time in 4, of 2 in 2: both are kappa 0."""
    items = against((0,), (0,), 1, n=4) + against((1,), (0,), 3, n=4)
    items += against((0,), (0,), 2, n=2) + against((1,), (0,), 2, n=2)
    found = agreement_beyond_chance(items, bootstrap=FEW)
    assert found.kappa.value == pytest.approx(0.0)
    assert found.ac.value == pytest.approx(0.0)


def test_the_ceiling_is_one_rater_against_the_others() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 400)

    def noisy(right: float) -> np.ndarray:
        return np.where(rng.random(400) < right, truth, 1 - truth)

    raters, judge = [noisy(0.8) for _ in range(3)], noisy(0.95)
    items = [
        Rated(2, PAIR[judge[i]], tuple(PAIR[rater[i]] for rater in raters)) for i in range(400)
    ]
    found = ceiling(items, bootstrap=FEW)
    assert found is not None
    assert found.gap.low is not None
    assert found.gap.low > 0  # the better rater, and the figures say so
    assert found.rater.kappa.value is not None
    # Of two others that agree 94 % are right: 0.8 * 0.94 + 0.2 * 0.06.
    assert found.rater.agreement.value == pytest.approx(0.765, abs=0.04)


def test_without_a_second_rater_there_is_no_ceiling() -> None:
    assert ceiling(against((0,), (0,), 5, n=2), bootstrap=FEW) is None


def test_split_raters_and_unscored_items_are_left_out() -> None:
    items = [
        Rated(2, (0,), ((0,), (1,))),
        Rated(2, None, ((0,),)),
        Rated(2, (0,), ((0,),)),
    ]
    assert agreement_beyond_chance(items, bootstrap=FEW).kappa.n == 1


@pytest.mark.parametrize("n", [3, 100])
@pytest.mark.parametrize(
    ("labels", "responses", "chance"),
    [
        pytest.param([((0,), (0,))], 2, 1 / 2, id="all-agree"),
        pytest.param([((0,), (0,))], 4, 1 / 4, id="of-four"),
        pytest.param([((0,), (1,))], 2, 1 / 2, id="none-agrees"),
    ],
)
def test_where_all_labels_agree_there_is_still_an_interval(
    labels: list[tuple[Label, Label]], responses: int, chance: float, n: int
) -> None:
    agree = labels[0][0] == labels[0][1]
    found = agreement_beyond_chance(
        [Rated(responses, a, (b,)) for a, b in labels * n], bootstrap=FEW
    )
    exact = binomtest(n if agree else 0, n).proportion_ci(method="exact")
    kappa = [(end - chance) / (1 - chance) for end in (exact.low, exact.high)]
    assert found.agreement.low == pytest.approx(exact.low)
    assert found.agreement.high == pytest.approx(exact.high)
    assert [found.kappa.low, found.kappa.high] == pytest.approx(kappa)
    assert found.ac.low is not None
    assert found.ac.high is not None
    assert found.ac.low < found.ac.high


def test_agreement_of_all_grades_is_not_certain_of_few() -> None:
    items = [Rated(1, float(grade), (float(grade),)) for grade in (0, 1, 2) * 2]
    found = agreement_beyond_chance(items, bootstrap=FEW)
    for one in (found.agreement, found.kappa, found.ac):
        assert one.value == one.high == 1
        assert one.low is not None
        assert one.low < 0.6


def test_the_gap_to_raters_who_all_agree_is_not_certain() -> None:
    found = ceiling([Rated(2, (0,), ((0,), (0,)))] * 4, bootstrap=FEW)
    assert found is not None
    assert found.gap.value == 0
    assert found.gap.low is not None
    assert found.gap.high is not None
    assert found.gap.low < -0.5 < 0.5 < found.gap.high


def test_one_item_has_no_interval() -> None:
    found = agreement_beyond_chance([Rated(2, (0,), ((0,),))], bootstrap=FEW)
    assert (found.kappa.value, found.kappa.low) == (1.0, None)


@pytest.mark.parametrize("label", [1.0, 3.0])
def test_kappa_of_one_same_grade_stays_undefined(label: float) -> None:
    kappa = agreement_beyond_chance([Rated(1, label, (label,))] * 5, bootstrap=FEW).kappa
    assert (kappa.value, kappa.low, kappa.high) == (None, None, None)
