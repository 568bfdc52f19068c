"""A log between its readings: samples and votes in a file without a name, not in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from deemster.errors import InputError
from deemster.schemas import Sample, Vote

Judged = tuple[Sample, tuple[Vote, ...]]
"""A sample of a log, with its votes."""
_ROW: TypeAdapter[Judged] = TypeAdapter(Judged)
_LENGTH = 8
"""Bytes in front of each row."""


class LogSpool:
    """Keeps what is added, and gives it in that order as often as it is iterated.

    Use as a context manager: the file is gone when it ends, or the process does.

    Args:
        near: the file is on this path's disk, where there has to be room for the run as well.
    """

    def __init__(self, near: Path) -> None:
        near = near.absolute()
        folder = next(one for one in (near, *near.parents) if one.is_dir())
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see __exit__
        except OSError as error:
            raise InputError(f"cannot write in {str(folder)!r}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._file.close()

    def fill(self, log: Iterable[Judged]) -> Iterator[Judged]:
        """Add samples, and pass each on.

        Raises:
            InputError: there is no room on the disk.
        """
        for row in log:
            written = _ROW.dump_json(row)
            with self._room():
                self._file.write(len(written).to_bytes(_LENGTH) + written)
            yield row
        with self._room():
            self._file.flush()

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"cannot keep the log: {error.strerror}") from error

    def __iter__(self) -> Iterator[Judged]:
        self._file.seek(0)
        while length := self._file.read(_LENGTH):
            yield _ROW.validate_json(self._file.read(int.from_bytes(length)))
