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

import yaml
from pydantic import BaseModel, ValidationError

from deemster.data.turns import quotes
from deemster.errors import InputError
from deemster.redaction import is_secret_variable, note_filled, without_secrets, written_form

_MAX_BYTES = 8 * 2**20
_MAX_NODES = 200_000
_SHOWN = frozenset({"name", "description"})
_HIDDEN = "options"
"""The key under which secrets may stand."""
_NAMED = frozenset({"model", "base", "path", "dataset"})
"""What runs and errors must be able to name, wherever it came from."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_REFERENCE = re.compile(r"(\$?)" + _VARIABLE.pattern)

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML file that knows the line of every value."""

    path: Path
    written: dict[str, Any]
    """As written, names of variables in place of their values."""
    node: yaml.Node | None

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
        environment = os.environ if environment is None else environment
        verbatim: frozenset[str] = getattr(model, "verbatim", frozenset())
        filled = _fill(self.written, self.node, self.path, environment, verbatim=verbatim)
        try:
            return model.model_validate(filled, context=context)
        except ValidationError as error:
            # Not "from error": that one shows what it was given.
            message = _message(error, self.node, self.path, model, self.written)
            raise InputError(message) from None

    def line_of(self, *keys: str | int) -> int:
        """The line of a value, or of the nearest thing around it, from 1."""
        node = self.node
        for key in keys:
            child = _child(node, key)
            if child is None and not (key == 0 and isinstance(node, yaml.MappingNode)):
                break  # one mapping may stand where a list is expected
            node = child or node
        return _line(node)

    @property
    def storable(self) -> dict[str, Any]:
        """As written, without secrets that stand in the file in clear text."""
        kept: dict[str, Any] = without_secrets(self.written)
        return kept


def read_yaml(path: Path, *, what: str, keys: str) -> YamlFile:
    """Read a YAML file whose root is a mapping.

    Args:
        path: the file.
        what: what errors call it, e.g. `suite`.
        keys: what the mapping must hold, in words for the error.

    Raises:
        InputError: it cannot be read, is too large, or is not such a YAML file.
    """
    node, written = _parse(_read(path, what), path)
    if not isinstance(written, dict):
        raise InputError(f"{path}: expected a mapping with {keys}")
    return YamlFile(path, written, node)


def _read(path: Path, what: str) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path} is larger than {_MAX_BYTES >> 20} MiB; put samples in a file")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {what} {str(path)!r}: {error}") from error


def _parse(text: str, path: Path) -> tuple[yaml.Node | None, Any]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _check_size(node, path)
        return node, yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise InputError(f"{path}{line}: not YAML: {error.problem or error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error


def _check_size(root: yaml.Node, path: Path) -> None:
    """Count nodes as if aliases were written out: a few lines can otherwise mean gigabytes."""
    count = 0
    stack = [root]
    while stack:
        node = stack.pop()
        count += 1
        if count > _MAX_NODES:
            raise InputError(f"{path}: more than {_MAX_NODES} values; put samples in a file")
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for key, value in node.value:
                stack += [key, value]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                raise InputError(f"{path}:{node.start_mark.line + 1}: key {twice!r} occurs twice")
        elif isinstance(node, yaml.SequenceNode):
            stack += node.value


def _fill(
    value: Any,  # noqa: ANN401 - any YAML value, as is what comes back
    node: yaml.Node | None,
    path: Path,
    environment: Mapping[str, str],
    *,
    verbatim: frozenset[str],
    place: str = "",
) -> Any:  # noqa: ANN401
    """Replace `${NAME}` in strings, except in the lists and mappings under a key of `verbatim`.

    `place` is `options` anywhere under that key, else the last key.
    """

    def inner(key: object, item: Any) -> Any:  # noqa: ANN401
        if key in verbatim and isinstance(item, list | dict):
            return item
        within = place if place == _HIDDEN or isinstance(key, int) else str(key)
        return _fill(item, _child(node, key), path, environment, verbatim=verbatim, place=within)

    if isinstance(value, dict):
        return {key: inner(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [inner(i, item) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    used: dict[str, str] = {}

    def found(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        if escaped:
            return match[0][1:]
        if place in _SHOWN or (place != _HIDDEN and is_secret_variable(name)):
            raise InputError(
                f"{path}:{_line(node)}: {place} is shown and kept, so ${{{name}}} is not put into "
                f"it; secrets stand under options, and for the characters themselves write "
                f"$${{{name}}}"
            )
        if name not in environment:
            raise InputError(
                f"{path}:{_line(node)}: the environment variable {name!r} is not set; "
                f"for the characters themselves write $${{{name}}}"
            )
        used[name] = environment[name]
        return environment[name]

    filled = _REFERENCE.sub(found, value)
    if used:
        note_filled(filled, value, used, hide=place not in _NAMED)
    return filled


def _child(node: yaml.Node | None, key: object) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == str(key):
                return value if isinstance(value, yaml.Node) else None
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        child = node.value[key]
        return child if isinstance(child, yaml.Node) else None
    return None


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else node.start_mark.line + 1


def _message(
    error: ValidationError,
    root: yaml.Node | None,
    path: Path,
    model: type[BaseModel],
    written: object,
) -> str:
    """The first problem, with its line."""
    first = error.errors()[0]
    node, key = root, []
    for part in first["loc"]:
        child = _child(node, part)
        if child is None and isinstance(node, yaml.MappingNode) and part == 0:
            continue  # one mapping where a list is expected
        if child is None and isinstance(part, str) and not isinstance(node, yaml.MappingNode):
            break  # the name of a union member, not a key
        key.append(str(part))
        if child is None:
            break
        node = child
    where = ".".join(key)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        line = _key_line(root, first["loc"])
        allowed = ", ".join(_allowed(model, first["loc"], written))
        return f"{path}:{line}: unknown key {where!r}; allowed: {allowed}"
    if first["type"] == "missing":
        return f"{path}:{_line(node)}: {where} is missing"
    value = first["input"]
    if isinstance(value, str) and (as_written := written_form(value)) is not None:
        message = message.replace(value, as_written) if value else message
        value = as_written
    shown = "" if isinstance(value, dict | list | tuple) else f", got {value!r:.80}"
    if first["type"] == "string_type" or isinstance(value, date):
        shown += quotes(value)
    return f"{path}:{_line(node)}: {where}: {message}{shown}" if where else f"{path}: {message}"


def _key_line(root: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    node = root
    for part in loc[:-1]:
        node = _child(node, part) or node
    if isinstance(node, yaml.MappingNode):
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == str(loc[-1]):
                return name.start_mark.line + 1
    return _line(node)


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
