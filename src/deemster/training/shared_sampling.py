"""Sampling by all processes that train: each asks about its share, the first keeps what comes.

Every process has a model of its own, on its own device. The first hands out samples in rounds and
is the only one that writes, so that a killed run loses a round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from deemster.schemas import Sample
from deemster.suites.engines import Work, refuse_batches
from deemster.suites.jobs import Asked, Job
from deemster.suites.suite_job import SuiteJob
from deemster.training.drawing import DrawSettings, MakeJudge
from deemster.training.rollout_job import RolloutJob
from deemster.training.sampling import Tally

_ROUND = 64
"""Samples of a process between two exchanges: many, as all wait for the slowest."""

Begin = tuple[Callable[..., Asked], tuple[object, ...]]
"""What an actor is made by, at the beginning of a job."""
Shares = list[list[Sample]]
"""Of a round, by process."""


class Exchange:
    """How processes speak to each other. All of them call the same methods in the same order."""

    @property
    def count(self) -> int:
        """Processes."""
        from accelerate import PartialState  # noqa: PLC0415 - loads torch

        return int(PartialState().num_processes)

    @property
    def number(self) -> int:
        """Of this process; the first has 0."""
        from accelerate import PartialState  # noqa: PLC0415 - loads torch

        return int(PartialState().process_index)

    def broadcast(self, message: object) -> Any:  # noqa: ANN401 - whatever the first says
        """What the first process says, in every process."""
        from accelerate.utils import broadcast_object_list  # noqa: PLC0415 - loads torch

        return broadcast_object_list([message], from_process=0)[0]

    def gather(self, said: list[Any]) -> list[list[Any]]:
        """What every process says, in their order, in every process."""
        from accelerate.utils import gather_object  # noqa: PLC0415 - loads torch

        found: list[list[Any]] = gather_object([said])
        return found


class SharedSampling:
    """A `SamplingEngine` of the first process, while the others are in `help_out`.

    Args:
        exchange: with the others.
    """

    def __init__(self, exchange: Exchange | None = None) -> None:
        self._exchange = exchange or Exchange()

    async def judge_all(self, work: Work) -> bool:
        """See `Engine`.

        Raises:
            InputError: batches are under way.
        """
        refuse_batches(work.store.directory)
        for j, positions in enumerate(work.todo):
            if positions and await self._share_out(SuiteJob(work, j), positions):
                return True
        return False

    async def draw(
        self, make: MakeJudge, samples: Sequence[Sample], settings: DrawSettings, tally: Tally
    ) -> None:
        """See `SamplingEngine`.

        Raises:
            InputError: see `sample_rollouts`.
        """
        pending = list(tally.unfinished(samples))
        if pending:
            await self._share_out(RolloutJob(make, settings, pending, tally), range(len(pending)))

    async def _share_out(self, job: Job, positions: Sequence[int]) -> bool:
        exchange = self._exchange
        begin: Begin = job.actor()
        exchange.broadcast(begin)
        kind, given = begin
        actor = kind(*given)
        count, over = exchange.count, False
        for start in range(0, len(positions), _ROUND * count):
            one_round = positions[start : start + _ROUND * count]
            parts = [one_round[number::count] for number in range(count)]
            shares: Shares = [[job.sample(place) for place in part] for part in parts]
            exchange.broadcast(shares)
            answers = exchange.gather(await actor.ask(shares[0]))
            for part, found in zip(parts, answers, strict=True):
                over = job.take(part, found) or over
            if over:
                break
        exchange.broadcast([])
        await actor.aclose()
        return over


def help_out(exchange: Exchange) -> None:
    """Do what `SharedSampling` in the first process asks for, until it says None."""
    asyncio.run(_help_out(exchange))


async def _help_out(exchange: Exchange) -> None:
    while (begin := exchange.broadcast(None)) is not None:
        kind, given = begin
        actor = kind(*given)
        while shares := exchange.broadcast(None):
            mine = shares[exchange.number]
            exchange.gather(await actor.ask(mine) if mine else [])
        await actor.aclose()


__all__ = ["Exchange", "SharedSampling", "help_out"]
