"""`/v1/chat/completions`: a judge behind any OpenAI client.

What is judged is, in this order: `query` and `responses` in the body (`extra_body` of the SDK); the
same as JSON in the last message of the user; the assistant's message that ends the conversation.
Anything else is the prompt of a tool that brings its own judging instructions (promptfoo, MLflow,
LangSmith, DeepEval): it goes to the judge's model as it stands, and the model's text comes back.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.responses import StreamingResponse

from deemster.backends.base import Request as ModelRequest
from deemster.backends.base import generate_all
from deemster.errors import BackendError, InputError, RateLimitError, UnusableModelError
from deemster.judges import Judge
from deemster.judges.base import BaseJudge
from deemster.judges.orders import derive_seed
from deemster.schemas import Completion, Message, Sampling, Usage, as_query, first_problem
from deemster.serve.asked import Asked, Votes
from deemster.serve.contracts.asking import TheDesk, judged
from deemster.serve.critique import as_object, in_words
from deemster.serve.desk import Desk
from deemster.serve.http_errors import ERRORS, HttpError, no_verdict_error

router = APIRouter(responses=ERRORS, tags=["OpenAI"])
_OURS = ("query", "responses", "reference", "principles", "k")


class ResponseFormat(BaseModel):
    """Whether the text is to be JSON."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, JsonValue] | None = None


class ChatRequest(BaseModel):
    """A chat completion. Fields of OpenAI's that are not here are not used."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    model: str | None = None
    """Name of a judge. A server with one judge takes any."""
    messages: tuple[dict[str, JsonValue], ...] = ()
    query: JsonValue = None
    """What was asked, with `responses`."""
    responses: JsonValue = None
    reference: JsonValue = None
    principles: JsonValue = None
    k: Votes = None
    stream: bool | None = None
    response_format: ResponseFormat | None = None
    """JSON gives the verdict as an object in place of words."""
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    """Of prompts that go to the judge's model; a judge has its own."""
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    seed: int | None = None


class ChatUsage(BaseModel):
    """Tokens of the judge's model, all votes together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatMessage(BaseModel):
    """What the judge says."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChatChoice(BaseModel):
    """The only choice."""

    index: int = 0
    message: ChatMessage
    finish_reason: Literal["stop", "length"] = "stop"


class ChatReply(BaseModel):
    """A chat completion; `deemster` has the verdict's figures."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[ChatChoice]
    usage: ChatUsage
    deemster: dict[str, JsonValue] | None = None


class ModelEntry(BaseModel):
    """A judge, as a model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "deemster"


class ModelList(BaseModel):
    """The judges, as models."""

    object: Literal["list"] = "list"
    data: tuple[ModelEntry, ...]


@router.get("/v1/models")
async def models(desk: TheDesk) -> ModelList:
    """The judges, as OpenAI's clients list models."""
    return ModelList(data=tuple(ModelEntry(id=name) for name in desk.judges))


@router.post("/v1/chat/completions", response_model=ChatReply)
async def chat_completions(asked: ChatRequest, request: Request, desk: TheDesk) -> Response:
    """A verdict as a chat completion: principles, critiques, rewards."""
    judge = _judge(desk, asked)
    sample = _sample(asked)
    if sample is None:
        reply = await _forward(desk, judge, asked)
    else:
        case = sample.case()
        verdict = await judged(request, desk, judge, case)
        if not verdict.is_scored:
            raise no_verdict_error(verdict)
        figures = as_object(verdict, case.n)
        plain = asked.response_format is None or asked.response_format.type == "text"
        text = in_words(verdict, case.n) if plain else json.dumps(figures, ensure_ascii=False)
        reply = _reply(judge.name, text, verdict.usage, figures)
    if asked.stream:
        return StreamingResponse(_chunks(reply), media_type="text/event-stream")
    return Response(reply.model_dump_json(exclude_none=True), media_type="application/json")


def _judge(desk: Desk, asked: ChatRequest) -> BaseJudge:
    if asked.model in desk.judges or len(desk.judges) == 1:
        return desk.judge(asked.model if asked.model in desk.judges else None, asked.k)
    known = ", ".join(map(repr, desk.judges))
    raise HttpError(
        f"model {asked.model!r:.120} is no judge of this server; known: {known}",
        status=404,
        kind="model_not_found",
    )


def _sample(asked: ChatRequest) -> Asked | None:
    """What is to be judged, if the request says it in one of our ways."""
    given: dict[str, Any] = {
        name: value for name in _OURS if (value := getattr(asked, name)) is not None
    }
    last = asked.messages[-1] if asked.messages else {}
    if "query" not in given and "responses" not in given:
        if last.get("role") == "user":
            given |= _object(_text(last.get("content"))) or {}
        elif last.get("role") == "assistant" and len(asked.messages) > 1:
            given |= {"query": asked.messages[:-1], "responses": [last]}
    if "query" not in given and "responses" not in given:
        if not asked.messages:
            raise InputError("give messages, or query and responses")
        return None
    try:
        return Asked.model_validate(given)
    except ValidationError as error:
        raise InputError(first_problem(error)) from error


def _text(content: JsonValue) -> str:
    """The text of a message, which may be in parts; empty if it has others than of text."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    texts = [part.get("text") if isinstance(part, dict) else None for part in content]
    return "".join(one for one in texts if isinstance(one, str)) if None not in texts else ""


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object that a message is, if it has our fields."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and {"query", "responses"} <= set(found) else None


async def _forward(desk: Desk, judge: BaseJudge, asked: ChatRequest) -> ChatReply:
    """Ask the judge's model a prompt that somebody else wrote.

    Raises:
        InputError: the judge is made of several.
        HttpError: the model gave no text.
    """
    if not isinstance(judge, Judge):
        raise InputError(
            f"judge {judge.name!r} has no single model that could answer a prompt; give query and "
            "responses, or end the conversation with the assistant's answer"
        )
    longest = asked.max_completion_tokens or asked.max_tokens or judge.sampling.max_tokens
    heat = judge.sampling.temperature if asked.temperature is None else asked.temperature
    schema = None if asked.response_format is None else asked.response_format.json_schema
    inner = (schema or {}).get("schema")
    messages: tuple[Message, ...] = as_query(asked.messages)
    asking = ModelRequest(
        messages=messages,
        sampling=Sampling(temperature=float(heat), max_tokens=longest),
        seeds=(derive_seed(judge.seed, 0) if asked.seed is None else asked.seed,),
        json_schema=inner if isinstance(inner, dict) else None,
    )
    with desk.admitted():
        async with desk.within():
            try:
                outcome = (await generate_all(judge.backend, asking))[0]
            except UnusableModelError as error:
                raise HttpError(str(error), status=503, kind="model_unusable") from error
    if isinstance(outcome, BackendError):
        raise _failed(outcome)
    return _reply(judge.name, outcome.text, outcome.usage, None, outcome)


def _failed(error: BackendError) -> HttpError:
    if isinstance(error, RateLimitError):
        return HttpError(str(error), status=429, retry_after=error.retry_after or 1)
    return HttpError(str(error), status=504 if error.status == "timeout" else 502)


def _reply(
    model: str,
    text: str,
    usage: Usage,
    figures: dict[str, JsonValue] | None,
    completion: Completion | None = None,
) -> ChatReply:
    return ChatReply(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=model,
        choices=(
            ChatChoice(
                message=ChatMessage(content=text),
                finish_reason="stop" if completion is None else completion.finish,
            ),
        ),
        usage=ChatUsage(
            prompt_tokens=usage.tokens_in,
            completion_tokens=usage.tokens_out,
            total_tokens=usage.tokens_in + usage.tokens_out,
        ),
        deemster=figures,
    )


def _chunks(reply: ChatReply) -> Iterator[str]:
    """The reply as server-sent events. It is whole already: a verdict has no first word."""
    choice = reply.choices[0]
    frame = reply.model_dump(include={"id", "created", "model"})
    frame["object"] = "chat.completion.chunk"
    parts: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
        {"choices": [{"index": 0, "delta": {"content": choice.message.content}}]},
        {
            "choices": [{"index": 0, "delta": {}, "finish_reason": choice.finish_reason}],
            "usage": reply.usage.model_dump(),
            "deemster": reply.deemster,
        },
    ]
    for part in parts:
        yield f"data: {json.dumps(frame | part, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"
