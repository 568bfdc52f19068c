"""The one method that makes a judge: what composites, batches and users ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from deemster.schemas import JudgeInfo, QueryLike, ResponseLike, Verdict


@runtime_checkable
class Scorer(Protocol):
    """A judge, or a composite of judges."""

    @property
    def info(self) -> JudgeInfo:
        """What it is, for the record."""
        ...

    async def score(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        reference: str | None = None,
        principles: Any = None,  # noqa: ANN401 - see `deemster.principles.as_principles`
    ) -> Verdict:
        """Judge 1..n responses to a query."""
        ...

    async def aclose(self) -> None:
        """Release what it holds."""
        ...
