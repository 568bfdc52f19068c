from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.training.outcome import check_truth, is_correct, rule_reward, truth_of

SCORES = st.lists(st.integers(1, 10), min_size=2, max_size=6)


@st.composite
def judged(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    """Scores, and a ground truth with one strict maximum."""
    scores = draw(SCORES)
    best = draw(st.integers(0, len(scores) - 1))
    truth = [draw(st.floats(-5, 4)) for _ in scores]
    truth[best] = 5.0
    return scores, truth


@pytest.mark.parametrize(
    ("scores", "truth", "correct"),
    [
        pytest.param([8, 3], [1, 0], True, id="best-strictly-highest"),
        pytest.param([3, 8], [1, 0], False, id="best-lower"),
        pytest.param([8, 8], [1, 0], False, id="tie-on-top"),
        pytest.param([2, 9, 9], [3, 1, 2], False, id="others-tied-above"),
        pytest.param([9, 2, 2], [3, 1, 2], True, id="others-tied-below"),
        pytest.param([9, 2, 7], [3, 2, 1], True, id="order-of-the-rest-does-not-count"),
        pytest.param([9, None], [1, 0], False, id="missing-score"),
        pytest.param([None], [1], False, id="single-missing"),
        pytest.param([1], [1], True, id="single-right"),
        pytest.param([0], [0], True, id="single-wrong-found"),
        pytest.param([1], [0], False, id="single-wrong-missed"),
        pytest.param([7], [1], False, id="single-on-another-scale"),
    ],
)
def test_equation_10(scores: list[float | None], truth: list[float], correct: bool) -> None:
    assert is_correct(scores, truth) is correct


@given(judged(), st.randoms(use_true_random=False))
def test_order_of_the_responses_does_not_matter(
    case: tuple[list[int], list[float]], random: Random
) -> None:
    scores, truth = case
    order = list(range(len(scores)))
    random.shuffle(order)
    moved = is_correct([scores[i] for i in order], [truth[i] for i in order])
    assert moved is is_correct(scores, truth)


@given(judged())
def test_correct_is_the_only_strict_arg_max(case: tuple[list[int], list[float]]) -> None:
    scores, truth = case
    winners = [i for i, score in enumerate(scores) if score == max(scores)]
    assert is_correct(scores, truth) is (winners == [truth.index(max(truth))])


@given(judged())
def test_raising_the_best_can_only_help(case: tuple[list[int], list[float]]) -> None:
    scores, truth = case
    best = truth.index(max(truth))
    raised = [score + 10 * (i == best) for i, score in enumerate(scores)]
    assert is_correct(raised, truth)
    assert not is_correct([score if i != best else 0 for i, score in enumerate(scores)], truth)


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        pytest.param([], "ground_truth is empty", id="empty"),
        pytest.param([1, 1], r"ground_truth \(1, 1\) has 2 maxima", id="two-maxima"),
        pytest.param([0, 2, 2], "has 2 maxima", id="two-maxima-of-three"),
        pytest.param([1, math.nan], "finite numbers only", id="nan"),
        pytest.param([math.inf, 0], "finite numbers only", id="infinite"),
        pytest.param([0.5], "of a single response must be 0 or 1", id="single-share"),
    ],
)
def test_truth_that_cannot_be_learnt(truth: list[float], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        check_truth(truth)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=told):
        is_correct([5] * len(truth), truth)


def test_lengths_must_agree() -> None:
    with pytest.raises(InputError, match="3 scores for 2 responses"):
        is_correct([1, 2, 3], [1, 0])


def test_truth_of_a_sample_names_it() -> None:
    sample = Sample(id="s7", query="q", responses=["a", "b"], ground_truth=(1, 1))
    with pytest.raises(InputError, match="sample 's7': ground_truth"):
        truth_of(sample)
    with pytest.raises(InputError, match="sample 's7' has no ground_truth"):
        truth_of(sample.model_copy(update={"ground_truth": None}))


def test_equation_11() -> None:
    assert [rule_reward(correct) for correct in (True, False, None)] == [1.0, -1.0, -1.0]
