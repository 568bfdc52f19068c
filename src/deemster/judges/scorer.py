"""What a judge is to everybody else: something with `score`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from deemster.principles import PrinciplesLike
from deemster.schemas import JudgeInfo, QueryLike, ResponseLike, Verdict


@runtime_checkable
class Scorer(Protocol):
    """A judge, or a judge made of judges. `BaseJudge` has all of it but `info`."""

    @property
    def info(self) -> JudgeInfo:
        """What it is, for the record."""
        ...

    async def score(
        self,
        query: QueryLike,
        responses: Iterable[ResponseLike],
        *,
        reference: str | None = None,
        principles: PrinciplesLike | None = None,
    ) -> Verdict:
        """Judge 1..n responses to a query; see `BaseJudge.score`."""
        ...

    async def aclose(self) -> None:
        """Close what it opened itself."""
        ...


@runtime_checkable
class HasMembers(Protocol):
    """Optional: a judge made of other judges. All of `BaseJudge` are; most have no members."""

    @property
    def members(self) -> tuple[Scorer, ...]:
        """The judges it asks, each once."""
        ...


@runtime_checkable
class LimitsResponses(Protocol):
    """Optional: a judge that compares only so many responses in one call."""

    @property
    def max_responses(self) -> int | None:
        """The most responses of one `score` call; None for any number."""
        ...


def most_responses(judge: Scorer) -> int | None:
    """The most responses that a judge and all its members compare in one call; None: any number."""
    own = [judge.max_responses] if isinstance(judge, LimitsResponses) else []
    members = judge.members if isinstance(judge, HasMembers) else ()
    limits = [one for one in (*own, *map(most_responses, members)) if one is not None]
    return min(limits, default=None)
