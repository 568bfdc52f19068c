"""The structured dialect: one JSON document with principles, critiques and scores.

For APIs it goes out as structured output, locally as a grammar; both use `json_schema`, whose
strings and lists are bounded so that a constrained decoder always gets to the closing brace.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from deemster.dialects.base import Dialect, Parsed
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.strict_json import read_object
from deemster.errors import ParseError
from deemster.schemas import (
    Completion,
    Critique,
    Principle,
    Scale,
    first_problem,
)
from deemster.schemas.principle import shares


def _whole(value: object) -> object:
    """8.0 is the whole number 8."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Score = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Principle(_Strict):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str
    weight: Annotated[float, Field(gt=0, le=100)]


class _Critique(_Strict):
    text: str
    scores: Annotated[list[_Score], Field(max_length=200)]


class _Document(_Strict):
    principles: Annotated[list[_Principle], Field(min_length=1, max_length=200)]
    critiques: Annotated[list[_Critique], Field(max_length=4096)]
    scores: Annotated[list[_Score], Field(max_length=4096)]


@dataclass(frozen=True)
class Json(Dialect):
    """One JSON document; 1 to many responses.

    Prose around the document and further keys in it do not matter; two different documents are
    ambiguous. Lengths of texts bind the schema only: a backend without constrained decoding may
    write more.

    Args:
        max_principles: how many principles the schema allows.
        max_name: characters of a principle's name.
        max_description: characters of a principle's description.
        max_critique: characters of a critique's text.
    """

    max_principles: int = 8
    max_name: int = 60
    max_description: int = 160
    max_critique: int = 800

    name = "json"
    scale = Scale(low=1, high=10)

    def json_schema(self, n: int) -> dict[str, Any]:
        """JSON Schema of a document about `n` responses."""
        return _schema(
            n, self.max_principles, self.max_name, self.max_description, self.max_critique
        )

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the document; see `Dialect.parse`.

        Weights are normalised. A critique whose scores are not one per principle keeps its text
        and loses those scores: which principle they belong to would be a guess.
        """
        text = strip_reasoning(completion.text)
        try:
            document = _Document.model_validate(read_object(text, "scores"))
        except ValidationError as error:
            raise ParseError(first_problem(error)) from None
        for what, given in (("critiques", document.critiques), ("scores", document.scores)):
            if len(given) != n:
                raise ParseError(f"expected {n} {what}, got {len(given)}")
        weights = shares([float(p.weight) for p in document.principles])
        principles = tuple(
            Principle(name=p.name, description=p.description, weight=weight)
            for p, weight in zip(document.principles, weights, strict=True)
        )
        critiques = tuple(
            Critique(
                response=position,
                text=critique.text,
                scores=tuple(float(score) for score in critique.scores)
                if len(critique.scores) == len(principles)
                else None,
            )
            for position, critique in enumerate(document.critiques)
        )
        return Parsed(tuple(float(score) for score in document.scores), principles, critiques)


@lru_cache(maxsize=64)
def _schema(
    n: int, max_principles: int, max_name: int, max_description: int, max_critique: int
) -> dict[str, Any]:
    """The schema; not to be changed."""
    score = {"type": "integer", "minimum": 1, "maximum": 10}
    principle = _object(
        name={"type": "string", "minLength": 1, "maxLength": max_name},
        description={"type": "string", "maxLength": max_description},
        weight={"type": "integer", "minimum": 1, "maximum": 100},
    )
    critique = _object(
        text={"type": "string", "maxLength": max_critique},
        scores=_array(score, 1, max_principles),
    )
    return _object(
        principles=_array(principle, 1, max_principles),
        critiques=_array(critique, n, n),
        scores=_array(score, n, n),
    )


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(items: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}
