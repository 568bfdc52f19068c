"""Accuracy@k from one run: what k votes would have given, over all ways to draw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from deemster.aggregators import Ballot, Reducer, Sum, TopK
from deemster.errors import InputError
from deemster.schemas import Count, Record
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate, Floats, Ints, tidy
from deemster.suites.metrics.items import Item, groups, on_top, stack_ballots

_SCORES_AT_ONCE = 1_000_000
"""Most scores in one resampled block, 8 MB: reducers hold a handful of such arrays."""


class CurvePoint(Record):
    """Accuracy with k votes."""

    k: Count
    accuracy: Estimate
    """Strict, over draws that are scored; in expectation over the draws, with the interval over
    items. `n` counts the items that any draw scores."""
    ties: float
    """Expected share of items tied on top."""
    unscored: float
    """Expected share of items left without rewards."""


@dataclass(frozen=True)
class Draws:
    """How k of an item's K votes are drawn.

    Args:
        prefix: only the first k votes, as the run drew them, instead of all subsets.
        most: up to this many subsets all are taken; beyond, this many random ones per item.
        seed: of the random subsets.
    """

    prefix: bool = False
    most: int = 128
    seed: int = 0

    def blocks(self, shape: tuple[int, int, int], k: int) -> Iterator[tuple[slice, Ints]]:
        """Blocks of items, each with the votes drawn (items or 1, subsets, k), in draw order.

        Args:
            shape: (I, K, N) of the ballot.
            k: 1..K.
        """
        n_items, votes, responses = shape
        count = 1 if self.prefix else comb(votes, k)
        every = count <= self.most
        subsets = count if every else self.most
        size = max(1, _SCORES_AT_ONCE // (subsets * max(k * responses, votes)))
        fixed = np.arange(k)[None, None] if self.prefix else None
        if fixed is None and every:
            fixed = np.array(list(combinations(range(votes), k)), dtype=np.intp)[None]
        rng = np.random.default_rng([self.seed, k, votes, responses])
        for start in range(0, n_items, size):
            part = slice(start, min(start + size, n_items))
            if fixed is not None:
                yield part, fixed
                continue
            keys = rng.random((part.stop - start, subsets, votes))
            yield part, np.sort(np.argpartition(keys, k - 1, axis=-1)[..., :k], axis=-1)


ALL_SUBSETS = Draws()


def default_ks(items: Sequence[Item]) -> tuple[int, ...]:
    """Powers of 2 up to the largest number of votes, and that number."""
    most = max((item.n_votes for item in items), default=0)
    return tuple(sorted({*(2**i for i in range(most.bit_length())), most} - {0}))


def curve(
    items: Sequence[Item],
    ks: Sequence[int] | None = None,
    reducer: Reducer | None = None,
    *,
    draws: Draws = ALL_SUBSETS,
    min_valid: int = 1,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[CurvePoint, ...]:
    """Strict accuracy with k of the votes, for each k, without a single further call.

    Failed votes are drawn like others, as they would have been. An item with fewer than k votes
    (a stopping rule ended its draw) gives all it has. Items need 2 responses and a unique best.

    Args:
        items: the run.
        ks: numbers of votes, >= 1; `default_ks` if not given.
        reducer: the voting rule; `Sum()` if not given. Meta-guided voting is
            `TopK(k_meta) >> Sum()`.
        draws: which k votes.
        min_valid: fewer valid votes among the k leave an item unscored.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: a k is below 1.
    """
    asked = [item for item in items if item.true_best is not None and item.n_votes]
    ks = default_ks(asked) if ks is None else tuple(ks)
    if any(k < 1 for k in ks):
        raise InputError(f"ks must be whole numbers >= 1, got {list(ks)!r}")
    shared = groups(asked, lambda item: (item.n_votes, item.n_responses))
    stacks = [_Stack.of(asked, where) for where in shared]
    points = []
    for k in ks:
        table = np.zeros((len(asked), 3))
        for stack in stacks:
            table[stack.where] = stack.outcomes(
                k, reducer or Sum(), draws=draws, min_valid=min_valid
            )
        points.append(_point(k, table, bootstrap))
    return tuple(points)


def meta_curve(
    items: Sequence[Item],
    ks: Sequence[int] | None = None,
    reducer: Reducer | None = None,
    *,
    k_meta: int | None = None,
    draws: Draws = ALL_SUBSETS,
    min_valid: int = 1,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[CurvePoint, ...]:
    """`curve` of meta-guided voting: of the k votes the `k_meta` with the highest meta reward.

    Args:
        items: the run.
        ks: numbers of votes.
        reducer: how the kept votes are reduced; `Sum()` if not given.
        k_meta: how many are kept; None keeps half of the valid ones, rounded up (the paper's).
        draws: which k votes.
        min_valid: fewer valid votes among the k leave an item unscored.
        bootstrap: how intervals are drawn.

    Returns:
        The points; none if no vote of the run has a meta reward.
    """
    if not any(np.isfinite(item.meta).any() for item in items):
        return ()
    guided = TopK(k_meta) >> (reducer or Sum())
    return curve(items, ks, guided, draws=draws, min_valid=min_valid, bootstrap=bootstrap)


@dataclass(frozen=True)
class _Stack:
    """Items of the same shape: K votes on N responses."""

    where: Ints
    """(I,): their positions."""
    ballot: Ballot
    """(I * K, N)."""
    best: Ints
    """(I,): the true best."""

    @classmethod
    def of(cls, items: Sequence[Item], where: Ints) -> _Stack:
        chosen = [items[i] for i in where]
        best = np.array([item.true_best for item in chosen], dtype=np.intp)
        return cls(where, stack_ballots(chosen), best)

    def outcomes(self, k: int, reducer: Reducer, *, draws: Draws, min_valid: int) -> Floats:
        """(I, 3): share of draws that are right, that tie on top, that are scored."""
        n_items = len(self.where)
        votes = len(self.ballot.weights) // n_items
        shape = (n_items, votes, self.ballot.scores.shape[-1])
        table = np.zeros((n_items, 3))
        for part, index in draws.blocks(shape, min(k, votes)):
            rows = np.arange(part.start, part.stop)[:, None, None]
            drawn = self.ballot.take(rows * votes + index)
            rewards = reducer.reduce(drawn)
            scored = np.isfinite(rewards).all(axis=-1) & (drawn.n_valid >= min_valid)
            top = on_top(np.where(scored[..., None], rewards, 0.0))
            alone = top.sum(axis=-1) == 1
            mine = np.take_along_axis(top, self.best[part][:, None, None], axis=-1)[..., 0]
            for column, outcome in enumerate((scored & alone & mine, scored & ~alone, scored)):
                table[part, column] = outcome.mean(axis=1)
        return table


def _point(k: int, table: Floats, bootstrap: Bootstrap) -> CurvePoint:
    right, tied, scored = table.T
    n = max(len(table), 1)
    return CurvePoint(
        k=int(k),
        accuracy=bootstrap.ratio(right, scored),
        ties=tidy(float(tied.sum()) / n) or 0.0,
        unscored=tidy(1 - float(scored.sum()) / n) or 0.0 if len(table) else 0.0,
    )
