"""Several judges that vote together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from deemster.aggregators import (
    Majority,
    Mean,
    Reducer,
    Sum,
    Weighted,
    strict_best,
)
from deemster.aggregators.base import Floats, Pipeline
from deemster.errors import InputError
from deemster.judges.asking import (
    Answer,
    as_vote,
    ask_all,
    raise_if_nobody_can,
    read_deadlines,
)
from deemster.judges.building import Site
from deemster.judges.case import Case
from deemster.judges.composite import Composite
from deemster.judges.decide import decide
from deemster.judges.membership import check_scale, weighted_by
from deemster.judges.panel_weights import PanelWeights
from deemster.judges.scaling import Kind, PanelScaling, scaled, widest_margin
from deemster.judges.scorer import Scorer
from deemster.judges.settings import whole_number
from deemster.judges.spec import CompositeSpec, Positive, Seconds, Weight
from deemster.schemas import JudgeInfo, Verdict

ROUNDING = 1e-9


class Panel(Composite):
    """Judges in parallel, one vote each: a member's rewards, made comparable, are its vote.

    A member that fails, is late, is dropped or gives no rewards is a `Failure` vote: it never tips
    the verdict. A member that finds all responses equal abstains.

    Args:
        members: judges, panels, or anything with their `score`, which stay the caller's to close,
            or model strings; two or more.
        weights: how much each member counts, by name: numbers >= 0, a `PanelWeights` from
            `fit_weights`, or its JSON file. None: all the same.
        aggregator: how the members' votes become rewards; default the mean.
        scale: how a member's rewards become comparable. Within the call: `zscore` (less their
            mean, over their standard deviation), `rank` (share of the others that are beaten),
            `minmax` (0 for the lowest, 1 for the highest), `none` (as they are). Over a run: a
            fitted `PanelScaling`. A single response has nothing to be compared with: there the
            members' mean scores vote as they are, unless a `PanelScaling` puts them on one scale.
        deadline: seconds for each member, one number for all or by name; later ones are
            `Failure`s with status `timeout`.
        quorum: members with rewards that are enough: once there are so many, the rest are
            cancelled (status `cancelled`). Which these are depends on who is quick.
        early: cancel the rest as soon as they could not change who wins, however they voted.
            `best` is then the same as without, the rewards are not. Needs a sum, mean or majority
            of votes with bounded scales; a single response is never decided early.
        min_valid: fewest members with rewards for a verdict.
        seed: breaks ties.
        name: what records call it.

    Raises:
        InputError: an argument is wrong.
    """

    def __init__(
        self,
        members: Iterable[Scorer | str],
        *,
        weights: PanelWeights | Mapping[str, float] | str | Path | None = None,
        aggregator: Reducer | str | None = None,
        scale: Kind | PanelScaling = "zscore",
        deadline: float | Mapping[str, float] | None = None,
        quorum: int | None = None,
        early: bool = False,
        min_valid: int = 1,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        names = self._open_members(members, what="a panel")
        self.aggregator = weighted_by(weights, names, aggregator)
        self.scale = check_scale(scale, names)
        self.deadlines = read_deadlines(deadline, names)
        self.min_valid = whole_number("min_valid", min_valid, 1, len(names))
        self.quorum = None if quorum is None else whole_number("quorum", quorum, 1, len(names))
        if self.quorum is not None and self.quorum < min_valid:
            raise InputError(f"quorum must be >= min_valid={min_valid}, got {quorum!r}")
        self.early = early
        bounded = self._plurality or widest_margin(scale, 2) is not None
        if early and not (bounded and _linear(self.aggregator) is not None):
            raise InputError(
                f"early needs bounded votes and a mean, sum or majority of them; scale {scale!s} "
                f"with {self.aggregator} may change until the last member"
            )
        self.seed = seed
        self.name = name or f"panel({', '.join(names)})"

    @property
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""
        infos = tuple(member.info for member in self.members)
        stops = [] if self.quorum is None else [f"quorum({self.quorum})"]
        return JudgeInfo(
            name=self.name,
            model="panel" if self.scale == "zscore" else f"panel:{self.scale}",
            k=len(infos),
            seed=self.seed,
            aggregator=str(self.aggregator),
            stop=" ".join([*stops, *(["early"] if self.early else [])]),
            members=infos,
        )

    async def _judge(self, case: Case) -> Verdict:
        answers = await ask_all(
            [(member, case) for member in self.members],
            n=case.n,
            deadlines=self.deadlines,
            enough=partial(self._enough, n=case.n) if self.quorum or self.early else None,
        )
        raise_if_nobody_can(answers)
        votes = [
            as_vote(answer, draw=draw, judge=member.info.name, how=self.scale)
            for draw, (member, answer) in enumerate(zip(self.members, answers, strict=True))
        ]
        return decide(
            votes,
            n=case.n,
            k=len(votes),
            reducer=self.aggregator,
            info=self.info,
            min_valid=self.min_valid,
        )

    def _enough(self, found: Mapping[int, Answer], *, n: int) -> str | None:
        """Why the members that are still out need not be waited for."""
        valid = {
            place: answer
            for place, answer in found.items()
            if isinstance(answer, Verdict) and answer.rewards is not None
        }
        if self.quorum is not None and len(valid) >= self.quorum:
            return f"{len(valid)} members gave rewards, the quorum is {self.quorum}"
        if self.early and len(valid) >= self.min_valid and n > 1:
            names = [member.info.name for member in self.members]
            weights = dict(_linear(self.aggregator) or ())
            by_place = [weights.get(name, 1.0) for name in names]
            pending = sum(w for place, w in enumerate(by_place) if place not in found)
            total = np.zeros(n)
            for place, verdict in valid.items():
                vote = np.array(scaled(verdict, self.scale, judge=names[place]))
                total += by_place[place] * self._favour(vote)
            margin = 1.0 if self._plurality else widest_margin(self.scale, n)
            if margin is not None and _settled(total, pending * margin):
                return "no vote of theirs could change who wins"
        return None

    @property
    def _plurality(self) -> bool:
        last = self.aggregator.last if isinstance(self.aggregator, Pipeline) else self.aggregator
        return isinstance(last, Majority)

    def _favour(self, vote: Floats) -> Floats:
        if not self._plurality:
            return vote
        best = strict_best(vote.tolist())
        return np.array([float(i == best) for i in range(len(vote))])


def agreement(verdict: Verdict) -> float | None:
    """Share of the members with rewards whose strictly best response is the verdict's.

    Members that find several responses best agree with nobody. Superseded votes are left out.

    Returns:
        A share in 0..1; None for a single response, or a verdict without a best.
    """
    if verdict.best is None or verdict.rewards is None or len(verdict.rewards) < 2:
        return None
    counted = [vote for vote in verdict.judgments if not vote.superseded]
    if not counted:
        return None
    bests = [
        strict_best([float("-inf") if score is None else score for score in vote.scores])
        for vote in counted
    ]
    return bests.count(verdict.best) / len(bests)


def _linear(aggregator: Reducer) -> tuple[tuple[str, float], ...] | None:
    """Weights by name, if rewards order as a weighted sum of what votes say; else None."""
    steps, last = (
        (aggregator.steps, aggregator.last)
        if isinstance(aggregator, Pipeline)
        else ((), aggregator)
    )
    if not isinstance(last, Mean | Sum | Majority):
        return None
    weights: dict[str, float] = {}
    for step in steps:
        if not isinstance(step, Weighted) or step.by != "judge":
            return None
        for name, weight in step.judges:
            weights[name] = weights.get(name, 1.0) * weight
    return tuple(weights.items())


def _settled(total: Floats, pending: float) -> bool:
    """Whether the first stays strictly first if any other gains up to `pending` on it."""
    second, first = map(float, np.sort(total)[-2:])
    return first - second > pending + ROUNDING * max(1.0, abs(first))


class PanelSpec(CompositeSpec):
    """Judges in parallel, one vote each."""

    type: Literal["panel"] = "panel"
    scale: Kind = "zscore"
    """How their rewards become comparable."""
    weights: dict[str, Weight] | str | None = None
    """How much each counts, by name, or a file of fitted weights; default: all the same."""
    aggregator: str | None = None
    """How the members' votes become rewards; default: the mean."""
    deadline: Seconds | None = None
    """Seconds for each member."""
    quorum: Positive | None = None
    """Members with rewards that are enough."""
    early: bool = False
    """Cancel the rest as soon as they could not change who wins."""

    @model_validator(mode="after")
    def _quorum_fits(self) -> Self:
        if self.quorum is not None and not self.min_valid <= self.quorum <= len(self.members):
            raise ValueError(
                f"quorum must be from min_valid={self.min_valid} to the {len(self.members)} "
                f"members, got {self.quorum}"
            )
        return self

    def build(self, site: Site) -> Panel:
        """See `JudgeSpec.build`."""
        return Panel(
            [site.judge(member) for member in self.members],
            weights=site.file(self.weights) if isinstance(self.weights, str) else self.weights,
            aggregator=self.aggregator,
            scale=self.scale,
            deadline=self.deadline,
            quorum=self.quorum,
            early=self.early,
            min_valid=self.min_valid,
            seed=site.seed,
            name=self.label,
        )
