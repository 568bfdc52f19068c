"""What a stage of training is given, and what it gives back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Generic, Protocol, TypeVar

from pydantic import JsonValue

from deemster.errors import DeemsterError
from deemster.training.elsewhere import SamplingEngine
from deemster.training.recipe import Recipe

METRICS = "metrics.jsonl"

R = TypeVar("R", bound=Recipe)
R_co = TypeVar("R_co", bound=Recipe, covariant=True)


class StageError(DeemsterError):
    """A stage cannot continue, though the input is fine: the run ends with status 3.

    The text says why, and what can still be used.
    """


class ProgressListener(Protocol):
    """Notified of the progress of stages; the command line draws bars from it."""

    def progress(self, stage: str, what: str, done: int, total: int) -> None:
        """`done` of `total` units of the work named `what` are done."""
        ...

    def figures(self, stage: str, figures: Mapping[str, JsonValue]) -> None:
        """A line of metrics was logged."""
        ...


class SilentListener:
    """Shows nothing."""

    def progress(self, stage: str, what: str, done: int, total: int) -> None:
        """See `ProgressListener`."""

    def figures(self, stage: str, figures: Mapping[str, JsonValue]) -> None:
        """See `ProgressListener`."""


@dataclass(frozen=True)
class StageContext(Generic[R_co]):
    """What a stage is given, and where it may write.

    Args:
        name: of the stage.
        folder: the stage's own; exists.
        inputs: folders of the finished earlier stages, by name.
        recipe: all settings.
        resume: whether `folder` may hold an unfinished attempt, which is to be continued.
        listener: notified of its progress.
        sampling: draws trajectories and evaluates; None: this process.
    """

    name: str
    folder: Path
    inputs: Mapping[str, Path]
    recipe: R_co
    resume: bool
    listener: ProgressListener = field(default_factory=SilentListener)
    sampling: SamplingEngine | None = None

    def log(self, **figures: object) -> None:
        """Append one line to `metrics.jsonl` of the folder, on disk when this returns.

        A number that is not finite is written as null.
        """
        line = {name: _plain(value) for name, value in figures.items()}
        with (self.folder / METRICS).open("ab+") as file:
            torn = _is_torn(file)
            file.write(b"\n" * torn + json.dumps(line, allow_nan=False).encode() + b"\n")
        self.listener.figures(self.name, line)

    def progress(self, what: str, done: int, total: int) -> None:
        """Report to the listener that `done` of `total` units of `what` are done."""
        self.listener.progress(self.name, what, done, total)


StageFunction = Callable[[StageContext[R]], Mapping[str, JsonValue]]
"""Runs a stage, or the rest of it; returns the figures for its manifest. It can be killed at any
moment and called again with `resume`."""


def _is_torn(file: BinaryIO) -> bool:
    """Whether a kill left a last line without its end."""
    if file.seek(0, 2) == 0:
        return False
    file.seek(-1, 2)
    return file.read(1) != b"\n"


def _plain(value: object) -> JsonValue:
    if isinstance(value, bool | str | int) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    number = float(value)  # type: ignore[arg-type]  # NumPy and torch scalars
    return number if math.isfinite(number) else None
