"""JSON from outside, with limits: a few bytes can otherwise fill the memory or the stack."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from deemster.errors import InputError
from deemster.files import RECORD_BYTES, read_text

MAX_VALUES = 500_000
"""In one row, or in one record of deemster's."""
MAX_DEPTH = 100
MAX_ROW = 16 * 2**20
"""Characters of one row."""

_TOO_DEEP = f"not usable JSON: nested more than {MAX_DEPTH} deep"
_CHUNK = 2**20
_IN_NUMBERS = "+-.0123456789Ee"
_STRING = re.compile(r'"(?>(?:[^"\\]++|\\.)*)"?', re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def parse_json(text: str, where: str, *, values: int = MAX_VALUES) -> object:
    """The value of a JSON text.

    Args:
        text: of one value.
        where: what errors call it.
        values: most values in it.

    Raises:
        InputError: it is not JSON, or has too many values, too deep lists or too long numbers.
    """
    check_count(text, where, values)
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: {_problem(error)}") from error
    if _nested(text, value):
        raise InputError(f"{where}: {_TOO_DEEP}")
    return value


def read_json(path: str | Path, *, what: str = "", limit: int = RECORD_BYTES) -> object:
    """The value of a JSON file.

    Raises:
        InputError: it cannot be read, is larger than `limit` bytes, or see `parse_json`.
    """
    return parse_json(read_text(path, what=what, limit=limit), str(path))


def list_items(stream: TextIO, name: str) -> Iterator[object]:
    """The items of a JSON list, one after another: the list may be larger than the memory.

    Args:
        stream: text that begins with the list, or blanks before it.
        name: what errors call it.

    Raises:
        InputError: it is not a list, or an item is not JSON, is too large or too deep.
    """
    text = _Window(stream, name)
    text.take("[")
    while text.next_sign() != "]":
        if text.items:
            text.take(",")
        yield text.take_item()
    text.take("]")
    text.take("")


class _Window:
    """The part of a text that is waiting to be read."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._text, self._at, self._line = "", 0, 1
        self._ended = False
        self.items = 0

    def next_sign(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more()

    def take(self, sign: str) -> None:
        """Go past a character, or an error."""
        found = self.next_sign()
        if found != sign:
            line = self._line + self._text.count("\n", 0, self._at)
            wanted, got = (repr(one) if one else "the end" for one in (sign, found))
            raise InputError(f"{self._name}: not JSON: expected {wanted}, got {got} at line {line}")
        self._at += len(sign)

    def take_item(self) -> object:
        """Go past a value, and return it."""
        self.next_sign()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if self._ended or not isinstance(error, json.JSONDecodeError):
                    raise InputError(f"{self._name}: {_problem(error, self._line)}") from error
            else:
                following = self._text[end : end + 1]
                if self._ended or (following and following not in _IN_NUMBERS):
                    break
            self._more()
        self.items += 1
        if _nested(self._text[self._at : end], value):
            raise InputError(f"{self._name} record {self.items}: {_TOO_DEEP}")
        self._at = end
        return value

    def _more(self) -> None:
        """Drop what was read; read as much again as is waiting, so that the time is linear."""
        self._line += self._text.count("\n", 0, self._at)
        text = self._text[self._at :]
        where = f"{self._name} record {self.items + 1}"
        if len(text) > MAX_ROW:
            raise InputError(f"{where}: longer than {MAX_ROW >> 20} MiB")
        new = self._stream.read(min(max(_CHUNK, len(text)), MAX_ROW + 1 - len(text)))
        self._text, self._at, self._ended = text + new, 0, not new
        if len(text) > _CHUNK:  # else it is one small item or several
            check_count(self._text, where, MAX_VALUES)


def check_count(text: str, where: str, most: int) -> None:
    """Count values from above before any is built.

    Raises:
        InputError: there are more than `most`.
    """
    if _signs(text) > most and _signs(_STRING.sub("", text)) > most:
        raise InputError(f"{where}: more than {most:,} values")


def _signs(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _nested(text: str, value: object) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(level)


def _problem(error: Exception, line: int = 1) -> str:
    if isinstance(error, json.JSONDecodeError):
        line += error.lineno - 1
        at = f"column {error.colno}" if line == 1 else f"line {line}"
        return f"not JSON: {error.msg} at {at}"
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    return "not usable JSON: a number has too many digits; put it in quotes"


def with_crc(text: str, about: str = "") -> str:
    """A JSON object with a checksum over it, and over what it is about, as its last field."""
    body = text[:-1]
    return f"{body}{_CRC}{_crc(body, about)}}}"


def without_crc(text: str, about: str = "") -> str:
    """The object again; one without a checksum, of an earlier version, as it is.

    Raises:
        InputError: it is damaged.
    """
    body, found, rest = text.rpartition(_CRC)
    if not found:
        return text
    if rest != f"{_crc(body, about)}}}":
        raise InputError("it is damaged: its checksum is another")
    return f"{body}}}"


_CRC = ', "crc": '
"""Stands in no text of the object: there, quotes are escaped."""


def _crc(body: str, about: str) -> int:
    return zlib.crc32(f"{about} {body}".encode(errors="surrogatepass"))


__all__ = [
    "MAX_ROW",
    "MAX_VALUES",
    "check_count",
    "list_items",
    "parse_json",
    "read_json",
    "with_crc",
    "without_crc",
]
