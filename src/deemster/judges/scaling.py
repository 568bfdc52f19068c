"""Rewards of different judges on one scale: within a call, or over a run."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, Self

import numpy as np

from deemster.aggregators import Ballot, Borda, Mean, Reducer, Sum, parse_aggregator, rewards_of
from deemster.aggregators.base import Floats, Pipeline
from deemster.errors import InputError
from deemster.judges.checked_json import Fitted
from deemster.schemas import Count, Finite, Record, Verdict

Kind = Literal["zscore", "rank", "minmax", "none"]
KINDS: tuple[Kind, ...] = ("zscore", "rank", "minmax", "none")
_POINTS = 256
_EVEN = 1e-12
"""Rewards that spread less than this, relative to their size, are equal up to rounding."""


class JudgeScale(Record):
    """How one judge's rewards are spread over a run."""

    n: Count
    """Rewards seen."""
    mean: Finite
    std: Finite
    """Of the population; 0 if all are equal."""
    values: tuple[Finite, ...]
    """Distinct rewards, ascending; at most 256 of them, evenly picked."""
    shares: tuple[Finite, ...]
    """For each: the share of rewards below it, plus half of those equal to it."""

    @classmethod
    def of(cls, rewards: Sequence[float]) -> Self:
        """Measure some rewards, at least one."""
        values, counts = np.unique(np.asarray(rewards, dtype=float), return_counts=True)
        shares = (np.cumsum(counts) - counts / 2) / counts.sum()
        if len(values) > _POINTS:
            kept = np.linspace(0, len(values) - 1, _POINTS).round().astype(int)
            values, shares = values[kept], shares[kept]
        return cls(
            n=len(rewards),
            mean=float(np.mean(rewards)),
            std=float(np.std(rewards)),
            values=tuple(map(float, values)),
            shares=tuple(map(float, shares)),
        )


class PanelScaling(Fitted):
    """Scales of judges, measured over a run: so that a reward keeps its level between items.

    Within one call two rewards always spread as far as any other two; over a run a judge that
    finds a pair nearly equal says less than one that finds it far apart. Needed too where single
    responses are scored by judges on different scales.
    """

    kind: Literal["zscore", "rank", "minmax"] = "zscore"
    """`zscore`: less the mean, over the standard deviation; `rank`: the share of the run's rewards
    below, 0..1; `minmax`: 0 at the lowest reward of the run, 1 at the highest, not cut off."""
    judges: dict[str, JudgeScale]

    @classmethod
    def fit(cls, verdicts: Iterable[Verdict], *, kind: str = "zscore") -> Self:
        """Measure the rewards of each judge, identified by name.

        Args:
            verdicts: of the members on their own, or of a panel with `scale="none"`; unscored
                ones say nothing.
            kind: how `apply` will use the measures.

        Raises:
            InputError: no verdict has rewards, or they are of a panel that scaled them already.
        """
        if kind not in KINDS[:3]:
            raise InputError(f"kind {kind!r}; allowed: {', '.join(KINDS[:3])}")
        seen: dict[str, list[float]] = defaultdict(list)
        for verdict in verdicts:
            model = verdict.judge.model
            if model.partition(":")[0] != "panel":
                seen[verdict.judge.name] += per_vote(verdict) or ()
                continue
            if model != "panel:none":
                raise InputError(
                    f"verdicts of panel {verdict.judge.name!r} are scaled within the call; "
                    "score with scale='none' to fit a scaling"
                )
            for vote in verdict.judgments:
                seen[vote.judge] += [score for score in vote.scores if score is not None]
        found = {name: JudgeScale.of(rewards) for name, rewards in seen.items() if rewards}
        if not found:
            raise InputError("no verdict has rewards; nothing to fit a scaling on")
        return cls.model_validate({"kind": kind, "judges": found})

    def apply(self, judge: str, rewards: Sequence[float]) -> tuple[float, ...]:
        """Rewards of a judge, scaled.

        Raises:
            InputError: the run had no rewards of this judge.
        """
        if judge not in self.judges:
            raise InputError(f"no scale for judge {judge!r}; known: {', '.join(self.judges)}")
        scale = self.judges[judge]
        if self.kind == "rank":
            return tuple(float(x) for x in np.interp(rewards, scale.values, scale.shares))
        low, wide = (
            (scale.mean, scale.std)
            if self.kind == "zscore"
            else (scale.values[0], scale.values[-1] - scale.values[0])
        )
        # A judge that always says the same says nothing.
        return tuple((reward - low) / wide if wide > 0 else 0.0 for reward in rewards)

    def __str__(self) -> str:
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]
        return f"{self.kind}-run-{digest}"


def per_vote(verdict: Verdict) -> tuple[float, ...] | None:
    """The rewards on the scale of one vote: where they are a sum over votes, the mean instead.

    A sum over 32 votes is larger than one over 8, and smaller where votes failed.
    """
    if verdict.rewards is None or not verdict.judgments:
        return verdict.rewards
    try:
        reducer = parse_aggregator(verdict.judge.aggregator)
    except InputError:
        return verdict.rewards  # a third party's aggregator: whatever it gives
    if isinstance(reducer, Pipeline) and isinstance(reducer.last, Sum):
        mean: Reducer = Pipeline(reducer.steps, Mean())
    elif isinstance(reducer, Sum):
        mean = Mean()
    else:
        return verdict.rewards
    return rewards_of(mean, Ballot.from_votes(verdict.votes, n=len(verdict.rewards)))


def scaled(verdict: Verdict, how: Kind | PanelScaling, *, judge: str) -> tuple[float, ...]:
    """A member's rewards as its vote.

    A single response has nothing to be compared with: there, and with `none`, the rewards per
    vote stay as they are.
    """
    rewards = per_vote(verdict) or ()
    if isinstance(how, PanelScaling):
        return how.apply(judge, rewards)
    if how == "none" or len(rewards) < 2:
        return rewards
    return tuple(float(x) for x in _within(np.array(rewards), how))


def _within(rewards: Floats, how: Kind) -> Floats:
    spread = rewards.std()
    even = spread <= _EVEN * max(1.0, float(np.abs(rewards).max()))
    if how == "zscore":
        return np.zeros(len(rewards)) if even else (rewards - rewards.mean()) / spread
    if even:
        return np.full(len(rewards), 0.5)
    if how == "minmax":
        bounded: Floats = (rewards - rewards.min()) / (rewards.max() - rewards.min())
        return bounded
    blank = np.full((1, len(rewards)), np.nan)
    one = np.ones(1)
    return Borda().reduce(
        Ballot(rewards[None], one, blank[0, :1], np.zeros(1, dtype=np.intp), blank)
    )


def widest_margin(how: Kind | PanelScaling, n: int) -> float | None:
    """The most by which one vote can put a response before another; None if there is no limit."""
    if isinstance(how, PanelScaling):
        return 1.0 if how.kind == "rank" else None
    if how == "none" or n < 2:
        return None
    # Standardised values differ most where one is as far above the mean as another below it, and
    # all others lie on it.
    return float(np.sqrt(2 * n)) if how == "zscore" else 1.0
