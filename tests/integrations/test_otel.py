"""Spans and events, as the SDK's in-memory exporters have them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integrations.test_groups import judge

from deemster import FakeBackend, Judge, Panel
from deemster.backends import Backend
from deemster.integrations.otel import traced
from deemster.schemas import Verdict

pytest.importorskip("opentelemetry.trace", reason="needs opentelemetry-api")


def test_without_an_sdk_nothing_changes() -> None:
    plain = judge(k=2).score_sync("q", ["ab", "abc"])
    one = traced(judge(k=2))
    assert one.score_sync("q", ["ab", "abc"]) == plain
    assert one.info == judge(k=2).info


class Telemetry:
    def __init__(self) -> None:
        pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import (
            InMemoryLogRecordExporter,
            SimpleLogRecordProcessor,
        )
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._spans, self._events = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self.tracers, self.loggers = TracerProvider(), LoggerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self._events))

    async def score(self, one: Any, responses: list[str], **options: Any) -> Verdict:
        """A verdict, asked for from a span `app`."""
        wrapped = traced(one, tracer_provider=self.tracers, logger_provider=self.loggers, **options)
        with self.tracers.get_tracer("app").start_as_current_span("app"):
            return await wrapped.score("the query", responses)

    def spans(self, prefix: str) -> list[Any]:
        return [one for one in self._spans.get_finished_spans() if one.name.startswith(prefix)]

    def events(self) -> list[Any]:
        return [one.log_record for one in self._events.get_finished_logs()]


async def test_a_judge_its_calls_its_votes_and_the_event() -> None:
    seen = Telemetry()
    one = judge(k=2)
    backend = one.backend
    verdict = await seen.score(one, ["ab", "abcd"])
    (app,), (span,) = seen.spans("app"), seen.spans("judge fake")
    assert span.parent.span_id == app.context.span_id
    assert span.attributes["deemster.votes.valid"] == 2
    assert span.attributes["deemster.judge.fingerprint"] == verdict.judge.fingerprint
    requests = seen.spans("chat fake")
    assert len(requests) == len(backend.requests) == 2  # type: ignore[attr-defined]
    assert {one.parent.span_id for one in requests} == {span.context.span_id}
    assert requests[0].attributes["gen_ai.operation.name"] == "chat"
    assert requests[0].attributes["gen_ai.usage.input_tokens"] > 0
    votes = seen.spans("vote")
    assert [one.attributes["deemster.vote.score.1"] for one in votes] == [4.0, 4.0]
    events = seen.events()
    assert [one.event_name for one in events] == ["gen_ai.evaluation.result"] * 2
    assert [one.attributes["gen_ai.evaluation.score.value"] for one in events] == [2.0, 4.0]
    assert {one.attributes["gen_ai.evaluation.name"] for one in events} == {"fake"}
    assert {one.span_id for one in events} == {app.context.span_id}  # what was judged


@pytest.mark.parametrize("texts", [False, True])
async def test_texts_only_if_asked_for(texts: bool) -> None:
    seen = Telemetry()
    await seen.score(judge(), ["SECRET"], texts=texts)
    everything = [*seen.spans(""), *seen.events()]
    found = str([dict(one.attributes) for one in everything])
    assert ("6 long" in found) is texts
    assert "SECRET" not in found
    assert "the query" not in found


async def test_no_verdict_is_an_error_type_and_no_number() -> None:
    seen = Telemetry()
    await seen.score(judge(), ["boom"])
    (event,) = seen.events()
    assert event.attributes["error.type"] == "parse_error"
    assert "gen_ai.evaluation.score.value" not in event.attributes
    assert seen.spans("vote")[0].attributes["error.type"] == "parse_error"


async def test_a_panel_is_traced_to_its_members_models() -> None:
    seen = Telemetry()
    shared: Backend = judge().backend
    panel = Panel([Judge(shared, name="a"), Judge(shared, name="b", seed=1)])
    assert (await seen.score(panel, ["ab", "abc"])).is_scored
    assert len(seen.spans("chat fake")) == 2
    assert isinstance(shared, FakeBackend)
