"""Groups out of single rollouts, and numbers for trainers that have no word for "no verdict"."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from deemster.errors import DeemsterError, InputError
from deemster.integrations.groups import GroupRewards, judge_group
from deemster.judges.gathering import Gathering
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
        given: object = wait_s
        if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
            raise InputError(f"wait_s must be a number > 0, got {wait_s!r}")
        self.judge = judge
        self.principles, self.at_once = principles, at_once
        self._groups: Gathering[ResponseLike, GroupRewards] = Gathering(wait=wait_s)

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

        async def judged(responses: Sequence[ResponseLike]) -> GroupRewards:
            return await judge_group(
                self.judge,
                query,
                responses,
                reference=reference,
                principles=self.principles,
                at_once=self.at_once,
            )

        return await self._groups.share(key, response, size=size, judge=judged)
