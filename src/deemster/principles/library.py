"""Rubrics: those that ship, those of the user, and what `principles=` accepts.

A rubric file is YAML; weights are relative (the shipped ones are percentages), and bands say
what the scores mean:

```yaml
name: release-notes
description: Notes that say what changed for users.
principles:
  - name: Completeness
    weight: 60
    description: Every change that users can notice is mentioned.
    bands:
      9-10: Nothing that users can notice is missing.
      5-8: Something small is missing.
      1-4: A change that breaks users' work is missing.
  - name: Plain words
    weight: 40
    description: ...
```
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from deemster.errors import InputError
from deemster.files import exists, read_bytes
from deemster.principles.criteria import (
    LISTS,
    PRINCIPLE_KEYS,
    CriterionError,
    is_criterion,
    plain_criteria,
)
from deemster.schemas import Principle, Rubric, first_problem, normalise_weights
from deemster.yaml_text import RUBRIC, Lines, line_of, read_yaml

FixedPrinciples = (
    str
    | Path
    | Rubric
    | Principle
    | Mapping[str, Any]
    | Sequence[Principle | str | Mapping[str, Any]]
)
"""The same principles for every query; see `as_principles`."""

_BULLET = re.compile(r"\s*(?:[-*•]|[0-9]+[.)])\s+")
_RARE_BREAK = re.compile(r"[\r\x85\u2028\u2029]")
_RUBRIC_KEYS = ("name", "version", "description", "principles")


def list_rubrics() -> list[Rubric]:
    """The rubrics that ship with deemster, by name."""
    return [_builtin(name) for name in _builtin_names()]


def load_rubric(name_or_path: str | Path) -> Rubric:
    """A rubric that ships, by its name, or the user's own, by the path of its YAML file.

    A name wins over a file of the same name; `./helpfulness` or a `Path` is always a file.

    Raises:
        InputError: no such rubric or file, or the file is not a rubric. The text names file,
            line, key, value and what is allowed.
    """
    if isinstance(name_or_path, str) and name_or_path in _builtin_names():
        return _builtin(name_or_path)
    path = Path(name_or_path)
    if not exists(path):
        raise InputError(
            f"{str(name_or_path)!r:.300} is neither a rubric nor a file; rubrics: "
            f"{', '.join(_builtin_names())}; or give the path of a YAML file"
        )
    return _parse(read_bytes(path, what="rubric", limit=RUBRIC.size), str(path))


def dump_rubric(rubric: Rubric) -> str:
    """The rubric as YAML that people can read and `load_rubric` reads back as the same rubric."""
    fields: dict[str, Any] = {
        "name": rubric.name,
        "version": rubric.version,
        "description": rubric.description,
        "principles": [
            {
                "name": principle.name,
                "weight": _plain(principle.weight),
                "description": principle.description,
                **(
                    {"bands": {_span(b.low, b.high): b.meaning for b in principle.bands}}
                    if principle.bands
                    else {}
                ),
            }
            for principle in rubric.principles
        ],
    }
    return yaml.dump(fields, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def as_principles(value: FixedPrinciples) -> tuple[Principle, ...]:
    """What a caller passed as `principles`, with weights that sum to 1.

    Args:
        value: a rubric's name or path; a `Rubric`, or a mapping with the key `principles` like
            its YAML; a `Principle`; or a list of criteria, each a `Principle`, a mapping like
            its YAML, or a text. A text is `name: description`, or a criterion as a whole.

    Raises:
        InputError: it is none of these, is empty or has a name twice, or weights are negative, not
            finite, or all 0.
    """
    if isinstance(value, str | Path):
        value = load_rubric(value)
    elif isinstance(value, Mapping):
        value = _rubric(value, "principles", {}, name="principles")
    if isinstance(value, Rubric):
        return normalise_weights(value.principles)
    if isinstance(value, Principle):
        value = [value]
    if not isinstance(value, list | tuple):
        raise InputError(
            "principles must be a rubric's name or path, a Rubric, or a list of criteria, "
            f"got {type(value).__name__}"
        )
    if not value:
        raise InputError("principles is empty; give 1 or more, or None to let the judge choose")
    return normalise_weights(read_criteria(value, where="principles"))


def principles_hash(principles: Sequence[Principle]) -> str:
    """12 hex digits over names, weights, descriptions and bands, in their order."""
    digest = hashlib.sha256()
    for principle in principles:
        digest.update(principle.model_dump_json().encode() + b"\n")
    return digest.hexdigest()[:12]


@cache
def _builtin_names() -> tuple[str, ...]:
    files = resources.files("deemster.principles").joinpath("library").iterdir()
    return tuple(sorted(file.name[:-5] for file in files if file.name.endswith(".yaml")))


@cache
def _builtin(name: str) -> Rubric:
    file = resources.files("deemster.principles").joinpath("library", f"{name}.yaml")
    return _parse(file.read_bytes(), f"{name}.yaml")


def _parse(data: bytes, where: str) -> Rubric:
    value, lines = read_yaml(data, where, RUBRIC)
    if isinstance(value, list):
        lines = {("principles", *path): line for path, line in lines.items()}
        value = {"principles": value}
    if not isinstance(value, Mapping):
        what = "empty" if value is None else f"a {type(value).__name__}"
        raise InputError(f"{where}: a rubric is a mapping with name and principles, this is {what}")
    return _rubric(value, where, lines, name=Path(where).stem or "rubric")


def _rubric(value: Mapping[str, Any], where: str, lines: Lines, *, name: str) -> Rubric:
    fields = {"name": name, **value}
    if is_criterion(value):  # one criterion with score levels is a rubric of its own
        lines = {("principles", 0, *path): line for path, line in lines.items()}
        fields = {"name": name, "principles": [value]}
    key = next((one for one in LISTS if isinstance(fields.get(one), list | tuple)), "")
    try:
        if key:
            lines = {("principles", *path[1:]) if path[:1] == (key,) else path: line
                     for path, line in lines.items()}  # fmt: skip
            fields["principles"] = plain_criteria(fields.pop(key))
        return Rubric.model_validate(fields)
    except CriterionError as error:
        path = ("principles", *error.path)
        raise InputError(f"{_place(where, lines, path)}: {error}") from error
    except ValidationError as error:
        raise InputError(_message(error, where, lines)) from error


def read_criteria(value: object, *, where: str) -> tuple[Principle, ...]:
    """Criteria that stand in a row of data: a list, a rubric, or a text with one on each line.

    A text may also be the name of a rubric that ships. Weights are left as they are.

    Raises:
        InputError: they cannot be read; the text begins with `where`.
    """
    if isinstance(value, str):
        if value.strip() in _builtin_names():
            return _builtin(value.strip()).principles
        value = [_BULLET.sub("", line) for line in value.splitlines() if line.strip()]
    if isinstance(value, Mapping):
        return _rubric(value, where, {}, name="principles").principles
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: must be a list of criteria or a text, got {value!r:.80}")
    if not value:
        return ()
    try:
        criteria = plain_criteria(value)
        return Rubric.model_validate({"name": "principles", "principles": criteria}).principles
    except CriterionError as error:
        path = ".".join(map(str, error.path))
        raise InputError(f"{where}.{path}: {error}") from error
    except ValidationError as error:
        problem = _message(error, "", {}).removeprefix(": ")
        inner = problem.removeprefix("principles.")
        raise InputError(f"{where}{': ' if inner == problem else '.'}{inner}") from error


def _place(where: str, lines: Lines, path: Sequence[str | int]) -> str:
    line = line_of(lines, path)
    shown = ".".join(str(part) for part in path)
    return f"{where}{f':{line}' if line else ''}{f': {shown}' if shown else ''}"


def _message(
    error: ValidationError, where: str, lines: Lines, *, allowed: Sequence[str] = _RUBRIC_KEYS
) -> str:
    """The first problem with file, line, key, value and, for an unknown key, the known ones."""
    first = error.errors()[0]
    line = line_of(lines, first["loc"])
    text = f"{where}{f':{line}' if line else ''}: {first_problem(error)}"
    if first["type"] == "string_type" and isinstance(first["input"], bool | int | float | date):
        text += "; put it in quotes"
    if first["type"] == "extra_forbidden":
        known = PRINCIPLE_KEYS if len(first["loc"]) > 1 else allowed
        text = f"{_place(where, lines, first['loc'])}: unknown key; known: {', '.join(known)}"
    return text


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def _span(low: int, high: int) -> str | int:
    return low if low == high else f"{low}-{high}"


class _Dumper(yaml.SafeDumper):
    """Folds long texts over several lines; writes no aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None
    if len(text) > 80 and text == " ".join(text.split()):
        style = ">"  # folding gives such texts back unchanged
    elif _RARE_BREAK.search(text):
        style = '"'  # PyYAML would write it raw into other styles, and read a space
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
