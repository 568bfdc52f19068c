"""How useful principles were, from votes that were right or wrong. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

PRIOR = 4.0
"""Weight, in queries, of the overall share that each principle's share is shrunk towards: with few
queries it stays near the average."""
_LEVEL = 0.95


@dataclass(slots=True)
class Use:
    """Votes on one query that used one principle."""

    votes: int = 0
    right: int = 0
    weight: float = 0.0
    """Summed over the votes."""
    weight_right: float = 0.0
    """Summed over the right votes."""


@dataclass(slots=True)
class Tally:
    """All votes, by principle and query."""

    uses: defaultdict[int, defaultdict[int, Use]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Use))
    )
    totals: defaultdict[int, Use] = field(default_factory=lambda: defaultdict(Use))
    """By query, whatever the principles."""

    @property
    def overall(self) -> float:
        """Mean share of right votes over queries, kept away from 0 and 1; 0.5 without queries."""
        # Half a query on each side: an interval needs a share that is neither 0 nor 1.
        return (sum(use.right / use.votes for use in self.totals.values()) + 0.5) / (
            len(self.totals) + 1
        )


def tally(votes: Iterable[tuple[int, bool, Mapping[int, float]]], same: Mapping[int, int]) -> Tally:
    """Count votes.

    Args:
        votes: query, whether it was right, and the weights of its principles.
        same: principle to the one it is merged into; a vote that uses both used it once.
    """
    found = Tally()
    for query, right, weights in votes:
        joined: defaultdict[int, float] = defaultdict(float)
        for principle, weight in weights.items():
            joined[same.get(principle, principle)] += weight
        _add(found.totals[query], 1.0, right=right)
        for principle, weight in joined.items():
            _add(found.uses[principle][query], weight, right=right)
    return found


def _add(use: Use, weight: float, *, right: bool) -> None:
    use.votes += 1
    use.weight += weight
    if right:
        use.right += 1
        use.weight_right += weight


@dataclass(frozen=True)
class Measured:
    """See `Usefulness`."""

    value: float
    low: float
    high: float
    lift: float | None


def measure(uses: Mapping[int, Use], totals: Mapping[int, Use], *, overall: float) -> Measured:
    """Usefulness of one principle.

    Votes on one query are alike, so a query counts once, by its share of right votes: the value
    is the mean of a beta distribution over queries, and the interval its middle 95 %.

    Args:
        uses: by query, at least one.
        totals: all votes on those queries.
        overall: share of right votes over all queries, between 0 and 1.
    """
    from scipy.stats import beta  # noqa: PLC0415 - slow to import

    hits = sum(use.right / use.votes for use in uses.values())
    a = PRIOR * overall + hits
    b = PRIOR * (1 - overall) + len(uses) - hits
    low, high = beta.ppf(((1 - _LEVEL) / 2, (1 + _LEVEL) / 2), a, b)
    gaps = [
        use.right / use.votes
        - (totals[query].right - use.right) / (totals[query].votes - use.votes)
        for query, use in uses.items()
        if totals[query].votes > use.votes
    ]
    return Measured(a / (a + b), float(low), float(high), _mean(gaps))


def filtered(uses: Mapping[int, Use], *, most: int) -> dict[int, float]:
    """The principles of one query's right votes and their weights, the heaviest first.

    Args:
        uses: by principle.
        most: how many at most.

    Returns:
        Weight in right votes times share of right votes, the latter shrunk towards a half by two
        votes, so that a principle that was as often in wrong votes counts less.
    """
    scored = {
        principle: use.weight_right * (use.right + 1) / (use.votes + 2)
        for principle, use in uses.items()
        if use.weight_right > 0
    }
    best = sorted(scored, key=lambda one: (-scored[one], one))[:most]
    return {principle: scored[principle] for principle in best}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
