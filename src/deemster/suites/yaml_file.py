"""A YAML file that describes something, read into a pydantic model: errors name line and key.

`${NAME}` in a scalar is replaced by an environment variable, except in texts of the data
(`verbatim` of the model); `$${NAME}` stands for the characters themselves. Variables are read
nowhere else. What came from one is not shown in errors, and under `options` it is a
secret, which is not kept either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError

from deemster.data.turns import quotes
from deemster.errors import InputError
from deemster.files import read_bytes
from deemster.redaction import is_secret_variable, note_filled, without_secrets, written_form
from deemster.yaml_text import SUITE, Lines, line_of, read_yaml

_SHOWN = frozenset({"name", "description"})
_HIDDEN = "options"
"""The key under which secrets may stand."""
_NAMED = frozenset({"model", "base", "path", "dataset"})
"""What runs and errors must be able to name, wherever it came from."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_REFERENCE = re.compile(r"(\$?)" + _VARIABLE.pattern)

MAX_FILLED = 2**20
"""Characters of all the values that `${NAME}` puts into one file: a short file with a long variable
in thousands of places would fill the memory."""

_EXPECTED = {
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "too_short": "expected {min_length} or more",
}
"""What pydantic says in words of Python, in those of YAML."""

M = TypeVar("M", bound=BaseModel)


class _Values:
    """The environment's variables, and how many characters of them came into a file."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._left = MAX_FILLED

    def __contains__(self, name: str) -> bool:
        return name in self._environment

    def take(self, name: str, here: str) -> str:
        """The value.

        Raises:
            InputError: it is more than may still come into the file.
        """
        value = self._environment[name]
        self._left -= len(value)
        if self._left < 0:
            raise InputError(
                f"{here}: with ${{{name}}} ({len(value):,} characters) variables put more than "
                f"{MAX_FILLED:,} characters into the file; use it in fewer places"
            )
        return value


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML file that knows the line of every value."""

    path: Path
    written: dict[str, Any]
    """As written, names of variables in place of their values."""
    lines: Lines

    def read_as(
        self,
        model: type[M],
        *,
        environment: Mapping[str, str] | None = None,
        context: object = None,
    ) -> M:
        """The file as a `model`, variables filled in.

        Args:
            model: what the file describes.
            environment: where `${NAME}` is looked up; None is the process's environment.
            context: for the model's validators.

        Raises:
            InputError: it says something that is not allowed. The text names file, line, key,
                value and what is allowed.
        """
        values = _Values(os.environ if environment is None else environment)
        verbatim: frozenset[str] = getattr(model, "verbatim", frozenset())
        filled = self._fill(self.written, (), values, verbatim)
        try:
            return model.model_validate(filled, context=context)
        except ValidationError as error:
            # Not "from error": that one shows what it was given.
            raise InputError(self._message(error, model)) from None

    def line_of(self, *keys: str | int) -> int:
        """The line of a value, or of the nearest thing around it, from 1."""
        path = tuple(key if isinstance(key, int) else str(key) for key in self._placed(keys))
        return line_of(self.lines, path) or 1

    @property
    def storable(self) -> dict[str, Any]:
        """As written, without secrets that stand in the file in clear text."""
        kept: dict[str, Any] = without_secrets(self.written)
        return kept

    def _fill(
        self,
        value: Any,  # noqa: ANN401 - any YAML value, as is what comes back
        path: tuple[str | int, ...],
        values: _Values,
        verbatim: frozenset[str],
    ) -> Any:  # noqa: ANN401
        """Replace `${NAME}` in strings, except in the lists and mappings under `verbatim` keys."""

        def inner(key: Any, item: Any) -> Any:  # noqa: ANN401
            if key in verbatim and isinstance(item, list | dict):
                return item
            return self._fill(item, (*path, key), values, verbatim)

        if isinstance(value, dict):
            return {key: inner(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [inner(i, item) for i, item in enumerate(value)]
        if not isinstance(value, str):
            return value

        names = [str(part) for part in path if not isinstance(part, int)]
        place = _HIDDEN if _HIDDEN in names else next(reversed(names), "")
        used: dict[str, str] = {}

        def found(match: re.Match[str]) -> str:
            escaped, name = match.groups()
            if escaped:
                return match[0][1:]
            here = f"{self.path}:{self.line_of(*path)}"
            if place in _SHOWN or (place != _HIDDEN and is_secret_variable(name)):
                raise InputError(
                    f"{here}: {place} is shown and kept, so ${{{name}}} is not put into it; "
                    f"secrets stand under options, and for the characters themselves write "
                    f"$${{{name}}}"
                )
            if name not in values:
                raise InputError(
                    f"{here}: the environment variable {name!r} is not set; "
                    f"for the characters themselves write $${{{name}}}"
                )
            used[name] = values.take(name, here)
            return used[name]

        filled = _REFERENCE.sub(found, value)
        if used:
            note_filled(filled, value, used, hide=place not in _NAMED)
        return filled

    def _placed(self, loc: Sequence[str | int]) -> tuple[str | int, ...]:
        """The path in the file of what pydantic calls `loc`."""
        value: object = self.written
        path: tuple[str | int, ...] = ()
        for part in loc:
            listed = isinstance(value, Sequence) and not isinstance(value, str)
            if part == 0 and not listed and not (isinstance(value, Mapping) and part in value):
                continue  # one value may stand where a list is expected
            if isinstance(value, Mapping):
                value = value.get(part)
            elif isinstance(value, Sequence) and isinstance(part, int) and part < len(value):
                value = value[part]
            elif isinstance(part, str):
                break  # the name of a union member, not a key
            else:
                value = None
            path = (*path, part)
            if value is None:
                break
        return path

    def _message(self, error: ValidationError, model: type[BaseModel]) -> str:
        """The first problem, with its line."""
        found = error.errors(include_url=False)
        first = found[0]
        if first["type"] == "missing":  # a key that is misspelt is missing and unknown
            here = first["loc"][:-1]
            unknown = (e for e in found if e["type"] == "extra_forbidden" and e["loc"][:-1] == here)
            first = next(unknown, first)
        path = self._placed(first["loc"])
        where = ".".join(f"{part!s:.100}" for part in path)
        place = f"{self.path}:{self.line_of(*path)}"
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(_allowed(model, first["loc"], self.written))
            return f"{place}: unknown key {where!r}; allowed: {allowed}"
        if first["type"] == "missing":
            return f"{place}: {where} is missing"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] in _EXPECTED:
            message = _EXPECTED[first["type"]].format_map(first.get("ctx", {}))
        value = first["input"]
        if isinstance(value, str) and (as_written := written_form(value)) is not None:
            message = message.replace(value, as_written) if value else message
            value = as_written
        shown = "" if isinstance(value, dict | list | tuple) else f", got {value!r:.80}"
        shown = "" if message.endswith(shown) else shown
        if first["type"] == "string_type" or isinstance(value, date):
            shown += quotes(value)
        if not where:
            return f"{self.path}: {message}"
        return f"{place}: {where}{_after_field(str(path[-1]), message)}{shown}"


def read_yaml_file(path: Path, *, what: str, keys: str) -> YamlFile:
    """Read a YAML file whose root is a mapping.

    Args:
        path: the file.
        what: what errors call it, e.g. `suite`.
        keys: what the mapping must hold, in words for the error.

    Raises:
        InputError: it cannot be read, is too large, or is not such a YAML file.
    """
    written, lines = read_yaml(read_bytes(path, what=what, limit=SUITE.size), str(path), SUITE)
    if not isinstance(written, dict):
        raise InputError(f"{path}: expected a mapping with {keys}")
    return YamlFile(path, written, lines)


def _after_field(field: str, message: str) -> str:
    """What follows a field's name in an error: its validators may have named it once or more."""
    while message.startswith(f"{field}: "):
        message = message.removeprefix(f"{field}: ")
    inside = message.removeprefix(f"{field}.")
    return f": {message}" if inside == message else f".{inside}"


class _Chooses(Protocol):
    """Of a model whose subclasses have more fields: the subclass that reads a mapping."""

    @classmethod
    def model_for(cls, given: object) -> type[BaseModel]: ...


def _allowed(model: type[BaseModel], loc: tuple[int | str, ...], written: object) -> list[str]:
    """The fields of the model that the place `loc` is in."""
    for part in loc[:-1]:
        if isinstance(written, Mapping):
            written = written.get(part, written if part == 0 else None)
        elif isinstance(written, Sequence) and isinstance(part, int) and part < len(written):
            written = written[part]
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models_in(field.annotation), model)
        if isinstance(part, int) and hasattr(model, "model_for"):
            model = cast("_Chooses", model).model_for(written)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Any:  # noqa: ANN401 - any type form; yields models
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
