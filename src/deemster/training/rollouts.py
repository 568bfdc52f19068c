"""Trajectories on disk: what a judge wrote about a sample, and whether it was right.

One JSON line per sample, so that a kill or a full disk loses at most the sample being written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from deemster.errors import InputError
from deemster.json_text import with_crc, without_crc
from deemster.schemas import (
    Conversation,
    Count,
    Finite,
    Record,
    Text,
    Whole,
    first_problem,
)


class Rollout(Record):
    """One trajectory about one sample: the prompt, what was written, and how it ended."""

    sample_id: str
    order: tuple[Count, ...]
    """Response indices in the order shown."""
    messages: Conversation
    """The prompt to train on: what the trained judge is sent. A hint is left out of it."""
    completion: Text
    scores: tuple[Finite | None, ...] | None
    """One per response in the caller's order; None if the completion is unparseable."""
    correct: bool | None
    """Paper Eq. 10; False if unparseable, None if the sample has no label."""
    hinted: bool = False
    """Whether it was drawn from a prompt that said which response is best."""
    stage: str = ""
    """Who wrote it: `teacher`, `base`, `rft`, `rl`, or a judge's name."""
    seed: Whole = 0
    """Of the draw."""


class _Item(Record):
    """A line of the file: all trajectories of one sample, perhaps none."""

    sample_id: str
    rollouts: tuple[Rollout, ...]


class RolloutFile:
    """An append-only JSON-lines file of trajectories, one line per sample.

    A last line without its line end is left behind by a kill: readers skip it and the next
    `append` cuts it off. One writer at a time.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def append(self, sample_id: str, rollouts: Sequence[Rollout]) -> None:
        """Write all trajectories of one sample, which is then done, even if there are none.

        Raises:
            InputError: the file cannot be written, because the disk is full for example.
        """
        item = _Item(sample_id=sample_id, rollouts=tuple(rollouts))
        line = with_crc(item.model_dump_json()) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("r+b" if self.path.exists() else "w+b") as file:
                file.seek(_end_of_last_line(file))
                file.truncate()
                file.write(line.encode())
        except OSError as error:
            raise InputError(
                f"cannot write {str(self.path)!r}: {error.strerror or error}; "
                "make room and resume: samples written before are kept"
            ) from error

    def done_ids(self) -> set[str]:
        """Ids of the samples written so far; empty if there is no file.

        Raises:
            InputError: see `read`.
        """
        return {item.sample_id for item in self._items()}

    def read(self) -> list[Rollout]:
        """All trajectories in the order of their samples' ids; empty if there is no file.

        Samples are written as they finish. Sorting makes the training data independent of which
        calls were quick.

        Raises:
            InputError: the file cannot be read, or a line other than a torn last one is damaged.
        """
        items = sorted(self._items(), key=lambda item: item.sample_id)
        return [rollout for item in items for rollout in item.rollouts]

    def _items(self) -> Iterator[_Item]:
        if not self.path.exists():
            return
        try:
            with self.path.open("rb") as lines:  # a stage may be writing it
                for number, line in enumerate(lines, 1):
                    if line.endswith(b"\n"):
                        yield _item(line, f"{self.path}:{number}")
        except OSError as error:
            raise InputError(f"cannot read {str(self.path)!r}: {error.strerror}") from error


def _item(line: bytes, where: str) -> _Item:
    try:
        return _Item.model_validate_json(without_crc(line.decode().rstrip("\n")))
    except ValidationError as error:
        raise InputError(f"{where}: no trajectories: {first_problem(error)}") from error
    except ValueError as error:
        raise InputError(f"{where}: no trajectories: {error}") from error


def _end_of_last_line(file: BinaryIO) -> int:
    """Offset just after the last line end; 0 if there is none."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65_536)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


__all__ = ["Rollout", "RolloutFile"]
