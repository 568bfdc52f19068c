"""What a label says about responses: a letter, a number, a comparison, a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from deemster.data.columns import SIGNED, Columns
from deemster.data.row import Row, short
from deemster.data.turns import several_texts, unpacked

_TIES = frozenset(
    {"tie", "ties", "tied", "equal", "same", "draw", "both", "both_good", "both_bad", "bothbad"}
    | {"tie (bothbad)", "neither", "a=b", "a = b"}
)
_COMPARED = re.compile(r"\W*([ab12])\s*(>+|<+|=+)\s*([ab12])\W*")
_SUFFIX = re.compile(r"(?:(?:model|response|output|answer|assistant|completion)[_ -]?)?([a-z]|\d+)")


def truth_of(
    row: Row, values: dict[str, Any], columns: Columns, n: int, policies: Sequence[str] | None
) -> Any:  # noqa: ANN401 - `Sample` validates it
    """The ground truth of `n` responses, or None.

    Raises:
        InputError: a column holds something that says nothing about them.
    """
    if columns.best_first:
        best = len(several_texts(row, values[columns.responses[0]]) or [""])
        return tuple(float(i < best) for i in range(n))
    given = [(name, values[name]) for name in columns.truth if name in values]
    if not given:
        return None
    if len(columns.truth) > 1:
        return tuple(_number(row, name, value) for name, value in given)
    name, value = given[0]
    value = unpacked(row, value)
    if isinstance(value, list | tuple):
        return value
    if n == 1:
        return (_mark(row, name, value),)
    known = (columns.responses, policies or ())
    index = _index(row, name, value, n, known=known, first=columns.first)
    return tuple(0.5 if index is None else float(i == index) for i in range(n))


def _number(row: Row, name: str, value: object) -> float:
    number = _as_number(value)
    if number is None:
        raise row.error(f"{name!r} must be a number, got {short(value)}")
    return number


def _as_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _mark(row: Row, name: str, value: object) -> float:
    """Of a single response: right or wrong, or a number."""
    words = {"true": 1.0, "false": 0.0}
    mark = words.get(str(value).strip().lower(), _as_number(value))
    if mark is None:
        raise row.error(f"{name!r} must be true or false, or 1 or 0, got {short(value)}")
    return mark


def _index(
    row: Row,
    name: str,
    value: object,
    n: int,
    *,
    known: Sequence[Sequence[str]],
    first: int | None,
) -> int | None:
    """Place of the best of several responses; None is a tie.

    Args:
        row: where the value is from.
        name: its column.
        value: what it says.
        n: how many responses there are.
        known: names of the responses: their columns, and their policies.
        first: number of the first response; see `Columns.first`.
    """
    usable = isinstance(value, str | int | float) and not isinstance(value, bool)
    text = str(value).strip().lower() if usable else ""
    number = _as_number(value)
    text = text if number is None else text.removesuffix(".0")  # not of the name `claude-2.0`
    if first == SIGNED and number is not None:
        if n != 2:
            raise row.error(f"columns: first={SIGNED} is for pairs, here are {n} responses")
        return None if number == 0 else int(number > 0)
    for names in known:
        lowered = [one.lower() for one in names]
        if len(lowered) == n and lowered.count(text) == 1:
            return lowered.index(text)
    if text in _TIES or (n == 2 and text == "1.5"):
        return None
    places = _places(known[0], n)
    if n == 2 and (match := _COMPARED.fullmatch(text)) and match[1] != match[3]:
        return _compared(match, places)
    if (match := _SUFFIX.fullmatch(text)) is None:
        raise row.error(_unknown(name, value, n))
    if match[1] in places and (first is None or match[1].isalpha()):
        return places[match[1]]
    if match[1] == "0" and first is None:
        raise row.error(
            f"{name!r} is {short(value)}, a tie in some data and the first response in others; say "
            "which by the columns: first=1 (0 is a tie) or first=0 (0 is the first response)"
        )
    start = 1 if first is None else first
    index = ord(match[1]) - ord("a") if match[1].isalpha() else int(match[1]) - start
    if not -1 <= index < n:
        raise row.error(_unknown(name, value, n))
    return None if index == -1 else index


def _compared(match: re.Match[str], places: dict[str, int]) -> int | None:
    """Place of the better one of a pair; None is a tie."""
    first, sign, second = match.groups()
    if sign[0] == "=":
        return None
    better = first if sign[0] == ">" else second
    return places[better] if {first, second} <= places.keys() else "ab12".index(better) % 2


def _places(columns: Sequence[str], n: int) -> dict[str, int]:
    """The place of each of n responses by the letter or number that its column's name ends in.

    None are told where two names end alike, or one in neither.
    """
    ends = [match[1] for name in columns if (match := _SUFFIX.fullmatch(name.lower()))]
    return {end: i for i, end in enumerate(ends)} if len(set(ends)) == len(columns) == n else {}


def _unknown(name: str, value: object, n: int) -> str:
    last = chr(ord("A") + n - 1) if n <= 26 else "Z"
    signed = n == 2 and (_as_number(value) or 0) < 0
    return (
        f"{name!r} is {short(value)}, which does not say which of {n} responses is best; write A "
        f"to {last}, 1 to {n}, 'tie', or a list of {n} numbers; or leave it out by truth= in the "
        "columns"
        + signed
        * f"; if numbers below 0 mean the first response, say first={SIGNED} there"
    )


__all__ = ["truth_of"]
