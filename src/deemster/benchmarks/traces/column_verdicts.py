"""What a table of judgments says by itself: its tool's verdicts, and the truth."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from deemster.benchmarks.base import TIE
from deemster.benchmarks.traces.cells import MISSING, every, score_of, scores_of
from deemster.benchmarks.traces.column_map import Column, Columns
from deemster.benchmarks.traces.common import NO_COMPLETION, UNIT, failure, from_scores
from deemster.benchmarks.traces.verdicts import Said, winner
from deemster.data.row import Row
from deemster.errors import InputError
from deemster.schemas import Vote

UNREAD = "the log's tool read no verdict"
"""Message of a vote of which the log says so."""


def vote_of(
    said: JsonValue, raw: str, n: int, *, order: Sequence[int], draw: int, judge: str
) -> Vote:
    """A vote out of the log's own verdict."""
    if said is None:
        return failure("api_error", NO_COMPLETION, order, draw, judge, raw=raw)
    if said == "none":
        return failure("parse_error", UNREAD, order, draw, judge, raw=raw)
    if isinstance(said, list):
        scores, scale = [None if one is None else float(one) for one in said], None  # type: ignore[arg-type]
    elif said == "tie":
        scores, scale = [0.5] * n, UNIT
    else:
        scores, scale = [float(i == said) for i in range(n)], UNIT
    vote = from_scores(scores, draw=draw, judge=judge, order=order, scale=scale)
    return vote.model_copy(update={"raw": raw})


def stored_verdicts(
    row: Row,
    columns: Columns,
    names: list[list[str]],
    *,
    order: Sequence[int],
    prefix: str,
    votes: int,
) -> list[JsonValue]:
    """What the log itself read, one entry a vote, in the caller's order."""
    for role in ("winner", "shown_winner"):
        found = every(row, columns.get(prefix + role))
        if found and len(names) > 1:
            try:
                shown = [
                    winner(value, names if role == "winner" else [[]] * len(names))
                    for value in found
                ]
            except InputError as error:
                raise row.error(f"{columns[prefix + role][0].name!r}: {error}") from None
            return [_back(said, order) if role == "shown_winner" else said for said in shown]
    given = None if prefix else scores_of(row, columns.get("scores"))
    if not given:
        return []
    if len(names) == 1:
        return ["none" if one is None else [one] for one in given]
    if len(given) != len(names):
        raise row.error(f"{len(given)} scores for {len(names)} responses; name a column of each")
    if votes > 1:
        return []
    return ["none" if all(one is None for one in given) else list(given)]


def _back(said: Said, order: Sequence[int]) -> Said:
    return order[said] if isinstance(said, int) else said


def truth(row: Row, columns: Sequence[Column] | None, names: list[list[str]]) -> list[float] | None:
    """The true reward of each response; None if the row does not say.

    Raises:
        InputError: what the row says names no response.
    """
    values = every(row, columns)
    if not columns or all(str(value).strip().lower() in MISSING for value in values):
        return None
    if len(values) == len(names) and all(score_of(value) is not None for value in values):
        return [number for value in values if (number := score_of(value)) is not None]
    if len(values) != 1 or len(names) == 1:
        raise row.error(
            f"the truth {values!r:.60} must be a number for each of {len(names)} responses; "
            "leave it out with --columns truth="
        )
    try:
        said = winner(values[0], names)
    except InputError as error:
        raise row.error(f"{columns[0].name!r}: {str(error).replace('winner=', 'truth=')}") from None
    if said == "none":
        return None
    return list(TIE) if said == "tie" else [float(i == said) for i in range(len(names))]


__all__ = ["UNREAD", "stored_verdicts", "truth", "vote_of"]
