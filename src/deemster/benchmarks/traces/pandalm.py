"""PandaLM results beside its test set, whose labels are three annotators'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.data.row import Row

_MEANS = {"1": "a", "2": "b", "0": "tie", "tie": "tie"}
_JUDGES = ("pandalm", "gpt")


@dataclass(frozen=True)
class PandaLMTraces(ColumnTraces):
    """Rows with `response1`, `response2` and `pandalm_result` (or `gpt_result`).

    A result is 1, 2, `Tie`, or what the tool could not read; the truth is what most of
    `annotator1` to `annotator3` say (0 for a tie), and unknown where all three differ.
    """

    name: ClassVar[str] = "pandalm"
    description: ClassVar[str] = "PandaLM results beside its test set"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per pair and judge."""
        for row in self.source(traces):
            found = [judge for judge in _JUDGES if f"{judge}_result" in row.values]
            if not found:
                row.need("pandalm_result")
            marks = [row.get(f"annotator{i}") for i in (1, 2, 3)]
            for judge in found:
                said = _MEANS.get(str(row.get(f"{judge}_result")).strip().lower(), "none")
                query = [row.get("instruction"), row.get("input")]
                yield replace(
                    row,
                    values={
                        "id": row.label("idx"),
                        "query": "\n\n".join(filter(None, query)) or None,
                        "responses": [row.get("response1", ""), row.get("response2", "")],
                        "winner": said,
                        "truth": _majority(row, marks),
                        "judge": judge,
                        "subset": row.get("motivation_app"),
                    },
                )


def _majority(row: Row, marks: list[Any]) -> str | None:
    known = [str(mark).strip().lower() for mark in marks if mark is not None]
    if any(mark not in _MEANS for mark in known):
        raise row.error(f"annotators say {known!r:.60}; allowed: 0 (tie), 1, 2")
    if not known:
        return None
    top, times = Counter(known).most_common(1)[0]
    return _MEANS[top] if times * 2 > len(known) else None


__all__ = ["PandaLMTraces"]
