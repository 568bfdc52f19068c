"""Judging the rows of a table: what pandas and datasets share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deemster.errors import InputError
from deemster.integrations.summary import comment, reason
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike, principles_for
from deemster.runtime import run_sync
from deemster.schemas import Sample, Verdict, as_reference


def score_rows(
    judge: BaseJudge,
    rows: Iterable[Mapping[str, Any]],
    *,
    query: str,
    responses: str | Sequence[str],
    reference: str | None = None,
    principles: PrinciplesLike | None = None,
    in_flight: int = 64,
) -> list[dict[str, Any]]:
    """The judge's figures about each row, in order.

    Args:
        judge: anything with `score_all`.
        rows: by column.
        query: the column with the query.
        responses: the column with the response, or several, whose responses are compared.
        reference: the column with a gold answer.
        principles: what to judge by, in place of the judge's own.
        in_flight: rows judged at a time.

    Returns:
        For each row `score`, or `score_COLUMN` for each of several columns (the mean score on the
        judge's own scale, else the reward) and `best` (a column's name, None for a tie);
        `confidence`, `critique` of the first response, and `no_verdict`, which says why a row has
        no numbers. What is missing is None.

    Raises:
        InputError: a column is missing, or a cell is not what it should be.
    """
    columns = [responses] if isinstance(responses, str) else list(responses)
    samples = [
        Sample(
            query=_cell(row, query),
            responses=[_cell(row, column) for column in columns],
            reference=None if reference is None else as_reference(_cell(row, reference)),
            principles=() if principles is None else principles_for(principles, ()),
        )
        for row in rows
    ]
    verdicts = run_sync(judge.score_all(samples, in_flight=in_flight))
    return [_figures(verdict, columns) for verdict in verdicts]


def _cell(row: Mapping[str, Any], column: str) -> Any:  # noqa: ANN401 - text or messages
    if column not in row:
        raise InputError(f"no column {column!r}; there are: {', '.join(map(str, row))}")
    return row[column]


def _figures(verdict: Verdict, columns: Sequence[str]) -> dict[str, Any]:
    numbers: Sequence[float | None] = verdict.scores or verdict.rewards or [None] * len(columns)
    names = ["score"] if len(columns) == 1 else [f"score_{column}" for column in columns]
    found: dict[str, Any] = dict(zip(names, numbers, strict=True))
    if len(columns) > 1:
        found["best"] = None if verdict.best is None else columns[verdict.best]
    found["confidence"] = verdict.confidence
    found["critique"] = comment(verdict) if verdict.is_scored else None
    found["no_verdict"] = None if verdict.is_scored else reason(verdict)
    return found
