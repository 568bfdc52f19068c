"""Scoring many samples at once, with bounded memory, for anything that has `score`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Mapping
from contextlib import aclosing

from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.judges.decide import unscored
from deemster.judges.scorer import Scorer
from deemster.schemas import Sample, Verdict

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
        return unscored(error, k=max(scorer.info.k, 1), info=scorer.info)


async def score_numbered(
    scorer: Scorer,
    samples: Iterable[Sample] | AsyncIterable[Sample],
    *,
    in_flight: int = IN_FLIGHT,
) -> AsyncGenerator[tuple[int, Sample, Verdict], None]:
    """Yield `(number, sample, verdict)` as they finish; see `score_many`.

    The number is the sample's place in the source, from 0: one sample may occur twice.
    """
    if in_flight < 1:
        raise InputError(f"in_flight must be >= 1, got {in_flight}")
    free = asyncio.Semaphore(in_flight)
    judging: dict[asyncio.Task[Verdict], tuple[int, Sample]] = {}
    finished: asyncio.Queue[asyncio.Task[Verdict] | None] = asyncio.Queue()

    async def read() -> None:
        number = 0
        # One task reads the source from end to end, as some sources need (open task groups, say).
        async with aclosing(_each(samples)) as source:
            await free.acquire()
            async for sample in source:
                if not isinstance(sample, Sample):
                    raise InputError(
                        f"sample {number} must be a Sample, got {type(sample).__name__}; make "
                        "one by Sample(query=…, responses=[…])"
                    )
                task = asyncio.create_task(score_sample(scorer, sample))
                judging[task] = number, sample
                task.add_done_callback(finished.put_nowait)
                number += 1
                await free.acquire()

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: finished.put_nowait(None))
    reading = True
    try:
        while reading or judging:
            task = await finished.get()
            if task is None:
                reading = False
                reader.result()
            else:
                verdict = task.result()
                number, sample = judging.pop(task)
                free.release()
                yield number, sample, verdict
    finally:
        reader.cancel()
        for task in judging:
            task.cancel()
        await asyncio.gather(reader, *judging, return_exceptions=True)


async def score_many(
    scorer: Scorer,
    samples: Iterable[Sample] | AsyncIterable[Sample],
    *,
    in_flight: int = IN_FLIGHT,
) -> AsyncGenerator[tuple[Sample, Verdict], None]:
    """Yield `(sample, verdict)` as they finish. Samples are read only as fast as they are judged.

    An async source is waited for beside the samples in flight: their verdicts do not wait for its
    next sample. Closing the iterator early cancels what is in flight and closes the source.

    Args:
        scorer: the judge.
        samples: what to judge, finite or live.
        in_flight: samples judged at a time, >= 1.

    Raises:
        InputError: `in_flight` is below 1, or something read is no `Sample`.
    """
    async with aclosing(score_numbered(scorer, samples, in_flight=in_flight)) as verdicts:
        async for _, sample, verdict in verdicts:
            yield sample, verdict


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
    early: dict[int, tuple[Sample, Verdict]] = {}
    turn = 0
    async with aclosing(score_numbered(scorer, samples, in_flight=in_flight)) as verdicts:
        async for number, sample, verdict in verdicts:
            if on_done is not None:
                on_done(sample, verdict)
            early[number] = sample, verdict
            while turn in early:
                yield early.pop(turn)
                turn += 1


async def score_all(
    scorer: Scorer,
    samples: Iterable[Sample] | AsyncIterable[Sample],
    *,
    in_flight: int = IN_FLIGHT,
) -> list[Verdict]:
    """The verdicts of all samples, in their order."""
    async with aclosing(score_ordered(scorer, samples, in_flight=in_flight)) as ordered:
        return [verdict async for _, verdict in ordered]


async def _each(samples: Iterable[Sample] | AsyncIterable[Sample]) -> AsyncGenerator[Sample, None]:
    """The samples of either kind of source; a generator is closed with this one."""
    if isinstance(samples, AsyncIterable):
        live = aiter(samples)
        try:
            async for sample in live:
                yield sample
        finally:
            if isinstance(live, AsyncGenerator):
                await live.aclose()
    elif isinstance(samples, str | Mapping | Sample) or not isinstance(samples, Iterable):
        raise InputError(
            f"samples must be a list or another source of Samples, got {type(samples).__name__}"
        )
    else:
        stored = iter(samples)
        try:
            for sample in stored:
                yield sample
        finally:
            if isinstance(stored, Generator):
                stored.close()
