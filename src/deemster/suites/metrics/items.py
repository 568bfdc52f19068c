"""What metrics are computed from: one item is a sample, its verdict and the votes as arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf, isnan
from sys import intern
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from deemster.aggregators import Ballot, Reducer, Sum, rank, rewards_of, win_shares
from deemster.aggregators.confidence import TIE
from deemster.errors import FailureStatus, InputError
from deemster.schemas import Failure, Sample, Usage, Verdict
from deemster.suites.metrics.estimate import Bools, Floats, Ints

T = TypeVar("T")
_NOTHING: Mapping[str, JsonValue] = MappingProxyType({})


@lru_cache(maxsize=4096)
def _shared(value: T) -> T:
    """The first of equal values: items of a run have few orders, truths and policies."""
    return value


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Item:
    """A judged sample, without its texts. K votes, N responses."""

    id: str
    subset: str = ""
    ground_truth: tuple[float, ...] | None = None
    """One true reward per response, or unknown."""
    policies: tuple[str, ...] | None = None
    rewards: tuple[float, ...] | None = None
    """One per response; None if unscored."""
    ranking: tuple[int, ...] | None = None
    confidence: float | None = None
    ballot: Ballot
    """The votes: scores (K, N), weights (K,), meta rewards (K,), NaN where absent."""
    orders: tuple[tuple[int, ...], ...] = ()
    """Per vote: response indices in the order shown; empty where unknown."""
    statuses: tuple[FailureStatus | None, ...] = ()
    """Per vote: why it failed; None for a judgment."""
    spent: tuple[float | None, ...] = ()
    """The values of `usage` in the order of its fields; empty for none. A run of a million items
    has no room for as many records."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = self.n_responses
        for name in ("ground_truth", "rewards", "policies"):
            values = getattr(self, name)
            if values is not None and len(values) != n:
                raise InputError(
                    f"item {self.id!r} has {len(values)} {name} for {n} responses; give one each"
                )

    @classmethod
    def from_verdict(cls, sample: Sample, verdict: Verdict) -> Item:
        """The item of one `score` call.

        Raises:
            InputError: the votes or rewards are not about this sample's responses.
        """
        votes = verdict.votes
        return cls(
            id=sample.id,
            subset=intern(sample.subset),
            ground_truth=_shared(sample.ground_truth),
            policies=_shared(sample.policies),
            rewards=verdict.rewards,
            ranking=_shared(verdict.ranking),
            confidence=verdict.confidence,
            ballot=Ballot.from_votes(
                votes, n=len(sample.responses), k=max(verdict.k, verdict.judge.k)
            ),
            orders=_shared(tuple(vote.order for vote in votes)),
            statuses=_shared(
                tuple(vote.status if isinstance(vote, Failure) else None for vote in votes)
            ),
            spent=tuple(value for _, value in verdict.usage),
            metadata=sample.metadata or _NOTHING,
        )

    @classmethod
    def from_scores(
        cls,
        id: str,  # noqa: A002 - the field's name
        scores: npt.ArrayLike,
        *,
        ground_truth: Sequence[float] | None = None,
        reducer: Reducer | None = None,
        meta: npt.ArrayLike | None = None,
        orders: Sequence[Sequence[int]] = (),
        subset: str = "",
        confidence: float | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> Item:
        """An item from bare numbers, such as another tool's score matrix.

        Args:
            id: unique in its run.
            scores: (K, N), NaN where missing; a vote without any score counts as failed.
            ground_truth: N true rewards.
            reducer: makes the rewards; `Sum()` if not given.
            meta: (K,) meta rewards.
            orders: per vote, response indices in the order shown.
            subset: its part of the data set.
            confidence: of the best, 0..1.
            metadata: anything.
        """
        table = np.asarray(scores, dtype=float)
        if table.ndim != 2:
            raise InputError(f"scores of item {id!r} must be (votes, responses), got {table.shape}")
        votes = len(table)
        ballot = Ballot(
            scores=table,
            weights=(~np.isnan(table).all(axis=1)).astype(float),
            meta=np.full(votes, np.nan) if meta is None else np.asarray(meta, dtype=float),
            judges=np.zeros(votes, dtype=np.intp),
            by_principle=np.full(table.shape, np.nan),
        )
        rewards = rewards_of(reducer or Sum(), ballot)
        return cls(
            id=id,
            subset=subset,
            ground_truth=None if ground_truth is None else tuple(map(float, ground_truth)),
            rewards=rewards,
            ranking=None if rewards is None else rank(rewards, seed=0),
            confidence=confidence,
            ballot=ballot,
            orders=tuple(tuple(order) for order in orders),
            metadata=metadata or {},
        )

    @property
    def usage(self) -> Usage:
        """What its votes took."""
        return Usage.model_validate(dict(zip(Usage.model_fields, self.spent, strict=False)))

    @property
    def scores(self) -> Floats:
        """(K, N); NaN where a vote failed or says nothing about a response."""
        return self.ballot.scores

    @property
    def meta(self) -> Floats:
        """(K,): meta rewards, NaN where there is none."""
        return self.ballot.meta

    @property
    def n_responses(self) -> int:
        """N."""
        return int(self.ballot.scores.shape[-1])

    @property
    def n_votes(self) -> int:
        """K, failures included."""
        return int(self.ballot.scores.shape[-2])

    @property
    def scored(self) -> bool:
        """Whether it has rewards."""
        return self.rewards is not None

    @property
    def true_best(self) -> int | None:
        """Index of the response that is truly, strictly best; None if unknown, tied or single."""
        truth = self.ground_truth
        if truth is None or len(truth) < 2:
            return None
        top = max(truth)
        return truth.index(top) if truth.count(top) == 1 else None

    @property
    def best(self) -> int | None:
        """Index of the response with strictly the highest reward; None if unscored or tied."""
        tops = top_set(self.rewards) if self.rewards is not None else ()
        return tops[0] if len(tops) == 1 else None

    @property
    def right(self) -> bool | None:
        """Whether the true best has strictly the highest reward; None if that cannot be asked.

        It cannot without a unique true best, or unscored. A tie on top is wrong.
        """
        best = self.true_best
        return None if best is None or not self.scored else self.best == best


def top_set(rewards: Sequence[float]) -> tuple[int, ...]:
    """Indices of the responses with the highest reward: one, or several if tied."""
    # As `on_top`, without arrays: of a few numbers, and asked many times for each item of a run.
    values = [-inf if isnan(reward) else reward for reward in rewards]
    top = max(values)
    bar = top - TIE * max(1.0, abs(top))
    return tuple(i for i, value in enumerate(values) if value >= bar)


def on_top(rewards: Floats) -> Bools:
    """(..., N): which responses have the highest reward of their item, up to rounding."""
    return win_shares(rewards) > 0


def signs(values: Floats) -> Floats:
    """(..., N, N): 1 where the first index's value is higher, -1 where lower, 0 where equal."""
    first, second = values[..., :, None], values[..., None, :]
    larger = np.maximum(1.0, np.maximum(np.abs(first), np.abs(second)))
    gap: Floats = first - second
    return np.where(np.abs(gap) <= TIE * larger, 0.0, np.sign(gap))


def groups(items: Sequence[Item], key: Callable[[Item], tuple[int, ...]]) -> list[Ints]:
    """Positions of the items that share a key (shapes), so that they can be stacked."""
    found: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for position, item in enumerate(items):
        found[key(item)].append(position)
    return [np.array(found[shape], dtype=np.intp) for shape in sorted(found)]


def stack_ballots(items: Sequence[Item]) -> Ballot:
    """One flat ballot (I * K, N) of items that all have N responses, item after item."""
    names: dict[str, int] = {}
    judges = []
    for item in items:
        places = [names.setdefault(name, len(names)) for name in item.ballot.judge_names]
        judges.append(np.array(places, dtype=np.intp)[item.ballot.judges])
    scores, weights, meta, by_principle = (
        np.concatenate([getattr(item.ballot, name) for item in items])
        for name in ("scores", "weights", "meta", "by_principle")
    )
    return Ballot(
        scores, weights, meta, np.concatenate(judges), by_principle, judge_names=tuple(names)
    )


def stack_pairs(items: Sequence[Item]) -> tuple[Floats, Floats]:
    """Rewards (I, N) and truths (I, N) of scored items with truth and N responses each."""
    rewards = np.array([item.rewards for item in items], dtype=float)
    truths = np.array([item.ground_truth for item in items], dtype=float)
    return rewards, truths
