"""Rows out of data files: JSON Lines, JSON, CSV, TSV and Parquet, plain or gzipped.

Lines are streamed; every error names the file and the line, record or row it is about.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from deemster.data.row import Row, short
from deemster.errors import InputError
from deemster.extras import need

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""Formats that can be read; all but Parquet also with `.gz` appended."""

_LONGEST_FIELD = 2**31 - 1
"""Of a CSV file, in characters; the `csv` module stops at 131,072 unless told otherwise."""
_WRAPPERS = ("data", "rows", "examples", "samples", "instances")
"""Keys of a JSON object under which files keep their list of rows."""

_Placed = tuple[int, str, object]
"""Number of a record, where it stands, and what it holds."""


def read_rows(source: Path, *, split: str | None = None, name: str | None = None) -> Iterator[Row]:
    """The rows of a file, or of all data files under a directory in the order of their paths.

    A file whose name does not say its format is read as what its first bytes say it is.

    Args:
        source: a file or a directory.
        split: of a directory, only the files whose name starts with it or that lie in a folder
            of that name; where there are none, and in a single file, only the rows whose field
            `split` has that value.
        name: what errors call a single file.

    Raises:
        InputError: a file cannot be read, is malformed or holds no rows; or there is no such
            split.
    """
    files = data_files(source)
    if split is not None and source.is_dir():
        named = [path for path in files if _in_split(path, source, split)]
        if named:
            files, split = named, None
    rows = map(_good, chain.from_iterable(read_items(path, name=name) for path in files))
    return rows if split is None else _of_split(rows, split, name or str(source))


def read_items(path: Path, *, name: str | None = None) -> Iterator[Row | InputError]:
    """The rows of one file; a line or record that is not a row is the error about it.

    Raises:
        InputError: the file as a whole cannot be read, or holds no rows.
    """
    name = name or str(path)
    suffix = _suffix(path) or _sniffed(path, name)
    empty = True
    for number, where, values in _READERS[suffix](path, name):
        empty = False
        if isinstance(values, InputError):
            yield values
        elif not isinstance(values, dict):
            yield InputError(f"{where}: expected an object, got {short(values)}")
        else:
            plain = {str(key): _null_if_nan(value) for key, value in values.items()}
            yield Row(plain, where, path, number, textual=suffix in (".csv", ".tsv"))
    if empty:
        raise InputError(f"{name} is empty; expected at least one row")


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


def read_text_lines(path: Path, *, name: str | None = None) -> Iterator[tuple[int, str]]:
    """Line numbers (from 1) and lines of a text file, plain or gzipped."""
    with _opened(path, name or str(path)) as stream:
        for number, line in enumerate(stream, start=1):
            yield number, line.rstrip("\r\n")


def _read_lines(path: Path, name: str) -> Iterator[_Placed]:
    for number, line in read_text_lines(path, name=name):
        if line.strip():
            where = f"{name} line {number}"
            yield number, where, _parse_json(line, where)


def _read_json(path: Path, name: str) -> Iterator[_Placed]:
    """A list of rows, an object of rows or of columns, one row, or JSON Lines after all."""
    if _is_lines(path, name):
        yield from _read_lines(path, name)
        return
    with _opened(path, name) as stream:
        text = stream.read()
    if not text.strip():
        return
    value = _parse_json(text, name)
    if isinstance(value, InputError):
        raise value
    for number, record in enumerate(_records(value), start=1):
        yield number, f"{name} record {number}", record


def _is_lines(path: Path, name: str) -> bool:
    """Whether the first two lines with something in them are an object each."""
    first = []
    for _, line in read_text_lines(path, name=name):
        if line.strip():
            first.append(line)
            if not line.lstrip().startswith("{") or len(first) == 2:
                break
    return len(first) == 2 and all(isinstance(_parse_json(line, ""), dict) for line in first)


def _records(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or not value:
        return [value]
    for key in _WRAPPERS:
        if isinstance(value.get(key), list) and all(isinstance(r, dict) for r in value[key]):
            return list(value[key])
    inner = list(value.values())
    if not all(isinstance(one, dict) for one in inner):
        return [value]
    indexes = list(inner[0])
    if indexes and all(key.isdigit() and list(one) == indexes for one in inner for key in one):
        # Columns, as pandas writes them: {"query": {"0": …, "1": …}, …}
        return [{name: column[i] for name, column in value.items()} for i in indexes]
    return [one if "id" in one else {"id": key, **one} for key, one in value.items()]


def _read_table(path: Path, name: str, delimiter: str) -> Iterator[_Placed]:
    csv.field_size_limit(_LONGEST_FIELD)
    with _opened(path, name) as stream:
        header = stream.readline()
        if delimiter == "," and ";" in header and "," not in header:
            delimiter = ";"  # how spreadsheets write it where the comma is the decimal point
        reader = csv.reader(chain([header], stream), delimiter=delimiter, strict=True)
        try:
            names = next(reader, [])
            twice = next((one for one in names if one and names.count(one) > 1), None)
            if twice is not None:
                raise InputError(f"{name} line 1: two columns are called {twice!r}; rename one")
            for fields in reader:
                if not fields:
                    continue
                where = f"{name} line {reader.line_num}"
                if len(fields) > len(names):
                    raise InputError(
                        f"{where}: more fields than the header names: {len(fields)} for "
                        f"{len(names)}; put texts that hold a {delimiter!r} in quotes"
                    )
                padded = [*fields, *[""] * (len(names) - len(fields))]
                cells = zip(names, padded, strict=True)
                yield reader.line_num, where, {key: cell or None for key, cell in cells if key}
        except csv.Error as error:
            raise InputError(f"{name} line {reader.line_num}: {error}") from error


def _read_parquet(path: Path, name: str) -> Iterator[_Placed]:
    need("parquet", f"reading {name!r}", otherwise="give the rows as JSONL, JSON or CSV")
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - an optional extra

    try:
        number = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for values in batch.to_pylist():
                    number += 1
                    yield number, f"{name} row {number}", values
    except (ArrowException, OSError) as error:
        raise InputError(f"cannot read {name!r}: {str(error).splitlines()[0]}") from error


_READERS: Mapping[str, Callable[[Path, str], Iterator[_Placed]]] = {
    ".jsonl": _read_lines,
    ".ndjson": _read_lines,
    ".json": _read_json,
    ".csv": lambda path, name: _read_table(path, name, ","),
    ".tsv": lambda path, name: _read_table(path, name, "\t"),
    ".parquet": _read_parquet,
}


def _sniffed(path: Path, name: str) -> str:
    """The suffix that a file of another name, or what came from stdin, should have had."""
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PAR1":
                return ".parquet"
    except OSError as error:
        raise InputError(f"cannot read {name!r}: {error.strerror or error}") from error
    first = next((line for _, line in read_text_lines(path, name=name) if line.strip()), "")
    if not first:
        raise InputError(f"{name} is empty; expected at least one row")
    if first.lstrip()[0] in "{[":
        return ".json"
    if "\t" in first:
        return ".tsv"
    if "," in first or ";" in first:
        return ".csv"
    raise InputError(f"cannot tell the format of {name!r}; allowed: {', '.join(SUFFIXES)} (.gz)")


def _parse_json(text: str, where: str) -> object:
    """The value, or the error to raise."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
        return InputError(f"{where}: not JSON: {error.msg} at {at}")
    except (ValueError, RecursionError) as error:  # too many digits, or nested too deep
        return InputError(f"{where}: not usable JSON: {error}")


@contextmanager
def _opened(path: Path, name: str) -> Iterator[TextIO]:
    """The text of a file, without a byte order mark."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        packed = zipped or path.suffix == ".gz"
        with (
            gzip.open(path) if packed else path.open("rb") as binary,
            io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as stream,
        ):
            yield stream
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 text: {error.reason} at byte {error.start}; save it as UTF-8"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {os.fspath(name)!r}: {reason}") from error


def _suffix(path: Path) -> str | None:
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def _good(item: Row | InputError) -> Row:
    if isinstance(item, InputError):
        raise item
    return item


def _null_if_nan(value: object) -> object:
    """Tables of numbers have no null: pandas writes NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _in_split(path: Path, root: Path, split: str) -> bool:
    parts = path.relative_to(root).parts
    return split in parts[:-1] or parts[-1].startswith(split)


def _of_split(rows: Iterator[Row], split: str, source: str) -> Iterator[Row]:
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
        raise InputError(f"no split {split!r} in {source!r}; splits there: {known}")


__all__ = ["SUFFIXES", "data_files", "read_items", "read_rows", "read_text_lines"]
