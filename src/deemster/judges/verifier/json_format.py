"""Responses that must be JSON, with or without a schema."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import jsonschema
import jsonschema.validators
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import SchemaRegistry

from deemster.errors import InputError
from deemster.judges.verifier.base import Finding, TextCheck
from deemster.judges.verifier.patterns import SECONDS, compile_pattern

_FENCE = re.compile(r"```[ \t]*(?:json)?[ \t]*\r?\n", re.IGNORECASE)
_OFFLINE: SchemaRegistry = Registry()
"""Has no other schemas: a `$ref` to an address is an error, never a download."""


def read_json(text: str) -> Any:  # noqa: ANN401 - JSON
    """The one JSON value that a response consists of, a Markdown fence around it allowed.

    Raises:
        ValueError: it is not JSON, has trailing text, repeats a key, or holds NaN or Infinity.
    """
    body = text.strip()
    opened = _FENCE.match(body)
    if opened and body.endswith("```"):
        body = body[opened.end() : -3]
    try:
        return json.loads(body, object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        # Readers differ on which one counts, so neither does.
        (repeated, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"key {repeated!r:.80} is given twice")
    return made


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


@dataclass(frozen=True)
class IsJson(TextCheck):
    """The response is one JSON value and nothing else (a Markdown fence is allowed)."""

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "is JSON"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        try:
            read_json(response)
        except ValueError as error:
            return Finding(0.0, f"not JSON: {error}")
        return Finding(1.0, "valid JSON")


@dataclass(frozen=True)
class MatchesSchema(TextCheck):
    """The response is JSON that a JSON Schema allows.

    The draft is the schema's `$schema`, 2020-12 by default. References outside the schema are
    refused at construction, and patterns in it are searched with a time limit.

    Attributes:
        schema: the schema, or its JSON text.
        label: what records call the check.
        seconds: time for one search of a pattern.
    """

    schema: Mapping[str, Any] | str
    label: str = "matches the JSON schema"
    seconds: float = SECONDS
    _parsed: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        given = self.schema
        try:
            parsed = json.loads(given) if isinstance(given, str) else json.loads(json.dumps(given))
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"schema is not JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise InputError(f"schema must be a JSON object, got {parsed!r:.80}")
        for reference in _references(parsed):
            if not reference.startswith("#"):
                raise InputError(
                    f"schema refers to {reference!r:.120}; put that schema under '$defs' and "
                    "refer to it as '#/$defs/NAME'"
                )
        object.__setattr__(self, "_parsed", parsed)
        try:
            self._kind().check_schema(parsed)
        except jsonschema.SchemaError as error:
            raise InputError(f"not a JSON schema: {error.message:.200}") from error

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return self.label

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        try:
            value = read_json(response)
        except ValueError as error:
            return Finding(0.0, f"not JSON: {error}")
        checker = jsonschema.validators.extend(
            self._kind(),
            {"pattern": self._pattern, "patternProperties": self._pattern_properties},
        )
        try:
            errors = checker(self._parsed, registry=_OFFLINE).iter_errors(value)
            first = next(iter(sorted(errors, key=lambda error: list(map(str, error.path)))), None)
        except TimeoutError:
            evidence = f"a pattern of the schema was not decided within {self.seconds:g} s"
            return Finding(None, evidence, status="timeout")
        except (Unresolvable, jsonschema.exceptions._WrappedReferencingError) as error:  # noqa: SLF001 - what it raises
            return Finding(None, f"a reference of the schema cannot be resolved: {error}")
        except RecursionError:
            return Finding(None, "not decided: the value or the schema is nested too deeply")
        if first is None:
            return Finding(1.0, "the schema allows it")
        return Finding(0.0, f"{first.json_path}: {first.message}")

    def _kind(self) -> Any:  # noqa: ANN401 - a class that jsonschema makes
        return jsonschema.validators.validator_for(
            self._parsed, default=jsonschema.Draft202012Validator
        )

    def _search(self, pattern: str, text: str) -> bool:
        compiled = compile_pattern(pattern)
        return compiled.search(text, timeout=self.seconds, concurrent=True) is not None

    def _pattern(self, _: Any, pattern: str, value: object, __: object) -> Iterator[Any]:  # noqa: ANN401
        if isinstance(value, str) and not self._search(pattern, value):
            yield jsonschema.ValidationError(f"{value!r:.100} does not match {pattern!r:.100}")

    def _pattern_properties(
        self,
        validator: Any,  # noqa: ANN401 - jsonschema's
        patterns: Mapping[str, Any],
        value: object,
        _: object,
    ) -> Iterator[Any]:
        for pattern, subschema in patterns.items() if isinstance(value, dict) else ():
            for key, item in value.items():  # type: ignore[attr-defined]  # a dict, see above
                if self._search(pattern, key):
                    yield from validator.descend(item, subschema, path=key, schema_path=pattern)


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
