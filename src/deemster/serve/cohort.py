"""Rollouts of one prompt that arrive one by one, and are judged together.

Most trainers post one rollout a request. Rewards that compare the rollouts of a group with each
other need all of them in one call, so each request waits here until its group is whole, or until
its first member has waited long enough.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field, replace

from deemster.errors import InputError
from deemster.judges.base import BaseJudge
from deemster.judges.case import Case
from deemster.schemas import Verdict
from deemster.serve.desk import Desk
from deemster.serve.http_errors import HttpError


@dataclass(frozen=True)
class Share:
    """What one rollout gets of its group's verdict."""

    verdict: Verdict
    index: int
    """Which of the responses it is."""


@dataclass(eq=False)
class _Member:
    case: Case
    share: asyncio.Future[Share]


@dataclass(eq=False)
class _Group:
    judge: BaseJudge
    size: int
    members: list[_Member] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    judging: asyncio.Task[None] | None = None


class Cohorts:
    """The groups that are not whole yet, and those being judged. One event loop.

    Args:
        desk: where they are judged.
        wait: seconds that the first member of a group waits for the others.
    """

    def __init__(self, desk: Desk, *, wait: float) -> None:
        self._desk, self._wait = desk, wait
        self._open: dict[tuple[str, ...], _Group] = {}
        self._judging: set[asyncio.Task[None]] = set()
        desk.metrics.gauges["deemster_open_groups"] = (
            "Groups of rollouts that wait for more members.",
            lambda: len(self._open),
        )

    async def share(
        self, judge: BaseJudge, case: Case, *, size: int, group: str | None = None
    ) -> Share:
        """The verdict about a group, once it is whole or has waited long enough.

        Args:
            judge: who judges; members of a group have the same.
            case: the query and this one rollout.
            size: how many rollouts the group has; 1: this is all of it.
            group: its name; None: rollouts with the same query, reference and principles are one
                group.

        Raises:
            InputError: members of a named group answer different queries, or it cannot be judged.
            HttpError: no other rollout came.
        """
        if size == 1:
            return Share(await self._desk.verdict(judge, case), 0)
        key = (judge.name, str(judge.info.k), str(size), *_identity(case, group))
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = _Group(judge, size)
            found.timer = asyncio.get_running_loop().call_later(self._wait, self._close, key)
        elif found.members[0].case.query != case.query:
            raise InputError(f"group {group!r:.80} has rollouts of another query")
        member = _Member(case, asyncio.get_running_loop().create_future())
        found.members.append(member)
        if len(found.members) == size:
            self._close(key)
        try:
            return await member.share
        except asyncio.CancelledError:
            self._leave(key, found, member)
            raise

    def close(self) -> None:
        """Nobody can join any more: judge every group as it is."""
        for key in list(self._open):
            self._close(key)

    def _close(self, key: tuple[str, ...]) -> None:
        """Take no more members, and judge those that are there."""
        group = self._open.pop(key)
        if group.timer is not None:
            group.timer.cancel()
        whole = "yes" if len(group.members) == group.size else "no"
        self._desk.metrics.count("deemster_groups_total", whole=whole)
        group.judging = asyncio.get_running_loop().create_task(self._judge(group))
        self._judging.add(group.judging)
        group.judging.add_done_callback(self._judging.discard)

    def _leave(self, key: tuple[str, ...], group: _Group, member: _Member) -> None:
        """A client left. Its rollout is judged with the others only if that has begun."""
        if group.judging is None:
            group.members.remove(member)
            if not group.members and self._open.get(key) is group:
                del self._open[key]
                if group.timer is not None:
                    group.timer.cancel()
        elif all(one.share.done() for one in group.members):
            group.judging.cancel()

    async def _judge(self, group: _Group) -> None:
        members = list(group.members)
        try:
            self._check_company(group)
            responses = tuple(one.case.responses[0] for one in members)
            verdict = await self._desk.verdict(
                group.judge, replace(members[0].case, responses=responses)
            )
        except Exception as error:  # noqa: BLE001 - it goes to each of those who asked
            for one in members:
                if not one.share.done():
                    one.share.set_exception(error)
            return
        for index, one in enumerate(members):
            if not one.share.done():
                one.share.set_result(Share(verdict, index))

    def _check_company(self, group: _Group) -> None:
        if len(group.members) == 1:
            raise HttpError(
                f"1 of {group.size} rollouts of the group came, and there is nothing to compare it "
                f"with; the server waits {self._wait:g} s: post the group's rollouts at the same "
                "time, or start the server with a longer --group-wait",
                status=503,
                kind="group_incomplete",
                retry_after=1,
            )


def _identity(case: Case, group: str | None) -> tuple[str, ...]:
    if group is not None:
        return ("name", group)
    parts = [turn.model_dump_json() for turn in case.query]
    parts += [str(case.reference), *(one.model_dump_json() for one in case.principles)]
    return ("query", hashlib.sha256("\0".join(parts).encode()).hexdigest())
