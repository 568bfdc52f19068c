"""Figures of `smol` and of the judges beside it: one JSON file, which card and page are made from.

`figures.json` lies beside the adapter and ships with it. A part is one judge on one set of data, or
what one run gains over another on the same pairs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deemster.suites.metrics import Summary

NAME = "figures.json"
OWN = ("smol", "smol-32", "smol-meta")
"""Judges whose figures belong to one adapter."""
GAINS = "gains"
"""In the place of the data, where a part is what a run gains; it belongs to that run's model."""


@dataclass
class Figures:
    """Parts by `DATA/JUDGE`, and by `gains/TITLE`."""

    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Figures:
        """Those of an adapter's folder; none if there is no file."""
        path = folder / NAME
        return cls(json.loads(path.read_text("utf-8"))["parts"] if path.is_file() else {})

    def write(self, folder: Path) -> None:
        """Write them, sorted, so that equal figures are equal bytes."""
        text = json.dumps({"parts": dict(sorted(self.parts.items()))}, indent=1)
        (folder / NAME).write_text(f"{text}\n", encoding="utf-8")

    def keep_only(self, adapter: str) -> None:
        """Take out what `smol` said with another adapter."""
        self.parts = {
            name: part
            for name, part in self.parts.items()
            if not _own(name, part) or part["model"] == f"smol@{adapter}"
        }

    def of(self, data: str, judge: str) -> dict[str, Any] | None:
        """A part; None if it was not measured."""
        return self.parts.get(f"{data}/{judge}")


def _own(name: str, part: dict[str, Any]) -> bool:
    data, _, judge = name.partition("/")
    return judge in OWN or (data == GAINS and part["model"].startswith("smol@"))


def part_of(summary: Summary, *, of: int) -> dict[str, Any]:
    """What is kept of a run's summary.

    Args:
        summary: of one judge.
        of: how many samples there are in all; the run may have a part of them.
    """
    position = summary.position_consistency
    return {
        "model": "" if summary.judge is None else summary.judge.model,
        "n": summary.n,
        "of": of,
        "chance": 0.5,
        "curves": {
            kind: {
                str(one.k): [one.accuracy.value, one.accuracy.low, one.accuracy.high]
                for one in points
            }
            for kind, points in summary.curves.items()
        },
        "overall": [summary.detail.overall.value, summary.detail.overall.low,
                    summary.detail.overall.high],
        "ties": summary.ties,
        "unscored": summary.n - summary.n_scored,
        "votes": summary.n_votes,
        "failed votes": sum(summary.failures.values()),
        "same winner in both orders": None if position is None else position.by_item.value,
        "votes for the first shown": None if position is None else position.first_wins.value,
        "by": dict(summary.by),
        "counts": {name: one.n for name, one in summary.subsets.items()},
    }  # fmt: skip
