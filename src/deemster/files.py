"""The one way to open a file that a user names.

What is no regular file is refused before anything is read from it: a device has no end, and a
named pipe waits for a writer. What is read as a whole has a limit for its kind.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deemster.errors import InputError

RECORD_BYTES = 16 * 2**20
"""Limit of the records that deemster itself writes: fitted rules, cards, reports."""

_KINDS = (
    (stat.S_ISFIFO, "is a named pipe"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)


class _File(io.FileIO):
    """A file opened without waiting; it must not grow while it is read.

    Who reads after a writer that never stops would never come to the end.
    """

    def __init__(self, path: str | Path, name: str) -> None:
        super().__init__(path, opener=_open)
        self._name = name
        self.status = os.fstat(self.fileno())

    def readinto(self, buffer: object, /) -> int:
        count = super().readinto(buffer)  # type: ignore[arg-type]  # any writable buffer
        if stat.S_ISREG(self.status.st_mode) and self.tell() > self.status.st_size:
            raise InputError(f"{self._name} grew while it was read; wait until it is written")
        return count or 0


def open_regular(path: str | Path, name: str | None = None) -> io.BufferedReader:
    """A regular file, or a link to one, for reading.

    Args:
        path: the file.
        name: what errors call it, as it stands there; default: the path in quotes.

    Raises:
        InputError: it cannot be opened or is no regular file; while reading, if it grows.
    """
    name = name or repr(str(path))
    file = _opened(path, name)
    if not stat.S_ISREG(file.status.st_mode):
        file.close()
        raise InputError(f"cannot read {name}: it {_kind(file.status)}; give a regular file")
    return io.BufferedReader(file, 2**16)


def read_bytes(path: str | Path, *, what: str = "", limit: int = RECORD_BYTES) -> bytes:
    """All of a file that is read as a whole. A pipe of the shell, `<(command)`, is read too.

    Args:
        path: the file.
        what: what errors call its kind, e.g. `suite`.
        limit: most bytes.

    Raises:
        InputError: it cannot be read, is no regular file, or is larger.
    """
    name = f"{what} {str(path)!r}".lstrip()
    try:
        with _open_whole(path, name) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from error
    if len(data) > limit:
        raise InputError(f"{name} is larger than {_size(limit)}, the most that is read")
    return data


def read_text(path: str | Path, *, what: str = "", limit: int = RECORD_BYTES) -> str:
    """`read_bytes` as UTF-8 text, without a byte order mark and with the line ends of Unix.

    Raises:
        InputError: see `read_bytes`; or it is not UTF-8.
    """
    name = f"{what} {str(path)!r}".lstrip()
    text = decoded(read_bytes(path, what=what, limit=limit), name)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decoded(data: bytes, name: str) -> str:
    """Bytes as UTF-8 text, without a byte order mark.

    Raises:
        InputError: they are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(error, name) from error


def not_utf8(error: UnicodeDecodeError, name: str) -> InputError:
    """The error to raise about a text in another encoding."""
    at = f"byte {error.start}: {error.reason}"
    return InputError(f"{name} is not UTF-8 text ({at}); save it as UTF-8")


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Say in one line that a file cannot be written, whatever fails in the block.

    Raises:
        InputError: in place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {str(path)!r}: {reason}") from error


def exists(path: Path) -> bool:
    """Whether there is something; False where no file can have such a name."""
    with suppress(OSError, ValueError):
        return path.exists()
    return False


def is_pipe(path: Path) -> bool:
    """Whether it is a pipe that the shell made, such as `<(command)` or `/dev/stdin`.

    Its writer is there already, so reading it ends. A named pipe may wait for ever.
    """
    with suppress(OSError, ValueError):
        return str(path.absolute()).startswith(("/dev/", "/proc/")) and path.is_fifo()
    return False


def _open_whole(path: str | Path, name: str) -> io.BufferedReader:
    if is_pipe(Path(path)):
        return Path(path).open("rb")
    return open_regular(path, name)


def _opened(path: str | Path, name: str) -> _File:
    try:
        return _File(path, name)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {name}: {reason}") from error


def _open(path: str, flags: int) -> int:
    """Open at once, even where a pipe has no writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _kind(status: os.stat_result) -> str:
    return next((words for test, words in _KINDS if test(status.st_mode)), "is no regular file")


def _size(limit: int) -> str:
    return f"{limit >> 20} MiB" if limit >= 2**20 else f"{limit >> 10} KiB"


__all__ = [
    "RECORD_BYTES",
    "decoded",
    "exists",
    "is_pipe",
    "not_utf8",
    "open_regular",
    "read_bytes",
    "read_text",
]
