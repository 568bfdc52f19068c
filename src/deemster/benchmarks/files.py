"""Rows out of data files: JSON Lines, JSON, CSV, TSV and Parquet, plain or gzipped.

Lines are streamed; every error names the file and the line, record or row it is about.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, TypeVar

from deemster.errors import InputError
from deemster.extras import need
from deemster.schemas import Sample

T = TypeVar("T")

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
"""Formats that can be read; all but Parquet also with `.gz` appended."""


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
            raise self.error(f"field {keys[0]!r} must hold text only, got {_short(values)}")
        return values

    def record(self, *keys: str) -> Row:
        """The first of `keys`, which must be an object, as a row of its own."""
        values = self._typed(keys, dict, "an object")
        return Row(values, f"{self.where}: in {keys[0]!r}", self.path, self.number)

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
            raise self.error(f"field {key!r} is {_short(value)}; allowed: {known}") from None

    def pick(self, *keys: str) -> dict[str, Any]:
        """Those of `keys` that the row has, for a sample's metadata."""
        return {key: self.values[key] for key in keys if self.values.get(key) is not None}

    def label(self, *keys: str) -> str:
        """The first of `keys` as text: ids are numbers in some files, strings in others."""
        value = self.need(*keys)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.error(f"field {keys[0]!r} must be text or a number, got {_short(value)}")
        return str(value)

    def sample(self, **fields: Any) -> Sample:  # noqa: ANN401 - `Sample` validates them
        """A sample made of `fields`; errors in them name this row."""
        return Sample.parse(fields, where=self.where)

    def _typed(self, keys: tuple[str, ...], kind: type, what: str) -> Any:  # noqa: ANN401
        value = self.need(*keys)
        if isinstance(value, str) and kind in {list, dict}:
            value = _from_cell(value)
        if not isinstance(value, kind):
            raise self.error(f"field {keys[0]!r} must be {what}, got {_short(value)}")
        return value


def read_rows(source: Path, *, split: str | None = None) -> Iterator[Row]:
    """The rows of a file, or of all data files under a directory in the order of their paths.

    Args:
        source: a file or a directory.
        split: of a directory, only the files whose name starts with it or that lie in a folder
            of that name; where there are none, and in a single file, only the rows whose field
            `split` has that value.

    Raises:
        InputError: a file cannot be read, is malformed or holds no rows; or there is no such
            split.
    """
    files = data_files(source)
    if split is not None and source.is_dir():
        named = [path for path in files if _in_split(path, source, split)]
        if named:
            files, split = named, None
    rows = chain.from_iterable(_read_file(path) for path in files)
    return rows if split is None else _of_split(rows, split, source)


def data_files(source: Path) -> list[Path]:
    """The file itself, or every readable data file under a directory, sorted.

    Raises:
        InputError: it does not exist, or there is no data file in it.
    """
    try:
        if source.is_dir():
            found = sorted(p for p in source.rglob("*") if p.is_file() and _suffix(p) is not None)
        elif source.exists():
            return [source]
        else:
            raise InputError(f"no such file or directory: {str(source)!r}")
    except OSError as error:
        raise InputError(f"cannot read {str(source)!r}: {error.strerror or error}") from error
    if not found:
        raise InputError(f"no data file in {str(source)!r}; allowed: {', '.join(SUFFIXES)} (.gz)")
    return found


def read_text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers (from 1) and lines of a text file, plain or gzipped."""
    with _opened(path) as stream:
        for number, line in enumerate(stream, start=1):
            yield number, line.rstrip("\r\n")


def _read_file(path: Path) -> Iterator[Row]:
    suffix = _suffix(path)
    if suffix is None:
        raise InputError(
            f"cannot tell the format of {path.name!r}; allowed: {', '.join(SUFFIXES)} (.gz)"
        )
    readers: dict[str, Callable[[Path], Iterator[tuple[int, str, object]]]] = {
        ".jsonl": _read_jsonl,
        ".json": _read_json,
        ".csv": lambda file: _read_table(file, ","),
        ".tsv": lambda file: _read_table(file, "\t"),
        ".parquet": _read_parquet,
    }
    empty = True
    for number, where, values in readers[suffix](path):
        empty = False
        if not isinstance(values, dict):
            raise InputError(f"{where}: expected an object, got {_short(values)}")
        yield Row(values, where, path, number)
    if empty:
        raise InputError(f"{path} is empty; expected at least one row")


def _read_jsonl(path: Path) -> Iterator[tuple[int, str, object]]:
    for number, line in read_text_lines(path):
        if line.strip():
            where = f"{path} line {number}"
            yield number, where, _parse_json(line, where)


def _read_json(path: Path) -> Iterator[tuple[int, str, object]]:
    with _opened(path) as stream:
        text = stream.read()
    if not text.strip():
        return
    value = _parse_json(text, str(path))
    for number, record in enumerate(value if isinstance(value, list) else [value], start=1):
        yield number, f"{path} record {number}", record


def _read_table(path: Path, delimiter: str) -> Iterator[tuple[int, str, object]]:
    with _opened(path) as stream:
        reader = csv.DictReader(stream, delimiter=delimiter, strict=True)
        try:
            for values in reader:
                where = f"{path} line {reader.line_num}"
                if None in values:
                    raise InputError(f"{where}: more fields than the header names")
                yield reader.line_num, where, values
        except csv.Error as error:
            raise InputError(f"{path} line {reader.line_num}: {error}") from error


def _read_parquet(path: Path) -> Iterator[tuple[int, str, object]]:
    need("parquet", f"reading {str(path)!r}", otherwise="give the rows as JSONL, JSON or CSV")
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - an optional extra

    try:
        number = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for values in batch.to_pylist():
                    number += 1
                    yield number, f"{path} row {number}", values
    except (ArrowException, OSError) as error:
        raise InputError(f"cannot read {str(path)!r}: {str(error).splitlines()[0]}") from error


def _parse_json(text: str, where: str) -> object:
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:  # too many digits, or nested too deep
        raise InputError(f"{where}: not usable JSON: {error}") from error
    return value


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    opener: Callable[..., TextIO] = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error.reason}") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {os.fspath(path)!r}: {reason}") from error


def _suffix(path: Path) -> str | None:
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def _in_split(path: Path, root: Path, split: str) -> bool:
    parts = path.relative_to(root).parts
    return split in parts[:-1] or parts[-1].startswith(split)


def _of_split(rows: Iterator[Row], split: str, source: Path) -> Iterator[Row]:
    others: dict[str, None] = {}
    found = False
    for row in rows:
        name = row.get("split")
        if name == split:
            found = True
            yield row
        else:
            others[str(name)] = None
    if not found:
        known = ", ".join(map(repr, others)) if others.keys() - {"None"} else "none"
        raise InputError(f"no split {split!r} in {str(source)!r}; splits there: {known}")


def _from_cell(text: str) -> object:
    """A list or an object that a table holds as JSON; the text itself if it is neither."""
    try:
        value: object = json.loads(text) if text[:1] in {"[", "{"} else text
    except (ValueError, RecursionError):
        return text
    return value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


__all__ = ["SUFFIXES", "Row", "data_files", "read_rows", "read_text_lines"]
