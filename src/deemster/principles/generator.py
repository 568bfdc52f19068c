"""Principles generated ahead: one call, then the same criteria for every vote.

Paper section 2: principles may be taken out of the judge's completion, and those that one model
generates help another (Table 14).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from deemster.backends import Backend, Request, generate_all, only_dialect
from deemster.errors import BackendError, InputError, ParseError
from deemster.prompts import View, builtin_template
from deemster.prompts.untrusted import one_line
from deemster.schemas import (
    Completion,
    Principle,
    QueryLike,
    ResponseLike,
    Rubric,
    Sampling,
    Scale,
    Usage,
    as_query,
    as_responses,
    first_problem,
    normalise_weights,
)

_LEAST, _MOST = 3, 6
_LIMIT = 20
_THINK_CLOSE = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)
_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL | re.IGNORECASE)


class Criterion(BaseModel):
    """One criterion and its weight in percent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    description: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    weight: Annotated[int, Field(ge=1, le=100)]


class Criteria(BaseModel):
    """The criteria, most important first."""

    model_config = ConfigDict(extra="forbid", strict=True)

    principles: list[Criterion]


async def generate_principles(
    backend: Backend,
    query: QueryLike,
    responses: Sequence[ResponseLike] | None = None,
    *,
    n: int | None = None,
    seed: int = 0,
    sampling: Sampling | None = None,
) -> tuple[Principle, ...]:
    """Ask a model, once, for the criteria by which answers to `query` should be judged.

    Args:
        backend: the model; one that can constrain its output gets the JSON Schema.
        query: the request whose answers will be judged.
        responses: sample answers that show what sets good apart from poor; they are not judged.
        n: how many principles, 1 to 20; None leaves 3 to 6 to the model.
        seed: of the draw.
        sampling: greedy unless given.

    Returns:
        Principles with distinct names and weights that sum to 1.

    Raises:
        InputError: the query or a response is invalid, or `n` is out of range.
        BackendError: the call gave no completion.
        ParseError: the completion is not exactly what was asked for.
    """
    principles, _ = await generate_with_usage(
        backend, query, responses, n=n, seed=seed, sampling=sampling
    )
    return principles


async def generate_with_usage(
    backend: Backend,
    query: QueryLike,
    responses: Sequence[ResponseLike] | None = None,
    *,
    n: int | None = None,
    seed: int = 0,
    sampling: Sampling | None = None,
) -> tuple[tuple[Principle, ...], Usage]:
    """`generate_principles`, and what the call cost; a `ParseError` carries it as `usage`."""
    request = principles_request(backend, query, responses, n=n, seed=seed, sampling=sampling)
    [outcome] = await generate_all(backend, request)
    if isinstance(outcome, BackendError):
        raise outcome
    try:
        least, most = _how_many(n)
        principles = parse_principles(outcome, least=least, most=most)
    except ParseError as error:
        error.usage = outcome.usage  # it was paid for anyway
        raise
    return principles, outcome.usage


def principles_request(
    backend: Backend,
    query: QueryLike,
    responses: Sequence[ResponseLike] | None = None,
    *,
    n: int | None = None,
    seed: int = 0,
    sampling: Sampling | None = None,
) -> Request:
    """The one request that `generate_principles` sends."""
    if n is not None and not 1 <= n <= _LIMIT:
        raise InputError(
            f"n must be 1 to {_LIMIT} principles, got {n!r}; or None for the model's choice"
        )
    if only_dialect(backend) is not None:
        raise InputError(
            f"model {backend.name!r} cannot write principles by themselves: it reads only the "
            f"prompt of dialect {only_dialect(backend)!r}; give another model"
        )
    least, most = _how_many(n)
    view = View(
        query=as_query(query),
        responses=() if responses is None else as_responses(responses),
        scale=Scale(low=1, high=10),
        seed=seed,
    )
    template = builtin_template("principles", ("conversation",))
    return Request(
        messages=view.render(template, least=least, most=most),
        sampling=sampling or Sampling(temperature=0.0),
        seeds=(seed,),
        json_schema=_schema(least, most),
    )


def _how_many(n: int | None) -> tuple[int, int]:
    return (_LEAST, _MOST) if n is None else (n, n)


def parse_principles(
    completion: Completion, *, least: int = 1, most: int = _LIMIT
) -> tuple[Principle, ...]:
    """Read generated principles. Reasoning before them and one code fence around them are allowed.

    Raises:
        ParseError: the rest is not the JSON object asked for, with `least` to `most` principles
            of distinct names.
    """
    text = completion.text
    try:
        drafts = Criteria.model_validate(completion_object(completion)).principles
        # The model has read untrusted text, and judges read its criteria outside the fences.
        principles = tuple(
            Principle(
                name=one_line(draft.name),
                description=one_line(draft.description),
                weight=draft.weight,
            )
            for draft in drafts
        )
        weighted = normalise_weights(Rubric(name="generated", principles=principles).principles)
    except ValidationError as error:
        raise ParseError(f"{first_problem(error)}{_cut(completion)}") from error
    except (ValueError, RecursionError) as error:
        raise ParseError(
            f"no JSON object of principles in text ending {text[-60:]!r}: {error}{_cut(completion)}"
        ) from error
    if not least <= len(weighted) <= most:
        asked = least if least == most else f"{least} to {most}"
        raise ParseError(f"asked for {asked} principles, got {len(weighted)}")
    return weighted


def _cut(completion: Completion) -> str:
    return "; the completion was cut at max_tokens" if completion.finish == "length" else ""


def completion_object(completion: Completion) -> dict[str, Any]:
    """The JSON object of a completion, after reasoning and inside a code fence.

    Raises:
        ValueError: the rest is no JSON object, or has a key twice.
    """
    text = completion.text
    for close in _THINK_CLOSE.finditer(completion.text):
        text = completion.text[close.end() :]
    text = text.strip()
    fenced = _FENCED.fullmatch(text)
    return _object(fenced[1] if fenced else text)


def _object(text: str) -> dict[str, Any]:
    # Python's JSON, to check that no key occurs twice; pydantic's takes the last.
    value = json.loads(text, object_pairs_hook=_no_twins)
    if not isinstance(value, dict):
        raise ValueError(f"it is a {type(value).__name__}")  # noqa: TRY004 - the text's fault
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError(f"a key occurs twice among {[key for key, _ in pairs]}")
    return fields


def _schema(least: int, most: int) -> dict[str, Any]:
    schema = Criteria.model_json_schema()
    schema["properties"]["principles"] |= {"minItems": least, "maxItems": most}
    return schema
