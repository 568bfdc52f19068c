"""Rows out of data files: JSON Lines, JSON, CSV, TSV and Parquet, plain or gzipped.

Lines are streamed; every error names the file and the line, record or row it is about.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from deemster.data.row import Row, plain_values, short
from deemster.data.text import check_ratio, lines_of, open_text, read_text_lines
from deemster.errors import InputError
from deemster.extras import need
from deemster.files import open_regular
from deemster.json_text import MAX_ROW, MAX_VALUES, list_items, parse_json

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""Formats that can be read; all but Parquet also with `.gz` appended."""

_MAX_WHOLE = 32 * 2**20
"""Characters of a JSON file that is not a list of rows: it is read as a whole."""
_MAX_COLUMNS = 10_000
_WRAPPERS = ("data", "rows", "examples", "samples", "instances")
"""Keys of a JSON object under which files keep their list of rows."""

_DELIMITERS = (",", ";", "\t", "|")
"""What separates the cells of a `.csv`: whichever the header has most of. Spreadsheets write
semicolons where the comma is the decimal point."""
_QUOTED = re.compile(r'"[^"]*"')
_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?[,;\t|]*[\r\n]*', re.IGNORECASE)
"""A first line for Excel, which is no header."""

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
            yield Row(plain_values(values), where, path, number, textual=suffix in (".csv", ".tsv"))
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
            raise InputError(f"no such file or directory: {str(source)!r:.300}")
    except OSError as error:
        raise InputError(f"cannot read {str(source)!r:.300}: {error.strerror or error}") from error
    if not found:
        raise InputError(f"no data file in {str(source)!r}; allowed: {', '.join(SUFFIXES)} (.gz)")
    return found


def _read_lines(path: Path, name: str) -> Iterator[_Placed]:
    for number, line in read_text_lines(path, name=name):
        if line.strip():
            where = f"{name} line {number}"
            yield number, where, _parse_json(line, where)


def _read_json(path: Path, name: str) -> Iterator[_Placed]:
    """A list of rows, an object of rows or of columns, one row, or JSON Lines after all."""
    with open_text(path, name) as stream:
        if _first_sign(stream) == "[":
            stream.seek(0)
            for number, item in enumerate(list_items(stream, name), start=1):
                yield number, f"{name} record {number}", item
            return
        stream.seek(0)
        text = stream.read(_MAX_WHOLE + 1)
    if _is_lines(text):
        yield from _read_lines(path, name)
        return
    if len(text) > _MAX_WHOLE:
        raise InputError(
            f"{name} is one JSON value of more than {_MAX_WHOLE >> 20} MiB, which is read as a "
            "whole; write a list of rows or JSON Lines"
        )
    if text.strip():
        for number, record in enumerate(_records(parse_json(text, name)), start=1):
            yield number, f"{name} record {number}", record


def _first_sign(stream: TextIO) -> str:
    """The first character that is no blank; empty if there is none."""
    while text := stream.read(2**16):
        if text.strip():
            return text.lstrip()[0]
    return ""


def _is_lines(text: str) -> bool:
    """Whether the first two lines with something in them are an object each."""
    found = list(islice(re.finditer(r"\S[^\r\n]*", text), 2))
    return len(found) == 2 and all(isinstance(_parse_json(one[0], ""), dict) for one in found)


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
    csv.field_size_limit(MAX_ROW)
    with open_text(path, name) as stream:
        lines = lines_of(stream, name)
        written = ((i, line) for i, line in enumerate(lines) if line.strip("\r\n "))
        blank, header = next(written, (0, ""))
        if told := _SEPARATOR.fullmatch(header):
            delimiter = told[1]
            blank, header = next(written, (0, ""))
        elif delimiter == ",":
            bare = _QUOTED.sub("", header)
            delimiter = max(_DELIMITERS, key=bare.count)  # of equal counts, the first
        reader = csv.reader(
            _few_fields(chain([header], lines), delimiter, name, start=blank + 1),
            delimiter=delimiter,
            strict=True,
            # "prompt, a, b": the spaces are no part of what stands behind them.
            skipinitialspace=0 < header.count(delimiter) == header.count(f"{delimiter} "),
        )
        number = blank + 1
        try:
            names = [one.strip() for one in next(reader, [])]
            if len(names) > _MAX_COLUMNS:
                raise InputError(f"{name} line {number}: more than {_MAX_COLUMNS:,} columns")
            twice = next((one for one, n in Counter(names).items() if one and n > 1), None)
            if twice is not None:
                raise InputError(
                    f"{name} line {number}: two columns are called {twice!r}; rename one"
                )
            while True:
                number = blank + reader.line_num + 1
                if (fields := next(reader, None)) is None:
                    return
                if not any(map(str.strip, fields)) and (len(names) > 1 or not fields):
                    continue  # ",,,": a spreadsheet's empty row
                where = f"{name} line {number}"
                if len(fields) > len(names):
                    raise InputError(
                        f"{where}: more fields than the header names: {len(fields)} for "
                        f"{len(names)}; put texts that hold a {delimiter!r} in quotes"
                    )
                padded = [*fields, *[""] * (len(names) - len(fields))]
                cells = zip(names, padded, strict=True)
                yield number, where, {key: cell or None for key, cell in cells if key}
        except csv.Error as error:
            found = blank + reader.line_num
            why = f"{error}; the quotation mark that opens a text of this row is not closed"
            if "end of data" not in str(error):
                why = f"{error} in line {found}; write a quotation mark inside a quoted text twice"
            raise InputError(f"{name} line {number}: {why}") from error


def _few_fields(lines: Iterable[str], delimiter: str, name: str, *, start: int) -> Iterator[str]:
    """The lines; one with more fields than any table has is refused before it is split."""
    for number, line in enumerate(lines, start):
        if line.count(delimiter) > MAX_VALUES:
            raise InputError(f"{name} line {number}: more fields than {MAX_VALUES:,}")
        yield line


def _read_parquet(path: Path, name: str) -> Iterator[_Placed]:
    need("parquet", f"reading {name!r}", otherwise="give the rows as JSONL, JSON or CSV")
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - an optional extra

    open_regular(path, repr(name)).close()
    try:
        number = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_batch_size(file.metadata, name)):
                for values in batch.to_pylist():
                    number += 1
                    yield number, f"{name} row {number}", values
    except InputError:
        raise
    # Texts that are not UTF-8 and times that Python does not know are ValueErrors.
    except (ArrowException, OSError, ValueError, ArithmeticError, RecursionError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"cannot read {name!r}: {why}") from error


def _batch_size(metadata: Any, name: str) -> int:  # noqa: ANN401 - of pyarrow, which has no types
    """Rows to read at a time: a text that is written once may stand in each of them."""
    largest = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for at in range(group.num_columns):
            column = group.column(at)
            check_ratio(column.total_compressed_size, column.total_uncompressed_size, name)
            largest = max(largest, column.total_uncompressed_size)
            if column.total_uncompressed_size > MAX_ROW * max(1, group.num_rows):
                raise InputError(f"{name}: a row is longer than {MAX_ROW >> 20} MiB")
    return max(1, min(256, MAX_ROW // largest))


_READERS: Mapping[str, Callable[[Path, str], Iterator[_Placed]]] = {
    ".jsonl": _read_lines,
    ".ndjson": _read_lines,
    ".json": _read_json,
    ".csv": lambda path, name: _read_table(path, name, ","),
    ".tsv": lambda path, name: _read_table(path, name, "\t"),
    ".parquet": _read_parquet,
}


_BINARY = {
    b"ARROW1": "an Arrow file",
    b"\xff\xff\xff\xff": "a stream of Arrow",
    b"PK\x03\x04": "a ZIP file or a spreadsheet",
    b"\x28\xb5\x2f\xfd": "compressed by zstandard",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x80": "a pickle",
    b"SQLite format 3": "a SQLite file",
}
"""First bytes of files that are not read, and what these are."""


def _sniffed(path: Path, name: str) -> str:
    """The suffix that a file of another name, or what came from stdin, should have had."""
    with open_regular(path, repr(name)) as file:
        begin = file.read(16)
    if begin.startswith(b"PAR1"):
        return ".parquet"
    for sign, what in _BINARY.items():
        if begin.startswith(sign):
            raise InputError(
                f"{name} is {what}; write its rows as {', '.join(SUFFIXES)} (with pandas: "
                "to_json, to_parquet), or give the folder that `datasets` saved"
            )
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
        return parse_json(text, where)
    except InputError as error:
        return error


def _suffix(path: Path) -> str | None:
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def _good(item: Row | InputError) -> Row:
    if isinstance(item, InputError):
        raise item
    return item


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


__all__ = ["SUFFIXES", "data_files", "read_items", "read_rows"]
