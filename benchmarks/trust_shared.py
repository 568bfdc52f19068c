"""`budget.votes` on published votes: rounds of votes for the least sure, against equal k."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.votes import SCALE, ballot, ratings
from deemster.aggregators import Decided, Sum, win_shares
from deemster.aggregators.base import Floats
from deemster.aggregators.spread import prefix
from deemster.suites.vote_budget import least_sure


def gains(data: Path, name: str, k: int, *, orders: int = 3) -> Floats:
    """(I,) gain over k votes an item at exactly that cost, ties shared; mean over vote orders.

    Args:
        data: folder of rb2_k8_scores.
        name: a judge of `RB2`.
        k: votes an item, on average.
        orders: random orders of the votes.
    """
    scores = _scores(data, name)
    return np.mean([_once(scores, k, seed) for seed in range(orders)], axis=0)


@cache
def _scores(data: Path, name: str) -> Floats:
    return np.stack(list(ratings(data, name).values()))


def _once(scores: Floats, k: int, seed: int) -> Floats:
    items, most = scores.shape[:2]
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(most), (items, 1)), axis=1)
    votes = ballot(np.take_along_axis(scores, order[..., None], axis=1))
    rule, everything = Decided(), range(1, most + 1)
    sure = np.stack(
        [rule.probability(prefix(votes, n), most, reducer=Sum(), scale=SCALE) for n in everything],
        axis=1,
    )
    share = np.stack([win_shares(Sum().reduce(prefix(votes, n)))[:, 0] for n in everything], axis=1)
    row, drawn, left = np.arange(items), np.ones(items), (k - 1) * items
    while chosen := least_sure(
        sure[row, drawn.astype(int) - 1], drawn, np.full(items, float(most)), np.ones(items), left
    ):
        drawn[chosen] += 1
        left -= len(chosen)
    found: Floats = share[row, drawn.astype(int) - 1] - share[:, k - 1]
    return found
