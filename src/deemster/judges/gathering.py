"""What arrives one by one and is judged together: members of a group, until it is whole or late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

M = TypeVar("M")
R = TypeVar("R")
Judging = Callable[[Sequence[M]], Awaitable[R]]
"""Judges the members of a group together."""


@dataclass(eq=False)
class _Group(Generic[M, R]):
    members: list[tuple[M, asyncio.Future[tuple[R, int]]]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    begun: bool = False
    task: asyncio.Task[None] | None = None


class Gathering(Generic[M, R]):
    """The groups that are not whole yet, and those being judged. One event loop.

    Args:
        wait: seconds that the first member of a group waits for the others.
    """

    def __init__(self, *, wait: float) -> None:
        self._wait = wait
        self._open: dict[str, _Group[M, R]] = {}

    def __len__(self) -> int:
        """Groups that wait for members."""
        return len(self._open)

    def first(self, key: str) -> M | None:
        """The first member of the open group of a key; None if there is none."""
        return self._open[key].members[0][0] if key in self._open else None

    async def share(self, key: str, member: M, *, size: int, judge: Judging[M, R]) -> tuple[R, int]:
        """What judging a group gives, once it is whole or late, and the member's place in it.

        One that is cancelled leaves the group: it is not judged, unless judging has begun. A
        group that everybody has left is not judged any further.

        Args:
            key: what the members of a group share and others do not.
            member: one of them.
            size: members of a whole group, >= 1; one too many opens another group.
            judge: judges the group; that of the first member is used. What it raises reaches all.
        """
        group = self._open.setdefault(key, _Group())
        if group.task is None:
            group.task = asyncio.create_task(self._judge(key, group, judge))
        share: asyncio.Future[tuple[R, int]] = asyncio.get_running_loop().create_future()
        mine = (member, share)
        group.members.append(mine)
        if len(group.members) == size:
            self._close(key, group)
        try:
            return await share
        except asyncio.CancelledError:
            if not group.begun:
                group.members.remove(mine)
            if all(other.done() for _, other in group.members):
                self._close(key, group)
                group.task.cancel()
            raise

    def close(self) -> None:
        """Nobody can join any more: judge every group as it is."""
        for key, group in list(self._open.items()):
            self._close(key, group)

    def _close(self, key: str, group: _Group[M, R]) -> None:
        if self._open.get(key) is group:  # not a later group of the same key
            del self._open[key]
        group.closed.set()

    async def _judge(self, key: str, group: _Group[M, R], judge: Judging[M, R]) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(group.closed.wait(), self._wait)
        self._close(key, group)
        if not group.members:  # all have left, and the wait ended before it was cancelled
            return
        group.begun = True
        try:
            found = await judge([given for given, _ in group.members])
        except Exception as error:  # noqa: BLE001 - it goes to each of those who asked
            for _, share in group.members:
                if not share.done():
                    share.set_exception(error)
            return
        for place, (_, share) in enumerate(group.members):
            if not share.done():
                share.set_result((found, place))
