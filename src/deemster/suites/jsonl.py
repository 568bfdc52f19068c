"""Samples from JSON-lines files, plain or gzipped."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from deemster.errors import InputError
from deemster.schemas import Sample


def read_samples(path: Path, *, name: str | None = None) -> Iterator[Sample]:
    """Samples of a file, one a line; blank lines are skipped, missing ids are line numbers.

    Args:
        path: the file; `.gz` is unpacked.
        name: what errors call it.

    Raises:
        InputError: the file cannot be read, or a line is not a sample that can be judged; the text
            names the line.
    """
    name = name or str(path)
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _sample(line, number, f"{name}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {name!r} after line {number}: {error}") from error


def _sample(line: bytes, number: int, where: str) -> Sample:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}") from error
    sample = Sample.parse(row, where=where)
    if not sample.query:
        raise InputError(f"{where}: query is empty; give the text that was answered")
    return sample if sample.id else sample.model_copy(update={"id": str(number)})
