"""Arena-Hard judgments, v0.1 and v2: two games against a baseline, the second one swapped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from deemster.benchmarks.traces.columns import ColumnTraces
from deemster.data.row import Row

_BASELINE = "baseline"


@dataclass(frozen=True)
class ArenaHardTraces(ColumnTraces):
    """Rows of `model_judgment/JUDGE/MODEL.jsonl`: `games`, each with `judgment` and `score`.

    The baseline is response 0 and shown first in the first game, the model in the second one.
    `judgment` is the text, or an object with `answer` in v2. v0.1 does not name its baseline.
    """

    dialect: str = "arena-hard"

    name: ClassVar[str] = "arena-hard"
    description: ClassVar[str] = "Arena-Hard judgments (v0.1, v2): a model against the baseline"
    reshaped: ClassVar[bool] = True

    def rows(self, traces: Path) -> Iterator[Row]:
        """One row per question, its games side by side."""
        for row in self.source(traces):
            games = [_game(row, game) for game in row.items("games")]
            if not 1 <= len(games) <= 2:
                raise row.error(f"{len(games)} games of one question; expected 1 or 2")
            values: dict[str, Any] = {
                "id": f"{row.text('model')}/{row.label('question_id', 'uid')}",
                "judge": row.get("judge"),
                "policies": [row.get("baseline", _BASELINE), row.text("model")],
                "subset": row.get("category"),
            }
            for prefix, (text, score) in zip(("", "swapped_"), games, strict=False):
                values |= {f"{prefix}output": text, f"{prefix}shown_winner": score or "none"}
            yield replace(row, values=values)


def _game(row: Row, game: object) -> tuple[Any, Any]:
    """Text and label of one game; a failed call has neither."""
    if game is None:
        return None, None
    fields = replace(row, values={"games": game}).record("games")
    if "judgment" not in fields.values:
        fields.need("judgment")  # raises
    judgment = fields.get("judgment")
    if isinstance(judgment, dict):
        judgment = judgment.get("answer")
    return judgment, fields.get("score")


__all__ = ["ArenaHardTraces"]
