from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.aggregators import (
    Ballot,
    Majority,
    Mean,
    Sum,
    confidence,
    rank,
    strict_best,
    tie_groups,
    win_shares,
)
from deemster.schemas import Failure, Judgment


def ballot(*rows: tuple[float, ...]) -> Ballot:
    return Ballot.from_votes([Judgment(scores=row) for row in rows])


def test_confidence_equals_exact_enumeration() -> None:
    rows = [(7.0, 5.0), (6.0, 7.0), (8.0, 6.0)]
    wins = []
    for a in rows:
        for b in rows:
            for c in rows:
                totals = np.sum([a, b, c], axis=0)
                wins.append(0.5 if totals[0] == totals[1] else float(totals[0] > totals[1]))
    found = confidence(Sum(), ballot(*rows), 0, seed=3, resamples=20_000)
    assert found == pytest.approx(np.mean(wins), abs=0.015)


def test_confidence_is_seeded() -> None:
    votes = ballot((7, 5), (6, 7), (8, 6), (2, 3))
    first = confidence(Mean(), votes, 0, seed=1)
    assert first == confidence(Mean(), votes, 0, seed=1)
    assert first != confidence(Mean(), votes, 0, seed=2)


def test_more_agreement_gives_more_confidence() -> None:
    split = confidence(Sum(), ballot((6, 5), (5, 6), (6, 5)), 0, seed=0)
    clear = confidence(Sum(), ballot((6, 5), (5, 6), *[(8, 5)] * 6), 0, seed=0)
    assert split is not None
    assert clear is not None
    assert split < clear


@pytest.mark.parametrize(
    "votes",
    [
        pytest.param([Judgment(scores=(7, 5))], id="one-vote"),
        pytest.param([Judgment(scores=(7,)), Judgment(scores=(6,))], id="one-response"),
        pytest.param(
            [Judgment(scores=(7, 5)), Failure(status="timeout", message="")], id="one-valid"
        ),
    ],
)
def test_confidence_is_none_where_votes_cannot_tell(votes: list[Judgment | Failure]) -> None:
    assert confidence(Sum(), Ballot.from_votes(votes), 0, seed=0) is None


def test_unanimous_votes_are_sure() -> None:
    assert confidence(Majority(), ballot((7, 5), (7, 5)), 0, seed=0) == 1.0


def test_unanimous_ties_are_a_coin_toss() -> None:
    assert confidence(Sum(), ballot((5, 5), (5, 5)), 0, seed=0) == 0.5
    assert confidence(Sum(), ballot((5, 5, 1), (5, 5, 1)), 2, seed=0) == 0.0


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(0, 1000))
def test_ranking_sorts_rewards(rewards: list[int], seed: int) -> None:
    ranking = rank(rewards, seed=seed)
    assert sorted(ranking) == list(range(len(rewards)))
    assert [rewards[i] for i in ranking] == sorted(rewards, reverse=True)
    assert ranking == rank(rewards, seed=seed)


def test_ties_are_broken_at_random_but_by_seed() -> None:
    firsts = {rank([1.0, 1.0], seed=seed)[0] for seed in range(20)}
    assert firsts == {0, 1}


def test_tie_groups_best_first() -> None:
    assert tie_groups([1.0, 5.0, 5.0, 1.0, 2.0]) == ((1, 2), (0, 3))
    assert tie_groups([1.0, 2.0]) == ()
    assert tie_groups([0.1 + 0.2, 0.3]) == ((0, 1),)


def test_strict_best() -> None:
    assert strict_best([1.0, 3.0, 2.0]) == 1
    assert strict_best([3.0, 3.0, 2.0]) is None
    assert strict_best([0.1 + 0.2, 0.3]) is None


def test_ties_mean_the_same_everywhere() -> None:
    rewards = [20.0, 20.0 + 1e-9, 3.0]
    assert strict_best(rewards) is None
    assert tie_groups(rewards) == ((0, 1),)
    assert win_shares(np.array(rewards)).tolist() == [0.5, 0.5, 0.0]
    assert {rank(rewards, seed=seed)[0] for seed in range(20)} == {0, 1}


def test_win_shares_split_ties_and_skip_nan() -> None:
    shares = win_shares(np.array([[1.0, 2.0, 2.0], [np.nan, 1.0, 0.0]]))
    assert shares.tolist() == [[0, 0.5, 0.5], [0, 1, 0]]
