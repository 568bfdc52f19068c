from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.aggregators import (
    Ballot,
    Borda,
    Centred,
    Learned,
    Majority,
    Mean,
    PerJudge,
    Reducer,
    Reliable,
    Softmax,
    Sum,
    judge_weights,
    parse_aggregator,
    reliability_weights,
)
from deemster.aggregators.learned import cross_fit, features, fit
from deemster.aggregators.relative import levels
from deemster.errors import InputError
from deemster.schemas import Failure, Judgment, Vote

FAILED = Failure(status="timeout", message="no answer in 2 s")
NEW: list[Reducer] = [
    Softmax(), Softmax(0.5), Borda(), PerJudge(), Learned(), Centred() >> Sum(),
    Reliable() >> Mean(),
    Learned((("borda", 1.0), ("high", 0.5), ("low", 0.5), ("mean", 1.0), ("median", 2.0))),
]  # fmt: skip


def vote(*scores: float | None, judge: str = "") -> Judgment:
    return Judgment(scores=scores, judge=judge)


@pytest.mark.parametrize(
    "spec",
    [
        "softmax()", "softmax(temperature=0.5)", "borda()", "centred() >> sum()",
        "reliable() >> softmax()", "perjudge(judges={a: 2.0, b: 0.0}, temperature=2.0)",
        "learned(weights={borda: -0.5, softmax: 1.0})", "perjudge()",
    ],
)  # fmt: skip
def test_specs_round_trip(spec: str) -> None:
    assert str(parse_aggregator(spec)) == spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("softmax(0)", "temperature must be a finite number > 0, got 0", id="cold"),
        pytest.param("softmax(.inf)", "temperature", id="hot"),
        pytest.param("softmax(true)", "temperature", id="bool"),
        pytest.param("perjudge(judges={a: -1})", "weight of judge 'a'", id="negative"),
        pytest.param(
            "learned(weights={size: 1})", "unknown feature 'size'; known: mean", id="feat"
        ),
        pytest.param("learned(weights={mean: 0})", "all weights are 0", id="zero"),
        pytest.param("learned(weights={mean: .nan})", "must be finite", id="nan"),
        pytest.param("learned(weights={mean: a})", "must be a number, got 'a'", id="text"),
        pytest.param("centred", "must end in a reducer", id="no-reducer"),
    ],
)
def test_wrong_specs(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_aggregator(spec)


def shares(*scores: float) -> list[float]:
    parts = [math.exp(score) for score in scores]
    return [part / sum(parts) for part in parts]


def test_softmax_by_hand() -> None:
    found = Softmax()([vote(5, 6, 3), vote(9, 4, 4), FAILED])
    expected = np.mean([shares(5, 6, 3), shares(9, 4, 4)], axis=0)
    assert found == pytest.approx(expected.tolist())
    assert sum(found or ()) == pytest.approx(1.0)


def test_softmax_keeps_an_even_share_for_what_a_vote_does_not_score() -> None:
    a, b = shares(5, 6)
    found = Softmax()([vote(5, 6, None), vote(5, 5, 5)])
    assert found == pytest.approx([(a * 2 / 3 + 1 / 3) / 2, (b * 2 / 3 + 1 / 3) / 2, 1 / 3])


def test_softmax_lies_between_majority_and_sum() -> None:
    votes: list[Vote] = [vote(10, 1), vote(4, 5), vote(4, 5)]
    cold, warm = Softmax(0.01)(votes), Softmax(1000)(votes)
    assert cold == pytest.approx(tuple(x / 3 for x in Majority()(votes) or ()))
    assert warm is not None
    assert warm[0] > warm[1]
    assert cold is not None
    assert cold[1] > cold[0]


def test_softmax_of_huge_scores_does_not_overflow() -> None:
    assert Softmax()([vote(1e6, -1e6)]) == (1.0, 0.0)
    some = Softmax()([vote(1e6, -1e6, None), vote(5, 5, 5)])
    assert some == pytest.approx([(2 / 3 + 1 / 3) / 2, 1 / 6, 1 / 3])


def test_borda_by_hand() -> None:
    assert Borda()([vote(9, 5, 5), vote(1, 2, 3)]) == pytest.approx((0.5, 0.375, 0.625))
    assert Borda()([vote(9, 5, None), vote(1, 2, 3)]) == pytest.approx((0.5, 0.25, 1.0))
    assert Borda()([vote(9, None), vote(None, 3)]) is None


def test_centring_changes_nothing_where_nothing_is_missing() -> None:
    votes: list[Vote] = [vote(2, 8, 5), vote(4, 6, 6)]
    assert (Centred() >> Sum())(votes) == pytest.approx(Sum()(votes))


@pytest.mark.parametrize(
    "votes",
    [
        pytest.param([vote(9, None), vote(3, 5)], id="one-missing"),
        pytest.param([vote(9, None), vote(3, 5), vote(None, 8)], id="both-missing-somewhere"),
        pytest.param([vote(9, None, 2), FAILED, vote(3, 5, 4)], id="with-a-failure"),
    ],
)
def test_levels_add_up_to_zero_so_that_rewards_keep_their_scale(votes: list[Vote]) -> None:
    ballot = Ballot.from_votes(votes)
    found = levels(ballot)
    assert found.sum() == pytest.approx(0, abs=1e-9)
    assert found[ballot.weights == 0].tolist() == [0.0] * (len(votes) - ballot.n_valid)
    # the fit is one of least squares: what is left has no level and no merit
    left = ballot.scores - found[:, None] - Mean().reduce(Centred().select(ballot))
    assert np.nansum(left, axis=0) == pytest.approx(0, abs=1e-9)
    assert np.nansum(left[ballot.weights > 0], axis=1) == pytest.approx(0, abs=1e-9)


def test_centring_takes_off_the_level_of_a_vote_that_lacks_a_response() -> None:
    # merits 3, 5, 7; the last vote is milder by 4 and leaves the best one out
    votes = [vote(3, 5, 7), vote(3, 5, 7), vote(7, 9, None)]
    plain = Mean()(votes)
    centred = (Centred() >> Mean())(votes)
    assert plain is not None
    assert centred is not None
    assert plain[2] - plain[0] != pytest.approx(4.0)
    assert np.diff(centred).tolist() == pytest.approx([2.0, 2.0], abs=1e-6)
    assert (Centred() >> Mean())([vote(5), vote(7)]) == (6.0,)


def test_each_judge_counts_once() -> None:
    votes: list[Vote] = [*[vote(9, 1, judge="a")] * 7, vote(1, 9, judge="b")]
    assert PerJudge()(votes) == pytest.approx((0.5, 0.5))
    assert PerJudge((("b", 0.0),))(votes) == pytest.approx(Softmax()(votes[:7]))
    heavier = PerJudge((("a", 3.0),))(votes)
    assert heavier == pytest.approx(
        [3 / 4 * x + 1 / 4 * y for x, y in zip(*(shares(9, 1), shares(1, 9)), strict=True)]
    )
    assert PerJudge()([vote(9, 1, judge="a"), FAILED]) == pytest.approx(shares(9, 1))


def test_a_stray_vote_weighs_less() -> None:
    votes = Ballot.from_votes([vote(7, 5), vote(7, 5), vote(8, 5), vote(1, 10)])
    weights = Reliable().select(votes).weights
    assert weights[3] < 1 < weights[0]
    assert ((weights >= 0) & (weights <= 2)).all()
    two = Ballot.from_votes([vote(7, 5), vote(1, 10)])
    assert Reliable().select(two).weights.tolist() == [1.0, 1.0]
    same = Ballot.from_votes([vote(7, 5)] * 3)
    assert Reliable().select(same).weights.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("reducer", NEW, ids=str)
def test_a_single_response_gets_its_mean_score(reducer: Reducer) -> None:
    rewards = reducer([vote(4), vote(4), vote(7), FAILED])
    assert rewards is not None
    if "sum" in str(reducer):
        rewards = (rewards[0] / 4,)
    assert 4 < rewards[0] <= 5
    assert reducer([FAILED]) is None


score = st.one_of(st.just(np.nan), st.integers(1, 10).map(float))
tables = st.lists(st.lists(score, min_size=3, max_size=3), min_size=4, max_size=4)


def ballot(table: object, weights: object = None) -> Ballot:
    scores = np.asarray(table, dtype=float)
    counts = (~np.isnan(scores).all(axis=-1)).astype(float)
    return Ballot(
        scores=scores,
        weights=counts if weights is None else counts * np.asarray(weights),
        meta=np.full(counts.shape, np.nan),
        judges=np.broadcast_to(np.arange(scores.shape[-2]) % 2, counts.shape),
        by_principle=np.full(scores.shape, np.nan),
        judge_names=("a", "b"),
    )


@pytest.mark.parametrize("reducer", NEW, ids=str)
@given(group=st.lists(tables, min_size=2, max_size=3))
def test_batched_is_one_by_one(reducer: Reducer, group: list[list[list[float]]]) -> None:
    together = reducer.reduce(ballot(group))
    for row, table in zip(together, group, strict=True):
        np.testing.assert_allclose(row, reducer.reduce(ballot(table)), atol=1e-8)


@pytest.mark.parametrize("reducer", NEW, ids=str)
@given(table=tables, order=st.permutations(range(3)))
def test_permuting_responses_permutes_rewards(
    reducer: Reducer, table: list[list[float]], order: list[int]
) -> None:
    before = reducer.reduce(ballot(table))
    after = reducer.reduce(ballot(np.array(table)[:, order]))
    np.testing.assert_allclose(after, before[order], atol=1e-8)


@pytest.mark.parametrize("reducer", NEW, ids=str)
@given(table=tables)
def test_a_vote_of_weight_0_is_as_good_as_none(reducer: Reducer, table: list[list[float]]) -> None:
    dropped = reducer.reduce(ballot(table, [1, 1, 1, 0]))
    without = ballot([*table[:3], [np.nan] * 3])
    np.testing.assert_allclose(dropped, reducer.reduce(without), atol=1e-8)


@pytest.mark.parametrize("reducer", [one for one in NEW if "sum" not in str(one)], ids=str)
def test_only_ratios_of_weights_count(reducer: Reducer) -> None:
    rng = np.random.default_rng(0)
    votes = ballot(rng.integers(1, 10, (5, 4, 3)), [0.2, 1.0, 0.5, 0.3])
    half = replace(votes, weights=votes.weights / 2)
    np.testing.assert_allclose(reducer.reduce(votes), reducer.reduce(half))


def items(n: int, seed: int) -> tuple[list[Ballot], list[int]]:
    """Votes whose worst score tells the best response, and nothing else does."""
    rng = np.random.default_rng(seed)
    made, best = [], []
    for _ in range(n):
        scores = rng.normal(5, 0.5, (4, 3))
        label = int(rng.integers(3))
        for response in range(3):
            scores[rng.integers(4), response] -= 0.0 if response == label else 3.0
            scores[:, response] -= scores[:, response].mean() - 5
        made.append(ballot(scores))
        best.append(label)
    return made, best


def test_learning_finds_what_tells_the_best() -> None:
    train, labels = items(300, seed=0)
    test, truth = items(300, seed=1)
    learned = fit(train, labels)
    hits = [
        int(learned.reduce(one).argmax()) == best for one, best in zip(test, truth, strict=True)
    ]
    assert np.mean(hits) > 0.85
    by_sum = [
        int(Sum().reduce(one).argmax()) == best for one, best in zip(test, truth, strict=True)
    ]
    assert np.mean(by_sum) < 0.5
    assert Learned.from_json(learned.to_json()) == learned
    assert parse_aggregator(str(learned)) == learned


def test_an_items_own_label_does_not_decide_its_cross_fitted_reward() -> None:
    made, labels = items(60, seed=2)
    before = cross_fit(made, labels, folds=3)
    fold = np.random.default_rng(0).permutation(60) % 3
    changed = [
        (best + 1) % 3 if part == 0 else best for best, part in zip(labels, fold, strict=True)
    ]
    after = cross_fit(made, changed, folds=3)
    for i in range(60):
        if fold[i] == 0:
            np.testing.assert_array_equal(before[i], after[i])
    assert any(not np.array_equal(before[i], after[i]) for i in range(60) if fold[i] != 0)


def test_learning_refuses_what_it_cannot_use() -> None:
    made, labels = items(4, seed=3)
    with pytest.raises(InputError, match="4 ballots, but 3 labels"):
        fit(made, labels[:3])
    with pytest.raises(InputError, match="label 7 is no response of 3"):
        fit(made, [7, 0, 0, 0])
    with pytest.raises(InputError, match="no labelled item"):
        fit([ballot([[np.nan, 1.0, 2.0]])], [0])
    with pytest.raises(InputError, match="folds must be from 2 to the 4 items, got 5"):
        cross_fit(made, labels, folds=5)
    for text in ("[]", "{", '{"aggregator": "learned"}', '{"aggregator": "x", "weights": {}}'):
        with pytest.raises(InputError):
            Learned.from_json(text)


def test_features_of_full_ballots_are_relative() -> None:
    values = features(ballot(np.random.default_rng(0).integers(1, 10, (4, 3))))
    np.testing.assert_allclose(values.sum(axis=0), 0, atol=1e-9)


def noisy_judges(n: int = 1500) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(n, 1))
    return np.asarray(truth + rng.normal(size=(n, 4)) * np.array([0.5, 1.0, 2.0, 4.0]))


def test_reliability_finds_the_better_judges_without_labels() -> None:
    scores = noisy_judges()
    weights = reliability_weights(scores)
    assert (np.diff(weights) < 0).all()
    assert weights.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(reliability_weights(scores + np.array([9, 0, -3, 5])), weights)
    holes = np.where(np.random.default_rng(1).random(scores.shape) < 0.1, np.nan, scores)
    np.testing.assert_allclose(reliability_weights(holes), weights, rtol=0.35, atol=0.05)
    assert reliability_weights(scores[:, :2]).tolist() == [1.0, 1.0]
    constant = np.column_stack([scores, np.ones(len(scores))])
    assert reliability_weights(constant)[-1] == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(InputError, match="must be"):
        reliability_weights(scores[0])


def test_reliability_finds_the_loadings_of_one_factor() -> None:
    loadings = np.array([0.8, 0.5, 0.4])
    correlations = np.outer(loadings, loadings)
    np.fill_diagonal(correlations, 1.0)
    noise = np.random.default_rng(0).normal(size=(50, 3))
    apart, _ = np.linalg.qr(noise - noise.mean(axis=0))
    weights = loadings / (1 - loadings**2)
    found = reliability_weights(apart @ np.linalg.cholesky(correlations).T)
    np.testing.assert_allclose(found, weights * 3 / weights.sum(), rtol=1e-6)
    np.testing.assert_allclose(reliability_weights(apart[:, [0, 0, 0]]), 1.0)  # all the same


def test_a_judge_that_says_the_same_of_all_counts_for_nothing() -> None:
    made = [
        Ballot.from_votes([vote(score, judge="reads"), vote(5.0, judge="does not")])
        for score in (1.0, 9.0, 4.0)
    ]
    assert judge_weights(made) == {"reads": 2.0, "does not": 0.0}


def test_judge_weights_are_for_scores_as_they_are() -> None:
    scores = noisy_judges(400) * np.array([1.0, 10.0, 1.0, 1.0])
    made = [
        Ballot.from_votes([vote(float(s), judge=f"j{i}") for i, s in enumerate(row)])
        for row in scores
    ]
    weights = judge_weights(made)
    assert list(weights) == ["j0", "j1", "j2", "j3"]
    assert weights["j1"] < weights["j2"]  # ten times its spread
    assert weights["j0"] > weights["j2"] > weights["j3"]
    assert judge_weights([]) == {}
