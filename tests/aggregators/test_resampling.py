"""The rewards of resampled ballots are those of the drawn votes, however they are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deemster.aggregators import (
    Ballot,
    Borda,
    Majority,
    Mean,
    Median,
    Reducer,
    Sum,
    TopK,
    Weighted,
    confidence,
    confidences,
    win_shares,
)
from deemster.aggregators.base import Floats
from deemster.aggregators.resampling import drawn, resampled_rewards

REDUCERS: list[Reducer] = [
    Sum(), Mean(), Median(), Majority(), Borda(),
    TopK() >> Sum(), TopK(2) >> Mean(), TopK(9) >> Sum(), TopK(3) >> TopK() >> Sum(),
    Weighted() >> Sum(), TopK() >> Weighted() >> Mean(),
]  # fmt: skip


@st.composite
def ballots(draw: st.DrawFn) -> Ballot:
    """Votes with gaps: missing scores, votes of weight 0, no or equal meta rewards."""
    votes, n = draw(st.integers(2, 7)), draw(st.integers(2, 4))
    score = st.one_of(st.integers(1, 10).map(float), st.floats(-1, 1), st.just(np.nan))
    rows = draw(st.lists(st.lists(score, min_size=n, max_size=n), min_size=votes, max_size=votes))
    weights = draw(st.lists(st.sampled_from([0.0, 0.25, 1.0, 1.0]), min_size=votes, max_size=votes))
    meta = st.one_of(st.floats(0.01, 1), st.sampled_from([0.25, 0.5]), st.just(np.nan))
    return Ballot(
        scores=np.array(rows, dtype=float),
        weights=np.array(weights),
        meta=np.array(draw(st.lists(meta, min_size=votes, max_size=votes))),
        judges=np.zeros(votes, dtype=np.intp),
        by_principle=np.full((votes, n), np.nan),
        k=draw(st.sampled_from([None, votes, votes + 3])),
    )


@pytest.mark.parametrize("reducer", [pytest.param(one, id=str(one)) for one in REDUCERS])
@given(ballot=ballots(), seed=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_rewards_are_those_of_the_drawn_votes(reducer: Reducer, ballot: Ballot, seed: int) -> None:
    valid = np.flatnonzero(ballot.weights > 0)
    if not len(valid):
        return
    index = valid[drawn(seed, len(valid), 40)]
    expected = reducer.reduce(ballot.take(index))
    counted = ballot.take(valid[None])
    found = resampled_rewards(reducer, counted, seed=seed, resamples=40)[0]
    np.testing.assert_allclose(found.T, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reducer", [Sum(), Mean(), TopK() >> Sum()], ids=str)
def test_confidence_is_the_leaders_share_of_the_drawn_ballots(reducer: Reducer) -> None:
    """To the last bit, so that runs stored before are decided as they were."""
    rng = np.random.default_rng(5)
    for n in (2, 3, 5):
        for _ in range(40):
            scores = rng.integers(1, 11, (8, n)).astype(float)
            scores[rng.random(8) < 0.1] = np.nan
            counted = (~np.isnan(scores[:, 0])).astype(float)
            none = np.full((8, n), np.nan)
            ballot = Ballot(scores, counted, rng.random(8), np.zeros(8, dtype=np.intp), none)
            valid = np.flatnonzero(counted)
            index = valid[drawn(1, len(valid), 512)]
            shares = win_shares(reducer.reduce(ballot.take(index)))[:, 0]
            assert confidence(reducer, ballot, 0, seed=1) == float(shares.mean())


@dataclass(frozen=True)
class Last(Sum):
    """A reducer of a user's that is a `Sum` by name only."""

    def reduce(self, ballot: Ballot) -> Floats:
        """The last vote decides."""
        return ballot.scores[..., -1, :]


def test_a_subclass_keeps_its_own_rule() -> None:
    scores = np.array([[7.0, 5.0], [2.0, 3.0], [9.0, 1.0]])
    zeros = np.zeros(3, dtype=np.intp)
    ballot = Ballot(scores, np.ones(3), np.full(3, np.nan), zeros, np.full((3, 2), np.nan))
    index = drawn(0, 3, 30)
    (found,) = resampled_rewards(Last(), ballot.take(None), seed=0, resamples=30)
    assert found.T.tolist() == scores[index[:, -1]].tolist()


@pytest.mark.parametrize("reducer", [pytest.param(one, id=str(one)) for one in REDUCERS])
def test_many_ballots_at_once_are_as_sure_as_each_alone(reducer: Reducer) -> None:
    """Lost votes, missing scores, equal and missing meta rewards, all votes equal: all mixed."""
    rng = np.random.default_rng(7)
    shape = (300, 6, 3)
    scores = rng.integers(1, 6, shape).astype(float)
    scores[:20] = scores[:20, :1]
    scores[rng.random(shape) < 0.05] = np.nan
    meta = np.round(rng.random(shape[:2]), 1)
    meta[100:] += rng.random((200, 6)) / 100
    meta[rng.random(shape[:2]) < 0.2] = np.nan
    weights = (rng.random(shape[:2]) < 0.8).astype(float)
    weights[:2, 1:] = 0
    none = np.full(shape, np.nan)
    many = Ballot(scores, weights, meta, np.zeros(shape[:2], dtype=np.intp), none, k=6)
    leaders = rng.integers(0, 3, 300)
    found = confidences(reducer, many, leaders, seed=3, resamples=64)
    for row, leader in enumerate(leaders):
        alone = confidence(reducer, many.take(np.intp(row)), leader, seed=3, resamples=64)
        assert found[row] == pytest.approx(np.nan if alone is None else alone, nan_ok=True)
    assert np.isnan(found).any()


@pytest.mark.parametrize("n", [1, 2])
def test_many_ballots_about_one_or_two_responses(n: int) -> None:
    rng = np.random.default_rng(0)
    shape = (5, 4, n)
    flat = np.full(shape[:2], np.nan)
    many = Ballot(
        rng.integers(1, 6, shape).astype(float), np.ones(shape[:2]), flat,
        np.zeros(shape[:2], dtype=np.intp), np.full(shape, np.nan),
    )  # fmt: skip
    found = confidences(Sum(), many, np.zeros(5, dtype=np.intp), seed=3, resamples=64)
    alone = [
        confidence(Sum(), many.take(np.intp(row)), 0, seed=3, resamples=64) for row in range(5)
    ]
    expected = [np.nan if one is None else one for one in alone]
    np.testing.assert_allclose(found, expected)
    assert np.isnan(found).all() == (n == 1)
