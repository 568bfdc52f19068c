"""Whether a model's text holds JSON that matches the schema it was asked for."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


def find_problem(schema: dict[str, Any] | str, text: str) -> str | None:
    """What keeps a text from being an answer that matches `schema`; None if it is one.

    An object that matches may stand anywhere in it: what else is in the text is for the dialect
    to judge. The lengths of strings are not held against it.

    Args:
        schema: as an object or as JSON.
        text: of the completion.
    """
    written = schema if isinstance(schema, str) else json.dumps(schema)
    quick = _quick_validator(written)
    if quick is not None and quick(text):
        return None
    validator = _validator(written)
    problem = "there is no JSON object in it"
    for found in itertools.islice(_objects(text), _MOST_OBJECTS):
        error = next(iter(validator.iter_errors(found)), None)
        if error is None:
            return None
        where = "".join(f"[{part!r}]" for part in error.absolute_path)
        problem = f"{where or 'the object'}: {error.message[:200]}"
    return problem


_MOST_OBJECTS = 8


def _objects(text: str) -> Iterator[Any]:
    """The outermost JSON objects in a text."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        yield found
        at = text.find("{", end)


@functools.lru_cache(maxsize=64)
def _validator(schema: str) -> Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    return Draft202012Validator(_without_lengths(json.loads(schema)))


def _without_lengths(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(schema, dict):
        return {
            name: _without_lengths(value)
            for name, value in schema.items()
            if not (name in {"maxLength", "minLength"} and isinstance(value, int))
        }
    return [_without_lengths(item) for item in schema] if isinstance(schema, list) else schema


@functools.lru_cache(maxsize=64)
def _quick_validator(schema: str) -> Callable[[str], bool] | None:
    """A check of whole texts that takes microseconds, where jsonschema takes some hundred.

    None where the schema uses what this does not know.
    """
    try:
        validator = SchemaValidator(_core_schema(json.loads(schema)))
    except KeyError:
        return None

    def matches(text: str) -> bool:
        try:
            validator.validate_json(text)
        except ValidationError:
            return False
        return True

    return matches


_KNOWN = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "string": {"minLength", "maxLength"},
    "boolean": set[str](),
}
_SAYS_NOTHING = {"type", "title", "description"}


def _core_schema(schema: dict[str, Any]) -> CoreSchema:
    """Pydantic's form of a schema made of the plain types.

    Raises:
        KeyError: it has another type or keyword.
    """
    kind = schema["type"]
    if unknown := schema.keys() - _KNOWN[kind] - _SAYS_NOTHING:
        raise KeyError(unknown)
    low, high = schema.get("minimum"), schema.get("maximum")
    if kind == "object":
        required = schema.get("required", ())
        fields = {
            name: core_schema.typed_dict_field(_core_schema(value), required=name in required)
            for name, value in schema["properties"].items()
        }
        closed = schema.get("additionalProperties", True) is False
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid" if closed else "allow")
    if kind == "array":
        return core_schema.list_schema(
            _core_schema(schema["items"]),
            min_length=schema.get("minItems"),
            max_length=schema.get("maxItems"),
        )
    if kind == "integer":
        return core_schema.int_schema(strict=True, ge=low, le=high)
    if kind == "number":
        return core_schema.float_schema(strict=True, ge=low, le=high, allow_inf_nan=False)
    return core_schema.str_schema() if kind == "string" else core_schema.bool_schema(strict=True)
