"""Actors that judge, and the driver's account of which samples each of them has."""

from __future__ import annotations

import asyncio
import platform
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from deemster.backends import checked
from deemster.errors import BackendError, InputError
from deemster.judges import BaseJudge
from deemster.judges.decide import unscored
from deemster.schemas import JudgeInfo, Sample, Usage, Verdict
from deemster.suites.building import build_judges
from deemster.suites.engines import Work
from deemster.suites.loading import Suite
from deemster.suites.vote_budget import is_over_budget

_CHUNKS = 2
"""Chunks that an actor has at a time, so that it never waits for the driver."""
_TRIES = 3
"""How often a sample may lose its actor before it counts as a failure."""
_DEATHS = 10
"""Actors that may die one after the other without a verdict in between."""


@dataclass(frozen=True)
class RayOptions:
    """How a suite is spread.

    Args:
        address: of a cluster, as `ray.init` takes it; None starts one on this machine, for the
            run, unless Ray has been initialised already.
        actors: how many judge at a time.
        cpus: cores that each is given.
        gpus: graphics cards that each is given; 0.5 puts two on one card.
        chunk: samples that are sent to an actor together.

    Raises:
        InputError: one of them is out of range.
    """

    address: str | None = None
    actors: int = 2
    cpus: float = 1.0
    gpus: float = 0.0
    chunk: int = 16

    def __post_init__(self) -> None:
        for name in ("actors", "chunk"):
            if getattr(self, name) < 1:
                raise InputError(f"ray {name} must be >= 1, got {getattr(self, name)!r}")
        for name in ("cpus", "gpus"):
            if not 0 <= getattr(self, name) < 1e6:
                raise InputError(f"ray {name} must be >= 0, got {getattr(self, name)!r}")


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

    async def ready(self) -> str:
        """The name of the machine that the actor has found room on."""
        return platform.node()

    async def judge(self, samples: list[Sample]) -> list[Verdict]:
        """The verdicts, in order.

        Raises:
            InputError: the judge cannot be made here, or is not the one that the run has.
        """
        if self._judge is None:  # not in __init__: what is raised there is told as a death
            self._judge = self._made()
        return await self._judge.score_all(samples, in_flight=self._suite.spec.in_flight)

    def _made(self) -> BaseJudge:
        suite = self._suite
        built = build_judges(suite.spec, folder=suite.path.parent, trust=suite.trust)
        judge = built.judges[self._number]
        judge.wrap_backends(checked)
        if judge.info != self._info:
            raise InputError(
                f"judge {judge.name!r} is not the same on {platform.node()!r}: files or versions "
                "of deemster differ between the machines"
            )
        return judge


@dataclass(eq=False)
class _Actor:
    handle: Any
    chunks: int = 0
    is_ready: bool = False
    """It has found room. One that waits for it is given no samples: it may wait for ever."""
    alone: bool = False
    """What it has last been given was a sample whose actor had died."""


@dataclass
class Spread:
    """One judge's samples, on their way to actors and back."""

    options: RayOptions
    report: Callable[[str], None]
    work: Work
    judge_number: int
    spent: Usage = field(default_factory=Usage)

    async def judge(self, positions: Sequence[int]) -> bool:
        """Judge samples; True if the budget ended it."""
        options = self.options
        self._rest = iter(positions)
        self._again: deque[int] = deque()
        """Samples whose actor died: each goes alone."""
        self._lost: dict[int, int] = {}
        self._deaths = 0
        self._earlier = self.work.store.spent(self.judge_number)
        self._actors: list[_Actor] = []
        self._running: dict[asyncio.Task[Any], tuple[_Actor, list[int]]] = {}
        """Calls that are under way; the one that asks whether an actor is ready has no samples."""
        over = False
        try:
            for _ in range(min(options.actors, len(positions))):
                self._start()
            while True:
                if not over:
                    self._send()
                if not any(chunk for _, chunk in self._running.values()) and (
                    over or not self._peek()
                ):
                    return over
                ended, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    over = self._receive(task) or over
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            for actor in self._actors:
                _kill(actor.handle)

    def _send(self) -> None:
        """Give samples to the actors that are ready for more, to all in turn.

        A sample whose actor died goes to an actor that has nothing else: it may kill that too.
        """
        for depth in range(_CHUNKS):
            for actor in self._actors:
                busy = actor.chunks > (0 if actor.alone or self._again else depth)
                if not actor.is_ready or busy:
                    continue
                actor.alone = bool(self._again)
                if chunk := self._next():
                    samples = [self.work.store.sample(position) for position in chunk]
                    self._call(actor, actor.handle.judge.remote(samples), chunk)

    def _call(self, actor: _Actor, reference: Any, chunk: list[int]) -> None:  # noqa: ANN401 - Ray's
        self._running[asyncio.create_task(_await(reference))] = actor, chunk
        actor.chunks += 1

    def _receive(self, task: asyncio.Task[Any]) -> bool:
        """See what became of a call; True if the budget is spent."""
        actor, chunk = self._running.pop(task)
        actor.chunks -= 1
        if not self._died(task, chunk):
            if chunk:
                return self._take(chunk, task.result())
            actor.is_ready = True
            self.report(f"an actor is ready on {task.result()}")
            return False
        if actor in self._actors:
            self._actors.remove(actor)
            _kill(actor.handle)  # it may only have been out of reach
            self._start()
        return False

    def _start(self) -> None:
        import ray  # noqa: PLC0415

        options, suite = self.options, self.work.suite
        bare = suite.spec.model_copy(update={"budget": None})
        remote = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus)(SuiteJudge)
        info = self.work.judges[self.judge_number].info
        given = Suite(bare, {}, suite.path.absolute(), None, suite.trust)
        # One more than the chunks, for the question whether it is ready.
        many = remote.options(max_concurrency=_CHUNKS + 1)
        actor = _Actor(many.remote(given, self.judge_number, info))
        self._actors.append(actor)
        self._call(actor, actor.handle.ready.remote(), [])

    def _peek(self) -> bool:
        """Whether samples are left to be sent."""
        if not self._again:
            self._again.extend(islice(self._rest, 1))
        return bool(self._again)

    def _next(self) -> list[int]:
        """The samples that go out next; none if there are none."""
        if self._again:
            return [self._again.popleft()]
        chunk = []
        for position in self._rest:
            chunk.append(position)
            if len(chunk) == self.options.chunk:
                break
        return chunk

    def _died(self, task: asyncio.Task[Any], chunk: list[int]) -> bool:
        """Whether the samples came back without verdicts, because their actor is gone."""
        import ray  # noqa: PLC0415

        error = task.exception()
        if error is None:
            return False
        if isinstance(error, ray.exceptions.RayTaskError):
            raise _cause(error)
        if not isinstance(error, ray.exceptions.RayError):
            raise error
        self._deaths += 1
        why = " ".join(str(error).split())[:200]
        if self._deaths > _DEATHS:
            raise InputError(
                f"{self._deaths} actors died one after the other and judged nothing: {why}"
            )
        if chunk:
            self.report(f"an actor died, {len(chunk)} to be judged again: {why}")
        for position in chunk:
            self._lost[position] = self._lost.get(position, 0) + 1
            if self._lost[position] < _TRIES:
                self._again.append(position)
            else:
                self._give_up(position, why)
        return True

    def _give_up(self, position: int, why: str) -> None:
        judge = self.work.judges[self.judge_number]
        error = BackendError(f"{_TRIES} actors died with this sample: {why}")
        verdict = unscored(error, k=max(judge.info.k, 1), info=judge.info)
        self.work.put(self.judge_number, position, self.work.store.sample(position), verdict)

    def _take(self, chunk: list[int], verdicts: list[Verdict]) -> bool:
        """Store verdicts; whether the budget is spent."""
        self._deaths = 0
        for position, verdict in zip(chunk, verdicts, strict=True):
            if is_over_budget(verdict):
                return True
            sample = self.work.store.sample(position)
            self.work.put(self.judge_number, position, sample, verdict)
            self.spent += verdict.usage
        self.work.store.set_spent(self.judge_number, self._earlier + self.spent)
        return self._budget_is_spent()

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


async def _await(reference: Any) -> Any:  # noqa: ANN401 - Ray's references
    return await reference


def _cause(error: Any) -> BaseException:  # noqa: ANN401 - Ray's errors
    """What was raised in an actor, without Ray's traceback around it where it is ours."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, InputError) else error


def _kill(handle: Any) -> None:  # noqa: ANN401 - Ray's handles
    import ray  # noqa: PLC0415

    with suppress(ray.exceptions.RayError):
        ray.kill(handle)
