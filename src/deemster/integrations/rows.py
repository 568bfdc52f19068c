"""Judging the rows of a table: what pandas and datasets share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from deemster.errors import InputError
from deemster.integrations.summary import comment, reason
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike, principles_for
from deemster.runtime import run_sync
from deemster.schemas import Sample, Verdict, as_query, as_reference, as_response

T = TypeVar("T")


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
        InputError: a column is missing, or a cell is not what it should be: of a query and of
            responses none may be missing.
    """
    columns = _columns(responses)
    criteria = () if principles is None else principles_for(principles, ())
    samples = [
        Sample(
            query=_cell(row, number, query, as_query),
            responses=[_cell(row, number, column, as_response) for column in columns],
            reference=None if reference is None else _cell(row, number, reference, as_reference),
            principles=criteria,
        )
        for number, row in enumerate(rows)
    ]
    verdicts = run_sync(judge.score_all(samples, in_flight=in_flight))
    return [_figures(verdict, columns) for verdict in verdicts]


def figure_kinds(responses: str | Sequence[str]) -> dict[str, type]:
    """Names of the figures of `score_rows`, in order, and of what type those are that are there."""
    columns = _columns(responses)
    kinds: dict[str, type] = dict.fromkeys(_numbers(columns), float)
    if len(columns) > 1:
        kinds["best"] = str
    return kinds | {"confidence": float, "critique": str, "no_verdict": str}


def _columns(responses: str | Sequence[str]) -> list[str]:
    return [responses] if isinstance(responses, str) else list(responses)


def _numbers(columns: Sequence[str]) -> list[str]:
    return ["score"] if len(columns) == 1 else [f"score_{column}" for column in columns]


def _cell(row: Mapping[str, Any], number: int, column: str, read: Callable[[Any], T]) -> T:
    if column not in row:
        raise InputError(f"no column {column!r}; there are: {', '.join(map(str, row))}")
    try:
        return read(_plain(row[column]))
    except InputError as error:
        raise InputError(f"row {number}, column {column!r}: {error}") from error


def _plain(value: Any) -> Any:  # noqa: ANN401 - any cell
    """A cell without arrays: tables that were read from Parquet have them in place of lists."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _figures(verdict: Verdict, columns: Sequence[str]) -> dict[str, Any]:
    numbers: Sequence[float | None] = verdict.scores or verdict.rewards or [None] * len(columns)
    found: dict[str, Any] = dict(zip(_numbers(columns), numbers, strict=True))
    if len(columns) > 1:
        found["best"] = None if verdict.best is None else columns[verdict.best]
    found["confidence"] = verdict.confidence
    found["critique"] = comment(verdict) if verdict.is_scored else None
    found["no_verdict"] = None if verdict.is_scored else reason(verdict)
    return found
