"""Weights of questions: what is learned from labels, and that nothing is learned from noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from deemster.errors import InputError
from deemster.judges.decision_fit import (
    PENALTIES,
    Labelled,
    accuracies,
    comparisons,
    cross_fit,
    fit,
    log_losses,
)

EQUAL = (math.inf,)


def pairs(strengths: list[float], *, n: int = 200, seed: int = 0) -> list[Labelled]:
    """Items whose labels are drawn with these strengths of the questions."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        values = rng.random((len(strengths), 2))
        odds = float(np.array(strengths) @ (values[:, 0] - values[:, 1]))
        first = rng.random() < 1 / (1 + math.exp(-odds))
        made.append(Labelled(values, (1.0, 0.0) if first else (0.0, 1.0), str(i)))
    return made


def test_without_a_penalty_it_is_logistic_regression() -> None:
    from statsmodels.discrete.discrete_model import Logit

    items = pairs([4.0, 1.0, 2.0], n=400)
    rows = comparisons(items)
    gaps = np.array([one.values[:, 0] - one.values[:, 1] for one in items])
    first = np.array([one.truth[0] for one in items])
    expected = Logit(first, gaps).fit(disp=False).params
    assert fit(rows, penalties=(0.0,)).strengths == pytest.approx(expected, rel=0.02)


def test_the_question_that_tells_gets_the_weight() -> None:
    rows = comparisons(pairs([12.0, 0.0, 0.0, 0.0], n=300))
    found = fit(rows)
    assert found.weights[0] > 0.8
    own, equal = cross_fit(rows), cross_fit(rows, penalties=EQUAL)
    assert own[0].mean() > equal[0].mean() + 0.1
    assert own[1].mean() < equal[1].mean() - 0.1


def test_questions_that_nothing_tells_apart_stay_equal() -> None:
    found = fit(comparisons(pairs([4.0, 4.0, 4.0, 4.0], n=60)))
    assert found.weights == pytest.approx([0.25] * 4, abs=0.06)


def test_a_question_that_speaks_against_has_no_weight_and_alone_is_refused() -> None:
    found = fit(comparisons(pairs([8.0, -8.0])))
    assert found.weights == pytest.approx([1.0, 0.0], abs=1e-6)
    with pytest.raises(InputError, match="ask them the other way round"):
        _ = fit(comparisons(pairs([-8.0]))).weights


def test_items_of_one_query_are_not_fitted_and_tested_on_in_turn() -> None:
    """Random labels that repeat within a query: only a leak could foresee them."""
    rng = np.random.default_rng(1)
    items = []
    for query in range(30):
        values, first = rng.random((12, 2)), bool(rng.integers(2))
        items += [Labelled(values, (float(first), float(not first)), str(query))] * 4
    right, loss = cross_fit(comparisons(items), penalties=(0.0,))
    assert right.mean() < 0.65
    assert loss.mean() > 0.6


def test_figures_against_arithmetic() -> None:
    values = np.array([[0.9, 0.4, 0.4], [0.5, 0.5, 0.1]])
    items = [Labelled(values, (2.0, 1.0, 1.0), "a")] * 20
    rows = comparisons(items)
    assert (rows.n, len(rows.item)) == (20, 40)
    weights = np.array([2.0, 1.0])
    assert accuracies(rows, np.array([0.0, 1.0])) == pytest.approx([0.5] * 20)
    expected = (math.log1p(math.exp(-1.0)) + math.log1p(math.exp(-1.4))) / 2
    assert log_losses(rows, weights) == pytest.approx([expected] * 20)


@pytest.mark.parametrize("truth", [(1.0, 1.0), (0.0, 0.0)])
def test_ties_are_no_comparisons(truth: tuple[float, float]) -> None:
    values: npt.NDArray[np.float64] = np.full((1, 2), 0.5)
    with pytest.raises(InputError, match=r"0 labelled items compare .* 20 or more"):
        comparisons([Labelled(values, truth, str(i)) for i in range(30)])


def test_folds_need_queries() -> None:
    rows = comparisons([Labelled(one.values, one.truth, "one") for one in pairs([1.0], n=30)])
    with pytest.raises(InputError, match="folds must be from 2 to the 1 queries, got 10"):
        cross_fit(rows)


def test_equal_is_tried_first() -> None:
    assert PENALTIES[0] == math.inf
