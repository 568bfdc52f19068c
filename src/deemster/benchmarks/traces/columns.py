"""Any table of judgments: which column holds what is said, or known by its usual name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import JsonValue

from deemster.benchmarks.base import TIE, TraceReader
from deemster.benchmarks.files import Row, read_rows
from deemster.benchmarks.traces.cells import (
    MISSING,
    as_text,
    cell_text,
    every,
    score_of,
    scores_of,
    shown_order,
    single,
)
from deemster.benchmarks.traces.column_map import (
    ROLES,
    Column,
    Columns,
    listed,
    resolve,
)
from deemster.benchmarks.traces.common import (
    NO_COMPLETION,
    REPEATED,
    STORED,
    UNIT,
    Ids,
    failure,
    from_scores,
    from_text,
    of_judge,
)
from deemster.benchmarks.traces.verdicts import Said, winner
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.schemas import Failure, Sample, Vote

_UNREAD = "the log's tool read no verdict"


@dataclass(frozen=True)
class ColumnTraces(TraceReader):
    """A row a judgment, or several judgments of one sample in a row.

    Text in `output` is read by the dialect. Without a dialect, or without text, the log's own
    scores or winners are the votes. Subclasses name the columns of known tools.

    Args:
        columns: columns by role (`ROLES`); others are found by their usual names.
        dialect: spec of the dialect that reads the judge's text; empty to take the log's verdicts.
        source: where rows come from.
    """

    columns: Columns = field(default_factory=dict)
    dialect: str = ""
    source: Callable[[Path], Iterator[Row]] = read_rows

    name: ClassVar[str] = "columns"
    description: ClassVar[str] = "any table of judgments; --columns says which column holds what"
    aggregator: ClassVar[str] = "mean"
    failed: ClassVar[tuple[str, ...]] = ()
    """Texts that the tool writes in place of a completion when a call fails."""
    reshaped: ClassVar[bool] = False
    """Whether `rows` names columns after their roles (`ROLES`), and there are no others."""

    def rows(self, traces: Path) -> Iterator[Row]:
        """The rows, one a judgment; subclasses reshape those of nested logs."""
        yield from self.source(traces)

    def read(
        self, traces: Path, data: Path | None = None, *, judge: str | None = None
    ) -> Iterator[tuple[Sample, tuple[Vote, ...]]]:
        """See `TraceFormat.read`; all is in the log, so that `data` is refused.

        Raises:
            InputError: see `TraceFormat.read`; also if no row has a judgment.
        """
        if data is not None:
            raise InputError(f"format {self.name!r} takes no --data; the log's columns hold it")
        rows = list(self.rows(traces))
        given = self._own(rows) | dict(self.columns)
        columns = resolve(given, [row.values for row in rows])
        fields = listed(dict.fromkeys(str(key) for row in rows for key in row.values))
        self._check(columns, traces, fields)
        rows, name = of_judge(rows, lambda row: cell_text(row, columns["judge"]), judge, traces)
        groups: dict[object, list[Row]] = {}
        for row in rows:
            groups.setdefault(_key(row, columns), []).append(row)
        ids = Ids()
        for members in groups.values():
            yield self._judged(members, columns, name, ids)

    def _own(self, rows: Sequence[Row]) -> dict[str, tuple[Column, ...]]:
        """The columns that `rows` made, where it reshapes a log: named like their roles."""
        if not self.reshaped:
            return {}
        made = {key for row in rows for key in row.values}
        return {role: (Column(role),) if role in made else () for role in ROLES}

    def _check(self, columns: Columns, traces: Path, fields: str) -> None:
        texts = [role for role in ("output", "swapped_output") if columns.get(role)]
        verdicts = [r for r in ("scores", "winner", "shown_winner") if columns.get(r)]
        if not texts and not verdicts:
            raise InputError(
                f"{traces} has no column with judgments; fields there: {fields}; name one: "
                "--columns output=COLUMN (the judge's text), scores=COLUMN or winner=COLUMN"
            )
        if self.dialect and not texts:
            raise InputError(
                f"{traces} has no column with the judge's text for the dialect {self.dialect!r}; "
                f"fields there: {fields}; name it: --columns output=COLUMN"
            )
        if not self.dialect and not verdicts:
            raise InputError(
                f"{traces} has the judge's text in {columns[texts[0]][0].name!r} and no verdicts; "
                "name the dialect that reads it: --dialect NAME (docs/dialects.md)"
            )

    def _judged(
        self, rows: Sequence[Row], columns: Columns, judge: str, ids: Ids
    ) -> tuple[Sample, tuple[Vote, ...]]:
        first = rows[0]
        n, responses = _responses(first, columns)
        policies = [as_text(one) for one in every(first, columns.get("policies"))]
        names = _names(columns.get("responses", ()), policies, n)
        votes: list[Vote] = []
        stored: list[JsonValue] = []
        for row in rows:
            for flipped in (False, True):
                made = self._votes(row, columns, names, judge, len(votes), flipped=flipped)
                for vote, said in made:
                    votes.append(vote)
                    stored.append(said)
        about: dict[str, JsonValue] = {"judge": judge}
        repeats = len(rows) - len({json.dumps(row.values, default=str) for row in rows})
        if repeats:
            about[REPEATED] = repeats
        if any(one is not None for one in stored):
            about[STORED] = stored
        sample = first.sample(
            id=cell_text(first, columns.get("id")) or f"row {first.number}",
            query=single(first, columns.get("query")) or (),
            responses=responses,
            ground_truth=_truth(first, columns.get("truth"), names),
            reference=single(first, columns.get("reference")),
            policies=policies if len(policies) == n else None,
            subset=cell_text(first, columns.get("subset")) or "",
            metadata=about,
        )
        return ids.apart(sample), tuple(votes)

    def _votes(
        self,
        row: Row,
        columns: Columns,
        names: list[list[str]],
        judge: str,
        draw: int,
        *,
        flipped: bool,
    ) -> Iterator[tuple[Vote, JsonValue]]:
        """Votes of one row in one order, each with what the log itself read."""
        prefix = "swapped_" if flipped else ""
        n = len(names)
        order = shown_order(row, columns, n)
        if flipped:
            if not any(columns.get(prefix + role) for role in ("output", "winner", "shown_winner")):
                return
            order = order[::-1]
        texts = every(row, columns.get(prefix + "output"))
        verdicts = _verdicts(row, columns, names, order=order, prefix=prefix, votes=len(texts))
        reason = cell_text(row, columns.get("error"))
        for i in range(max(len(texts), len(verdicts), 1)):
            said = verdicts[i] if i < len(verdicts) else None
            text = texts[i] if i < len(texts) else None
            if self.dialect and (text is not None or said is None):
                vote = from_text(
                    open_dialect(self.dialect), text if text is None else as_text(text),
                    order=order, n=n, draw=draw + i, judge=judge, failed=self.failed,
                )  # fmt: skip
            else:
                raw = "" if text is None else as_text(text)
                vote = _of_verdict(said, raw, n, order=order, draw=draw + i, judge=judge)
            if reason and isinstance(vote, Failure) and vote.message in {NO_COMPLETION, _UNREAD}:
                vote = vote.model_copy(update={"status": "api_error", "message": reason})
            yield vote, said


def _of_verdict(
    said: JsonValue, raw: str, n: int, *, order: Sequence[int], draw: int, judge: str
) -> Vote:
    """A vote out of the log's own verdict."""
    if said is None:
        return failure("api_error", NO_COMPLETION, order, draw, judge, raw=raw)
    if said == "none":
        return failure("parse_error", _UNREAD, order, draw, judge, raw=raw)
    if isinstance(said, list):
        scores, scale = [None if one is None else float(one) for one in said], None  # type: ignore[arg-type]
    elif said == "tie":
        scores, scale = [0.5] * n, UNIT
    else:
        scores, scale = [float(i == said) for i in range(n)], UNIT
    vote = from_scores(scores, draw=draw, judge=judge, order=order, scale=scale)
    return vote.model_copy(update={"raw": raw})


def _verdicts(
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


def _key(row: Row, columns: Columns) -> str:
    """Equal for rows about the same sample."""
    same = [every(row, columns.get(role)) for role in ("query", "responses", "policies", "subset")]
    known = cell_text(row, columns.get("id"))
    if known is None and not any(same[1]):
        return f"row {row.path} {row.number}"
    return json.dumps([known, *same], default=str)


def _responses(row: Row, columns: Columns) -> tuple[int, list[Any]]:
    texts = every(row, columns.get("responses"))
    if texts:
        return len(texts), ["" if text is None else text for text in texts]
    policies = len(every(row, columns.get("policies")))
    pair = any(columns.get(role) for role in ("winner", "shown_winner", "swapped_output"))
    n = policies if policies > 1 else (2 if pair else max(len(columns.get("scores", ())), 1))
    return n, [""] * n


def _names(columns: Sequence[Column], policies: list[str], n: int) -> list[list[str]]:
    """What each response may be called: its model, its column, the end of its column's name."""
    names: list[list[str]] = [[] for _ in range(n)]
    for i, known in enumerate(names):
        if len(set(policies)) == n:
            known.append(policies[i])
        if len(columns) == n:
            known += [columns[i].name, columns[i].name.rpartition("_")[2]]
    return names


def _truth(row: Row, columns: Sequence[Column] | None, names: list[list[str]]) -> Any:  # noqa: ANN401
    values = every(row, columns)
    if not columns or all(str(value).strip().lower() in MISSING for value in values):
        return None
    if len(values) == len(names) and all(score_of(value) is not None for value in values):
        return [score_of(value) for value in values]
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


__all__ = ["ROLES", "ColumnTraces"]
