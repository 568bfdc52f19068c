"""A judge of a suite on actors: each holds one, made on its own machine."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deemster.backends import checked
from deemster.errors import BackendError, InputError
from deemster.judges import BaseJudge
from deemster.judges.decide import unscored
from deemster.schemas import JudgeInfo, Sample, Usage, Verdict
from deemster.suites.building import SuiteJudges, build_judges
from deemster.suites.engines import Work
from deemster.suites.jobs import TRIES, Asked
from deemster.suites.loading import Suite
from deemster.suites.vote_budget import is_over_budget


class SuiteJudge:
    """What an actor is: one judge of a suite.

    Args:
        suite: with the values of its variables, and no budget.
        number: of the judge.
        info: how the driver knows it.
    """

    def __init__(self, suite: Suite, number: int, info: JudgeInfo) -> None:
        self._suite, self._number, self._info = suite, number, info
        self._judge: BaseJudge | None = None
        self._built: SuiteJudges | None = None

    async def ready(self) -> str:
        """See `Asked`."""
        return platform.node()

    async def ask(self, samples: list[Sample]) -> list[Verdict]:
        """The verdicts, in order.

        Raises:
            InputError: the judge cannot be made here, or is not the one that the run has.
        """
        if self._judge is None:  # not in __init__: what is raised there is told as a death
            self._judge = self._made()
        return await self._judge.score_all(samples, in_flight=self._suite.spec.in_flight)

    async def aclose(self) -> None:
        """See `Asked`."""
        if self._built is not None:
            await self._built.aclose()

    def _made(self) -> BaseJudge:
        suite = self._suite
        self._built = build_judges(suite.spec, folder=suite.path.parent, trust=suite.trust)
        judge = self._built.judges[self._number]
        judge.wrap_backends(checked)
        if judge.info != self._info:
            raise InputError(
                f"judge {judge.name!r} is not the same on {platform.node()!r}: files or versions "
                "of deemster differ between the machines"
            )
        return judge


@dataclass
class SuiteJob:
    """One judge's verdicts, stored as they come; see `Job`. The suite's budget ends it."""

    work: Work
    judge_number: int
    _spent: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self._earlier = self.work.store.spent(self.judge_number)

    def actor(self) -> tuple[Callable[..., Asked], tuple[object, ...]]:
        """See `Job`."""
        suite = self.work.suite
        bare = suite.spec.model_copy(update={"budget": None})
        given = Suite(bare, {}, suite.path.absolute(), None, suite.trust)
        return SuiteJudge, (given, self.judge_number, self.work.judges[self.judge_number].info)

    def sample(self, position: int) -> Sample:
        """See `Job`."""
        return self.work.store.sample(position)

    def take(self, positions: Sequence[int], found: Sequence[Verdict]) -> bool:
        """See `Job`."""
        for position, verdict in zip(positions, found, strict=True):
            if is_over_budget(verdict):
                return True
            self.work.put(self.judge_number, position, self.sample(position), verdict)
            self._spent += verdict.usage
        self.work.store.set_spent(self.judge_number, self._earlier + self._spent)
        return self._budget_is_spent()

    def give_up(self, position: int, why: str) -> None:
        """See `Job`."""
        info = self.work.judges[self.judge_number].info
        error = BackendError(f"{TRIES} actors died with this sample: {why}")
        verdict = unscored(error, k=max(info.k, 1), info=info)
        self.work.put(self.judge_number, position, self.sample(position), verdict)

    def _budget_is_spent(self) -> bool:
        budget = self.work.suite.spec.budget
        if budget is None:
            return False
        count = range(len(self.work.judges))
        spent = Usage.total(self.work.store.spent(j) for j in count)
        tokens = spent.tokens_in + spent.tokens_out
        return (
            (budget.calls is not None and spent.calls >= budget.calls)
            or (budget.tokens is not None and tokens >= budget.tokens)
            or (budget.usd is not None and (spent.cost is None or spent.cost >= budget.usd))
        )
