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
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from deemster.errors import InputError
from deemster.principles.yaml_source import MAX_BYTES, Lines, line_of, read_yaml
from deemster.schemas import Principle, Rubric, first_problem, normalise_weights

FixedPrinciples = (
    str
    | Path
    | Rubric
    | Principle
    | Mapping[str, Any]
    | Sequence[Principle | str | Mapping[str, Any]]
)
"""The same principles for every query; see `as_principles`."""

_RANGE = re.compile(r"\s*(-?[0-9]{1,6})\s*(?:[-–]\s*(-?[0-9]{1,6})\s*)?")
_RARE_BREAK = re.compile(r"[\r\x85\u2028\u2029]")
_RUBRIC_KEYS = ("name", "version", "description", "principles")
_PRINCIPLE_KEYS = ("name", "weight", "description", "bands")
_NAME_LENGTH = 80
"""A criterion given as one text that is longer than this gets a shortened name."""


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
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "is neither a rubric nor a file"
        raise InputError(
            f"{str(name_or_path)!r} {what}; rubrics: {', '.join(_builtin_names())}; "
            "or give the path of a YAML file"
        )
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read rubric {str(path)!r}: {error.strerror}") from error
    return _parse(data, str(path))


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
        value = _rubric({"name": "principles", **value}, "principles", {})
    if isinstance(value, Rubric):
        return normalise_weights(value.principles)
    if isinstance(value, Principle):
        value = [value]
    if not isinstance(value, Sequence):
        raise InputError(
            "principles must be a rubric's name or path, a Rubric, or a list of criteria, "
            f"got {type(value).__name__}"
        )
    if not value:
        raise InputError("principles is empty; give 1 or more, or None to let the judge choose")
    principles = [_criterion(item, i) for i, item in enumerate(value)]
    try:
        return normalise_weights(Rubric(name="principles", principles=tuple(principles)).principles)
    except ValidationError as error:
        raise InputError(f"principles: {first_problem(error)}") from error


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
    value, lines = read_yaml(data, where)
    if not isinstance(value, Mapping):
        what = "empty" if value is None else f"a {type(value).__name__}"
        raise InputError(f"{where}: a rubric is a mapping with name and principles, this is {what}")
    return _rubric(value, where, lines)


def _rubric(value: Mapping[str, Any], where: str, lines: Lines) -> Rubric:
    principles = value.get("principles")
    fields = dict(value)
    try:
        if isinstance(principles, Sequence) and not isinstance(principles, str):
            fields["principles"] = [
                _from_text(item, f"{_place(where, lines, ('principles', i))}")
                if isinstance(item, str)
                else _with_bands(item, ("principles", i))
                for i, item in enumerate(principles)
            ]
        return Rubric.model_validate(fields)
    except _BandError as error:
        raise InputError(f"{_place(where, lines, error.path)}: {error}") from error
    except ValidationError as error:
        raise InputError(_message(error, where, lines)) from error


def _criterion(item: object, index: int) -> Principle:
    where = f"principle {index}"
    if isinstance(item, Principle):
        return item
    if isinstance(item, str):
        return _from_text(item, where)
    if not isinstance(item, Mapping):
        raise InputError(f"{where} must be a text, a mapping or a Principle, got {item!r:.80}")
    try:
        return Principle.model_validate(_with_bands(item, ()))
    except _BandError as error:
        raise InputError(f"{_place(where, {}, error.path)}: {error}") from error
    except ValidationError as error:
        raise InputError(_message(error, where, {}, allowed=_PRINCIPLE_KEYS)) from error


def _from_text(text: str, where: str) -> Principle:
    text = " ".join(text.split())
    if not text:
        raise InputError(f"{where} is blank; give a criterion")
    name, colon, description = text.partition(": ")
    if colon and len(name) <= _NAME_LENGTH:
        return Principle(name=name, description=description)
    if len(text) <= _NAME_LENGTH:
        return Principle(name=text)
    return Principle(name=text[: _NAME_LENGTH - 1].rpartition(" ")[0] + "…", description=text)


class _BandError(ValueError):
    def __init__(self, text: str, path: tuple[str | int, ...]) -> None:
        super().__init__(text)
        self.path = path


def _with_bands(item: object, path: tuple[str | int, ...]) -> object:
    """Bands written `9-10: meaning` become records, best first whatever their order was."""
    if not isinstance(item, Mapping) or not isinstance(item.get("bands"), Mapping):
        return item
    bands: list[tuple[int, int, str]] = []
    for key, meaning in item["bands"].items():
        here = (*path, "bands", str(key))
        match = _RANGE.fullmatch(str(key))
        if match is None or isinstance(key, bool):
            raise _BandError(f"band {key!r} is not a range of scores such as 9-10 or 7", here)
        if not isinstance(meaning, str) or not meaning.strip():
            raise _BandError(f"the meaning of band {key} must be a text, got {meaning!r:.80}", here)
        low = int(match[1])
        bands.append((low, int(match[2] or low), meaning))
    bands.sort(reverse=True)
    return {**item, "bands": [{"low": b[0], "high": b[1], "meaning": b[2]} for b in bands]}


def _place(where: str, lines: Lines, path: Sequence[str | int]) -> str:
    line = line_of(lines, path)
    shown = ".".join(str(part) for part in path)
    return f"{where}{f' line {line}' if line else ''}{f': {shown}' if shown else ''}"


def _message(
    error: ValidationError, where: str, lines: Lines, *, allowed: Sequence[str] = _RUBRIC_KEYS
) -> str:
    """The first problem with file, line, key, value and, for an unknown key, the known ones."""
    first = error.errors()[0]
    line = line_of(lines, first["loc"])
    text = f"{where}{f' line {line}' if line else ''}: {first_problem(error)}"
    if first["type"] == "extra_forbidden":
        known = _PRINCIPLE_KEYS if len(first["loc"]) > 1 else allowed
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
