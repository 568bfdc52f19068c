from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deemster.aggregators import Mean, Weighted
from deemster.backends import FakeBackend
from deemster.errors import BackendTimeout, InputError
from deemster.judges import Judge, Panel
from deemster.schemas import Failure, JudgeInfo, Verdict


def judge(name: str, *scores: int, k: int = 1) -> Judge:
    box = ", ".join(map(str, scores))
    return Judge(FakeBackend(f"Scores: \\boxed{{{box}}}"), k=k, orders="fixed", name=name)


async def test_members_weigh_the_same_whatever_their_scale() -> None:
    # one judge of 8 votes with wide scores must not drown two careful ones
    panel = Panel([judge("loud", 10, 1, k=8), judge("a", 5, 6), judge("b", 5, 6)])
    verdict = await panel.score("q", ["x", "y"])
    assert verdict.best == 1
    assert verdict.rewards == pytest.approx((-1 / 3, 1 / 3))
    assert verdict.usage.calls == 10


async def test_member_weights() -> None:
    panel = Panel(
        [judge("a", 9, 1), judge("b", 1, 9)],
        aggregator=Weighted("judge", judges=(("a", 3.0), ("b", 1.0))) >> Mean(),
    )
    assert (await panel.score("q", ["x", "y"])).best == 0


class Broken:
    info = JudgeInfo(name="broken", model="none")

    async def score(self, *_: object, **__: object) -> Verdict:
        raise RuntimeError("boom")

    async def aclose(self) -> None:
        pass


async def test_a_failed_member_never_tips_the_vote() -> None:
    late = Judge(FakeBackend(lambda *_: BackendTimeout("late")), name="late")
    members: list[Any] = [judge("a", 9, 1), late, Broken(), judge("c", 8, 2)]
    verdict = await Panel(members).score("q", ["x", "y"])
    assert verdict.rewards == pytest.approx((1.0, -1.0))
    assert [vote.status for vote in verdict.votes if isinstance(vote, Failure)] == [
        "timeout",
        "api_error",
    ]
    quorum = await Panel(members, min_valid=3).score("q", ["x", "y"])
    assert quorum.rewards is None


async def test_panels_nest_and_undecided_members_abstain() -> None:
    inner = Panel([judge("a", 9, 1), judge("b", 7, 2)], name="inner")
    verdict = await Panel([inner, judge("c", 5, 5)]).score("q", ["x", "y"])
    assert verdict.rewards == pytest.approx((0.5, -0.5))
    assert verdict.judge.members[0].members[0].name == "a"


async def test_single_responses_keep_the_members_scale() -> None:
    verdict = await Panel([judge("a", 8, k=4), judge("b", 4)]).score("q", ["x"])
    assert verdict.rewards == (6.0,)


async def test_input_errors_are_told_when_no_member_can_judge() -> None:
    with pytest.raises(InputError, match="response 0 is empty"):
        await Panel([judge("a", 1), judge("b", 1)]).score("q", [""])


async def test_members_run_at_the_same_time() -> None:
    gate = asyncio.Barrier(2)

    async def reply() -> str:
        await gate.wait()
        return "Scores: \\boxed{5, 6}"

    members = [Judge(FakeBackend(lambda *_: reply()), name=name) for name in "ab"]
    verdict = await asyncio.wait_for(Panel(members).score("q", ["x", "y"]), 5)
    assert verdict.n_valid == 2


@pytest.mark.parametrize(
    ("members", "settings", "message"),
    [
        pytest.param([judge("a", 1)], {}, "2 or more members, got 1", id="one"),
        pytest.param([judge("a", 1), judge("a", 1)], {}, "different names", id="names"),
        pytest.param([judge("a", 1), judge("b", 1)], {"min_valid": 3}, "from 1 to 2", id="quorum"),
    ],
)
def test_bad_panels(members: list[Judge], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Panel(members, **settings)
