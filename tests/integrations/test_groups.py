"""Groups of rollouts: judged whole, or in parts that compare; no verdict is None."""

from __future__ import annotations

import pytest

from deemster import FakeBackend, Judge, Panel, Verdict
from deemster.backends import Request
from deemster.errors import BackendError, InputError, UnusableModelError
from deemster.integrations.groups import _parts, judge_group
from deemster.judges.base import BaseJudge
from deemster.judges.case import Case
from deemster.schemas import JudgeInfo
from deemster.testing import responses_shown


def by_length(request: Request, _draw: int) -> str:
    """A judge that scores each response by its length, 1 to 10; it fails on `boom`."""
    shown = responses_shown(request.messages[-1].text)
    if any("boom" in text for text in shown):
        return "I would rather not say."
    scores = ", ".join(str(min(10, len(text))) for text in shown)
    critiques = "\n".join(f"Response {i}: {len(text)} long" for i, text in enumerate(shown, 1))
    return (
        "Specific Criteria:\n- length (weight: 10)\n"
        f"Analysis:\n{critiques}\nScores: \\boxed{{{scores}}}"
    )


def judge(**options: object) -> Judge:
    return Judge(FakeBackend(by_length), **options)  # type: ignore[arg-type]


class Broken(BaseJudge):
    """Raises instead of judging."""

    name = "broken"

    def __init__(self, error: Exception) -> None:
        self.error = error

    @property
    def info(self) -> JudgeInfo:
        return JudgeInfo(name=self.name, model="none")

    async def _judge(self, case: Case) -> Verdict:
        raise self.error


def calls(one: Judge) -> list[int]:
    backend = one.backend
    assert isinstance(backend, FakeBackend)
    return [len(responses_shown(request.messages[-1].text)) for request in backend.requests]


@pytest.mark.parametrize(
    ("n", "most", "sizes"),
    [
        pytest.param(1, 4, [1], id="alone"),
        pytest.param(4, 4, [4], id="whole"),
        pytest.param(5, 4, [2, 3], id="not 4 and 1"),
        pytest.param(8, 3, [2, 3, 3], id="nearly equal"),
        pytest.param(5, 2, [2, 2, 2], id="an odd one beside a neighbour"),
        pytest.param(3, 2, [2, 2], id="the first is the odd one"),
    ],
)
def test_parts_cover_all_and_leave_nobody_alone(n: int, most: int, sizes: list[int]) -> None:
    parts = _parts(n, most)
    assert sorted(map(len, parts)) == sizes
    assert {i for part in parts for i in part} == set(range(n))
    assert all(len(set(part)) == len(part) for part in parts)


@pytest.mark.parametrize(
    ("k", "at_once", "rewards"),
    [
        pytest.param(2, None, (4.0, 8.0, 4.0), id="whole: rewards, here sums of 2 votes"),
        pytest.param(2, 2, (2.0, 4.0, 2.0), id="in parts: scores"),
    ],
)
async def test_rewards_stand_in_order_and_equal_responses_are_judged_once(
    k: int, at_once: int | None, rewards: tuple[float, ...]
) -> None:
    one = judge(k=k)
    group = await judge_group(one, "q", ["ab", "abcd", "ab"], at_once=at_once)
    assert group.rewards == rewards
    assert set(calls(one)) == {2}
    assert group.critique(1) == "4 long"
    assert group.critique(2) == group.critique(0) == "2 long"


async def test_copies_of_one_response_are_scored_as_in_company() -> None:
    one = judge()
    assert (await judge_group(one, "q", ["abc"] * 4)).rewards == (3.0,) * 4
    assert calls(one) == [2]


async def test_a_part_without_a_verdict_has_no_rewards_and_says_why() -> None:
    group = await judge_group(judge(), "q", ["ab", "abc", "boom", "abcd"], at_once=2)
    assert group.rewards == (2.0, 3.0, None, None)
    assert [reason.split(":")[0] for reason in group.reasons] == ["parse_error"]
    assert group.critique(2) == ""


@pytest.mark.parametrize("error", [BackendError("gone"), InputError("no such thing")])
async def test_what_cannot_be_judged_is_failures(error: Exception) -> None:
    group = await judge_group(Broken(error), "q", ["a", "b"])
    assert group.rewards == (None, None)
    assert str(error) in group.reasons[0]


async def test_a_model_that_cannot_be_asked_ends_it() -> None:
    with pytest.raises(UnusableModelError, match="no key"):
        await judge_group(Broken(UnusableModelError("no key")), "q", ["a", "b"])


async def test_relative_rewards_are_not_compared_between_calls() -> None:
    panel = Panel([judge(name="a"), judge(name="b")])
    assert (await judge_group(panel, "q", ["a", "ab", "abc"])).rewards is not None
    with pytest.raises(InputError, match="relative to the responses of one call"):
        await judge_group(panel, "q", ["a", "ab", "abc"], at_once=2)
