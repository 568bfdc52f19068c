"""MT-bench judgments: pairs in both orders, and single ratings, in two layouts each.

FastChat's `model_judgment/*.jsonl` (`judge` is [model, prompt]; one file may mix pairs and
single ratings) and mt_bench_repro's logs (`judge_id`, `judgment_ab`/`judgment_ba` of a pair,
`judgment_turn1`/`judgment_turn2` of a rating).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import ClassVar

from pydantic import JsonValue

from deemster.benchmarks.base import Figures, Judged, TraceReader
from deemster.benchmarks.mt_bench import query, read_questions
from deemster.benchmarks.traces.common import FORWARD, STORED, SWAPPED, Ids, from_text, of_judge
from deemster.benchmarks.traces.figures import preference, share, within
from deemster.benchmarks.traces.verdicts import winner
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.schemas import Failure, Judgment, Sample, Vote

_FAILED = ("$ERROR$",)
"""What FastChat writes in place of a completion when all attempts have failed."""
_PAIR_FIELDS = (("judgment_ab", "judgment_ba"), ("g1_judgment", "g2_judgment"))
_TURNS = (1, 2)
_SCORE = "stored_score"
"""Metadata: the score that the log itself keeps, -1 where its tool read none."""
_NO_SCORE = -1


def _rule(row: Row) -> str:
    """Which of two verdicts in one text counts: the first for FastChat, else the last."""
    return "last" if row.get("judge_id") is not None else "first"


@dataclass(frozen=True)
class MTBenchPairs(TraceReader):
    """Two games per pair, the second one with the responses swapped.

    MT-bench counts a win only if both games agree; if not, the pair is position
    inconsistent. `majority` makes one win against another a tie, as the paper does.
    """

    name: ClassVar[str] = "mt-bench-pairs"
    description: ClassVar[str] = "MT-bench pairwise judgments in both orders"
    aggregator: ClassVar[str] = "majority"
    dialect: ClassVar[str] = "mt-bench-pair:last"

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; `data` is the file of questions and may be left out."""
        found = [row for row in read_rows(traces) if _pair_fields(row) is not None]
        rows, name = _of_judge(found, judge, traces, "pairs (judgment_ab, or g1_judgment)")
        questions = {} if data is None else read_questions(data)
        ids = Ids()
        for row in rows:
            spec = f"mt-bench-pair:{_rule(row)}"
            dialect = open_dialect(spec)
            models = (row.text("model_a", "model_1"), row.text("model_b", "model_2"))
            texts = [row.get(key) for key in _pair_fields(row) or ()]
            votes = (
                from_text(dialect, text, order=order, n=2, draw=draw, judge=name, failed=_FAILED)
                for draw, (text, order) in enumerate(zip(texts, (FORWARD, SWAPPED), strict=True))
            )
            turn = row.choice("turn", {1: 1, 2: 2})
            about: dict[str, JsonValue] = {
                "judge": name, "dialect": spec, STORED: _winners(row, models),
            }  # fmt: skip
            yield ids.apart(_sample(row, models, turn, questions, about)), tuple(votes)

    def figures(self, rows: Judged) -> Figures:
        """See `TraceFormat.figures`.

        `pairs`, and `valid`, those with a verdict in both games; `inconsistent`: valid ones whose
        games disagree, a tie against a win included; `rate_pct`: these in percent of the valid.
        """
        games = [tuple(map(preference, votes)) for _, votes, _ in rows]
        valid = [said for said in games if None not in said]
        differ = sum(len(set(said)) > 1 for said in valid)
        return {
            "pairs": len(rows),
            "valid": len(valid),
            "inconsistent": differ,
            **share("rate_pct", differ, len(valid)),
        }


@dataclass(frozen=True)
class MTBenchSingle(TraceReader):
    """One rating of one response, 1 to 10; answers to the two turns are samples of their own."""

    name: ClassVar[str] = "mt-bench-single"
    description: ClassVar[str] = "MT-bench ratings of single answers"
    aggregator: ClassVar[str] = "mean"
    dialect: ClassVar[str] = "mt-bench-single:last"

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; `data` is the file of questions and may be left out."""
        found = [row for row in read_rows(traces) if _ratings(row)]
        rows, name = _of_judge(found, judge, traces, "ratings (judgment, or judgment_turn1)")
        questions = {} if data is None else read_questions(data)
        ids = Ids()
        for row in rows:
            spec = f"mt-bench-single:{_rule(row)}"
            dialect = open_dialect(spec)
            models = (row.text("model_id", "model"),)
            for turn, text in _ratings(row):
                about = {"judge": name, "dialect": spec, **_stored(row, turn)}
                vote = from_text(dialect, text, order=(0,), n=1, draw=0, judge=name, failed=_FAILED)
                yield ids.apart(_sample(row, models, turn, questions, about)), (vote,)

    def figures(self, rows: Judged) -> Figures:
        """See `TraceFormat.figures`; of the log, then of each protocol.

        `mean` of the scores; `valid_scores`: how many were read; `failures`: answers without a
        score; `without_text`: those of them of which the log has no completion (a failed call, or
        a turn that was not judged); `stored_scores`: of how many answers the log keeps a score of
        its own; `equal_to_stored`: how many of these are what we read, -1 standing for none.
        """
        return _figures(rows) | within(rows, _figures, lambda one: str(one.metadata["protocol"]))


def _figures(rows: Judged) -> Figures:
    scores = [verdict.rewards[0] for _, _, verdict in rows if verdict.rewards is not None]
    silent = sum(
        isinstance(one, Failure) and one.status in {"api_error", "empty"} for _, (one,), _ in rows
    )
    stored = [(row[0].metadata[_SCORE], row) for row in rows if _SCORE in row[0].metadata]
    return {
        **({"mean": fmean(scores)} if scores else {}),
        "valid_scores": len(scores),
        "failures": len(rows) - len(scores),
        "without_text": silent,
        "stored_scores": len(stored),
        "equal_to_stored": sum(score == _as_stored(vote) for score, (_, (vote,), _) in stored),
    }


def _as_stored(vote: Vote) -> float | None:
    return vote.scores[0] if isinstance(vote, Judgment) else _NO_SCORE


def _stored(row: Row, turn: int) -> dict[str, JsonValue]:
    """The score that the row itself gives to a turn, if any."""
    key = "score" if "judgment" in row.values else f"score_turn{turn}"
    score = row.get(key)
    if score is None:
        return {}
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise row.error(f"{key} {score!r} is not a number")
    return {_SCORE: score, STORED: ["none" if score == _NO_SCORE else [score]]}


def _winners(row: Row, models: tuple[str, ...]) -> list[JsonValue]:
    """What the log's tool read from the two games, where the row says it."""
    stored: list[JsonValue] = [None, None]
    # FastChat names models, mt_bench_repro the letter shown.
    theirs = (("g1_winner", FORWARD), ("g2_winner", FORWARD))
    others = (("winner_ab", FORWARD), ("winner_ba", SWAPPED))
    names = [(f"model_{i + 1}", model) for i, model in enumerate(models)]
    for fields in (theirs, others):
        for game, (key, order) in enumerate(fields):
            if key in row.values:
                try:
                    said = winner(row.get(key), names)
                except InputError as error:
                    raise row.error(f"{key!r}: {error}") from None
                stored[game] = order[said] if isinstance(said, int) else said
    return stored


def _pair_fields(row: Row) -> tuple[str, str] | None:
    return next((keys for keys in _PAIR_FIELDS if keys[0] in row.values), None)


def _ratings(row: Row) -> list[tuple[int, str | None]]:
    """Turns and texts of the ratings that a row holds."""
    if "judgment" in row.values:
        return [(row.choice("turn", {1: 1, 2: 2}), row.get("judgment"))]
    keys = {turn: f"judgment_turn{turn}" for turn in _TURNS}
    return [(turn, row.get(key)) for turn, key in keys.items() if key in row.values]


def _of_judge(rows: list[Row], judge: str | None, traces: Path, what: str) -> tuple[list[Row], str]:
    if not rows:
        raise InputError(f"{traces} holds no {what}")
    return of_judge(rows, _judge_name, judge, traces)


def _judge_name(row: Row) -> str | None:
    if row.get("judge_id") is None and row.get("judge") is None:
        return None
    if row.get("judge_id") is not None:
        return row.text("judge_id")
    return row.texts("judge")[0] if isinstance(row.get("judge"), list) else row.text("judge")


def _protocol(row: Row) -> str:
    """Which prompt was used: with or without reference, one turn or two."""
    judge = row.get("judge")
    return str(judge[1]) if isinstance(judge, list) and len(judge) > 1 else row.get("protocol", "")


def _sample(
    row: Row,
    models: tuple[str, ...],
    turn: int,
    questions: Mapping[str, Row],
    about: Mapping[str, JsonValue],
) -> Sample:
    key = row.label("question_id")
    question = questions.get(key)
    if questions and question is None:
        raise row.error(f"question {key} is not among the {len(questions)} questions given")
    protocol = _protocol(row)
    # Several people judged models of the same name: the repository tells them apart.
    parts = (row.get("source_repo", ""), protocol, key, *models, f"turn{turn}")
    return row.sample(
        id="/".join(filter(None, parts)),
        query=() if question is None else query(question.texts("turns"), turn),
        responses=("",) * len(models),
        policies=models,
        subset=row.get("category") or (question.get("category", "") if question else ""),
        metadata={**about, "protocol": protocol, "question_id": key, "turn": turn},
    )


__all__ = ["MTBenchPairs", "MTBenchSingle"]
