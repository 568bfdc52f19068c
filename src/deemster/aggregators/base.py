"""Aggregators: pure functions from votes to rewards, batched over any leading axes.

A `Ballot` is votes as arrays. A *selector* keeps or weighs votes (`Ballot -> Ballot`), a
*reducer* turns them into one reward per response (`Ballot -> array`). `>>` composes them:
`TopK(16) >> Sum()`. Because everything is batched, resampling a thousand ballots (confidence,
accuracy@k curves) is one call.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from deemster.errors import InputError
from deemster.schemas import Failure, Judgment, Vote

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ballot:
    """K votes over N responses; `...` stands for any batch axes, equal in all arrays.

    Arrays may be shared by many ballots: make new ones, do not write into them.

    Attributes:
        scores: (..., K, N); NaN where a vote says nothing about a response.
        weights: (..., K); >= 0, 0 for a vote that does not count (failures among them).
        meta: (..., K); meta rewards, NaN where there is none.
        judges: (..., K); which judge drew it, as an index into `judge_names`.
        judge_names: names behind `judges`.
        by_principle: (..., K, N); the judge's scores per principle, summed with the principles'
            weights; NaN where it gave none.
        k: votes that a reward made by adding up votes stands for, the same for all samples that
            are compared: the votes asked for, or after `TopK` those it was to keep. More than K
            where a stopping rule ended the draw; None: K.
    """

    scores: Floats
    weights: Floats
    meta: Floats
    judges: npt.NDArray[np.intp]
    by_principle: Floats
    judge_names: tuple[str, ...] = ("",)
    k: int | None = None

    @classmethod
    def from_votes(
        cls, votes: Sequence[Vote], *, n: int | None = None, k: int | None = None
    ) -> Ballot:
        """Arrays of one `score` call's votes; failures and superseded votes count nothing.

        Args:
            votes: K votes.
            n: number of responses; needed only where every vote may be a failure.
            k: votes asked for; None for as many as there are, superseded ones left out.
        """
        valid = [vote for vote in votes if isinstance(vote, Judgment)]
        if n is None:
            n = len(valid[0].scores) if valid else 0
        scores = np.full((len(votes), n), np.nan)
        # What votes rarely have is the same array for all ballots: a run keeps a million of them.
        by_principle, meta = _constant(np.nan, len(votes), n), _constant(np.nan, len(votes))
        names: dict[str, int] = {}
        for row, vote in enumerate(votes):
            names.setdefault(vote.judge, len(names))
            if isinstance(vote, Judgment):
                if len(vote.scores) != n:
                    raise InputError(
                        f"vote {row} scores {len(vote.scores)} responses, others {n}; "
                        "votes of one ballot must be about the same responses"
                    )
                scores[row] = [np.nan if score is None else score for score in vote.scores]
                if (found := _by_principle(vote)) is not None:
                    by_principle = _with_row(by_principle, row, found)
                if vote.meta_reward is not None:
                    meta = _with_row(meta, row, vote.meta_reward)
        judges = _constant(0, len(votes))
        if len(names) > 1:
            judges = np.array([names[vote.judge] for vote in votes])
        counted = [isinstance(vote, Judgment) and not vote.superseded for vote in votes]
        weights = _constant(1.0, len(votes)) if all(counted) else np.array(counted, dtype=float)
        if not n:
            weights = np.zeros(len(votes))
        if k is None:
            k = sum(isinstance(vote, Failure) or not vote.superseded for vote in votes)
        return cls(scores, weights, meta, judges, by_principle, tuple(names) or ("",), k)

    @property
    def asked(self) -> int:
        """`k`, or K where it is not given."""
        return int(self.scores.shape[-2]) if self.k is None else self.k

    @property
    def given(self) -> Floats:
        """(..., K, N): the vote's weight where it scores the response, else 0."""
        return np.where(np.isnan(self.scores), 0.0, self.weights[..., None])

    @property
    def filled(self) -> Floats:
        """(..., K, N): the scores with 0 in place of NaN, for use with `given` as weights."""
        return np.where(np.isnan(self.scores), 0.0, self.scores)

    @property
    def n_valid(self) -> npt.NDArray[np.intp]:
        """(...): how many votes count."""
        count: npt.NDArray[np.intp] = (self.weights > 0).sum(axis=-1)
        return count

    @property
    def mean(self) -> Floats:
        """(..., N): weighted mean of the scores a response got; NaN where it got none."""
        missing = np.isnan(self.scores)
        given = np.where(missing, 0.0, self.weights[..., None])
        total = given.sum(axis=-2)
        sums = (given * np.where(missing, 0.0, self.scores)).sum(axis=-2)
        mean: Floats = np.divide(sums, total, out=np.full_like(total, np.nan), where=total > 0)
        return mean

    def take(
        self, index: np.intp | npt.NDArray[np.intp] | tuple[npt.NDArray[np.intp], ...] | None
    ) -> Ballot:
        """The ballots made of the votes `index` (..., k), for resampling one ballot.

        Of ballots with batch axes, an index into these, or one for each axis; None adds one.
        """
        return Ballot(
            self.scores[index],
            self.weights[index],
            self.meta[index],
            self.judges[index],
            self.by_principle[index],
            self.judge_names,
            self.k,
        )


@dataclass(frozen=True)
class _Step:
    """What selectors and reducers share: a readable spec that can be parsed back."""

    def __str__(self) -> str:
        given = [
            f"{field.name}={_spec_value(getattr(self, field.name))}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__.lower()}({', '.join(given)})"


@dataclass(frozen=True)
class Selector(_Step, ABC):
    """Keeps, drops or weighs votes."""

    @abstractmethod
    def select(self, ballot: Ballot) -> Ballot:
        """The ballot with other weights or scores; shapes stay."""

    @overload
    def __rshift__(self, after: Reducer) -> Reducer: ...
    @overload
    def __rshift__(self, after: Selector) -> Selector: ...
    def __rshift__(self, after: Selector | Reducer) -> Selector | Reducer:
        """This step, then `after`."""
        return _chain(self, after)


@dataclass(frozen=True)
class Reducer(_Step, ABC):
    """Turns a ballot into rewards."""

    @abstractmethod
    def reduce(self, ballot: Ballot) -> Floats:
        """Rewards (..., N); NaN for a response that no counted vote scores.

        A vote that was lost, or scores only some of the responses, must not move the rewards of
        the others: they are compared across samples.
        """

    def mean_scores(self, ballot: Ballot) -> Floats:
        """(..., N): mean score of the votes that count here, on the scale of the votes."""
        return ballot.mean

    def __call__(
        self, votes: Sequence[Vote], *, k: int | None = None, min_valid: int = 1
    ) -> tuple[float, ...] | None:
        """One reward per response, or None if fewer than `min_valid` votes are judgments.

        Also None if some response got no score at all: it cannot be ranked, and nothing stands
        in for the missing number.

        Args:
            votes: judgments and failures.
            k: votes asked for; None for as many as there are, superseded ones left out.
            min_valid: fewest judgments for rewards, >= 1.
        """
        return rewards_of(self, Ballot.from_votes(votes, k=k), min_valid=min_valid)


@dataclass(frozen=True)
class SelectorChain(Selector):
    """Selectors applied from left to right."""

    steps: tuple[Selector, ...]

    def select(self, ballot: Ballot) -> Ballot:
        """Apply every step."""
        for step in self.steps:
            ballot = step.select(ballot)
        return ballot

    def __str__(self) -> str:
        return " >> ".join(str(step) for step in self.steps)


@dataclass(frozen=True)
class Pipeline(Reducer):
    """Selectors, then a reducer."""

    steps: tuple[Selector, ...]
    last: Reducer

    def reduce(self, ballot: Ballot) -> Floats:
        """Apply every step, then reduce."""
        return self.last.reduce(self.select(ballot))

    def mean_scores(self, ballot: Ballot) -> Floats:
        """See `Reducer.mean_scores`."""
        return self.last.mean_scores(self.select(ballot))

    def select(self, ballot: Ballot) -> Ballot:
        """The ballot that the last step reduces."""
        return SelectorChain(self.steps).select(ballot)

    def __str__(self) -> str:
        return " >> ".join(str(step) for step in (*self.steps, self.last))


def rewards_of(reducer: Reducer, ballot: Ballot, *, min_valid: int = 1) -> tuple[float, ...] | None:
    """Rewards of one ballot, or None where there are too few votes; see `Reducer.__call__`."""
    if min_valid < 1:
        raise InputError(f"min_valid must be >= 1, got {min_valid}")
    if ballot.n_valid < min_valid:
        return None
    rewards = reducer.reduce(ballot)
    if not np.isfinite(rewards).all():
        return None
    return tuple(float(reward) for reward in rewards)


def _chain(first: Selector, after: Selector | Reducer) -> Selector | Reducer:
    steps = _flat(first)
    if isinstance(after, Pipeline):
        return Pipeline((*steps, *after.steps), after.last)
    if isinstance(after, Reducer):
        return Pipeline(steps, after)
    return SelectorChain((*steps, *_flat(after)))


def _flat(selector: Selector) -> tuple[Selector, ...]:
    return selector.steps if isinstance(selector, SelectorChain) else (selector,)


@lru_cache(maxsize=1024)
def _constant(value: float, *shape: int) -> npt.NDArray[Any]:
    """An array of one value, shared and not to be written to; of a whole number, of `intp`."""
    array = np.full(shape, value, dtype=np.intp if isinstance(value, int) else float)
    array.flags.writeable = False
    return array


def _with_row(array: Floats, row: int, values: npt.ArrayLike) -> Floats:
    """The array with other values in a row; a shared array is copied first."""
    if not array.flags.writeable:
        array = array.copy()
    array[row] = values
    return array


def _by_principle(judgment: Judgment) -> list[float] | None:
    """A sum for each response, NaN without scores per principle; None if there are none at all."""
    if not any(critique.scores for critique in judgment.critiques):
        return None
    sums = [math.nan] * len(judgment.scores)
    weights = [principle.weight for principle in judgment.principles]
    for critique in judgment.critiques:
        given = critique.scores or ()
        if given and None not in given:
            sums[critique.response] = math.fsum(
                weight * score
                for weight, score in zip(weights, given, strict=True)
                if score is not None
            )
    return sums


def pairs_of(given: Any, what: str) -> list[tuple[Any, Any]]:  # noqa: ANN401 - of a text
    """(name, value) pairs, given so or as a mapping.

    Raises:
        InputError: they are given in another way.
    """
    try:
        return [
            (name, value)
            for name, value in (given.items() if isinstance(given, Mapping) else given)
        ]
    except (TypeError, ValueError):
        raise InputError(
            f"{what} must be numbers by name, for example {{a: 2, b: 1}}; got {given!r:.200}"
        ) from None


def _spec_value(value: object) -> str:
    if isinstance(value, tuple):
        return (
            "{" + ", ".join(f"{_spec_key(key)}: {_spec_value(item)}" for key, item in value) + "}"
        )
    return str(value)


def _spec_key(name: str) -> str:
    """A name as YAML reads it back: quoted unless it is plain."""
    plain = re.fullmatch(r"[A-Za-z_][\w./+:-]*(?<!:)", name)
    words = {"true", "false", "null", "yes", "no", "on", "off"}
    return name if plain and name.lower() not in words else json.dumps(name, ensure_ascii=False)
