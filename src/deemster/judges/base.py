"""What every judge shares: one `score`, one rule of who closes what.

A judge is a class with `info` and `_judge(case)`:

```python
class Longest(BaseJudge):
    name = "longest"

    @property
    def info(self) -> JudgeInfo:
        return JudgeInfo(name=self.name, model="longest")

    async def _judge(self, case: Case) -> Verdict:
        vote = Judgment(scores=tuple(float(len(one.text)) for one in case.responses))
        return decide([vote], n=case.n, k=1, reducer=Mean(), info=self.info)
```
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, ClassVar, Protocol, Self, TypeVar

from deemster.backends import Backend, Preloads, open_backend
from deemster.errors import InputError
from deemster.judges import batch
from deemster.judges.case import Case
from deemster.judges.plan import Planned
from deemster.judges.scorer import Scorer
from deemster.judges.settings import check_can
from deemster.principles import PrinciplesLike, principles_hash
from deemster.runtime import run_sync
from deemster.schemas import (
    JudgeInfo,
    QueryLike,
    ReferenceLike,
    ResponseLike,
    Sample,
    SamplingSettings,
    Verdict,
)


class Closable(Protocol):
    """What a judge can open: a backend, a meta RM, another judge."""

    async def aclose(self) -> None:
        """Close it. Idempotent."""
        ...


C = TypeVar("C", bound=Closable)


class BaseJudge(ABC):
    """Everything but how a case is judged.

    A judge closes what it opened from a string (a backend, a meta RM, a member) and nothing that
    it was given.
    """

    name: str
    """What records call it."""
    uses_principles: ClassVar[bool] = True
    """Whether principles given with a call change its verdicts."""
    _owned: tuple[Closable, ...] = ()

    @property
    @abstractmethod
    def info(self) -> JudgeInfo:
        """Everything that decides its verdicts."""

    @abstractmethod
    async def _judge(self, case: Case) -> Verdict:
        """The verdict about a case: what makes this judge another than the others."""

    async def score(
        self,
        query: QueryLike,
        responses: Iterable[ResponseLike],
        *,
        reference: ReferenceLike | None = None,
        principles: PrinciplesLike | None = None,
    ) -> Verdict:
        """Judge 1..n responses to a query.

        Args:
            query: one user turn as text, or OpenAI-style messages.
            responses: 1..n answers, as text or assistant messages.
            reference: a gold answer to show the judge, or several equally good ones.
            principles: criteria for this call, in place of the judge's own.

        Returns:
            The verdict. Draws that failed are `Failure` votes in it, never numbers.

        Raises:
            InputError: the query or the responses cannot be judged; nothing was sent.
        """
        return await self.score_case(
            Case.of(query, responses, reference=reference, principles=principles)
        )

    async def score_case(self, case: Case) -> Verdict:
        """`score` of what has been read already: how judges made of judges ask their members."""
        return self.recorded(case, await self._judge(case))

    def recorded(self, case: Case, verdict: Verdict) -> Verdict:
        """The verdict, whose record also names the case's principles and what was sent."""
        known: dict[str, object] = {}
        if case.principles and self.uses_principles:
            known["principles"] = principles_hash(case.principles)
        votes = getattr(verdict, "votes", ())  # whatever `_judge` returned: whoever asked checks it
        sent = next((vote.sent for vote in votes if vote.sent is not None), None)
        if sent is not None and not self.members:
            known["sent"] = sent
        if not known:
            return verdict
        return verdict.model_copy(update={"judge": verdict.judge.model_copy(update=known)})

    def score_sync(
        self,
        query: QueryLike,
        responses: Iterable[ResponseLike],
        *,
        reference: ReferenceLike | None = None,
        principles: PrinciplesLike | None = None,
    ) -> Verdict:
        """`score` for scripts, notebooks and threads; works inside a running event loop too."""
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

    @property
    def members(self) -> tuple[Scorer, ...]:
        """The judges it is made of, each once; none for a judge of its own."""
        return ()

    def plan(self, case: Case) -> Iterator[Planned]:
        """The requests that judging a case takes at most; nothing is sent."""
        for member in self.members:
            if isinstance(member, BaseJudge):
                yield from member.plan(case)

    def wrap_backends(self, wrap: Callable[[Backend], Backend]) -> None:
        """Put something (a recorder, say) between this judge and every model it asks."""
        for member in self.members:
            if isinstance(member, BaseJudge):
                member.wrap_backends(wrap)

    async def preload(self) -> None:
        """Load the models that run in this process now, rather than at the first call.

        Raises:
            InputError: one cannot be loaded.
        """
        things: list[object] = [*self._owned, *self.members]

        def seen(backend: Backend) -> Backend:
            things.append(backend)
            return backend

        self.wrap_backends(seen)  # those that it was given, too
        for thing in things:
            if isinstance(thing, Preloads):
                await thing.preload()

    async def aclose(self) -> None:
        """Close what it opened itself. Idempotent; some judges can be used again afterwards."""
        await asyncio.gather(*(thing.aclose() for thing in self._owned))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _backend(self, model: str | Backend, options: Mapping[str, Any]) -> Backend:
        """The backend of a model string, opened with the options, or the one that was given.

        Raises:
            InputError: there are options for a backend that is open already.
        """
        if isinstance(model, str):
            own = (*inspect.signature(type(self)).parameters, *SamplingSettings.model_fields)
            return self._own(open_backend(model, own, **options))
        check_can("model", model, "generate", expected="a model string or a Backend")
        if options:
            raise InputError(f"options {sorted(options)} go to a backend made from a model string")
        return model

    def _own(self, thing: C) -> C:
        """Note that this judge opened `thing`, so that it closes it too."""
        self._owned = (*self._owned, thing)
        return thing


async def ask(judge: Scorer, case: Case) -> Verdict:
    """A judge's verdict about a case, whoever wrote the judge.

    What only cases have (others' opinions, findings of tools) does not reach a judge that is no
    `BaseJudge`.
    """
    if isinstance(judge, BaseJudge):
        return await judge.score_case(case)
    return await judge.score(
        case.query,
        case.responses,
        reference=case.reference,
        principles=case.principles or None,
    )
