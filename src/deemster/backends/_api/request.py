"""From a `Request` to the body that is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import JsonValue
from pydantic_core import to_json

from deemster.backends.base import Request
from deemster.backends.structured import StructuredMode, request_options
from deemster.redaction import redact_all, without_secrets
from deemster.schemas import Sampling

_NOT_SAMPLING = frozenset(
    {"messages", "response_format", "tools", "tool_choice", "n", "seed", "parallel_tool_calls"}
)


class Turns(list[dict[str, Any]]):
    """The messages of a body, not to be changed: they are written as JSON once for all draws."""

    @cached_property
    def written(self) -> bytes:
        """Them as JSON."""
        return as_json(self)


def as_json(value: object) -> bytes:
    """What this package made, as JSON: several times as fast as `json.dumps`."""
    try:
        return to_json(value, inf_nan_mode="constants")
    except ValueError:  # half of an emoji, in the name of a tool say, which has to be escaped
        return json.dumps(value).encode()


@dataclass(frozen=True)
class Prepared:
    """A request made ready: the same body for all its draws, but for `n` and the seed."""

    messages: Turns
    settings: dict[str, Any]
    """Decoding parameters as they are to be sent."""
    extra: Mapping[str, Any]
    """The user's own parameters; None removes one."""
    asked: dict[str, JsonValue]
    """The decoding parameters as the judge asked for them."""
    schema: str = ""
    """JSON Schema of the completion, as JSON; empty for free text."""
    prefix: str = ""
    """How the completion was made to start."""
    _bodies: dict[StructuredMode, dict[str, Any]] = field(default_factory=dict)

    def body(self, mode: StructuredMode) -> dict[str, Any]:
        """The body that asks for the schema, if there is one, in this way."""
        body = self._bodies.get(mode)
        if body is None:
            body = {"messages": self.messages, **self.settings}
            if self.schema:
                body |= request_options(mode, self.schema, self.messages)
                body["messages"] = Turns(body["messages"])
            body |= self.extra
            body = {name: value for name, value in body.items() if value is not None}
            self._bodies[mode] = body
        return body

    def changed(self, body: Mapping[str, Any]) -> dict[str, JsonValue] | None:
        """The decoding parameters in `body`, if they are not those asked for; no secrets."""
        sent = {name: value for name, value in body.items() if name not in _NOT_SAMPLING}
        if "max_completion_tokens" in sent:  # another name for the same
            sent["max_tokens"] = sent.pop("max_completion_tokens")
        if sent == self.asked:
            return None
        kept: dict[str, JsonValue] = without_secrets(redact_all(sent) if self.extra else sent)
        return kept


def prepare(
    request: Request, *, prefill: bool, output_limit: str, room: int, extra: Mapping[str, Any]
) -> Prepared:
    """Make a request ready.

    Args:
        request: what the judge asks.
        prefill: whether a prefix can be forced.
        output_limit: the name that `max_tokens` has.
        room: tokens for reasoning, on top of those that the answer may have.
        extra: further parameters; None removes one.
    """
    messages = Turns(message.to_openai() for message in request.messages)
    prefix = request.prefix if prefill else ""
    if prefix:
        messages.append({"role": "assistant", "content": prefix, "prefix": True})
    asked = request.sampling.to_openai()
    settings = dict(asked)
    settings[output_limit] = settings.pop("max_tokens") + room
    schema = "" if request.json_schema is None else as_json(request.json_schema).decode()
    return Prepared(messages, settings, extra, asked, schema, prefix)


def needed(sampling: Sampling) -> frozenset[str]:
    """Parameters without which the answers are of no use to the judge."""
    return frozenset({"logprobs", "top_logprobs"}) if sampling.top_logprobs else frozenset()
