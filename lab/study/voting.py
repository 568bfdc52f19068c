"""What k of an item's K votes would have decided, for every voting rule.

The K votes are shuffled once per item (seeded) and cut into K // k disjoint runs of k; an item's
rates are means over its runs. All rules, and all models with the same items, see the same runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

from deemster.aggregators import (
    Ballot,
    Borda,
    Centred,
    Majority,
    Median,
    Reducer,
    Reliable,
    Softmax,
    Sum,
    TopK,
    Weighted,
    win_shares,
)
from deemster.suites.metrics.estimate import Bools, Floats, Ints
from lab.study.files import Scored

KS = (1, 2, 4, 8, 16, 32)
PLAIN = "vote"
DEFAULT_META = "half"
"""The paper's default, k_meta = k/2: the one variant that the claims are about."""
META = ("top1", "quarter", DEFAULT_META, "linear", "logit")
"""Meta-guided voting: k_meta = 1, k/4, k/2; votes weighted by meta reward, by its log-odds."""
AGGREGATORS: Mapping[str, Reducer] = {
    "softmax": Softmax(),
    "borda": Borda(),
    "centred": Centred() >> Sum(),
    "reliable": Reliable() >> Sum(),
    "majority": Majority(),
    "median": Median(),
}
AGGREGATED_AT = (8, 32)
"""Numbers of votes at which the aggregators are compared with the sum."""


@dataclass(frozen=True, eq=False)
class Rates:
    """What a rule decides, per item (I,): shares of its runs, which add up to at most 1."""

    right: Floats
    """The true best has strictly the highest reward."""
    tied: Floats
    """Several responses share the highest reward; never right."""
    lot: Floats
    """Right if a tie on top is broken at random, in expectation: a two-way tie counts half."""
    unscored: Floats
    """Some response has no score; never right."""


def decide(rewards: Floats, best: Ints) -> Rates:
    """Rates (I,) of rewards (I, N), or of runs (I, R, N) averaged over R; NaN means no reward."""
    runs = rewards[:, None] if rewards.ndim == 2 else rewards
    scored: Bools = np.all(np.isfinite(runs), axis=-1)
    shares = win_shares(np.where(scored[..., None], runs, 0.0))
    lot = np.take_along_axis(shares, best[:, None, None], axis=-1)[..., 0] * scored
    alone = np.max(shares, axis=-1) == 1
    return Rates(
        right=(lot == 1).mean(axis=1),
        tied=(scored & ~alone).mean(axis=1),
        lot=lot.mean(axis=1),
        unscored=(~scored).mean(axis=1),
    )


def greedy_rates(scored: Scored) -> Rates | None:
    """Rates of the greedy judgment; None where the file has none."""
    if scored.greedy is None:
        return None
    parts = []
    for n in np.unique(scored.n):
        where = np.flatnonzero(scored.n == n)
        parts.append((where, decide(scored.greedy[where, :n], scored.best[where])))
    return joined(parts, len(scored.n))


def vote_rates(scored: Scored, *, baseline: bool = False, seed: int = 0) -> dict[str, Rates]:
    """Rates by rule and number of votes, such as `vote@8` or `half@32`.

    Args:
        scored: the votes.
        baseline: only plain voting: a scalar model's rewards have no meta rewards, and the other
            aggregators read scores on a judge's scale.
        seed: of the shuffle.
    """
    votes = scored.scores.shape[1]
    keys = np.random.default_rng([seed, votes]).random((len(scored.n), votes))
    order = np.argsort(keys, axis=-1)
    has_meta = bool(np.isfinite(scored.meta).any())
    found: dict[str, Rates] = {}
    for k in (k for k in KS if k <= votes):
        rules: dict[str, Reducer] = {PLAIN: Sum()}
        if has_meta and k > 1 and not baseline:
            rules |= _meta_rules(k)
        if k in AGGREGATED_AT and not baseline:
            rules |= AGGREGATORS
        runs = order[:, : votes // k * k].reshape(len(order), -1, k)
        ballots = list(ballots_of(scored, runs))
        for name, rule in rules.items():
            parts = [
                (where, decide(rule.reduce(ballot), scored.best[where]))
                for where, ballot in ballots
            ]
            found[f"{name}@{k}"] = joined(parts, len(order))
    return found


def _meta_rules(k: int) -> dict[str, Reducer]:
    selectors = (
        TopK(1),
        TopK(max(1, k // 4)),
        TopK(max(1, k // 2)),
        Weighted(by="meta"),
        Weighted(by="meta", scale="logit"),
    )
    return {name: selector >> Sum() for name, selector in zip(META, selectors, strict=True)}


def failures(scored: Scored) -> Floats:
    """(I,): share of an item's sampled votes that do not score all its responses."""
    share: Floats = 1 - scored.parsed(scored.scores).mean(axis=1)
    return share


def ballots_of(scored: Scored, runs: Ints) -> Iterator[tuple[Ints, Ballot]]:
    """By number of responses N: positions (i,) of the items, and their ballots (i, R, k, N).

    Args:
        scored: the votes.
        runs: (I, R, k), which votes each run is made of.
    """
    for n in np.unique(scored.n):
        where = np.flatnonzero(scored.n == n)
        rows, index = where[:, None, None], runs[where]
        scores = scored.scores[rows, index][..., :n]
        yield (
            where,
            Ballot(
                scores=scores,
                weights=(~np.isnan(scores).all(axis=-1)).astype(float),
                meta=scored.meta[rows, index],
                judges=np.zeros(scores.shape[:-1], dtype=np.intp),
                by_principle=np.full(scores.shape, np.nan),
            ),
        )


def joined(parts: Iterable[tuple[Ints, Rates]], n_items: int) -> Rates:
    """The rates (I,) of all items, from those of some of the items each."""
    arrays = {field.name: np.full(n_items, np.nan) for field in fields(Rates)}
    for where, rates in parts:
        for name, array in arrays.items():
            array[where] = getattr(rates, name)
    return Rates(**arrays)
