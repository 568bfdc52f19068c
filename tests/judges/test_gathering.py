"""Members of a group that come one by one: judged when whole or late; who leaves is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from deemster.judges.gathering import Gathering


class Judging:
    """Notes what it is asked, and waits until it may answer."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.may_answer = asyncio.Event()
        self.cancelled = False

    async def __call__(self, members: Sequence[str]) -> str:
        self.asked.append(list(members))
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "+".join(members)


def joining(
    groups: Gathering[str, str], judge: Judging, *members: str, size: int
) -> list[asyncio.Task[tuple[str, int]]]:
    return [
        asyncio.create_task(groups.share("key", one, size=size, judge=judge)) for one in members
    ]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_whole_late_and_one_too_many() -> None:
    groups, judge = Gathering[str, str](wait=0.02), Judging()
    judge.may_answer.set()
    found = await asyncio.gather(*joining(groups, judge, "a", "b", "c", size=2))
    assert found == [("a+b", 0), ("a+b", 1), ("c", 0)]
    assert len(groups) == 0


async def test_who_leaves_before_judging_is_not_judged() -> None:
    groups, judge = Gathering[str, str](wait=60), Judging()
    judge.may_answer.set()
    first, second = joining(groups, judge, "a", "b", size=3)
    await settle()
    first.cancel()
    await settle()
    assert groups.first("key") == "b"
    groups.close()
    assert await second == ("b", 0)
    (alone,) = joining(groups, judge, "c", size=3)
    await settle()
    alone.cancel()
    await settle()
    assert (len(groups), judge.asked) == (0, [["b"]])


async def test_judging_ends_when_all_have_left() -> None:
    groups, judge = Gathering[str, str](wait=60), Judging()
    first, second = joining(groups, judge, "a", "b", size=2)
    await settle()
    first.cancel()
    await settle()
    assert not judge.cancelled  # the other still waits
    second.cancel()
    await settle()
    assert judge.cancelled


async def test_what_goes_wrong_reaches_all() -> None:
    async def fails(_members: Sequence[str]) -> str:
        raise ValueError("no")

    groups = Gathering[str, str](wait=60)
    waiting = [groups.share("key", one, size=2, judge=fails) for one in "ab"]
    for error in await asyncio.gather(*waiting, return_exceptions=True):
        with pytest.raises(ValueError, match="no"):
            raise error  # type: ignore[misc]
