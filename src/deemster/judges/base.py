"""What judges share: `score`, and all that follows from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sequence
from typing import Any, Self

from deemster.backends import Backend
from deemster.judges import batch
from deemster.schemas import JudgeInfo, QueryLike, ResponseLike, Sample, Verdict


class BaseJudge(ABC):
    """`score`, and what follows from it: synchronous, for many samples, as a context manager."""

    @property
    @abstractmethod
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""

    @abstractmethod
    async def score(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        reference: str | None = None,
        principles: Any = None,  # noqa: ANN401 - see `deemster.principles.as_principles`
    ) -> Verdict:
        """Judge 1..n responses to a query.

        Args:
            query: one user turn as text, or OpenAI-style messages.
            responses: 1..n answers, as text or assistant messages.
            reference: a gold answer to show the judge.
            principles: fixed criteria for this call, in place of the judge's own.

        Returns:
            The verdict. Draws that failed are `Failure` votes in it, never numbers.

        Raises:
            InputError: the query or the responses cannot be judged; nothing was sent.
        """

    def score_sync(
        self,
        query: QueryLike,
        responses: Sequence[ResponseLike],
        *,
        reference: str | None = None,
        principles: Any = None,  # noqa: ANN401 - see `deemster.principles.as_principles`
    ) -> Verdict:
        """`score` for scripts, notebooks and threads; works inside a running event loop too."""
        from deemster.runtime import run_sync  # noqa: PLC0415 - no thread until it is needed

        return run_sync(self.score(query, responses, reference=reference, principles=principles))

    def score_many(
        self, samples: Iterable[Sample] | AsyncIterable[Sample], *, in_flight: int = batch.IN_FLIGHT
    ) -> AsyncGenerator[tuple[Sample, Verdict], None]:
        """Yield `(sample, verdict)` as they finish; see `deemster.judges.batch.score_many`."""
        return batch.score_many(self, samples, in_flight=in_flight)

    async def score_all(
        self, samples: Iterable[Sample] | AsyncIterable[Sample], *, in_flight: int = batch.IN_FLIGHT
    ) -> list[Verdict]:
        """The verdicts of all samples, in their order."""
        return await batch.score_all(self, samples, in_flight=in_flight)

    @abstractmethod
    def wrap_backends(self, wrap: Callable[[Backend], Backend]) -> None:
        """Put something (a recorder, say) between this judge and every model it asks."""

    @abstractmethod
    async def aclose(self) -> None:
        """Release what it holds. Idempotent."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
