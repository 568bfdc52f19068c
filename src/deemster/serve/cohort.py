"""Rollouts of one prompt that arrive one by one, and are judged together.

Most trainers post one rollout a request. Rewards that compare the rollouts of a group with each
other need all of them in one call, so each request waits here until its group is whole, or until
its first member has waited long enough.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deemster.errors import InputError
from deemster.judges.base import BaseJudge
from deemster.judges.case import Case
from deemster.judges.gathering import Gathering
from deemster.schemas import Verdict
from deemster.serve.desk import Desk
from deemster.serve.http_errors import HttpError


@dataclass(frozen=True)
class Share:
    """What one rollout gets of its group's verdict."""

    verdict: Verdict
    index: int
    """Which of the responses it is."""


class Cohorts:
    """Groups of rollouts that trainers post one by one. One event loop.

    Args:
        desk: where they are judged.
        wait: seconds that the first member of a group waits for the others.
    """

    def __init__(self, desk: Desk, *, wait: float) -> None:
        self._desk, self._wait = desk, wait
        self._groups: Gathering[Case, Verdict] = Gathering(wait=wait)
        desk.metrics.gauges["deemster_open_groups"] = (
            "Groups of rollouts that wait for more members.",
            lambda: len(self._groups),
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
        key = json.dumps([judge.name, judge.info.k, size, *_identity(case, group)])
        first = self._groups.first(key)
        if first is not None and first.query != case.query:
            raise InputError(f"group {group!r:.80} has rollouts of another query")

        async def judged(cases: Sequence[Case]) -> Verdict:
            whole = "yes" if len(cases) == size else "no"
            self._desk.metrics.count("deemster_groups_total", whole=whole)
            if len(cases) == 1:
                raise self._alone(size)
            responses = tuple(one.responses[0] for one in cases)
            return await self._desk.verdict(judge, replace(cases[0], responses=responses))

        return Share(*await self._groups.share(key, case, size=size, judge=judged))

    def close(self) -> None:
        """Nobody can join any more: judge every group as it is."""
        self._groups.close()

    def _alone(self, size: int) -> HttpError:
        return HttpError(
            f"1 of {size} rollouts of the group came, and there is nothing to compare it "
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
