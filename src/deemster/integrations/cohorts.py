"""Groups out of single rollouts, and numbers for trainers that have no word for "no verdict"."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from statistics import fmean

from deemster.errors import DeemsterError, InputError
from deemster.integrations.groups import GroupRewards, judge_group
from deemster.judges.scorer import Scorer
from deemster.judges.settings import whole_number
from deemster.principles import PrinciplesLike
from deemster.schemas import QueryLike, ReferenceLike, ResponseLike


class NoVerdictError(DeemsterError):
    """A whole group has no verdict, and the trainer needs numbers."""


def without_gaps(group: GroupRewards, *, unscored: float | None = None) -> list[float]:
    """Rewards for a trainer that compares within the group and takes numbers only.

    A response without a verdict gets the mean of its group's others, which gives it no advantage
    and leaves the others' baseline where it is. It is a stand-in, not a judgment: report
    `group.rewards` beside it.

    Args:
        group: what judging gave.
        unscored: the reward of every response of a group without any verdict; None: an error.
            Any number gives none of them an advantage within the group.

    Raises:
        NoVerdictError: no response has a verdict, and there is no `unscored`.
    """
    known = [reward for reward in group.rewards if reward is not None]
    if not known and unscored is None:
        raise NoVerdictError(
            f"no verdict about a group of {len(group.rewards)}: {'; '.join(group.reasons)}; "
            "give unscored= to go on, with a reward that is the same for the whole group"
        )
    mean = fmean(known) if known else unscored
    return [mean if reward is None else reward for reward in group.rewards]  # type: ignore[misc]


@dataclass
class _Cohort:
    responses: list[ResponseLike] = field(default_factory=list)
    judged: asyncio.Future[GroupRewards] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    judging: asyncio.Task[None] | None = None


class Cohorts:
    """Collects rollouts that a trainer hands over one by one, until their group is whole.

    Use it on one event loop.

    Args:
        judge: anything with `score`.
        wait_s: seconds after its first rollout when a group is judged though it is not whole.
        principles: for the judge.
        at_once: see `judge_group`.
    """

    def __init__(
        self,
        judge: Scorer,
        *,
        wait_s: float = 600.0,
        principles: PrinciplesLike | None = None,
        at_once: int | None = None,
    ) -> None:
        if not wait_s > 0:
            raise InputError(f"wait_s must be > 0, got {wait_s!r}")
        self.judge, self.wait_s = judge, wait_s
        self.principles, self.at_once = principles, at_once
        self._open: dict[str, _Cohort] = {}

    async def add(
        self,
        key: str,
        query: QueryLike,
        response: ResponseLike,
        *,
        size: int,
        reference: ReferenceLike | None = None,
    ) -> tuple[GroupRewards, int]:
        """Wait for the group of `key`; returns what judging it gave, and the rollout's place.

        Args:
            key: what the rollouts of a group share and others do not.
            query: what was answered.
            response: the rollout.
            size: rollouts of a whole group, >= 1.
            reference: shown to the judge.

        Raises:
            InputError: see `judge_group`, for every rollout of the group.
        """
        whole_number("size", size, 1, 10_000)
        cohort = self._open.setdefault(key, _Cohort())
        place = len(cohort.responses)
        cohort.responses.append(response)

        async def judge_now(delay: float) -> None:
            await asyncio.sleep(delay)
            if self._open.get(key) is cohort:  # not a later group of the same key
                del self._open[key]
            try:
                judged = await judge_group(
                    self.judge,
                    query,
                    cohort.responses,
                    reference=reference,
                    principles=self.principles,
                    at_once=self.at_once,
                )
            except Exception as error:  # noqa: BLE001 - those who wait must learn of it
                cohort.judged.set_exception(error)
            else:
                cohort.judged.set_result(judged)

        if len(cohort.responses) == size:
            self._open.pop(key, None)  # a rollout too many starts another group
            if cohort.judging is not None:
                cohort.judging.cancel()
            cohort.judging = asyncio.create_task(judge_now(0))
        elif cohort.judging is None:
            cohort.judging = asyncio.create_task(judge_now(self.wait_s))
        return await asyncio.shield(cohort.judged), place
