"""A cheap judge first, a dearer one only where it is unsure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from deemster.aggregators import Ballot, PerJudge
from deemster.errors import InputError
from deemster.judges.base import ask
from deemster.judges.building import Site
from deemster.judges.cascade_rule import CascadeRule, stage_features
from deemster.judges.case import Case
from deemster.judges.composite import Composite
from deemster.judges.decide import decide
from deemster.judges.scorer import Scorer
from deemster.judges.settings import whole_number
from deemster.judges.spec import CompositeSpec, Share
from deemster.schemas import Failure, JudgeInfo, Usage, Verdict, Vote


class Cascade(Composite):
    """Judges in turn, cheapest first, until one is confident enough (arXiv 2407.18370).

    Votes are kept: an escalated item is decided by the votes of all judges asked, made comparable
    by `PerJudge` (each judge's mean softmax share, averaged over the judges). Rewards are in 0..1.

    A judge that fails, or gives no votes, is passed over; its failures stay on record. If the
    last fails, the verdict is that of the votes there are. A single response gives no confidence:
    there every judge is asked.

    Args:
        members: two or more with their `score`, which stay the caller's to close, or model
            strings; cheapest first.
        rule: a `CascadeRule`, or its JSON file (`deemster cascade fit`): calibrated confidences
            and thresholds. It must have as many stages.
        thresholds: without a rule: the least confidence to stop at, one for all judges or one for
            each but the last (for each, if it abstains), in 0..1. Confidence is then what the
            first judge says of its own verdict, and of several judges' votes that of resampling
            them: not calibrated, and unknown for a single vote of most judges.
        abstain: without a rule: whether to leave items unanswered that the last judge is unsure
            of. Such a verdict has `rewards=None` and valid votes.
        min_valid: fewest valid votes for a verdict with rewards.
        seed: breaks ties.
        name: what records call it.
    """

    def __init__(
        self,
        members: Sequence[Scorer | str],
        rule: CascadeRule | str | Path | None = None,
        *,
        thresholds: float | Sequence[float] | None = None,
        abstain: bool = False,
        min_valid: int = 1,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        names = self._open_members(members, what="a cascade")
        if (rule is None) == (thresholds is None):
            raise InputError("give a cascade one of rule and thresholds")
        self.rule = CascadeRule.load(rule) if isinstance(rule, str | Path) else rule
        if self.rule is not None:
            if len(self.rule.stages) != len(names):
                raise InputError(
                    f"the rule is for {len(self.rule.stages)} judges, the cascade has {len(names)}"
                )
            self.thresholds, self.abstain = self.rule.thresholds, self.rule.abstain
        else:
            self.thresholds = _thresholds(thresholds, len(names), abstain=abstain)
            self.abstain = abstain
        self.min_valid = whole_number("min_valid", min_valid, 1, 2**31)
        self.seed = seed
        self.name = name or f"cascade({', '.join(names)})"

    @property
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""
        infos = tuple(member.info for member in self.members)
        abstaining = "abstain, " if self.abstain else ""
        return JudgeInfo(
            name=self.name,
            model="cascade",
            k=sum(info.k for info in infos),
            seed=self.seed,
            aggregator=str(PerJudge()),
            stop=f"cascade({abstaining}thresholds={list(self.thresholds)})",
            members=infos,
        )

    async def _judge(self, case: Case) -> Verdict:
        votes: list[Vote] = []
        extra, asked, n = Usage(), 0, case.n
        refused: list[InputError] = []
        for stage, judge in enumerate(self.members):
            verdict: Verdict | None = None
            try:
                verdict = await ask(judge, case)
            except InputError as error:
                refused.append(error)
                votes.append(_failed(error, len(votes), judge.info.name))
                asked += 1
            except Exception as error:  # noqa: BLE001 - a judge may be anybody's code
                votes.append(_failed(error, len(votes), judge.info.name))
                asked += 1
            else:
                own = Usage.total(vote.usage for vote in verdict.votes)
                extra += verdict.usage.minus(own)
                asked += verdict.k
                votes += _renamed(verdict.votes, len(votes), judge.info.name)
            made = self._decide(votes, n=n, k=asked, extra=extra)
            if verdict is not None and (made.n_valid, made.best) == (verdict.n_valid, verdict.best):
                # Nobody else has said anything, and a judge may know more than its votes tell.
                made = made.model_copy(update={"confidence": verdict.confidence})
            if self._confidence(stage, votes, made, n) >= self.thresholds[stage] and made.rewards:
                return made
        if len(refused) == len(self.members):
            raise refused[0]
        if self.abstain and made.rewards is not None:
            return made.model_copy(
                update={
                    "rewards": None, "scores": None, "best": None, "ranking": None, "ties": (),
                    "confidence": None,
                }
            )  # fmt: skip
        return made

    def _decide(self, votes: Sequence[Vote], *, n: int, k: int, extra: Usage) -> Verdict:
        return decide(
            votes,
            n=n,
            k=k,
            reducer=PerJudge(),
            info=self.info,
            min_valid=self.min_valid,
            extra=extra,
        )

    def _confidence(self, stage: int, votes: Sequence[Vote], verdict: Verdict, n: int) -> float:
        if verdict.rewards is None or n < 2:
            return -1.0  # less than any threshold: ask on
        if self.rule is None:
            return -1.0 if verdict.confidence is None else verdict.confidence
        values = stage_features(Ballot.from_votes(votes, n=n))
        return float(self.rule.confidence(stage, values))


def _thresholds(
    given: float | Sequence[float] | None, n: int, *, abstain: bool
) -> tuple[float, ...]:
    wanted = n if abstain else n - 1
    values = [given] * wanted if isinstance(given, int | float) else list(given or ())
    if len(values) != wanted:
        raise InputError(f"give {wanted} thresholds for {n} judges, or one for all; got {given!r}")
    for value in values:
        if isinstance(value, bool) or not 0 <= value <= 1:
            raise InputError(f"thresholds must be numbers from 0 to 1, got {value!r}")
    return tuple(float(value) for value in values) + (() if abstain else (0.0,))


def _renamed(votes: Sequence[Vote], start: int, judge: str) -> list[Vote]:
    """The votes numbered on from those before, under the name of the cascade's judge."""
    return [
        vote.model_copy(update={"draw": start + place, "judge": judge})
        for place, vote in enumerate(votes)
    ]


def _failed(error: Exception, draw: int, judge: str) -> Failure:
    return Failure.of(error, f"judge {judge!r} failed: {error}", draw=draw, judge=judge)


class CascadeSpec(CompositeSpec):
    """Judges in turn, cheapest first, until one is confident enough."""

    type: Literal["cascade"] = "cascade"
    rule: str | None = None
    """A file of `deemster cascade fit`: calibrated confidences and thresholds."""
    thresholds: Share | tuple[Share, ...] | None = None
    """Without a rule: the least confidence to stop at, one for all or one for each but the last."""
    abstain: bool = False
    """Without a rule: leave items unanswered that the last judge is unsure of."""

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.rule is None) == (self.thresholds is None):
            raise ValueError("give one of rule and thresholds")
        return self

    @property
    def most_votes(self) -> int:
        """See `CompositeSpec.most_votes`: all votes of all judges count."""
        return 2**31

    def build(self, site: Site) -> Cascade:
        """See `JudgeSpec.build`."""
        return Cascade(
            [site.judge(member) for member in self.members],
            None if self.rule is None else site.file(self.rule),
            thresholds=self.thresholds,
            abstain=self.abstain,
            min_valid=self.min_valid,
            seed=site.seed,
            name=self.label,
        )
