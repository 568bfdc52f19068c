"""One criterion, however a rubric writes it: a text, a mapping, points, a penalty, score levels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

PRINCIPLE_KEYS = ("name", "weight", "description", "bands")
NAMES = ("name", "title", "criterion", "criteria", "requirement")
WEIGHTS = ("weight", "points")
LISTS = ("principles", "criteria", "rubric", "rubrics", "items")
"""Keys of a mapping under which a rubric keeps its criteria."""
_BANDS = ("bands", "levels", "scores")
_NOT_READ = ("id", "tags")
"""Of other tools' rubrics; they say nothing to a judge."""

_RANGE = re.compile(r"\s*(-?[0-9]{1,6})\s*(?:[-–]\s*(-?[0-9]{1,6})\s*)?")
_PERCENT = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*%\s*")
_LEVEL = re.compile(r"score_?(-?[0-9]+)_description")
_NAME_LENGTH = 80
"""A criterion given as one text that is longer than this gets a shortened name."""
_LONGEST_NAME = 200
"""Of a `Principle`."""


class CriterionError(ValueError):
    """A criterion that cannot be read, and the path to the place in the file."""

    def __init__(self, text: str, path: tuple[str | int, ...]) -> None:
        super().__init__(text)
        self.path = path


def is_criterion(value: Mapping[str, Any]) -> bool:
    """Whether a mapping is one criterion with score levels, as Prometheus' rubrics are."""
    return any(_LEVEL.fullmatch(str(key)) for key in value)


def plain_criteria(items: Sequence[Any]) -> list[Any]:
    """Criteria as `Principle` or the fields of one, with weights that go together.

    Args:
        items: texts, mappings or principles; anything else is left for `Principle` to refuse.

    Raises:
        CriterionError: one cannot be read.
    """
    in_percent = [
        isinstance(item, Mapping) and _PERCENT.fullmatch(str(_weight_of(item)[1])) is not None
        for item in items
    ]
    if any(in_percent) and not all(in_percent):
        raise CriterionError(
            "some weights are percentages and others are not; write all of them with %",
            (in_percent.index(False),),
        )
    made: list[Any] = []
    names: set[str] = set()
    for i, item in enumerate(items):
        one = _one(item, (i,))
        name = one.get("name") if isinstance(one, dict) else None
        if isinstance(name, str):
            one["name"] = name = _other_than(name, names)
            names.add(name)
        made.append(one)
    return made


def _one(item: object, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - `Rubric` validates it
    if isinstance(item, str):
        return _from_text(item, path)
    if isinstance(item, bool | int | float | date):
        raise CriterionError(f"must be a text, got {item!s:.80}; put it in quotes", path)
    return _fields(item, path) if isinstance(item, Mapping) else item


def _from_text(text: str, path: tuple[str | int, ...]) -> dict[str, Any]:
    """Name and description from `name: description`, or from one text as a whole."""
    text = " ".join(text.split())
    if not text:
        raise CriterionError("blank; give a criterion", path)
    name, colon, description = text.partition(": ")
    if colon and len(name) <= _NAME_LENGTH:
        return {"name": name, "description": description}
    if len(text) <= _NAME_LENGTH:
        return {"name": text}
    short = text[: _NAME_LENGTH - 1].rpartition(" ")[0] or text[: _NAME_LENGTH - 1]
    return {"name": f"{short}…", "description": text}


def _other_than(name: str, names: set[str]) -> str:
    """The name, with a number if it is a shortened text that reads like one before it."""
    if name not in names or not name.endswith("…"):
        return name
    number = 2
    while f"{name} ({number})" in names:
        number += 1
    return f"{name} ({number})"


def _fields(item: Mapping[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    """The fields of a `Principle`; unknown keys are left for it to refuse."""
    fields = {
        str(key): value for key, value in item.items() if value is not None and key not in _NOT_READ
    }
    _name(fields, path)
    key, weight = _weight_of(fields)
    if key:
        fields.pop(key)
        percent = _PERCENT.fullmatch(str(weight))
        fields["weight"] = float(percent[1]) if percent else weight
    _bands(fields, path)
    number = fields.get("weight")
    if isinstance(number, int | float) and not isinstance(number, bool) and number < 0:
        _turn_round(fields, path)
    return fields


def _name(fields: dict[str, Any], path: tuple[str | int, ...]) -> None:
    """Whatever a criterion is called becomes its name, and its description if it is long."""
    given = [key for key in NAMES if fields.get(key) is not None]
    if not given and fields.get("description") is not None:
        given = ["description"]
    if not given or given[0] == "name":
        return
    here = (*path, given[0])
    text = fields.pop(given[0])
    if not isinstance(text, str):
        raise CriterionError(f"must be a text, got {text!r:.80}; put it in quotes", here)
    named = _from_text(text, here)
    described = [named.get("description"), fields.get("description")]
    fields |= named
    fields["description"] = "\n".join(one for one in described if one)


def _weight_of(fields: Mapping[str, Any]) -> tuple[str, Any]:
    return next(((key, fields[key]) for key in WEIGHTS if fields.get(key) is not None), ("", None))


def _turn_round(fields: dict[str, Any], path: tuple[str | int, ...]) -> None:
    """A penalty of weight -w becomes the criterion, of weight w, that the response avoids it.

    Its score s then counts w·s where the rubric means -w·(1 - s): the rewards differ by a constant
    and a factor that are the same for every response, so the order of responses is the same.
    """
    if fields.get("bands"):
        raise CriterionError(
            "a penalty has no bands; give it a positive weight and describe what is good", path
        )
    what = fields.get("name", "")
    fields["weight"] = -fields["weight"]
    if isinstance(what, str):
        fields["name"] = f"Avoids: {what}"[:_LONGEST_NAME]
        meant = fields.get("description") or what
        fields["description"] = (
            f"A fault to avoid; a response that has it gets the lowest score here, one without it "
            f"the highest: {meant}"
        )


def _bands(fields: dict[str, Any], path: tuple[str | int, ...]) -> None:
    """Bands written `9-10: meaning` become records, best first whatever their order was."""
    levels = {match[1]: key for key in fields if (match := _LEVEL.fullmatch(key))}
    if levels:
        fields["bands"] = {number: fields.pop(key) for number, key in levels.items()}
    key = next((one for one in _BANDS if one in fields), "")
    if not key or not isinstance(fields[key], Mapping):
        return
    bands: list[tuple[int, int, str]] = []
    for span, meaning in fields.pop(key).items():
        here = (*path, key, str(span))
        match = _RANGE.fullmatch(str(span))
        if match is None or isinstance(span, bool):
            raise CriterionError(f"band {span!r} is not a range of scores such as 9-10 or 7", here)
        if not isinstance(meaning, str) or not meaning.strip():
            raise CriterionError(
                f"the meaning of band {span} must be a text, got {meaning!r:.80}", here
            )
        low = int(match[1])
        bands.append((low, int(match[2] or low), meaning))
    bands.sort(reverse=True)
    fields["bands"] = [{"low": b[0], "high": b[1], "meaning": b[2]} for b in bands]
