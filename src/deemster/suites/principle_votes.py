"""Stored votes by principle: who used which, and what each principle's own scores say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deemster.aggregators import Ballot, Reducer, win_shares
from deemster.aggregators.base import Floats
from deemster.principles.bank import ALIKE
from deemster.principles.bank_names import group_by_meaning, wording
from deemster.principles.bank_records import name_key
from deemster.schemas import Judgment, Principle, Sample, Verdict

_CHANCE_DRAWS = 16
"""Random subsets of an item's votes that a principle's votes are compared with."""


@dataclass(frozen=True)
class Naming:
    """Which spellings are one principle, as in the principle bank.

    Names that differ in case, punctuation or spacing are the same. Where the judge writes its own,
    so that votes have different sets, texts that mean the same are merged too; the principles of a
    fixed rubric are never merged.
    """

    numbers: Mapping[str, int]
    """By `name_key`."""
    wordings: Mapping[int, tuple[str, str]]
    """Name and description of each."""
    spellings: Mapping[int, int]

    @classmethod
    def of(cls, votes: Sequence[Judgment]) -> Naming:
        """The names in some votes."""
        seen: dict[str, Counter[tuple[str, str]]] = {}
        sets = set()
        for vote in votes:
            sets.add(frozenset(name_key(one.name) for one in vote.principles))
            for one in vote.principles:
                seen.setdefault(name_key(one.name), Counter())[one.name, one.description] += 1
        keys = sorted(seen, key=lambda key: -seen[key].total())
        texts = {
            number: [(*text, times) for text, times in seen[key].most_common()]
            for number, key in enumerate(keys)
        }
        heads = {number: number for number in texts}
        if len(sets) > 1:
            heads = group_by_meaning(texts, threshold=ALIKE)
        spellings = Counter(heads.values())
        return cls(
            numbers={key: heads[number] for number, key in enumerate(keys)},
            wordings={head: wording(texts[head]) for head in spellings},
            spellings=spellings,
        )

    def number(self, principle: Principle) -> int:
        """Of the principle it is a spelling of."""
        return self.numbers[name_key(principle.name)]


@dataclass
class JudgedItem:
    """One labelled comparison.

    Attributes:
        best: the labelled best response.
        scores: (V, N) overall scores of its votes.
        own: by principle, (V, N) its own scores; NaN in votes that give none.
        weights: by principle, (V,) its weight; 0 in votes that do not use it.
        ballot: the votes, for the judge's own reducer.
    """

    best: int
    scores: Floats
    ballot: Ballot
    own: dict[int, Floats] = field(default_factory=dict)
    weights: dict[int, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, sample: Sample, verdict: Verdict, naming: Naming) -> JudgedItem | None:
        """None without a vote that has principles and scores every response."""
        votes = usable_votes(sample, verdict)
        if not votes or sample.best is None:
            return None
        n = len(sample.responses)
        item = cls(
            best=sample.best,
            scores=np.array([vote.scores for vote in votes], dtype=float),
            ballot=Ballot.from_votes(votes, n=n),
        )
        for v, vote in enumerate(votes):
            own = _own_scores(vote, n)
            for p, principle in enumerate(vote.principles):
                number = naming.number(principle)
                weights = item.weights.setdefault(number, np.zeros(len(votes)))
                scores = item.own.setdefault(number, np.full((len(votes), n), np.nan))
                before = weights[v]
                weights[v] += principle.weight
                if own is None:
                    continue
                # Two principles merged into one: their weighted mean.
                both = before * np.nan_to_num(scores[v]) + principle.weight * own[p]
                scores[v] = both / weights[v] if weights[v] > 0 else own[p]
        return item

    @property
    def has_own(self) -> bool:
        """Whether some vote scores each principle."""
        return any(not np.isnan(own).all() for own in self.own.values())

    def own_mean(self, principle: int) -> Floats | None:
        """(N,) mean of its own scores over the votes; None without any."""
        own = self.own.get(principle)
        rows = None if own is None else own[~np.isnan(own).any(axis=1)]
        return None if rows is None or not len(rows) else np.asarray(rows.mean(axis=0))

    def weighted(self, *, without: int | None = None) -> Floats | None:
        """(N,) mean over votes of the weighted mean of their principles' scores.

        None if no principle is left that has scores and a weight.
        """
        tops, bottoms = np.zeros(self.scores.shape), np.zeros(len(self.scores))
        for number, own in self.own.items():
            if number == without:
                continue
            there = ~np.isnan(own).any(axis=1)
            weight = np.where(there, self.weights[number], 0.0)
            tops += weight[:, None] * np.nan_to_num(own)
            bottoms += weight
        counted = bottoms > 0
        if not counted.any():
            return None
        return np.asarray((tops[counted] / bottoms[counted, None]).mean(axis=0))

    def used(self, principle: int) -> npt.NDArray[np.bool_]:
        """(V,) whether each vote uses it; a weight of 0 is no use."""
        return np.asarray(self.weights.get(principle, np.zeros(len(self.scores))) > 0)

    def right(self) -> Floats:
        """(V,) share of the win that each vote gives the labelled best."""
        return np.asarray(win_shares(self.scores)[:, self.best])

    def changes(self, kept: npt.NDArray[np.bool_], reducer: Reducer) -> tuple[bool, float]:
        """Whether some of the votes name another winner than all; how often so many at random do.

        Args:
            kept: (V,) the votes that stay, at least one.
            reducer: the judge's.
        """
        now = _tops(reducer.reduce(self.ballot))
        alone = _tops(reducer.reduce(self.ballot.take(np.flatnonzero(kept))))
        rng = np.random.default_rng(len(kept) * 1000 + int(kept.sum()))
        rank = rng.random((_CHANCE_DRAWS, len(kept))).argsort(axis=1)
        drawn = _tops(reducer.reduce(self.ballot.take(rank[:, : int(kept.sum())])))
        return bool((alone != now).any()), float((drawn != now).any(axis=1).mean())


def usable_votes(sample: Sample, verdict: Verdict) -> list[Judgment]:
    """Judgments that count, have principles and score every response."""
    return [
        vote
        for vote in verdict.judgments
        if vote.principles
        and not vote.superseded
        and len(vote.scores) == len(sample.responses)
        and None not in vote.scores
    ]


def flips(one: Floats, other: Floats) -> bool:
    """Whether two sets of rewards (N,) have different responses on top."""
    return bool((_tops(one) != _tops(other)).any())


def _tops(rewards: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(win_shares(rewards) > 0)


def _own_scores(vote: Judgment, n: int) -> Floats | None:
    """(P, N) the vote's scores per principle; None unless it gives all of them."""
    found = np.full((len(vote.principles), n), np.nan)
    for critique in vote.critiques:
        if critique.scores is not None:
            found[:, critique.response] = [np.nan if s is None else s for s in critique.scores]
    return None if np.isnan(found).any() else found
