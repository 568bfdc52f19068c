"""Scoring many samples at once, with bounded memory, for anything that has `score`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING

from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.judges.decide import unscored
from deemster.schemas import Sample, Verdict

if TYPE_CHECKING:
    from deemster.judges.base import Scorer

IN_FLIGHT = 64
"""Samples judged at a time; requests are limited by the backend."""


async def score_sample(scorer: Scorer, sample: Sample) -> Verdict:
    """Score one sample; input that cannot be judged becomes failures, so others go on."""
    try:
        return await scorer.score(
            sample.query,
            sample.responses,
            reference=sample.reference,
            principles=sample.principles or None,
        )
    except UnusableModelError:
        raise  # the others would meet the same
    except (InputError, BackendError) as error:
        return unscored(str(error), status_error=error, k=max(scorer.info.k, 1), info=scorer.info)


async def score_many(
    scorer: Scorer,
    samples: Iterable[Sample] | AsyncIterable[Sample],
    *,
    in_flight: int = IN_FLIGHT,
) -> AsyncGenerator[tuple[Sample, Verdict], None]:
    """Yield `(sample, verdict)` as they finish. Samples are read only as fast as they are judged.

    Closing the iterator early cancels what is in flight.

    Raises:
        InputError: `in_flight` is below 1.
    """
    if in_flight < 1:
        raise InputError(f"in_flight must be >= 1, got {in_flight}")
    source = _each(samples)
    tasks: dict[asyncio.Task[Verdict], Sample] = {}
    exhausted = False
    try:
        while True:
            while not exhausted and len(tasks) < in_flight:
                try:
                    sample = await anext(source)
                except StopAsyncIteration:
                    exhausted = True
                else:
                    tasks[asyncio.create_task(score_sample(scorer, sample))] = sample
            if not tasks:
                return
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield tasks.pop(task), task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def score_ordered(
    scorer: Scorer,
    samples: Iterable[Sample] | AsyncIterable[Sample],
    *,
    in_flight: int = IN_FLIGHT,
    on_done: Callable[[Sample, Verdict], None] | None = None,
) -> AsyncGenerator[tuple[Sample, Verdict], None]:
    """`score_many` in the samples' order: each is yielded once all before it are.

    Args:
        scorer: the judge.
        samples: what to judge.
        in_flight: samples judged at a time.
        on_done: called as samples finish, in that order (for progress).
    """
    turns: deque[Sample] = deque()

    async def noted() -> AsyncIterator[Sample]:
        async for sample in _each(samples):
            turns.append(sample)
            yield sample

    early: dict[int, Verdict] = {}
    async for sample, verdict in score_many(scorer, noted(), in_flight=in_flight):
        if on_done is not None:
            on_done(sample, verdict)
        early[id(sample)] = verdict
        while turns and id(turns[0]) in early:
            first = turns.popleft()
            yield first, early.pop(id(first))


async def score_all(
    scorer: Scorer,
    samples: Iterable[Sample] | AsyncIterable[Sample],
    *,
    in_flight: int = IN_FLIGHT,
) -> list[Verdict]:
    """The verdicts of all samples, in their order."""
    ordered = score_ordered(scorer, samples, in_flight=in_flight)
    return [verdict async for _, verdict in ordered]


async def _each(samples: Iterable[Sample] | AsyncIterable[Sample]) -> AsyncIterator[Sample]:
    if isinstance(samples, AsyncIterable):
        async for sample in samples:
            yield sample
    else:
        for sample in samples:
            yield sample
