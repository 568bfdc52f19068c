"""Adaptive stopping on the study's votes: how many `stop=decided:p` would have drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deemster.aggregators import Ballot, Decided, Sum
from deemster.aggregators.spread import fit_spread, prefix
from deemster.schemas import Scale
from deemster.suites.metrics.estimate import Floats, Ints
from lab.study.files import MAIN, SPLITS, Scored, Source, read
from lab.study.voting import Rates, ballots_of, decide, joined

STOP_AT = (0.9, 0.95, 0.99, 0.999, 1.0)
"""Values of p; at 1 only a leader that cannot be overtaken ends the draw."""
FITTED_AT = (0.95, 0.98, 0.99, 0.995)
"""Values of p of the rules that know the judge's spread."""
CLAIMED_STOP = 0.98
"""What the claim is about, with a fitted spread: chosen on votes of an earlier model."""
_SCALE = Scale(low=1, high=10)
"""Of the judgments' scores with 2 or more responses."""


@dataclass(frozen=True, eq=False)
class Stopped:
    """What a stopping rule would have done, per item (I,)."""

    used: Floats
    """Votes drawn."""
    rates: Rates
    """Of the sum of the votes drawn."""


def fitted(p: float) -> str:
    """Name of the rule `decided:p` whose spread is the model's own."""
    return f"{Decided(p)},spread=fitted"


def rules(spread: float | None) -> dict[str, Decided]:
    """Stopping rules by name; those with a fitted spread only where that is known."""
    plain = {str(Decided(p)): Decided(p) for p in STOP_AT}
    own = {} if spread is None else {fitted(p): Decided(p, spread=spread) for p in FITTED_AT}
    return plain | own


def fit_spreads(sources: Sequence[Source]) -> dict[str, float]:
    """By model: how far its votes on items in distribution spread; no label is looked at."""
    found = {}
    for model in MAIN:
        own = [one for one in sources if (one.model, one.split) == (model, SPLITS[0])]
        spread = fit_spread(ballot for source in own for ballot in _ballots(read(source)))
        if spread is not None:
            found[model] = spread
    return found


def _ballots(scored: Scored) -> Iterator[Ballot]:
    votes = scored.scores.shape[1]
    for _, ballot in ballots_of(scored, np.broadcast_to(np.arange(votes), (len(scored.n), votes))):
        yield ballot


def stopped(scored: Scored, spread: float | None = None) -> dict[str, Stopped]:
    """What each of `rules(spread)` would have done with the votes in the order drawn.

    As with a live judge that shows both orders, votes on pairs come two at a time.
    """
    asked = rules(spread)
    votes = scored.scores.shape[1]
    every = np.broadcast_to(np.arange(votes), (len(scored.n), 1, votes))
    used = {name: np.zeros(len(scored.n)) for name in asked}
    parts: dict[str, list[tuple[Ints, Rates]]] = {name: [] for name in asked}
    for where, runs in ballots_of(scored, every):
        for name, drawn in _votes_used(runs, asked).items():
            used[name][where] = drawn[:, 0]
            counted = np.where(np.arange(votes) < drawn[..., None], runs.weights, 0.0)
            rewards = Sum().reduce(replace(runs, weights=counted))
            parts[name].append((where, decide(rewards, scored.best[where])))
    return {name: Stopped(used[name], joined(parts[name], len(scored.n))) for name in asked}


def _votes_used(ballot: Ballot, asked: Mapping[str, Decided]) -> dict[str, Ints]:
    """`Decided.votes_used` for all rules at once: the probabilities do not depend on p."""
    votes, n = ballot.scores.shape[-2:]
    size = Decided().round_for(n, both_orders=True)
    used = {name: np.full(ballot.scores.shape[:-2], votes, dtype=np.intp) for name in asked}
    for drawn in reversed(range(size, votes, size)):
        now = prefix(ballot, drawn)
        chances = {
            spread: Decided(spread=spread).probability(now, votes, scale=_SCALE)
            for spread in {rule.spread for rule in asked.values()}
        }
        for name, rule in asked.items():
            used[name][(chances[rule.spread] >= rule.p) & (now.n_valid >= 1)] = drawn
    return used
