"""Every shape of docs/providers.md, sent by a real server on loopback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.provider_shapes import (
    ANSWERS,
    LIMITS,
    PAGE,
    REFUSED_PARAMETERS,
    Shape,
    page,
)

from deemster.backends import Request
from deemster.backends.api import APIBackend
from deemster.schemas import Completion, Sampling, as_query
from deemster.testing import Call, OpenAIServer, Raw

ServerFactory = Callable[..., OpenAIServer]
SCHEMA: dict[str, Any] = {
    "title": "Scores",
    "type": "object",
    "properties": {"scores": {"type": "array", "items": {"type": "integer"}}},
    "required": ["scores"],
    "additionalProperties": False,
}
QUERY = [
    {"role": "system", "content": "You judge."},
    {"role": "user", "content": "Which is better?"},
]


def ids(shapes: list[Shape]) -> list[Any]:
    return [pytest.param(shape, id=shape.name) for shape in shapes]


@pytest.mark.parametrize("shape", ids([*ANSWERS, *REFUSED_PARAMETERS, *LIMITS]))
async def test_shape(openai_server: ServerFactory, shape: Shape) -> None:
    def reply(call: Call) -> Raw:
        return shape.replies[min(call.hit, len(shape.replies) - 1)]

    server = openai_server(raw=reply)
    options: dict[str, Any] = {"timeout": 10.0} | shape.options
    judge = APIBackend("openai/judge", api_base=server.url, api_key="sk-test-0123456", **options)
    request = Request(
        messages=as_query(QUERY),
        sampling=Sampling(**shape.sampling),
        seeds=(11,),
        json_schema=SCHEMA if shape.schema else None,
    )
    (outcome,) = await judge.generate(request)
    if shape.error is None:
        assert isinstance(outcome, Completion), outcome
        assert outcome.text == shape.text
        assert outcome.reasoning == shape.reasoning
        assert outcome.finish == shape.finish
        assert bool(outcome.warnings) == bool(shape.warns)
        assert any(shape.warns in told for told in outcome.warnings) or not shape.warns
        assert Completion.model_validate_json(outcome.model_dump_json()) == outcome
    else:
        assert isinstance(outcome, shape.error), outcome
        assert shape.says in str(outcome)
    if shape.hits:
        assert server.ledger.hits == shape.hits
    usage = outcome.usage
    assert usage is not None
    assert (usage.tokens_in, usage.tokens_out) == (shape.tokens or (0, 0))
    assert usage.calls == server.ledger.hits
    if shape.tokens is None and shape.error is None:
        assert usage.cost is None
    body = server.ledger.calls[-1].body
    for name, value in shape.sent.items():
        assert body.get(name) == value, name
    await judge.aclose()


@pytest.mark.parametrize("shape", ids(REFUSED_PARAMETERS))
async def test_a_refusal_is_remembered_and_recorded(
    openai_server: ServerFactory, shape: Shape
) -> None:
    if shape.error is not None:
        pytest.skip("an error, with nothing to remember")

    server = openai_server(raw=lambda call: shape.replies[min(call.hit, shape.hits - 1)])
    judge = APIBackend("openai/judge", api_base=server.url, api_key="sk-test-0123456")
    request = Request(
        messages=as_query(QUERY),
        sampling=Sampling(**shape.sampling),
        seeds=(11,),
        json_schema=SCHEMA if shape.schema else None,
    )
    await judge.generate(request)
    (outcome,) = await judge.generate(request)
    assert server.ledger.hits == shape.hits + 1
    assert isinstance(outcome, Completion)
    body = server.ledger.calls[-1].body
    asked = Sampling(**shape.sampling).to_openai()
    sent = {name: body[name] for name in asked if name in body}
    if "max_completion_tokens" in body:
        sent["max_tokens"] = body["max_completion_tokens"]
    assert outcome.sent == (None if sent == asked else sent)
    await judge.aclose()


def test_the_page_has_every_shape() -> None:
    assert PAGE.read_text("utf-8").endswith(page())
