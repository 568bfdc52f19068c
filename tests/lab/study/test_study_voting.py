"""Voting rules on the study's arrays, against plain Python."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deemster.aggregators import Decided
from deemster.schemas import Scale
from deemster.suites.metrics.estimate import Floats
from lab.study.files import Scored
from lab.study.stopping import STOP_AT, fitted, stopped
from lab.study.voting import (
    Rates,
    ballots_of,
    decide,
    failures,
    greedy_rates,
    vote_rates,
)

NAN = float("nan")


def scored(
    scores: Any,
    *,
    best: list[int] | None = None,
    n: list[int] | None = None,
    meta: Any = None,
    greedy: Any = None,
) -> Scored:
    """Items from scores (I, K, n), filled up to room for 4 responses."""
    given = np.asarray(scores, dtype=float)
    items, votes, most = given.shape
    table = np.full((items, votes, 4), np.nan)
    table[..., :most] = given
    first = None
    if greedy is not None:
        first = np.full((items, 4), np.nan)
        first[:, :most] = greedy
    return Scored(
        items=np.array([f"i{i}" for i in range(items)]),
        domains=np.full(items, "d"),
        n=np.array(n or [most] * items),
        best=np.array(best or [0] * items),
        scores=table,
        meta=np.full((items, votes), np.nan) if meta is None else np.asarray(meta, dtype=float),
        greedy=first,
        temperature=1.0,
    )


def random_scored(items: int = 60, votes: int = 32, *, missing: float = 0.1) -> Scored:
    rng = np.random.default_rng(3)
    n = rng.integers(2, 5, items)
    scores = rng.integers(1, 11, (items, votes, 4)).astype(float)
    scores[rng.random((items, votes)) < missing] = np.nan
    scores[rng.random(scores.shape) < missing / 4] = np.nan
    scores[np.broadcast_to(np.arange(4) >= n[:, None, None], scores.shape)] = np.nan
    meta = np.where(np.isnan(scores).all(axis=-1), np.nan, rng.random((items, votes)))
    best = (rng.random(items) * n).astype(int)
    return replace(scored(scores, best=best.tolist(), n=n.tolist(), meta=meta), greedy=scores[:, 0])


@pytest.mark.parametrize(
    ("rewards", "right", "tied", "lot", "unscored"),
    [
        pytest.param([9, 3, 1], 1, 0, 1, 0, id="strictly best"),
        pytest.param([3, 9, 1], 0, 0, 0, 0, id="another is best"),
        pytest.param([9, 9, 1], 0, 1, 1 / 2, 0, id="two-way tie counts half by lot"),
        pytest.param([9, 9, 9], 0, 1, 1 / 3, 0, id="three-way tie"),
        pytest.param([1, 9, 9], 0, 1, 0, 0, id="tie of others"),
        pytest.param([9, 3, NAN], 0, 0, 0, 1, id="a reward is missing"),
        pytest.param([NAN, NAN, NAN], 0, 0, 0, 1, id="nothing parsed"),
    ],
)
def test_decide(
    rewards: list[float], right: float, tied: float, lot: float, unscored: float
) -> None:
    found = decide(np.array([rewards]), np.array([0]))
    assert [float(x[0]) for x in (found.right, found.tied, found.lot, found.unscored)] == [
        right, tied, pytest.approx(lot), unscored,
    ]  # fmt: skip


def test_runs_are_averaged() -> None:
    found = decide(np.array([[[9.0, 3.0], [3.0, 9.0], [5.0, 5.0], [9.0, NAN]]]), np.array([0]))
    assert found.right[0] == 0.25
    assert found.lot[0] == pytest.approx(0.375)
    assert found.tied[0] == 0.25
    assert found.unscored[0] == 0.25


def test_one_vote_is_the_mean_over_all_samples_and_greedy_its_own() -> None:
    given = scored(
        [[[9, 1], [1, 9], [9, 1], [9, 1]], [[5, 5], [NAN, NAN], [2, 1], [1, 2]]],
        greedy=[[9, 1], [NAN, NAN]],
    )
    found = vote_rates(given)["vote@1"]
    assert found.right.tolist() == [0.75, 0.25]
    assert found.tied.tolist() == [0, 0.25]
    assert found.unscored.tolist() == [0, 0.25]
    greedy = greedy_rates(given)
    assert greedy is not None
    assert greedy.right.tolist() == [1, 0]
    assert greedy.unscored.tolist() == [0, 1]
    assert greedy_rates(scored([[[1, 2]]])) is None


def test_all_votes_are_one_run_and_a_failed_vote_is_left_out() -> None:
    given = scored([[[9, 1], [4, 6], [4, 6], [NAN, NAN]]])
    found = vote_rates(given)
    assert found["vote@4"].right.tolist() == [1]
    assert "vote@8" not in found
    assert found["vote@1"].right.tolist() == [0.25]


def test_two_votes_are_right_as_often_as_disjoint_pairs_are() -> None:
    # 8 votes of which the pair {9-1, 1-9} ties: the mean over many items is that of all pairs
    votes = [[9, 1]] * 6 + [[1, 9]] * 2
    given = scored([votes] * 4000)
    found = vote_rates(given)["vote@2"]
    pairs = list(itertools.combinations(range(8), 2))
    assert found.right.mean() == pytest.approx(sum(b < 6 for _, b in pairs) / len(pairs), abs=0.01)
    assert set(np.unique(found.right * 4)) <= {2.0, 3.0}  # 4 disjoint pairs hold 2 wrong votes


@pytest.mark.parametrize("k", [2, 4, 8, 32])
def test_rules_agree_with_plain_python(k: int) -> None:
    given = random_scored()
    found = vote_rates(given)
    order = np.argsort(np.random.default_rng([0, 32]).random((60, 32)), axis=-1)
    kept = {"vote": k, "top1": 1, "quarter": max(1, k // 4), "half": k // 2}
    for item, (name, k_meta) in itertools.product(range(60), kept.items()):
        hits = []
        for run in order[item].reshape(-1, k):
            rated = [v for v in run if not np.isnan(given.meta[item, v])]
            chosen = sorted(rated, key=lambda v: -given.meta[item, v])[:k_meta]
            hits.append(_wins(given.scores[item, chosen, : given.n[item]], given.best[item]))
        assert found[f"{name}@{k}"].right[item] == pytest.approx(np.mean(hits)), (name, item)


def _wins(scores: Floats, best: int) -> bool:
    """Whether the mean score of the best is the strictly highest; every response needs one."""
    columns = [column[~np.isnan(column)] for column in scores.T]
    if not all(len(column) for column in columns):
        return False
    means = [column.mean() for column in columns]
    return all(means[best] > mean + 1e-9 for i, mean in enumerate(means) if i != best)


def test_weighted_votes_follow_the_meta_reward() -> None:
    given = scored([[[9, 1], [1, 8], [1, 8], [1, 8]]], meta=[[0.95, 0.2, 0.2, 0.2]])
    found = vote_rates(given)
    assert found["vote@4"].right[0] == 0
    assert found["top1@4"].right[0] == 1
    assert found["linear@4"].right[0] == 1
    assert found["logit@4"].right[0] == 1


def test_without_meta_rewards_there_is_no_guided_voting() -> None:
    assert set(vote_rates(scored([[[1, 2]] * 4]))) == {"vote@1", "vote@2", "vote@4"}


def test_a_baseline_is_only_summed() -> None:
    given = random_scored()
    assert set(vote_rates(given, baseline=True)) == {f"vote@{k}" for k in (1, 2, 4, 8, 16, 32)}
    assert {"softmax@8", "borda@32", "half@16"} <= set(vote_rates(given))


def test_all_models_see_the_same_runs() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((50, 8, 1)) < 0.5
    one = scored(np.concatenate([right, ~right], axis=-1))
    worse = scored(np.concatenate([right & False, ~right], axis=-1) * 1.0)
    both = vote_rates(one)["vote@4"], vote_rates(worse)["vote@4"]
    again = vote_rates(one)["vote@4"]
    assert (both[0].right == again.right).all()
    assert (both[0].right >= both[1].right).all()


def test_a_vote_that_scores_only_some_responses_is_a_failure() -> None:
    given = scored([[[9, 1, NAN], [9, NAN, NAN], [NAN, NAN, NAN], [2, 1, NAN]]], n=[2])
    assert failures(given).tolist() == [0.5]


def test_stopping_is_the_aggregators_rule() -> None:
    given = random_scored()
    found = stopped(given, 2.5)
    every = np.broadcast_to(np.arange(32), (60, 1, 32))
    asked = {str(Decided(p)): Decided(p) for p in STOP_AT}
    asked[fitted(0.98)] = Decided(0.98, spread=2.5)
    for name, rule in asked.items():
        one = found[name]
        for where, ballot in ballots_of(given, every):
            used = rule.votes_used(ballot, scale=Scale(low=1, high=10), both_orders=True)
            assert one.used[where].tolist() == used[:, 0].tolist()
    assert found["decided:0.9"].used.mean() < found["decided:0.999"].used.mean() < 32
    everything = vote_rates(given)["vote@32"]
    assert found["decided:1"].rates.right.tolist() == everything.right.tolist()


def test_what_was_not_drawn_does_not_vote() -> None:
    votes = [[9, 1]] * 10 + [[1, 10]] * 22
    found = stopped(scored([votes]))
    assert found["decided:0.9"].used[0] < 10
    assert found["decided:0.9"].rates.right[0] == 1
    assert isinstance(found["decided:1"].rates, Rates)
    assert found["decided:1"].rates.right[0] == 0
