"""Auto-J verdicts in both orders, beside the pair they are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deemster.benchmarks.auto_j import LABELS, AutoJ
from deemster.benchmarks.base import Figures, Judged, TraceReader
from deemster.benchmarks.traces.common import (
    FORWARD,
    SWAPPED,
    UNIT,
    from_scores,
    from_text,
)
from deemster.benchmarks.traces.figures import preference, share
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.schemas import Sample, Vote

_JUDGE = "autoj"
_FIELDS = (("autoj_verdict", FORWARD), ("autoj_verdict_exchanged_raw", SWAPPED))


@dataclass(frozen=True)
class AutoJTraces(TraceReader):
    """Rows of the test set with `autoj_verdict` and `autoj_verdict_exchanged_raw`.

    A verdict is 0 (first shown), 1 (second shown) or 2 (tie), or the judge's text. The published
    agreement counts a pair when both orders give the human label, consistency when both orders
    agree; `mean` and its strict best come closest.
    """

    name: ClassVar[str] = "auto-j"
    description: ClassVar[str] = "Auto-J pairwise verdicts in both orders"
    aggregator: ClassVar[str] = "mean"
    dialect: ClassVar[str] = "auto-j"

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; pairs come from `data` where the log does not repeat them."""
        name = judge or _JUDGE
        given = None if data is None else iter(AutoJ().load(data))
        for row in read_rows(traces):
            if given is None:
                (sample,) = AutoJ().samples(row)
            else:
                # The official files are matched by line: row i of one is about row i of the other.
                following = next(given, None)
                if following is None:
                    raise InputError(f"{row.where}: there are fewer rows in {data}")
                sample = following
            about = sample.model_copy(update={"metadata": sample.metadata | {"judge": name}})
            yield about, tuple(self._vote(row, draw, name) for draw in range(len(_FIELDS)))

    def figures(self, rows: Judged) -> Figures:
        """See `TraceFormat.figures`.

        `agreement`: pairs of which both orders give the human label, in percent; `consistency`:
        pairs of which both orders give the same, in percent; `pairs`: their number. A text
        without a verdict agrees with nothing.
        """
        said = [tuple(map(preference, votes)) for _, votes, _ in rows]
        truths = ["tie" if sample.best is None else sample.best for sample, _, _ in rows]
        agree = sum(games == (truth, truth) for games, truth in zip(said, truths, strict=True))
        same = sum(first == second is not None for first, second in said)
        return {
            **share("agreement", agree, len(rows)),
            **share("consistency", same, len(rows)),
            "pairs": len(rows),
        }

    def _vote(self, row: Row, draw: int, judge: str) -> Vote:
        key, order = _FIELDS[draw]
        if isinstance(row.get(key), str) and row.get(key) not in map(str, LABELS):
            return from_text(
                open_dialect(self.dialect), row.get(key), order=order, n=2, draw=draw, judge=judge
            )
        shown = row.choice(key, LABELS)
        scores = shown if order == FORWARD else shown[::-1]
        return from_scores(scores, draw=draw, judge=judge, order=order, scale=UNIT)


__all__ = ["AutoJTraces"]
