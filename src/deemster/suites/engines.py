"""What does the judging of a run: this process, batches of a provider, or a cluster.

An engine is given what is left to judge and writes every verdict into the run store. What comes
before (the suite, its samples, which of them are done) and after (summary, thresholds) is the
runner's, and the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deemster.backends import RecordBackend
from deemster.errors import InputError
from deemster.judges import BaseJudge, Judge
from deemster.judges.batch import score_numbered
from deemster.judges.recording import recorded
from deemster.schemas import Sample, Usage, Verdict
from deemster.suites.loading import Suite
from deemster.suites.store import RunStore
from deemster.suites.vote_budget import SharedVotes, is_over_budget

COMPLETIONS = "completions.sqlite"
"""The cassette in a run directory."""
BATCHES = "batches.sqlite"
"""What waits for batches, in a run directory; removed when nothing does."""

Observer = Callable[[str, Sample, Verdict], None]
"""Called with the judge's name as each sample is judged."""


@dataclass(frozen=True)
class Work:
    """What is left of a run."""

    suite: Suite
    store: RunStore
    """Its only writer is the process that runs the engine."""
    judges: tuple[BaseJudge, ...]
    todo: Sequence[Sequence[int]]
    """By judge, the positions of the samples that it has not judged."""
    observer: Observer | None = None
    rebuildable: bool = True
    """Whether the judges are those that the suite describes."""

    def put(self, judge: int, position: int, sample: Sample, verdict: Verdict) -> None:
        """Store a verdict, and tell the observer."""
        self.store.put(judge, position, verdict)
        if self.observer is not None:
            self.observer(self.judges[judge].name, sample, verdict)


class Engine(Protocol):
    """A way to judge samples."""

    async def judge_all(self, work: Work, /) -> bool:
        """Judge what is left, and store each verdict as it comes; True if a budget ended it.

        What was spent is stored with each, so that a killed run loses only what was in flight.
        """
        ...


class LocalEngine:
    """Judges in this process, one judge after the other."""

    async def judge_all(self, work: Work) -> bool:
        """See `Engine`.

        Raises:
            InputError: see `refuse_batches`.
        """
        refuse_batches(work.store.directory)
        store = work.store
        async with recorded(work.judges, store.directory / COMPLETIONS) as recorders:
            for j in range(len(work.judges)):
                earlier, others = store.spent(j), total_spent(recorders)

                def note(j: int = j, earlier: Usage = earlier, others: Usage = others) -> None:
                    store.set_spent(j, earlier + total_spent(recorders).minus(others))

                try:
                    if await _judge(work, j, note):
                        return True
                finally:
                    note()
        return False


def total_spent(recorders: Sequence[RecordBackend]) -> Usage:
    """What the models behind recorders were asked for."""
    return Usage.total(one.spent for one in recorders)


async def _judge(work: Work, judge: int, note: Callable[[], None]) -> bool:
    # Samples are identified by their number: a source may give equal ones, or one twice.
    pending = work.todo[judge]
    budget = work.suite.spec.budget
    if budget is not None and budget.votes is not None:
        return await _judge_within(work, judge, budget.votes, note)
    samples = (work.store.sample(position) for position in pending)
    verdicts = score_numbered(work.judges[judge], samples, in_flight=work.suite.spec.in_flight)
    async with aclosing(verdicts):
        async for number, sample, verdict in verdicts:
            if is_over_budget(verdict):
                return True
            work.put(judge, pending[number], sample, verdict)
            note()
    return False


async def _judge_within(work: Work, judge: int, votes: int, note: Callable[[], None]) -> bool:
    """Share votes out over all samples, then store the verdicts of those that are left."""
    scorer = work.judges[judge]
    if not work.todo[judge]:
        return False
    if not isinstance(scorer, Judge):
        raise TypeError(f"judge {scorer.name!r} draws no votes of its own")  # checked by the runner
    shared = SharedVotes(
        scorer,
        votes,
        work.store.sample,
        n_samples=work.store.count_samples(),
        in_flight=work.suite.spec.in_flight,
    )
    if not await shared.share_out(note):
        return True
    async with aclosing(shared.judged(work.todo[judge])) as verdicts:
        async for position, sample, verdict in verdicts:
            if is_over_budget(verdict):
                return True
            work.put(judge, position, sample, verdict)
            note()
    return False


def holds_batches(directory: Path) -> bool:
    """Whether requests of a run were bought in batches and are needed to go on with it."""
    path = directory / BATCHES
    if not path.exists():
        return False
    from deemster.backends.batches import BatchLedger  # noqa: PLC0415 - for few runs

    ledger = BatchLedger(path)
    try:
        return ledger.is_needed
    finally:
        ledger.close()


def refuse_batches(directory: Path) -> None:
    """Refuse to go on without batches where some are under way.

    Raises:
        InputError: they are; what is in them would be bought a second time.
    """
    if holds_batches(directory):
        raise InputError(
            f"{str(directory)!r} has batches under way; give --batch to go on with them, or delete "
            f"{BATCHES} in it to buy their requests again"
        )
