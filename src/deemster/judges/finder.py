"""Tools that examine responses before a judge does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from deemster.schemas import QueryLike, ReferenceLike, ResponseLike


class Finder(Protocol):
    """A tool whose findings are put before a judge: a `Verifier`, say."""

    @property
    def name(self) -> str:
        """What records call it."""
        ...

    async def findings(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        reference: ReferenceLike | None = None,
    ) -> Findings:
        """Examine the responses."""
        ...


class Findings(Protocol):
    """What a tool found."""

    def text(self, order: Sequence[int] | None = None) -> str:
        """It in words, with the responses numbered from 1 in the order shown."""
        ...
