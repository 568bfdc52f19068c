"""One record of a file, with its place there for error texts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from deemster.errors import InputError
from deemster.records import encodable
from deemster.schemas import Sample

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One record of a file, and its place there."""

    values: Mapping[str, Any]
    where: str
    """File and line, for error texts."""
    path: Path = Path()
    """The file; in some layouts its path names the subset."""
    number: int = 0
    """Line, record or row number in its file, from 1."""
    textual: bool = False
    """Whether all values are text, as in CSV: lists stand there as JSON, numbers as digits."""

    def error(self, problem: str) -> InputError:
        """The error to raise about this row."""
        return InputError(f"{self.where}: {problem}")

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - rows are untyped
        """The value of `key`, or the default where it is absent or null."""
        value = self.values.get(key)
        return default if value is None else value

    def need(self, *keys: str) -> Any:  # noqa: ANN401 - rows are untyped
        """The value of the first of `keys` that the row has and that is not null."""
        for key in keys:
            if self.values.get(key) is not None:
                return self.values[key]
        known = ", ".join(map(str, self.values)) or "none"
        raise self.error(f"no field {' or '.join(map(repr, keys))}; fields here: {known}")

    def text(self, *keys: str) -> str:
        """The first of `keys`, which must be a string."""
        return str(self._typed(keys, str, "text"))

    def items(self, *keys: str) -> list[Any]:
        """The first of `keys`, which must be a list."""
        return list(self._typed(keys, list, "a list"))

    def texts(self, *keys: str) -> list[str]:
        """The first of `keys`, which must be a list of strings."""
        values = self.items(*keys)
        if not all(isinstance(value, str) for value in values):
            raise self.error(f"field {keys[0]!r} must hold text only, got {short(values)}")
        return values

    def record(self, *keys: str) -> Row:
        """The first of `keys`, which must be an object, as a row of its own."""
        values = self._typed(keys, dict, "an object")
        return Row(values, f"{self.where}: in {keys[0]!r}", self.path, self.number)

    def records(self, *keys: str) -> list[Row]:
        """The first of `keys`, which must be a list of objects, as rows of their own."""
        items = self.items(*keys)
        wrong = next((i for i, item in enumerate(items, 1) if not isinstance(item, dict)), 0)
        if wrong:
            raise self.error(f"item {wrong} of {keys[0]!r} is not an object")
        return [
            Row(item, f"{self.where}: item {number} of {keys[0]!r}", self.path, number)
            for number, item in enumerate(items, 1)
        ]

    def choice(self, key: str, allowed: Mapping[Any, T]) -> T:
        """What the value of `key` means.

        Raises:
            InputError: it is not one of the allowed values.
        """
        value = self.need(key)
        if isinstance(value, str) and value not in allowed:  # a cell of a table is text
            value = next((one for one in allowed if str(one) == value), value)
        try:
            return allowed[value]
        except (KeyError, TypeError):
            known = ", ".join(map(repr, allowed))
            raise self.error(f"field {key!r} is {short(value)}; allowed: {known}") from None

    def pick(self, *keys: str) -> dict[str, Any]:
        """Those of `keys` that the row has, for a sample's metadata."""
        return {key: self.values[key] for key in keys if self.values.get(key) is not None}

    def label(self, *keys: str) -> str:
        """The first of `keys` as text: ids are numbers in some files, strings in others."""
        value = self.need(*keys)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # a column of whole numbers in which a table has gaps
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.error(
                f"field {keys[0]!r} must be text or a whole number, got {short(value)}"
            )
        return str(value)

    def sample(self, **fields: Any) -> Sample:  # noqa: ANN401 - `Sample` validates them
        """A sample made of `fields`; errors in them name this row."""
        return Sample.parse(fields, where=self.where)

    def _typed(self, keys: tuple[str, ...], kind: type, what: str) -> Any:  # noqa: ANN401
        value = self.need(*keys)
        if isinstance(value, str) and kind in {list, dict}:
            value = _from_cell(value)
        if not isinstance(value, kind):
            raise self.error(f"field {keys[0]!r} must be {what}, got {short(value)}")
        return value


def _from_cell(text: str) -> object:
    """A list or an object that a table holds as JSON; the text itself if it is neither."""
    try:
        value: object = json.loads(text) if text[:1] in {"[", "{"} else text
    except (ValueError, RecursionError):
        return text
    return value


def plain_values(values: Mapping[Any, Any]) -> dict[str, Any]:
    """The values of a record as JSON and UTF-8 have them, whatever a file holds.

    Decimals are numbers; times, dates and UUIDs are texts; bytes that are text are that; half an
    emoji is U+FFFD. A NaN is null: tables of numbers have no other.
    """
    found = {encodable(str(key)): _plain(value) for key, value in values.items()}
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in found.items()
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a file
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {encodable(str(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral() else float(value)
    if isinstance(value, date | time | timedelta | UUID):
        value = str(value)
    elif isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            value = value.decode()
    return encodable(value) if isinstance(value, str) else value


def short(value: object) -> str:
    """The value as code, cut for an error text."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


__all__ = ["Row", "plain_values", "short"]
