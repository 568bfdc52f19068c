"""JudgeBench outputs: two games per pair, the second one with the responses swapped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import JsonValue

from deemster.benchmarks.base import Figures, Judged, TraceReader
from deemster.benchmarks.judgebench import JudgeBench
from deemster.benchmarks.traces.common import (
    FORWARD,
    STORED,
    SWAPPED,
    from_scores,
    from_text,
    need_data,
    of_judge,
)
from deemster.benchmarks.traces.figures import Preference, preference, share, within
from deemster.benchmarks.traces.verdicts import winner
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.dialects import Dialect, open_dialect
from deemster.schemas import Judgment, Sample, Vote

_ORDERS = (FORWARD, SWAPPED)
_LABEL = re.compile(r"\[\[([AB<>=]+)\]\]")
"""What the tool accepts as a verdict, sensible (`A>B`) or not (`A>A`)."""


_SENSIBLE = re.compile("A>>?B|A=B|B>>?A")


@dataclass(frozen=True)
class JudgeBenchTraces(TraceReader):
    """Rows of the official `outputs/`, or one row per game and a file of pairs.

    Official: the pair's own fields and `judgments`, two of them, each with `judgment` (holding
    `response`, or `scores` of a reward model). One row per game: pair_id, game (0, or 1 when
    swapped), response, and scores of a reward model in the order shown. The published rule: a
    game counts +1 when its verdict is the label, -1 when it is the opposite; a pair is right
    when the sum is above 0: the majority of the games.
    """

    name: ClassVar[str] = "judgebench"
    description: ClassVar[str] = (
        "JudgeBench outputs: raw text (or reward model scores) of two games"
    )
    aggregator: ClassVar[str] = "majority"
    dialect: ClassVar[str] = "arena-hard"

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; a file is of one judge: `judge`, else named after the file."""
        several = judge is None or traces.is_dir()
        rows, name = of_judge(
            read_rows(traces), _judge_of if several else lambda _: None, judge, traces
        )
        dialect = open_dialect(self.dialect)
        if "judgments" in rows[0].values:
            for row in rows:
                (sample,) = JudgeBench().samples(row)
                games = [_official(row, entry) for entry in row.items("judgments")]
                yield _about(sample, name, games), _votes(row, games, dialect, name)
            return
        pairs = need_data(data, self.name, "the file of pairs")
        samples = {sample.id: sample for sample in JudgeBench().load(pairs)}
        for row, games in _by_pair(rows):
            known = samples.get(row.label("pair_id"))
            if known is None:
                raise row.error(f"no pair {row.label('pair_id')!r} in {pairs}")
            yield _about(known, name, games), _votes(row, games, dialect, name)

    def figures(self, rows: Judged) -> Figures:
        """See `TraceFormat.figures`; of the log, then of each category.

        `accuracy_two_game`: right pairs in percent; `right`, `pairs`: counts;
        `pairs_with_null`: pairs with a game without verdict; `pairs_inconsistent`: pairs whose
        games say different things. The tool reads any single verdict from a text, however
        senseless (`A>A` counts for neither response); of equal scores it prefers the second shown.
        """
        return _figures(rows) | within(rows, _figures, lambda sample: sample.subset)


def _figures(rows: Judged) -> Figures:
    right = sum(verdict.best is not None and verdict.best == one.best for one, _, verdict in rows)
    said = [[_said(vote) for vote in votes] for _, votes, _ in rows]
    return {
        **share("accuracy_two_game", right, len(rows)),
        "right": right,
        "pairs": len(rows),
        "pairs_with_null": sum(any(map(_null, votes)) for _, votes, _ in rows),
        "pairs_inconsistent": sum(len(set(games)) > 1 for games in said),
    }


def _said(vote: Vote) -> Preference:
    best = preference(vote)
    return vote.order[1] if best == "tie" and not vote.raw else best


def _null(vote: Vote) -> bool:
    return not isinstance(vote, Judgment) and len(set(_LABEL.findall(vote.raw))) != 1


def _judge_of(row: Row) -> str:
    return row.path.name.partition(".jsonl")[0]


def _about(sample: Sample, judge: str, games: list[Row]) -> Sample:
    stored = [_stored(game, order) for game, order in zip(games, _ORDERS, strict=False)]
    about = {"judge": judge, STORED: stored}
    return sample.model_copy(update={"metadata": sample.metadata | about})


def _stored(game: Row, order: tuple[int, ...]) -> JsonValue:
    """What the log's tool read from a text; of a reward model's scores nothing is read."""
    if "decision" not in game.values or game.get("scores") is not None:
        return None
    decision = game.get("decision")
    if decision is not None and not _SENSIBLE.fullmatch(str(decision)):
        return "none"  # a label such as `A>A`, which counts for neither response
    said = winner(decision, ((), ()))
    return order[said] if isinstance(said, int) else said


def _official(row: Row, entry: Any) -> Row:  # noqa: ANN401 - rows are untyped
    """The fields of one game: text or scores."""
    if entry is None:  # the tool writes null if the call failed
        return Row({}, row.where)
    game = Row({"judgments": entry}, row.where).record("judgments")
    decision = game.pick("decision") if game.get("decision") else {"decision": None}
    inner = game.record("judgment")
    return Row({**inner.values, **(decision if "decision" in game.values else {})}, inner.where)


def _by_pair(rows: list[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """The games of each pair, in the order of their numbers."""
    games: dict[str, dict[int, Row]] = {}
    for row in rows:
        played = games.setdefault(row.label("pair_id"), {})
        game = row.choice("game", {0: 0, 1: 1})
        if game in played:
            raise row.error(f"game {game} of this pair occurs twice")
        played[game] = row
    for played in games.values():
        first = next(iter(played.values()))
        yield first, [played.get(game, Row({}, first.where)) for game in range(len(_ORDERS))]


def _votes(row: Row, games: list[Row], dialect: Dialect, judge: str) -> tuple[Vote, ...]:
    if len(games) > len(_ORDERS):
        raise row.error(f"{len(games)} games of one pair; expected 2")
    return tuple(_vote(game, dialect, judge, draw) for draw, game in enumerate(games))


def _vote(game: Row, dialect: Dialect, judge: str, draw: int) -> Vote:
    order = _ORDERS[draw]
    if game.values and not {"response", "scores"} & game.values.keys():
        game.need("response", "scores")
    if game.get("scores") is None:
        return from_text(dialect, game.get("response"), order=order, n=2, draw=draw, judge=judge)
    shown = game.items("scores")
    if len(shown) != 2 or not all(type(score) in (int, float) for score in shown):
        raise game.error(f"'scores' must be two numbers, got {shown!r:.80}")
    return from_scores([shown[i] for i in order], draw=draw, judge=judge, order=order)


__all__ = ["JudgeBenchTraces"]
