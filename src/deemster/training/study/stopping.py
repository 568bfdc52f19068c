"""Adaptive stopping on the study's votes: how many `stop=decided:p` would have drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from deemster.aggregators import Ballot, Decided, Sum
from deemster.aggregators.spread import prefix
from deemster.schemas import Scale
from deemster.suites.metrics.estimate import Floats, Ints
from deemster.training.study.files import Scored
from deemster.training.study.voting import Outcome, ballots_of, decide, joined

STOP_AT = (0.9, 0.95, 0.99, 0.999, 1.0)
"""Values of p; at 1 only a leader that cannot be overtaken ends the draw."""
DEFAULT_STOP = 0.99
"""The framework's default, fixed before any figure was seen."""
_SCALE = Scale(low=1, high=10)
"""Of the judgments' scores with 2 or more responses."""


@dataclass(frozen=True, eq=False)
class Stopped:
    """What a stopping rule would have done, per item (I,)."""

    used: Floats
    """Votes drawn."""
    outcome: Outcome
    """Of the sum of the votes drawn."""


def stopped(scored: Scored) -> dict[str, Stopped]:
    """What `decided:p` would have done with the votes in the order drawn, by rule and p.

    As with a live judge that shows both orders, votes on pairs come two at a time.
    """
    votes = scored.scores.shape[1]
    every = np.broadcast_to(np.arange(votes), (len(scored.n), 1, votes))
    used = {p: np.zeros(len(scored.n)) for p in STOP_AT}
    parts: dict[float, list[tuple[Ints, Outcome]]] = {p: [] for p in STOP_AT}
    for where, runs in ballots_of(scored, every):
        for p, drawn in _votes_used(runs).items():
            used[p][where] = drawn[:, 0]
            counted = np.where(np.arange(votes) < drawn[..., None], runs.weights, 0.0)
            rewards = Sum().reduce(replace(runs, weights=counted))
            parts[p].append((where, decide(rewards, scored.best[where])))
    return {str(Decided(p)): Stopped(used[p], joined(parts[p], len(scored.n))) for p in STOP_AT}


def _votes_used(ballot: Ballot) -> dict[float, Ints]:
    """`Decided.votes_used` for every p at once: the probabilities do not depend on p."""
    votes, n = ballot.scores.shape[-2:]
    size = Decided().round_for(n, both_orders=True)
    used = {p: np.full(ballot.scores.shape[:-2], votes, dtype=np.intp) for p in STOP_AT}
    for drawn in reversed(range(size, votes, size)):
        now = prefix(ballot, drawn)
        chance = Decided().probability(now, votes, scale=_SCALE)
        for p, many in used.items():
            many[(chance >= p) & (now.n_valid >= 1)] = drawn
    return used
