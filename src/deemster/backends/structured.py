"""Structured output through instructor: how a schema is asked for, how it is asked for again.

instructor knows each mode's request (`response_format`, a forced tool call, JSON mode, a schema
in the prompt), and how a model is shown that its answer does not match. Its client is not used:
it returns one object, while deemster wants the raw text of all n choices, keeps the only retry
loop, and parses in its dialects.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import importlib
import json
import re
import sys
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
        InputError: it is not one of `StructuredMode`.
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


async def load_instructor() -> None:
    """Import instructor in a thread: it takes seconds, in which calls under way would stand still.

    What it is needed for: every mode but `json_schema`, and asking again.
    """
    if "instructor.processing.response" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "instructor.processing.response")


def request_options(
    mode: StructuredMode, schema: str, messages: list[dict[str, Any]]
) -> dict[str, Any]:
    """Messages and options that ask for an answer matching `schema`; not to be changed.

    Args:
        mode: how it is asked for; all but `json_schema` import instructor.
        schema: JSON Schema, as JSON.
        messages: of the request.
    """
    if mode in {"json_schema", "tools"}:
        # These leave the messages alone, so one preparation serves all requests of a schema.
        return {"messages": messages, **_schema_options(mode, schema)}
    return _prepared(mode, schema, messages)


def _prepared(mode: StructuredMode, schema: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    from instructor.processing.response import handle_response_model  # noqa: PLC0415

    _, options = handle_response_model(
        response_model=_verbatim(schema), mode=_instructor_mode(mode), messages=messages
    )
    return dict(options)


@functools.lru_cache(maxsize=64)
def _schema_options(mode: StructuredMode, schema: str) -> dict[str, Any]:
    if mode == "json_schema":
        name, shown = _named(schema)
        # As instructor has it, without the seconds that its import takes.
        return {"response_format": {"type": mode, "json_schema": {"name": name, "schema": shown}}}
    options = _prepared(mode, schema, [])
    del options["messages"]
    return options


def correction(
    mode: StructuredMode, messages: list[dict[str, Any]], text: str, problem: str
) -> list[dict[str, Any]]:
    """The messages that show a model its answer and what is wrong with it."""
    from instructor.processing.response import handle_reask_kwargs  # noqa: PLC0415
    from openai.types.chat import ChatCompletionMessage  # noqa: PLC0415 - instructor needs it

    call = {
        "id": "call_0",
        "type": "function",
        "function": {"name": "verdict", "arguments": text},
    }
    answer = ChatCompletionMessage.model_validate(
        {"role": "assistant", "content": None, "tool_calls": [call]}
        if mode == "tools"
        else {"role": "assistant", "content": text}
    )
    options = handle_reask_kwargs(
        {"messages": list(messages)},
        _instructor_mode(mode),
        SimpleNamespace(choices=[SimpleNamespace(message=answer)]),
        ValueError(problem),
    )
    return list(options["messages"])


def _instructor_mode(mode: StructuredMode) -> Mode:
    from instructor import Mode  # noqa: PLC0415

    return {
        "json_schema": Mode.JSON_SCHEMA,
        "tools": Mode.TOOLS,
        "json": Mode.JSON,
        "md_json": Mode.MD_JSON,
    }[mode]


def _named(schema: str) -> tuple[str, dict[str, Any]]:
    """The schema's name as it goes into a request, and the schema that has it as its title."""
    shown = json.loads(schema)
    # Providers take only these characters.
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", str(shown.get("title") or "verdict"))[:64]
    return name, shown | {"title": name}


@functools.lru_cache(maxsize=64)
def _verbatim(schema: str) -> type[ResponseSchema]:
    """A response model that shows instructor `schema` and keeps the payload as it came."""
    from instructor import ResponseSchema  # noqa: PLC0415

    name, shown = _named(schema)

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
