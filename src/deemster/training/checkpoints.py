"""Which checkpoints of a Trainer can be trusted.

A kill in the middle of a save leaves a folder that looks like a checkpoint. So a finished save is
marked with the sizes of its files, and only marked folders that still have them are resumed from.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from deemster.errors import InputError
from deemster.json_text import read_json

MARK = "complete.json"
_PREFIX = "checkpoint-"


def mark_complete(checkpoint: Path) -> None:
    """Record that everything in a checkpoint's folder is written."""
    partial = checkpoint / f"{MARK}.partial"
    partial.write_text(json.dumps(_sizes(checkpoint)), encoding="utf-8")
    partial.replace(checkpoint / MARK)


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint was saved completely and nothing was removed from it since."""
    try:
        noted = read_json(checkpoint / MARK)
    except InputError:
        return False
    return isinstance(noted, dict) and noted.items() <= _sizes(checkpoint).items()


def last_complete(folder: Path) -> Path | None:
    """The complete checkpoint of the latest step; None if there is none."""
    return next((found for found in _checkpoints(folder) if is_complete(found)), None)


def drop_torn(folder: Path) -> None:
    """Remove the checkpoints that are not complete, so that they are not counted as kept ones."""
    for checkpoint in _checkpoints(folder):
        if not is_complete(checkpoint):
            shutil.rmtree(checkpoint)


def _checkpoints(folder: Path) -> Iterator[Path]:
    """The folders of checkpoints, the latest step first."""
    steps: dict[int, Path] = {}
    for path in folder.glob(f"{_PREFIX}*"):
        step = path.name.removeprefix(_PREFIX)
        if step.isdecimal() and path.is_dir():
            steps[int(step)] = path
    for _, path in sorted(steps.items(), reverse=True):
        yield path


def _sizes(checkpoint: Path) -> dict[str, int]:
    return {
        path.relative_to(checkpoint).as_posix(): path.stat().st_size
        for path in checkpoint.rglob("*")
        if path.is_file() and not path.name.startswith(MARK)
    }


__all__ = ["MARK", "drop_torn", "is_complete", "last_complete", "mark_complete"]
