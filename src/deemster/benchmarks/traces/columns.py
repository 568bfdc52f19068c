"""Any table of judgments: which column holds what is said, or known by its usual name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import JsonValue

from deemster.benchmarks.base import FIRST, TraceReader
from deemster.benchmarks.traces.cells import (
    as_text,
    cell_text,
    every,
    numbers_written,
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
from deemster.benchmarks.traces.column_verdicts import UNREAD, stored_verdicts, truth, vote_of
from deemster.benchmarks.traces.common import (
    NO_COMPLETION,
    REPEATED,
    STORED,
    Ids,
    from_text,
    of_judge,
)
from deemster.data.columns import SINGLE_NAMES
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.schemas import Failure, Sample, Vote

_ONE = (*SINGLE_NAMES, "answer")
"""Columns that hold one response."""


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
        texts = [role for role in ("output", "swapped_output", "output_each") if columns.get(role)]
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
                if not (columns.get("output_each") and self.dialect):
                    made = self._votes(row, columns, names, judge, len(votes), flipped=flipped)
                elif flipped:
                    continue
                else:
                    made = self._each(row, columns, n, judge, len(votes))
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
            query=numbers_written(single(first, columns.get("query"))) or (),
            responses=responses,
            ground_truth=self._truth_of(rows, columns, names),
            reference=numbers_written(single(first, columns.get("reference"))),
            policies=policies if len(policies) == n else None,
            subset=cell_text(first, columns.get("subset")) or "",
            metadata=about,
        )
        return ids.apart(sample), tuple(votes)

    def _truth_of(
        self, rows: Sequence[Row], columns: Columns, names: list[list[str]]
    ) -> Sequence[float] | None:
        """What the rows about one sample say, each the same or nothing."""
        said: Sequence[float] | None = None
        for row in rows:
            other = self._truth(row, columns, names)
            if None not in (said, other) and list(said or ()) != list(other or ()):
                raise row.error(
                    "the truth is another than in an earlier row about the same sample; correct "
                    "it, or leave it out with --columns truth="
                )
            said = other if said is None else said
        return said

    def _truth(self, row: Row, columns: Columns, names: list[list[str]]) -> Sequence[float] | None:
        """What the column says; without one, `chosen` is better than `rejected`."""
        responses = [column.name.lower() for column in columns.get("responses", ())]
        if responses == ["chosen", "rejected"] and not columns["truth"]:
            return None if "truth" in self.columns else FIRST
        return truth(row, columns.get("truth"), names)

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
        if row.textual:  # a table cannot say null: a cell without text is a blank completion
            texts = ["" if text is None else text for text in texts]
        verdicts = stored_verdicts(
            row, columns, names, order=order, prefix=prefix, votes=len(texts)
        )
        reason = cell_text(row, columns.get("error"))
        for i in range(max(len(texts), len(verdicts), 1)):
            said = verdicts[i] if i < len(verdicts) else None
            text = texts[i] if i < len(texts) else None
            if self.dialect:
                vote = from_text(
                    open_dialect(self.dialect), text if text is None else as_text(text),
                    order=order, n=n, draw=draw + i, judge=judge, failed=self.failed,
                )  # fmt: skip
            else:
                raw = "" if text is None else as_text(text)
                vote = vote_of(said, raw, n, order=order, draw=draw + i, judge=judge)
            if reason and isinstance(vote, Failure) and vote.message in {NO_COMPLETION, UNREAD}:
                vote = vote.model_copy(update={"status": "api_error", "message": reason})
            yield vote, said

    def _each(
        self, row: Row, columns: Columns, n: int, judge: str, draw: int
    ) -> Iterator[tuple[Vote, JsonValue]]:
        """A vote on each response alone, from the text about it."""
        texts = every(row, columns["output_each"])
        if len(texts) != n:
            raise row.error(f"{len(texts)} texts on one response each, for {n} responses")
        given = scores_of(row, columns.get("scores"))
        for i, text in enumerate(texts):
            vote = from_text(
                open_dialect(self.dialect), text if text is None else as_text(text),
                order=(i,), n=n, draw=draw + i, judge=judge, failed=self.failed,
            )  # fmt: skip
            said: JsonValue = None
            if len(given) == n:
                alone: list[JsonValue] = [given[i] if j == i else None for j in range(n)]
                said = "none" if given[i] is None else alone
            yield vote, said


def _key(row: Row, columns: Columns) -> str:
    """Equal for rows about the same sample."""
    answers = _answers(row, columns)
    same = [every(row, columns.get(role)) for role in ("query", "policies", "subset")]
    known = cell_text(row, columns.get("id"))
    if known is None and not any(answers):
        return f"row {row.path} {row.number}"
    return json.dumps([known, answers, *same], default=str)


def _answers(row: Row, columns: Columns) -> list[Any]:
    """The values of the responses' columns.

    A cell of a table under `response` is one response, even where that is a list in JSON.
    """
    given = columns.get("responses", ())
    if row.textual and len(given) == 1 and given[0].name.lower() in _ONE:
        return [given[0].find(row.values)]
    return every(row, given)


def _responses(row: Row, columns: Columns) -> tuple[int, list[Any]]:
    texts = _answers(row, columns)
    if texts:
        return len(texts), ["" if text is None else numbers_written(text) for text in texts]
    pair = any(columns.get(role) for role in ("winner", "shown_winner", "swapped_output"))
    known = (
        len(every(row, columns.get("policies"))),
        len(columns.get("output_each", ())),
        len(columns.get("scores", ())),
        2 if pair else 1,
    )
    n = next((one for one in known if one > 1), 1)
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


__all__ = ["ROLES", "ColumnTraces"]
