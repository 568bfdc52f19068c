"""Accuracy of the embedded model: the votes of many items as arrays."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deemster.schemas import Sample
from lab.nano.data import Encoder
from lab.nano.judging import Trajectory, balanced_orders, judge
from lab.nano.sampler import Sampler
from lab.world import SplitName, World

MOST_RESPONSES = 4


def pairs_or_more(world: World, count: int, split: SplitName) -> list[Sample]:
    """The first `count` samples of a split with two or more responses."""
    found: list[Sample] = []
    start = 0
    while len(found) < count:
        some = world.samples(count, split=split, start=start)
        found += [sample for sample in some if len(sample.responses) > 1]
        start += count
    return found[:count]


@dataclass(frozen=True)
class Votes:
    """Scores of I items: K sampled ones and a greedy one; NaN where there is none."""

    samples: Sequence[Sample]
    scores: NDArray[np.float32]
    """[I, K, 4] in the order of the sample's responses."""
    greedy: NDArray[np.float32]
    """[I, 4]"""
    meta: NDArray[np.float32]
    """[I, K] meta rewards."""

    @property
    def best(self) -> NDArray[np.int8]:
        """Index of the truly best response, [I]."""
        return np.array([sample.best for sample in self.samples], dtype=np.int8)


def draw_votes(
    sampler: Sampler,
    encoder: Encoder,
    samples: Sequence[Sample],
    *,
    k: int,
    temperature: float,
    seed: int,
    rate: Callable[[Sequence[Trajectory]], Sequence[float]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Votes:
    """`k` votes and a greedy one about every sample, in balanced orders.

    Args:
        sampler: of the judge.
        encoder: its tokenizer.
        samples: two to four responses each.
        k: votes, divided among the orders; the first orders get the remainder.
        temperature: of the votes.
        seed: decides orders and draws.
        rate: gives meta rewards; None leaves them out.
        progress: called with how many samples are done.
    """
    count = len(samples)
    scores = np.full((count, k, MOST_RESPONSES), np.nan, dtype=np.float32)
    greedy = np.full((count, MOST_RESPONSES), np.nan, dtype=np.float32)
    meta = np.full((count, k), np.nan, dtype=np.float32)
    rng = random.Random(seed)  # noqa: S311 - not secret
    generator = torch.Generator().manual_seed(seed)
    block = 512
    for start in range(0, count, block):
        some = range(start, min(start + block, count))
        orders = {i: balanced_orders(len(samples[i].responses), k, rng) for i in some}
        for n in {len(orders[i]) for i in some}:
            rows = [i for i in some if len(orders[i]) == n]
            tasks = [(samples[i], order) for i in rows for order in orders[i]]
            each = -(-k // n)
            drawn = judge(
                sampler, encoder, tasks, each=each, temperature=temperature, generator=generator
            )
            rewards = rate(drawn) if rate is not None else None
            for place, i in enumerate(rows):
                # Vote j is of order j % n, so that the first votes are of different orders.
                for j in range(k):
                    at = (place * n + j % n) * each + j // n
                    _put(scores[i, j], drawn[at])
                    if rewards is not None:
                        meta[i, j] = rewards[at]
        firsts = [(samples[i], orders[i][0]) for i in some]
        for i, one in zip(
            some,
            judge(sampler, encoder, firsts, temperature=0, generator=generator),
            strict=True,
        ):
            _put(greedy[i], one)
        if progress is not None:
            progress(some.stop, count)
    return Votes(samples, scores, greedy, meta)


def _put(row: NDArray[np.float32], one: Trajectory) -> None:
    if one.scores is not None:
        row[: len(one.scores)] = np.array(one.scores, dtype=np.float32)


def accuracies(votes: Votes) -> dict[str, float]:
    """Greedy, one vote, all votes summed, and how many were unparseable, as shares of 1."""
    k = votes.scores.shape[1]
    summed = np.nansum(votes.scores, axis=1)
    none = np.isnan(votes.scores).all(axis=1)
    summed = np.where(none, np.nan, summed)
    return {
        "greedy": float(strictly_best(votes.greedy, votes.best).mean()),
        "k=1": float(strictly_best(votes.scores, votes.best[:, None]).mean()),
        f"vote@{k}": float(strictly_best(summed, votes.best).mean()),
        "unparsed": float(np.isnan(votes.scores).all(axis=2).mean()),
    }


def strictly_best(scores: NDArray[np.float32], best: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether the true best has strictly the highest of scores [..., 4]."""
    index = np.broadcast_to(best, scores.shape[:-1])[..., None].astype(np.intp)
    own = np.take_along_axis(scores, index, axis=-1)
    others = np.where(np.arange(scores.shape[-1]) == index, -np.inf, scores)
    others = np.where(np.isnan(others), -np.inf, others).max(axis=-1)
    right: NDArray[np.bool_] = own[..., 0] > others
    return right
