"""A judge closes what it opened from a string, and nothing that it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from deemster.backends import FakeBackend, RecordBackend
from deemster.judges import (
    BaseJudge,
    Cascade,
    CLoud,
    Debate,
    Judge,
    Panel,
    PromptedMetaRM,
    Scorer,
)
from deemster.judges.meta_hf import HfMetaRM
from deemster.judges.recording import recorded
from deemster.judges.verifier import Verifier
from deemster.schemas import Conversation, JudgeInfo, Judgment

TEXT = "fake:Scores: \\boxed{7, 3}"


def backend_of(judge: Scorer) -> FakeBackend:
    assert isinstance(judge, Judge | CLoud)
    assert isinstance(judge.backend, FakeBackend)
    return judge.backend


def is_closed(backend: FakeBackend) -> bool:
    return backend.closed


def judge_named(name: str) -> Judge:
    return Judge(TEXT, name=name)


COMPOSITES: dict[str, Callable[[Sequence[Scorer | str]], BaseJudge]] = {
    "panel": Panel,
    "debate": Debate,
    "cascade": lambda members: Cascade(members, thresholds=0.9),
}


@pytest.mark.parametrize("make", COMPOSITES.values(), ids=COMPOSITES)
async def test_members_that_were_given_stay_open(
    make: Callable[[Sequence[Scorer | str]], BaseJudge],
) -> None:
    members = [judge_named("a"), judge_named("b")]
    async with make(members) as judge:
        assert (await judge.score("q", ["x", "y"])).best == 0
    assert not any(backend_of(member).closed for member in members)
    for member in members:
        await member.aclose()
    assert all(backend_of(member).closed for member in members)


@pytest.mark.parametrize("make", COMPOSITES.values(), ids=COMPOSITES)
async def test_members_from_strings_are_closed(
    make: Callable[[Sequence[Scorer | str]], BaseJudge],
) -> None:
    given = judge_named("given")
    async with make([TEXT, given]) as judge:
        opened = backend_of(judge.members[0])
        assert (await judge.score("q", ["x", "y"])).best == 0
        assert not is_closed(opened)
    assert is_closed(opened)
    assert not is_closed(backend_of(given))


async def test_an_arbiter_from_a_string_is_closed() -> None:
    async with Debate([judge_named("a"), judge_named("b")], arbiter=TEXT) as judge:
        assert judge.arbiter is not None
        arbiter = backend_of(judge.arbiter)
    assert arbiter.closed


async def test_a_judge_closes_its_model_and_its_meta_rm_where_it_opened_them() -> None:
    async with Judge(TEXT, k=2, meta_rm="fake:Score: \\boxed{80}") as judge:
        assert isinstance(judge.meta_rm, PromptedMetaRM)
        meta = judge.meta_rm.backend
        assert isinstance(meta, FakeBackend)
        assert (await judge.score("q", ["x", "y"])).judgments[0].meta_reward == 0.8
    assert backend_of(judge).closed
    assert meta.closed


async def test_a_judge_leaves_open_what_it_was_given() -> None:
    backend, rater = FakeBackend("Scores: \\boxed{7, 3}"), FakeBackend("Score: \\boxed{80}")
    meta_rm = PromptedMetaRM(rater)
    verifier = Verifier(Short())
    for _ in range(2):  # the first to close must not spoil it for the second
        async with Judge(backend, k=2, meta_rm=meta_rm, tool=verifier) as judge:
            assert (await judge.score("q", ["x", "y"])).best == 0
    await meta_rm.aclose()
    assert not backend.closed
    assert not rater.closed
    assert (await verifier.findings("q", ["x"])).checks == ("is short",)
    await verifier.aclose()


class Short:
    name = "is short"

    def run(self, query: str, response: str, reference: str | None) -> Any:
        from deemster.judges.verifier import Finding

        return Finding.of(len(response) < 9, "counted")


class CountingMetaRM:
    name = "counting"

    def __init__(self) -> None:
        self.closed = 0

    async def rate(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> list[float | None]:
        return [0.5 for _ in judgments]

    async def aclose(self) -> None:
        self.closed += 1


async def test_a_meta_rm_of_the_users_own_is_closed_by_the_user() -> None:
    meta_rm = CountingMetaRM()
    async with Judge(TEXT, meta_rm=meta_rm) as judge:
        await judge.score("q", ["x", "y"])
    assert meta_rm.closed == 0


async def test_a_trained_meta_rm_opened_by_name_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`meta_rm="nano"` loads a model; closing the judge lets go of its memory."""
    async with Judge(TEXT, k=1, meta_rm="nano") as judge:
        await judge.score("Work out 1 plus 1.", ["2", "3"])
        assert isinstance(judge.meta_rm, HfMetaRM)
        classifier = judge.meta_rm._classifier
        assert classifier._loaded is not None
    assert classifier._loaded is None


class Plain(BaseJudge):
    """The least that a judge must have."""

    name = "plain"

    @property
    def info(self) -> JudgeInfo:
        return JudgeInfo(name=self.name, model="plain")

    async def _judge(self, case: Any) -> Any:
        raise AssertionError("not asked")


async def test_closing_twice_and_closing_a_judge_that_opened_nothing() -> None:
    await Plain().aclose()
    judge = judge_named("a")
    await judge.aclose()
    await judge.aclose()
    assert backend_of(judge).closed


def judge_is_back(judge: Judge, backend: FakeBackend) -> bool:
    return judge.backend is backend


async def test_recording_gives_the_judges_their_own_backends_back(tmp_path: Path) -> None:
    shared = FakeBackend("Scores: \\boxed{7, 3}")
    first, second = Judge(shared, name="a"), Judge(shared, name="b")
    panel = Panel([first, second])
    async with recorded([first, second, panel], tmp_path / "c.sqlite") as recorders:
        assert len(recorders) == 1  # of one backend, however often it is met
        assert isinstance(first.backend, RecordBackend)
        assert not isinstance(first.backend.inner, RecordBackend)
        await first.score("q", ["x", "y"])
        await panel.score("q", ["x", "y"])
        assert recorders[0].spent.calls == 1  # the same prompt and seed, bought once
    assert judge_is_back(first, shared)
    assert judge_is_back(second, shared)
    assert not shared.closed


async def test_a_recorder_closes_a_model_that_it_opened(tmp_path: Path) -> None:
    recorder = RecordBackend(TEXT, tmp_path / "c.sqlite")
    inner = recorder.inner
    assert isinstance(inner, FakeBackend)
    await recorder.aclose()
    assert inner.closed
