"""Many samples at once: order, live sources, early ends, and samples that are the same object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from deemster.errors import BackendTimeout, InputError
from deemster.judges.batch import score_all, score_many, score_numbered, score_ordered
from deemster.principles import PrinciplesLike
from deemster.schemas import Failure, JudgeInfo, QueryLike, ResponseLike, Sample, Usage, Verdict

INFO = JudgeInfo(name="timed", model="timed", k=2)
PATIENCE = 20.0
"""Seconds after which a test that hangs fails."""


class Timed:
    """A scorer that answers a query when its gate opens; queries without one at once."""

    info = INFO

    def __init__(self, *gated: str, error: Exception | None = None) -> None:
        self.gates = {query: asyncio.Event() for query in gated}
        self.started: list[str] = []
        self.cancelled: list[str] = []
        self.error = error

    async def score(
        self,
        query: QueryLike,
        responses: Iterable[ResponseLike],
        *,
        reference: str | None = None,
        principles: PrinciplesLike | None = None,
    ) -> Verdict:
        assert not isinstance(query, str)
        name = query[0].text if hasattr(query[0], "text") else ""
        self.started.append(name)
        try:
            if name in self.gates:
                await self.gates[name].wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        if self.error is not None:
            raise self.error
        return Verdict(
            rewards=(float(len(name)),), best=0, ranking=(0,), k=2, n_valid=2, judge=self.info
        )

    async def aclose(self) -> None:
        """Nothing to release."""


def sample(query: str) -> Sample:
    return Sample(id=query, query=query, responses=["a"])


def level(verdict: Verdict) -> float:
    assert verdict.rewards is not None
    return verdict.rewards[0]


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def live(*samples: Sample) -> AsyncIterator[Sample]:
    for one in samples:
        yield one


@pytest.mark.parametrize("in_flight", [1, 2, 3, 64])
@pytest.mark.parametrize("kind", ["list", "generator", "live"])
@pytest.mark.parametrize(
    "queries",
    [
        pytest.param(["slow", "s", "s"], id="same-twice-behind-a-slow-one"),
        pytest.param(["s", "s"], id="same-twice"),
        pytest.param(["s", "slow", "s", "t", "s"], id="same-thrice-around-a-slow-one"),
        pytest.param([], id="none"),
    ],
)
async def test_each_place_gets_its_verdict_whatever_object_stands_there(
    queries: list[str], kind: str, in_flight: int
) -> None:
    """The same sample object may stand in several places."""
    made = {query: sample(query) for query in queries}
    rows = [made[query] for query in queries]
    scorer = Timed("slow")
    asyncio.get_running_loop().call_later(0.02, scorer.gates["slow"].set)
    source = {"list": rows, "generator": (row for row in rows), "live": live(*rows)}[kind]
    async with asyncio.timeout(PATIENCE):
        verdicts = await score_all(scorer, source, in_flight=in_flight)  # type: ignore[arg-type]
    assert [level(verdict) for verdict in verdicts] == [len(query) for query in queries]


async def test_numbers_are_places_in_the_source() -> None:
    one = sample("s")
    found = [(n, s.id) async for n, s, _ in score_numbered(Timed(), [one, sample("t"), one])]
    assert sorted(found) == [(0, "s"), (1, "t"), (2, "s")]


@pytest.mark.parametrize("ordered", [False, True], ids=["as-they-finish", "in-order"])
async def test_verdicts_do_not_wait_for_the_next_sample_of_a_live_source(ordered: bool) -> None:
    """A live source that has nothing more for now does not hold back what is judged."""
    more = asyncio.Event()

    async def source() -> AsyncIterator[Sample]:
        yield sample("first")
        await more.wait()
        yield sample("second")

    judge = score_ordered if ordered else score_many
    async with asyncio.timeout(PATIENCE), aclosing(judge(Timed(), source())) as verdicts:
        first, _ = await anext(verdicts)
        assert first.id == "first"
        more.set()
        assert [one.id async for one, _ in verdicts] == ["second"]


class Source:
    """Endless samples that notes how many were read and whether it was closed."""

    def __init__(self, *, pause: bool) -> None:
        self.pause = pause
        self.read = 0
        self.closed = False

    async def live(self) -> AsyncIterator[Sample]:
        task = asyncio.current_task()
        try:
            while True:
                self.read += 1
                yield sample(f"question {self.read}")
                if self.pause and self.read == 3:
                    await asyncio.Event().wait()
        finally:
            # A source that holds a task group open can only be closed by the task that read it.
            assert asyncio.current_task() is task
            self.closed = True

    def stored(self) -> Iterator[Sample]:
        try:
            while True:
                self.read += 1
                yield sample(f"question {self.read}")
        finally:
            self.closed = True


@pytest.mark.parametrize("judge", [score_many, score_ordered], ids=["many", "ordered"])
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("stored", id="generator"),
        pytest.param("live", id="live"),
        pytest.param("waiting", id="live-that-waits"),
    ],
)
async def test_closing_early_cancels_what_is_in_flight_and_closes_the_source(
    kind: str, judge: Any
) -> None:
    source = Source(pause=kind == "waiting")
    samples = source.stored() if kind == "stored" else source.live()
    scorer = Timed("question 2", "question 3")
    async with asyncio.timeout(PATIENCE):
        verdicts = judge(scorer, samples, in_flight=3)
        first, _ = await anext(verdicts)
        await settled()
        await verdicts.aclose()
    assert first.id == "question 1"
    assert scorer.cancelled == ["question 2", "question 3"]
    assert source.closed
    assert source.read <= 5


async def test_cancelling_the_caller_cancels_what_is_in_flight() -> None:
    source = Source(pause=True)
    scorer = Timed("question 1", "question 2", "question 3")
    task = asyncio.create_task(score_all(scorer, source.live()))
    async with asyncio.timeout(PATIENCE):
        await settled()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert sorted(scorer.cancelled) == ["question 1", "question 2", "question 3"]
    assert source.closed


@pytest.mark.parametrize("stored", [True, False], ids=["generator", "live"])
async def test_no_more_is_read_than_is_in_flight(stored: bool) -> None:
    source = Source(pause=False)
    scorer = Timed(*(f"question {i}" for i in range(1, 100)))
    samples = source.stored() if stored else source.live()
    async with aclosing(score_many(scorer, samples, in_flight=4)) as verdicts:
        waiting = asyncio.ensure_future(anext(verdicts))
        await settled()
        assert source.read == len(scorer.started) == 4
        scorer.gates["question 3"].set()
        first, _ = await waiting
        assert first.id == "question 3"
        await settled()
        # one was handed out, so one more is judged, however slow the caller is
        assert source.read == len(scorer.started) == 5


@pytest.mark.parametrize("stored", [True, False], ids=["generator", "live"])
async def test_a_source_that_fails_is_an_error_and_cancels_the_rest(stored: bool) -> None:
    async def broken() -> AsyncIterator[Sample]:
        yield sample("slow")
        raise OSError("the disk is gone")

    def broken_file() -> Iterator[Sample]:
        yield sample("slow")
        raise OSError("the disk is gone")

    scorer = Timed("slow")
    source = broken_file() if stored else broken()
    with pytest.raises(OSError, match="the disk is gone"):
        async with asyncio.timeout(PATIENCE):
            await score_all(scorer, source)
    assert scorer.cancelled == scorer.started  # a sample that had begun did not go on


async def test_a_sample_that_cannot_be_judged_says_why_and_what_it_cost() -> None:
    spent = Usage(calls=1, tokens_in=120, cost=0.5)
    scorer = Timed(error=BackendTimeout("late", usage=spent))
    (verdict,) = await score_all(scorer, [sample("s")])
    assert verdict.rewards is None
    assert [(failure.status, failure.message) for failure in verdict.failures] == [
        ("timeout", "late")
    ] * 2
    assert all(isinstance(vote, Failure) for vote in verdict.votes)
    assert verdict.usage == spent  # once, not per vote


async def test_what_is_no_failure_of_a_sample_ends_the_batch() -> None:
    scorer = Timed(error=ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await score_all(scorer, [sample("s"), sample("t")])


SAMPLE = Sample(query="q", responses=("a", "b"))


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (None, "samples must be .*, got NoneType"),
        ("q", "samples must be .*, got str"),
        (SAMPLE, "samples must be .*, got Sample"),
        ({"query": "q", "responses": ["a"]}, "samples must be .*, got dict"),
        ([{"query": "q", "responses": ["a"]}], "sample 0 must be a Sample, got dict; make one"),
        ([SAMPLE, ("q", ["a"])], "sample 1 must be a Sample, got tuple"),
    ],
)
async def test_what_is_no_sample_is_told(samples: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        await score_all(Timed(), samples)
