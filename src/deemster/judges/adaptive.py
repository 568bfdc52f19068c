"""Adaptive k: how many votes a stopping rule lets a judge draw, live and on stored votes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from deemster.aggregators import Ballot, Decided, Reducer, fit_spread
from deemster.aggregators.stopping import Ints
from deemster.schemas import Judgment, Scale, Vote


def scale_of(votes: Iterable[Vote]) -> Scale | None:
    """The range that all judgments score in; None if they differ or have none."""
    scales = (vote.scale for vote in votes if isinstance(vote, Judgment))
    first = next(scales, None)
    # Mostly it is the same object, and hashing so many would take longer than all else here.
    return first if all(scale is first or scale == first for scale in scales) else None


def first_round(rule: Decided, size: int, min_valid: int) -> int:
    """Votes of the first round: none of them could end the draw earlier."""
    needed = max(rule.min_votes, min_valid)
    return -(-needed // size) * size


def is_decided(
    rule: Decided, votes: Sequence[Vote], *, n: int, k: int, reducer: Reducer, min_valid: int
) -> bool:
    """Whether the votes so far end the draw of k votes on n responses."""
    ballot = Ballot.from_votes(votes, n=n)
    if ballot.n_valid < max(rule.min_votes, min_valid):
        return False
    chance = rule.probability(ballot, k, reducer=reducer, scale=scale_of(votes))
    return bool(chance >= rule.p)


class StoredVotes:
    """Votes of many samples, as arrays: what a stopping rule needs, without the texts."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, int, int, Scale | None, bool], list[tuple[int, Ballot]]] = (
            defaultdict(list)
        )
        self._count = 0

    def add(self, votes: Sequence[Vote], *, n: int, k: int) -> None:
        """Append a sample.

        Args:
            votes: all it has, in draw order.
            n: number of responses.
            k: votes asked for.
        """
        both = n == 2 and len({vote.order for vote in votes if vote.order}) > 1
        key = (len(votes), n, k, scale_of(votes), both)
        self._groups[key].append((self._count, Ballot.from_votes(votes, n=n)))
        self._count += 1

    def fit(self, rule: Decided) -> Decided:
        """The rule with the spread measured on these votes, where it has none of its own."""
        if rule.spread is not None:
            return rule
        spread = fit_spread(ballot for group in self._groups.values() for _, ballot in group)
        if spread is None:
            return rule
        # three digits, so that the text of the rule is the rule
        return Decided(rule.p, rule.min_votes, rule.round, float(f"{spread:.3g}"), rule.strength)

    def used(self, rule: Decided, *, reducer: Reducer, min_valid: int = 1) -> Ints:
        """(samples,): votes that each would have drawn."""
        found = np.zeros(self._count, dtype=np.intp)
        for (there, n, k, scale, both), group in self._groups.items():
            where = [position for position, _ in group]
            if there == 0 or n == 0:
                found[where] = there
                continue
            found[where] = rule.votes_used(
                _stack([ballot for _, ballot in group]),
                k=k,
                reducer=reducer,
                scale=scale,
                min_votes=min_valid,
                both_orders=both,
            )
        return found


def _stack(ballots: Sequence[Ballot]) -> Ballot:
    """One ballot with a leading axis; judges are numbered over all of them."""
    names: dict[str, int] = {}
    judges = []
    for ballot in ballots:
        place = np.array([names.setdefault(name, len(names)) for name in ballot.judge_names])
        judges.append(place[ballot.judges])
    scores, weights, meta, by_principle = (
        np.stack([getattr(ballot, name) for ballot in ballots])
        for name in ("scores", "weights", "meta", "by_principle")
    )
    return Ballot(scores, weights, meta, np.stack(judges), by_principle, judge_names=tuple(names))
