"""OpenTelemetry: spans of a judge, its votes and its calls, and GenAI evaluation events.

```python
judge = traced(Judge("openai/gpt-5-mini", k=8))
```

Off unless a judge is wrapped; no texts unless asked for. Only the API is imported: without an SDK
that is set up, everything here does nothing. Names are those of the GenAI conventions (November
2026, still in development); what they have no word for is under `deemster.`.
"""

from __future__ import annotations

from typing import Any

from deemster.backends import Backend, Outcome, Request
from deemster.errors import BackendError
from deemster.extras import need
from deemster.judges.base import BaseJudge, ask
from deemster.judges.case import Case
from deemster.schemas import Failure, JudgeInfo, Judgment, Usage, Verdict

Attributes = dict[str, str | bool | int | float]
EVENT = "gen_ai.evaluation.result"


def traced(
    judge: BaseJudge,
    *,
    texts: bool = False,
    tracer_provider: Any = None,  # noqa: ANN401 - of OpenTelemetry
    logger_provider: Any = None,  # noqa: ANN401
) -> BaseJudge:
    """The same judge, with telemetry.

    A `score` call is a span `judge NAME`; in it are a span `chat MODEL` for every request to a
    model, and a span `vote` for every vote. For each response an event `gen_ai.evaluation.result`
    is emitted in the context of the caller, whose span is what was judged: with the mean score
    (else the reward), or with `error.type` and no number.

    Args:
        judge: the judge; from now on its models are traced too. Close it as before.
        texts: whether critiques, messages of failures and raw votes are in spans and events.
        tracer_provider: None for the global one.
        logger_provider: None for the global one.

    Raises:
        InputError: `opentelemetry-api` is not installed.
    """
    need("otel", "tracing")
    from opentelemetry import _logs, trace  # noqa: PLC0415

    tracer = trace.get_tracer("deemster", tracer_provider=tracer_provider)
    logger = _logs.get_logger("deemster", logger_provider=logger_provider)
    seen: dict[int, _TracedBackend] = {}

    def wrap(backend: Backend) -> Backend:
        if isinstance(backend, _TracedBackend):
            return backend  # of a judge that is a member twice
        return seen.setdefault(id(backend), _TracedBackend(backend, tracer))

    judge.wrap_backends(wrap)
    return _Traced(judge, tracer, logger, texts=texts)


class _Traced(BaseJudge):
    """A judge in a span."""

    def __init__(self, inner: BaseJudge, tracer: Any, logger: Any, *, texts: bool) -> None:  # noqa: ANN401
        self.inner, self.name = inner, inner.name
        self._tracer, self._logger, self._texts = tracer, logger, texts

    @property
    def info(self) -> JudgeInfo:
        """That of the judge inside."""
        return self.inner.info

    @property
    def members(self) -> tuple[BaseJudge, ...]:
        """The judge inside."""
        return (self.inner,)

    async def aclose(self) -> None:
        """Close the judge inside."""
        await self.inner.aclose()

    async def _judge(self, case: Case) -> Verdict:
        from opentelemetry import context  # noqa: PLC0415

        caller = context.get_current()
        with self._tracer.start_as_current_span(f"judge {self.name}") as span:
            verdict = await ask(self.inner, case)
            span.set_attributes(_of_verdict(verdict, case.n))
            for vote in verdict.votes:
                with self._tracer.start_as_current_span("vote") as vote_span:
                    vote_span.set_attributes(_of_vote(vote, texts=self._texts))
        for response in range(case.n):
            self._logger.emit(
                event_name=EVENT,
                context=caller,
                attributes=_of_response(verdict, response, texts=self._texts),
            )
        return verdict


class _TracedBackend:
    """A backend whose requests are spans; everything else is that of the one inside."""

    def __init__(self, inner: Backend, tracer: Any) -> None:  # noqa: ANN401
        self.inner, self._tracer = inner, tracer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.inner, name)

    @property
    def name(self) -> str:
        """Of the backend inside."""
        return self.inner.name

    async def generate(self, request: Request) -> list[Outcome]:
        """Ask the backend inside."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        with self._tracer.start_as_current_span(f"chat {self.name}", kind=SpanKind.CLIENT) as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": self.name,
                    "gen_ai.request.choice.count": request.n,
                    "gen_ai.request.temperature": request.sampling.temperature,
                    "gen_ai.request.max_tokens": request.sampling.max_tokens,
                }
            )
            outcomes = await self.inner.generate(request)
            span.set_attributes(_of_usage(Usage.total(one.usage or Usage() for one in outcomes)))
            failed = [one for one in outcomes if isinstance(one, BackendError)]
            if failed:
                span.set_attribute("error.type", failed[0].status)
                span.set_attribute("deemster.failed_draws", len(failed))
            return outcomes

    async def aclose(self) -> None:
        """Close the backend inside."""
        await self.inner.aclose()


def _of_usage(usage: Usage) -> Attributes:
    found: Attributes = {
        "gen_ai.usage.input_tokens": usage.tokens_in,
        "gen_ai.usage.output_tokens": usage.tokens_out,
    }
    if usage.cost is not None:
        found["deemster.cost_usd"] = usage.cost
    return found


def _of_verdict(verdict: Verdict, n: int) -> Attributes:
    found: Attributes = {
        "deemster.judge.fingerprint": verdict.judge.fingerprint,
        "deemster.responses": n,
        "deemster.k": verdict.k,
        "deemster.votes.valid": verdict.n_valid,
        "deemster.votes.failed": len(verdict.failures),
        **_of_usage(verdict.usage),
    }
    if verdict.best is not None:
        found["deemster.best"] = verdict.best
    if verdict.confidence is not None:
        found["deemster.confidence"] = verdict.confidence
    if not verdict.is_scored:
        found["error.type"] = _error(verdict)
    return found


def _of_vote(vote: Judgment | Failure, *, texts: bool) -> Attributes:
    found: Attributes = {"deemster.vote.draw": vote.draw}
    if vote.judge:
        found["deemster.vote.judge"] = vote.judge
    if isinstance(vote, Failure):
        found["error.type"] = vote.status
        said = vote.message
    else:
        scores = {i: one for i, one in enumerate(vote.scores) if one is not None}
        found.update((f"deemster.vote.score.{i}", one) for i, one in scores.items())
        said = "\n".join(one.text for one in vote.critiques) or vote.analysis
    if texts:
        found["deemster.vote.text"] = said
        found["deemster.vote.raw"] = vote.raw
    return found


def _of_response(verdict: Verdict, response: int, *, texts: bool) -> Attributes:
    found: Attributes = {
        "gen_ai.evaluation.name": verdict.judge.name,
        "deemster.response.index": response,
    }
    numbers = verdict.scores or verdict.rewards
    if numbers is None:
        return {**found, "error.type": _error(verdict)}
    found["gen_ai.evaluation.score.value"] = numbers[response]
    if texts:
        said = (one for vote in verdict.judgments for one in vote.critiques)
        mine = next((one.text for one in said if one.response == response), "")
        found["gen_ai.evaluation.explanation"] = mine
    return found


def _error(verdict: Verdict) -> str:
    return verdict.failures[0].status if verdict.failures else "unscored"
