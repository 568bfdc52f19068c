"""Judging through batch APIs: in rounds, until no judge asks for what is not there.

A round does the judging over all that is left. What can be judged from the answers that are there
is stored; the rest is given up at its first unanswered request, which is kept. Between rounds the
requests go out in batches. A judge that asks in one step takes one round, a debate one for each
turn, a cascade one for each step that some samples reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from deemster.backends import RecordBackend
from deemster.backends.api import APIBackend
from deemster.backends.batches import BatchLimits, BatchQueue
from deemster.backends.waiting import UNANSWERED
from deemster.errors import InputError
from deemster.judges import BaseJudge
from deemster.judges.batch import score_sample
from deemster.judges.recording import recorded
from deemster.schemas import Sample, Usage, Verdict
from deemster.suites.engines import (
    BATCHES,
    COMPLETIONS,
    Work,
    holds_batches,
    total_spent,
)
from deemster.suites.vote_budget import is_over_budget


class BatchEngine:
    """Sends what judges ask of models behind APIs through the providers' batch APIs.

    Other models (local ones, replayed ones) are asked directly.

    Args:
        limits: of the batches.
        report: is told, in a line, whenever something happened.
    """

    def __init__(
        self,
        *,
        limits: BatchLimits | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._limits = limits
        self._report = report

    async def judge_all(self, work: Work) -> bool:
        """See `Engine`.

        Raises:
            InputError: no model of the suite is behind an API, or a judge cannot be run in rounds.
            UnusableModelError: a provider takes no batches, or refuses one.
        """
        path = work.store.directory / BATCHES
        queue = BatchQueue(path, limits=self._limits, report=self._report)
        for judge in work.judges:
            judge.wrap_backends(queue.wrap)
        try:
            if not queue.used:
                raise InputError(
                    "no model of this suite is behind an API with batches; run without --batch"
                )
            await queue.load()
            async with recorded(work.judges, work.store.directory / COMPLETIONS) as recorders:
                over = await self._rounds(work, queue, recorders)
        finally:
            for judge in work.judges:
                judge.wrap_backends(queue.unwrap)
            await queue.aclose()
            if not holds_batches(work.store.directory):
                _remove(path)
        _remove(path)  # every answer is in the cassette or in a verdict
        return over

    async def _rounds(
        self, work: Work, queue: BatchQueue, recorders: Sequence[RecordBackend]
    ) -> bool:
        direct = [one for one in recorders if not isinstance(one.inner, APIBackend)]
        left = [list(positions) for positions in work.todo]
        earlier = [work.store.spent(j) for j in range(len(left))]
        asked = [Usage() for _ in left]

        def note() -> None:
            with work.store.transaction():
                for j, owed in queue.spent.items():
                    work.store.set_spent(j, earlier[j] + asked[j] + owed)

        queue.on_spent = note
        number = 0
        while True:
            number += 1
            over = False
            for j in range(len(left)):
                queue.ledger.owner, before = j, total_spent(direct)
                try:
                    left[j], stopped = await _round(work, j, left[j])
                finally:
                    asked[j] += total_spent(direct).minus(before)
                    queue.spent.setdefault(j, Usage())
                    note()
                over = over or stopped
            if not queue.waiting:
                break
            undecided = sum(map(len, left))
            self._report(f"round {number}: {undecided} verdicts need {queue.waiting} more answers")
            await queue.flush()
        if any(left) and not over:
            names = ", ".join(repr(work.judges[j].name) for j, rest in enumerate(left) if rest)
            raise InputError(f"judge {names} cannot be run in rounds; run without --batch")
        return over


async def _round(work: Work, judge: int, positions: Sequence[int]) -> tuple[list[int], bool]:
    """Judge what can be judged; the positions that are left, and whether a budget ended it."""
    scorer, rest, over = work.judges[judge], iter(positions), False
    left: list[int] = []
    running: dict[asyncio.Task[Verdict], tuple[int, Sample]] = {}
    try:
        while True:
            room = 0 if over else work.suite.spec.in_flight - len(running)
            for position in islice(rest, room):
                sample = work.store.sample(position)
                running[asyncio.create_task(_score(scorer, sample))] = position, sample
            if not running:
                break
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                position, sample = running.pop(task)
                if task.cancelled():
                    left.append(position)
                elif is_over_budget(task.result()):
                    left.append(position)
                    over = True
                else:
                    work.put(judge, position, sample, task.result())
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return sorted([*left, *rest]), over


async def _score(scorer: BaseJudge, sample: Sample) -> Verdict:
    """A verdict from answers that are all there.

    Raises:
        AwaitsBatch: one is not there yet.
        InputError: the judge went on without it, and would judge by less than it asked for.
    """
    unanswered: list[str] = []
    UNANSWERED.set(unanswered)
    verdict = await score_sample(scorer, sample)
    if unanswered:
        raise InputError(
            f"judge {scorer.name!r} goes on without an answer that it asked for, and cannot be run "
            "in batches; run without --batch"
        )
    return verdict


def _remove(path: Path) -> None:
    for left_over in path.parent.glob(f"{path.name}*"):
        left_over.unlink()
