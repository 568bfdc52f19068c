"""Structured output through instructor: how a schema is asked for, where the answer stands.

instructor knows each mode's request (`response_format`, a forced tool call, JSON mode, a schema
in the prompt) and where the reply carries its payload. Its client is not used: it validates,
asks again and returns one object, while deemster wants the raw text of all n choices, keeps the
only retry loop, and parses in its dialects.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, Self, cast, get_args

from deemster.errors import InputError

if TYPE_CHECKING:
    from instructor import Mode, ResponseSchema

StructuredMode = Literal["auto", "json_schema", "tools", "json", "md_json"]

_SCHEMA_SERVERS = frozenset(
    {"openai", "hosted_vllm", "lm_studio", "llamafile", "ollama", "ollama_chat", "custom_openai"}
)
"""Providers whose models LiteLLM does not list one by one but whose servers take a schema."""


def check_mode(mode: str) -> None:
    """Refuse an unknown mode.

    Raises:
        InputError: it is none of `StructuredMode`.
    """
    if mode not in get_args(StructuredMode):
        known = ", ".join(get_args(StructuredMode))
        raise InputError(f"unknown structured output mode {mode!r}; known: {known}")


def choose_mode(model: str, provider: str, supported: frozenset[str]) -> StructuredMode:
    """The strongest mode that the provider has.

    Args:
        model: name without the provider.
        provider: LiteLLM's name of it.
        supported: the OpenAI parameters that LiteLLM passes on to it.
    """
    import litellm  # noqa: PLC0415

    if "response_format" in supported and (
        provider in _SCHEMA_SERVERS or litellm.supports_response_schema(model, provider)
    ):
        return "json_schema"
    if "tools" in supported and "tool_choice" in supported:
        return "tools"
    return "json" if "response_format" in supported else "md_json"


def request_options(
    mode: StructuredMode, schema: dict[str, Any], messages: list[dict[str, Any]]
) -> dict[str, Any]:
    """Messages and options that ask for an answer matching `schema`."""
    text = json.dumps(schema)
    if mode in {"json_schema", "tools"}:
        # These leave the messages alone, so one preparation serves all requests of a schema.
        return {"messages": messages, **copy.deepcopy(_schema_options(mode, text))}
    return _prepared(mode, text, messages)


def _prepared(mode: StructuredMode, schema: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    from instructor.processing.response import handle_response_model  # noqa: PLC0415

    _, options = handle_response_model(
        response_model=_verbatim(schema), mode=_instructor_mode(mode), messages=messages
    )
    return dict(options)


@functools.lru_cache(maxsize=64)
def _schema_options(mode: StructuredMode, schema: str) -> dict[str, Any]:
    options = _prepared(mode, schema, [])
    del options["messages"]
    return options


def payload(mode: StructuredMode, message: Any) -> str:  # noqa: ANN401 - a LiteLLM message
    """The raw text that carries the answer: a tool call's arguments, or else the content."""
    content = getattr(message, "content", None) or ""
    if mode != "tools":
        # Where the text holds more than the JSON (md_json), instructor would take the last
        # object in it, which may be one that the judge quotes from a response. The dialect's
        # parser sees all of it and refuses two different verdicts.
        return str(content)
    from instructor.core.exceptions import ResponseParsingError  # noqa: PLC0415

    # A reply cut at max_tokens makes instructor raise; its text is still wanted.
    choice = SimpleNamespace(message=message, finish_reason="stop")
    try:
        found = _verbatim("{}").from_response(
            SimpleNamespace(choices=[choice]),
            mode=_instructor_mode(mode),
        )
    except ResponseParsingError:
        # Some servers ignore a forced tool choice and answer in the content.
        return str(content)
    return str(found.payload)


def _instructor_mode(mode: StructuredMode) -> Mode:
    from instructor import Mode  # noqa: PLC0415

    return {
        "json_schema": Mode.JSON_SCHEMA,
        "tools": Mode.TOOLS,
        "json": Mode.JSON,
        "md_json": Mode.MD_JSON,
    }[mode]


@functools.lru_cache(maxsize=64)
def _verbatim(schema: str) -> type[ResponseSchema]:
    """A response model that shows instructor `schema` and keeps the payload as it came."""
    from instructor import ResponseSchema  # noqa: PLC0415

    shown = json.loads(schema)
    # The name goes into the request, where providers take only these characters.
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", str(shown.get("title") or "verdict"))[:64]
    shown["title"] = name

    class Verbatim(ResponseSchema):  # type: ignore[misc]  # instructor is not followed
        payload: str = ""

        @classmethod
        def model_json_schema(cls, *_: object, **__: object) -> dict[str, Any]:
            return copy.deepcopy(shown)

        @classmethod
        def model_validate_json(cls, json_data: str, **_: object) -> Self:
            return cast("Self", cls.model_construct(payload=json_data))

    Verbatim.__name__ = Verbatim.__qualname__ = name
    # instructor falls back on the docstring for the tool's description.
    Verbatim.__doc__ = str(shown.get("description") or "The verdict, with all required fields.")
    return Verbatim
