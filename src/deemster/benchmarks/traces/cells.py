"""Values out of the columns of a judge's log, whether the file types them or not."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from deemster.benchmarks.traces.column_map import Column, Columns, flat
from deemster.data.row import Row

MISSING = {"", "none", "null", "nan", "n/a"}
_YES, _NO = {"true", "yes", "1", "swapped"}, {"false", "no", "0", "", "none", "original"}


def shown_order(row: Row, columns: Columns, n: int) -> tuple[int, ...]:
    """The responses of a row in the order shown, by its `order` or `swapped` column.

    Raises:
        InputError: the column does not say an order.
    """
    given = single(row, columns.get("order"))
    if given is not None:
        shown = [_index(one) for one in (given if isinstance(given, list) else _pieces(given))]
        if sorted(one for one in shown if one is not None) != list(range(n)):
            raise row.error(f"order {given!r:.60} does not name each of {n} responses once")
        return tuple(one for one in shown if one is not None)
    swapped = str(single(row, columns.get("swapped")) or "").strip().lower()
    if swapped not in _YES | _NO:
        raise row.error(f"swapped is {swapped!r}; allowed: true, false, 1, 0, yes, no")
    order = tuple(range(n))
    return order[::-1] if swapped in _YES else order


def _pieces(text: object) -> list[str]:
    plain = str(text).strip("()[] ")
    return plain.split(",") if "," in plain else list(plain)


def _index(one: object) -> int | None:
    text = str(one).strip().upper()
    if text.isdigit():
        return int(text)
    return ord(text) - ord("A") if len(text) == 1 and text.isalpha() else None


def scores_of(row: Row, columns: Sequence[Column] | None) -> list[float | None]:
    """The log's own scores; None where one is missing.

    Raises:
        InputError: a value is no number.
    """
    values = every(row, columns)
    numbers = [score_of(value) for value in values]
    for value, number in zip(values, numbers, strict=True):
        if number is None and str(value).strip().lower() not in MISSING:
            raise row.error(f"the score {value!r:.60} is not a number")
    return numbers


def score_of(value: object) -> float | None:
    """A score, true and false being 1 and 0; None for what is no finite number."""
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:  # as tables say it
        return float(value.strip().lower() == "true")
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def every(row: Row, columns: Sequence[Column] | None) -> list[Any]:
    """The values of all columns of a role; a single one may hold a list of them."""
    if columns and len(columns) == 1:
        return flat([_list_cell(row, columns[0].find(row.values))])
    return [column.find(row.values) for column in columns or ()]


def _list_cell(row: Row, value: object) -> object:
    """A list that a cell of a table of texts holds as JSON."""
    if row.textual and isinstance(value, str) and value[:1] == "[" and value[-1:] == "]":
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):  # `[[A]]` is no JSON
            return value
        return inner if all(isinstance(one, str | int | float | None) for one in inner) else value
    return value


def single(row: Row, columns: Sequence[Column] | None) -> Any:  # noqa: ANN401 - rows are untyped
    """The value of the first column of a role; None if there is none."""
    value = columns[0].find(row.values) if columns else None
    return value if value != "" else None


def numbers_written(value: Any) -> Any:  # noqa: ANN401 - rows are untyped
    """A number as text: what was asked and answered may be one. Other values as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def cell_text(row: Row, columns: Sequence[Column] | None) -> str | None:
    """As `single`, numbers and objects written out."""
    value = single(row, columns)
    return None if value is None else as_text(value)


def as_text(value: object) -> str:
    """Text as it is; anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


__all__ = [
    "MISSING",
    "as_text",
    "cell_text",
    "every",
    "numbers_written",
    "score_of",
    "scores_of",
    "shown_order",
    "single",
]
