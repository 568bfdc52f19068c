"""What a fitted cascade is: calibrated confidences, thresholds, and what they rest on."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from deemster.aggregators import Ballot, PerJudge, strict_best
from deemster.aggregators.base import Floats
from deemster.judges.checked_json import Fitted
from deemster.schemas import Count, Finite, Record

FEATURES = ("margin", "gap", "unanimity", "agreement", "votes")
"""What confidence is read from: lead of the winner over the next in `PerJudge` rewards; logarithm
of 1 + its lead in mean scores, averaged over the judges; share of the votes that it wins outright;
share of the judges that find it best; logarithm of the number of votes of the last judge."""

_Share = Annotated[Finite, Field(ge=0, le=1)]


class Stage(Record):
    """One judge of a cascade and how its votes, with those before, become a confidence."""

    judge: str
    weights: tuple[Finite, ...]
    """Of `FEATURES`, in log-odds."""
    intercept: Finite
    stop: str = ""
    """The stopping rule of its draws, where stored votes are cut by one."""


class CascadeRule(Fitted):
    """A fitted cascade. Made by `fit_rule`; a JSON file of it serves `Cascade` and the shell."""

    what: ClassVar[str] = "cascade rule"
    format: Literal["deemster-cascade-1"] = "deemster-cascade-1"
    stages: Annotated[tuple[Stage, ...], Field(min_length=2)]
    thresholds: tuple[_Share, ...]
    """Per stage: the least confidence that is taken for an answer. The last is 0 where the
    cascade does not abstain."""
    abstain: bool = False
    level: _Share | None = None
    """Agreement with the labels that was asked for, over the items that are answered."""
    samples: Annotated[Finite, Field(ge=0)] | None = None
    """Or: votes per item of the judges after the first that were allowed."""
    delta: _Share
    """Probability that the level does not hold after all, at most."""
    n_tested: Count
    n_answered: Count
    n_agreed: Count
    bound: _Share
    """Exact lower confidence bound of the agreement on the items tested, at 1 - delta."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.thresholds) != len(self.stages):
            raise ValueError(f"{len(self.thresholds)} thresholds for {len(self.stages)} stages")
        if any(len(stage.weights) != len(FEATURES) for stage in self.stages):
            raise ValueError(f"each stage needs {len(FEATURES)} weights: {', '.join(FEATURES)}")
        return self

    def confidence(self, stage: int, values: Floats) -> Floats:
        """(...): calibrated probability that the leader is the labelled best.

        Args:
            stage: from 0.
            values: (..., F) `FEATURES`; NaN where unscored, which gives 0.
        """
        one = self.stages[stage]
        logit = values @ np.array(one.weights) + one.intercept
        chance: Floats = 1 / (1 + np.exp(-np.clip(logit, -40, 40)))
        return np.where(np.isnan(chance), 0.0, chance)


def stage_features(ballot: Ballot) -> Floats:
    """(F,) `FEATURES` of one item's votes so far; NaN if unscored or a single response.

    The judges of the ballot are in the order asked.
    """
    n = ballot.scores.shape[-1]
    rewards = PerJudge().reduce(ballot) if n > 1 else np.full(1, np.nan)
    if not np.isfinite(rewards).all():
        return np.full(len(FEATURES), np.nan)
    leader = int(rewards.argmax())
    margin = rewards[leader] - np.delete(rewards, leader).max()
    leads, best = [], []
    drawn = 0
    for index in range(len(ballot.judge_names)):
        own = (ballot.judges == index) & (ballot.weights > 0)
        drawn = int(own.sum()) or drawn
        scores = ballot.scores[own]
        if len(scores) == 0 or np.isnan(scores).all(axis=0).any():
            continue
        mean = np.nanmean(scores, axis=0)
        leads.append(mean[leader] - np.delete(mean, leader).max())
        best.append(strict_best(mean.tolist()) == leader)
    counted = np.where(np.isnan(ballot.scores), -np.inf, ballot.scores)[ballot.weights > 0]
    wins = (counted[:, leader] > np.delete(counted, leader, axis=1).max(axis=1)).mean()
    lead = float(np.mean(leads)) if leads else 0.0
    gap = math.copysign(math.log1p(abs(lead)), lead)
    agreement = float(np.mean(best)) if best else 0.0
    return np.array([margin, gap, wins, agreement, math.log(max(drawn, 1))])
