"""Wordings of queries and answers, read from `wordings.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import yaml


@dataclass(frozen=True)
class Wordings:
    """Wordings of one thing: format strings with named fields."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    """Of the split `templates` alone."""


def _read() -> dict[str, Wordings]:
    text = resources.files(__package__).joinpath("wordings.yaml").read_text(encoding="utf-8")
    return {
        name: Wordings(tuple(given["train"]), tuple(given["held_out"]))
        for name, given in yaml.safe_load(text).items()
    }


WORDINGS = _read()
"""By name."""
