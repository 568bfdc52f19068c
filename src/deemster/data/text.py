"""The text of a data file, plain or gzipped, and its lines."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from deemster.errors import InputError
from deemster.files import decoded, not_utf8, open_regular
from deemster.json_text import MAX_ROW

_UNPACKED = 2 * 2**20
_RATIO = 200
_ENTRY = 64 * 2**20


def read_text_lines(path: Path, *, name: str | None = None) -> Iterator[tuple[int, str]]:
    """Line numbers (from 1) and lines of a text file, plain or gzipped."""
    name = name or str(path)
    with open_text(path, name) as stream:
        for number, line in enumerate(lines_of(stream, name), start=1):
            yield number, line.rstrip("\r\n")


def lines_of(stream: TextIO, name: str) -> Iterator[str]:
    """The lines of a text; one without an end would fill the memory."""
    number = 1
    while line := stream.readline(MAX_ROW + 1):
        if len(line) > MAX_ROW:
            raise InputError(f"{name} line {number}: longer than {MAX_ROW >> 20} MiB")
        number += 1
        yield line


def check_ratio(packed: int, unpacked: int, name: str) -> None:
    """Refuse a bomb: a small file that unpacks to one that is all but endless.

    Args:
        packed: bytes read so far.
        unpacked: bytes that they hold.
        name: what errors call the file.

    Raises:
        InputError: it unpacks to more than 2 MiB and 200 times its size.
    """
    if unpacked > max(_UNPACKED, _RATIO * packed):
        raise InputError(
            f"{name} unpacks to more than {_RATIO} times its size; unpack it first if that is meant"
        )


class _Unpacked(gzip.GzipFile):
    """What a gzipped file holds, unless it is a bomb."""

    def __init__(self, packed: IO[bytes], name: str) -> None:
        super().__init__(name, "rb", fileobj=packed)
        self._packed, self._name = packed, name

    def read1(self, size: int = -1) -> bytes:
        data = super().read1(size)
        check_ratio(self._packed.tell(), self.tell(), self._name)
        return data


def unpacked(packed: IO[bytes], name: str) -> io.TextIOWrapper:
    """The text of a gzipped stream. Reading it raises an `InputError` if it is a bomb."""
    return _text(_Unpacked(packed, name))


def _text(binary: gzip.GzipFile | io.BufferedReader) -> io.TextIOWrapper:
    return io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")


@contextmanager
def open_zip(path: Path, *, otherwise: str = "unpack it first") -> Iterator[zipfile.ZipFile]:
    """A zip archive; see `entry_text`.

    Args:
        path: the archive.
        otherwise: what to do where Python does not know the compression (zstandard).

    Raises:
        InputError: inside too: it cannot be read, is damaged or encrypted.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except InputError:
        raise
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, ValueError,
            RuntimeError, struct.error) as error:  # fmt: skip
        unknown = f"it is compressed in a way that this Python cannot unpack; {otherwise}"
        why = unknown if isinstance(error, NotImplementedError) else error
        raise InputError(f"cannot read {str(path)!r}: {why}") from error


def entry_text(archive: zipfile.ZipFile, entry: str, where: str) -> str:
    """The text of an entry that is no bomb.

    Raises:
        InputError: it is one, is longer than 64 MiB, or not UTF-8.
    """
    about = archive.getinfo(entry)
    check_ratio(about.compress_size, about.file_size, where)
    if about.file_size > _ENTRY:
        raise InputError(f"{where} is longer than {_ENTRY >> 20} MiB")
    return decoded(archive.read(about), where)


@contextmanager
def open_text(path: Path, name: str) -> Iterator[TextIO]:
    """The text of a file, without a byte order mark."""
    try:
        with open_regular(path, repr(name)) as file:
            zipped = file.peek(2)[:2] == b"\x1f\x8b" or path.suffix == ".gz"
            with unpacked(file, name) if zipped else _text(file) as stream:
                yield stream
    except UnicodeDecodeError as error:
        raise not_utf8(error, name) from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {name!r}: {reason}") from error


__all__ = [
    "check_ratio",
    "entry_text",
    "lines_of",
    "open_text",
    "open_zip",
    "read_text_lines",
    "unpacked",
]
