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

from deemster.errors import InputError
from deemster.judges.verifier.base import Finding, TextCheck
from deemster.judges.verifier.sandbox.box import SandboxError
from deemster.judges.verifier.sandbox.limits import Limits
from deemster.judges.verifier.sandbox.worker import Worker

_FENCE = re.compile(r"```[ \t]*(?:json)?[ \t]*\r?\n", re.IGNORECASE)
_LONGEST_INTEGER = 4300
"""Digits that Python turns into a number; the time this takes grows with their square."""


class UnreadError(ValueError):
    """JSON, as far as it was read, but more than is read."""


def read_json(text: str) -> Any:  # noqa: ANN401 - JSON
    """The one JSON value that a response consists of, a Markdown fence around it allowed.

    Raises:
        UnreadError: it is nested too deeply, or has an integer of more than 4,300 digits.
        ValueError: it is not JSON, has trailing text, repeats a key, or holds NaN or Infinity.
    """
    body = text.strip()
    opened = _FENCE.match(body)
    if opened and body.endswith("```"):
        body = body[opened.end() : -3]
    try:
        return json.loads(
            body, object_pairs_hook=_object, parse_int=_integer, parse_constant=_refuse
        )
    except RecursionError as error:
        raise UnreadError("nested too deeply") from error


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise UnreadError(f"an integer of {len(digits)} characters")
    return int(digits)


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
            return _unread(error)
        return Finding(1.0, "valid JSON")


def _unread(error: ValueError) -> Finding:
    if isinstance(error, UnreadError):
        return Finding(None, f"not decided: {error}")
    return Finding(0.0, f"not JSON: {error}")


@dataclass(frozen=True)
class MatchesSchema(TextCheck):
    """The response is JSON that a JSON Schema allows.

    The draft is the schema's `$schema`, 2020-12 by default. References outside the schema are
    refused at construction. A schema can ask for work without end (patterns, `uniqueItems`), so
    a sandboxed process compares, and a response that takes it too long is left unscored (status
    `timeout`).

    Attributes:
        schema: the schema, or its JSON text.
        label: what records call the check.
        seconds: time for one response, > 0.
    """

    schema: Mapping[str, Any] | str
    label: str = "matches the JSON schema"
    seconds: float = 5.0
    _parsed: dict[str, Any] = field(init=False, repr=False, compare=False)
    _worker: Worker = field(init=False, repr=False, compare=False)

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
        kind = jsonschema.validators.validator_for(parsed, default=jsonschema.Draft202012Validator)
        try:
            kind.check_schema(parsed)
        except jsonschema.SchemaError as error:
            raise InputError(f"not a JSON schema: {error.message:.200}") from error
        object.__setattr__(self, "_parsed", parsed)
        # Not strict, as for `MathMatch`: it runs no code of the response's.
        limits = Limits(seconds=self.seconds, strict=False)
        object.__setattr__(self, "_worker", Worker("schema", limits))

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return self.label

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        try:
            value = read_json(response)
        except ValueError as error:
            return _unread(error)
        try:
            reply = self._worker.ask({"schema": self._parsed, "value": value})
        except SandboxError as error:
            return Finding(None, str(error), status=error.status)
        score = None if reply["valid"] is None else float(reply["valid"])
        return Finding(score, str(reply["why"]))

    def close(self) -> None:
        """End the process that compares; another comparison starts one."""
        self._worker.close()


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
