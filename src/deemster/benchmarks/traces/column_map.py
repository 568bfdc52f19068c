"""Which column of a judge's log holds what: given by the user, else known by its usual name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deemster.errors import InputError

ROLES: Mapping[str, str] = {
    "id": "what tells samples apart; rows of one id are votes on one sample",
    "query": "the request, text or messages",
    "responses": "one column per response (`responses=a|b`), or one that holds a list",
    "output": "the judge's text; a list, or several columns, for several votes",
    "swapped_output": "the judge's text with the two responses shown in the other order",
    "output_each": "the judge's text on each response alone, a column per response",
    "scores": "the log's own scores: a column per response, a list, or a number",
    "winner": "the log's own verdict, named in the order of the response columns",
    "shown_winner": "the log's own verdict, named in the order shown to the judge",
    "swapped_winner": "as `winner`, for `swapped_output`",
    "swapped_shown_winner": "as `shown_winner`, for `swapped_output`",
    "truth": "who is better in truth, or the true score",
    "swapped": "whether the row's responses were shown in the other order",
    "order": "the order shown: `BA`, or indices from 0",
    "judge": "who judged",
    "policies": "which models wrote the responses: a column each, or a list",
    "subset": "the part of the data",
    "reference": "a reference answer",
    "error": "why a call of the judge failed",
}
"""What a column can hold."""

USUAL: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "id": (("id",), ("question_id",), ("pair_id",), ("sample_id",), ("uid",), ("idx",)),
    "query": (("query",), ("prompt",), ("question",), ("instruction",), ("input",)),
    "responses": (
        *((f"{word}_{a}", f"{word}_{b}") for word in ("response", "answer", "output", "completion")
          for a, b in (("a", "b"), ("1", "2"))),
        ("response1", "response2"), ("chosen", "rejected"),
        ("responses",), ("response",), ("answer",),
    ),
    "output": (
        ("judge_output",), ("judge_outputs",), ("judge_response",), ("judgment",), ("judgement",),
        ("raw_judge",), ("raw_judgment",), ("judge_raw",), ("judge_text",), ("judge_completion",),
    ),
    "output_each": (("raw_judge_a", "raw_judge_b"), ("judge_output_a", "judge_output_b")),
    "scores": (("score_a", "score_b"), ("score_1", "score_2"), ("scores",), ("score",)),
    "winner": (("winner",), ("verdict",), ("decision",)),
    "truth": (("truth",), ("ground_truth",), ("label",), ("gold",), ("human_winner",)),
    "swapped": (("swapped",), ("is_swapped",)),
    "judge": (("judge",), ("judge_model",), ("judge_id",), ("judge_name",)),
    "policies": (("model_a", "model_b"), ("model_1", "model_2"), ("policies",), ("model",)),
    "subset": (("subset",), ("category",)),
    "reference": (("reference",), ("reference_answer",)),
    "error": (("error",), ("judge_error",)),
}  # fmt: skip
"""Usual names, the first that a log has; capital letters do not matter."""


@dataclass(frozen=True)
class Column:
    """A column, and what its values stand for where they do not speak for themselves."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)

    def find(self, row: Mapping[str, Any]) -> Any:  # noqa: ANN401 - rows are untyped
        """Its value; None if there is none. A dotted name goes into objects and lists."""
        value = _lookup(row, self.name)
        if self.values and value is not None:
            return self.values.get(_plain(value), value)
        return value


Columns = Mapping[str, tuple[Column, ...]]
"""Columns by role."""


def parse_columns(text: str) -> dict[str, tuple[Column, ...]]:
    """The columns that a text names: `query=prompt,responses=a|b,winner=label[1=a 2=b 0=tie]`.

    `role=` says that the log has no such column, whatever its usual name.

    Raises:
        InputError: a role is unknown or stands twice, or a part is no `role=column`.
    """
    found: dict[str, tuple[Column, ...]] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        role, equals, names = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InputError(f"columns: {part!r} is not role=column; roles: {', '.join(ROLES)}")
        if role not in ROLES:
            raise InputError(f"columns: no role {role!r}; roles: {', '.join(ROLES)}")
        if role in found:
            raise InputError(f"columns: role {role!r} stands twice; write {role}=one|other")
        found[role] = tuple(_column(name, part) for name in names.split("|") if name.strip())
    return found


def resolve(given: Columns, rows: Sequence[Mapping[str, Any]]) -> Columns:
    """The columns of a log: the given ones, and those with usual names that are not given.

    Raises:
        InputError: no row has a given column.
    """
    fields = dict.fromkeys(str(key) for row in rows for key in row)
    folded = {name.lower(): name for name in fields}
    taken = {column.name for columns in given.values() for column in columns}
    for columns in given.values():
        for column in columns:
            if column.name not in fields and all(column.find(row) is None for row in rows):
                raise InputError(
                    f"no row has a column {column.name!r}; fields there: {listed(fields)}"
                )
    found = dict(given)
    for role, names in USUAL.items():
        if role in given or (role == "winner" and "shown_winner" in given):
            continue
        free = (one for one in names if all(folded.get(n, "") not in {"", *taken} for n in one))
        known = next(free, ())
        found[role] = tuple(Column(folded[name]) for name in known)
    return found


def listed(fields: Collection[str]) -> str:
    """Names of fields for an error text."""
    return ", ".join(fields) or "none"


def _column(text: str, part: str) -> Column:
    name, bracket, rest = text.strip().partition("[")
    if not bracket:
        return Column(name)
    pairs = [pair.partition("=") for pair in rest.removesuffix("]").split()]
    if not rest.endswith("]") or not pairs or not all(key and sign for key, sign, _ in pairs):
        raise InputError(f"columns: in {part!r} expected column[value=meaning value=meaning]")
    return Column(name.strip(), {key.lower(): meaning for key, _, meaning in pairs})


def _lookup(row: Any, path: str) -> Any:  # noqa: ANN401 - rows are untyped
    if isinstance(row, Mapping) and path in row:
        return row[path]
    head, dot, rest = path.partition(".")
    if isinstance(row, list) and head.isdigit():
        inner = row[int(head)] if int(head) < len(row) else None
    else:
        inner = row.get(head) if isinstance(row, Mapping) and dot else None
    return _lookup(inner, rest) if dot and inner is not None else (inner if not dot else None)


def _plain(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().lower()


def flat(values: Iterable[Any]) -> list[Any]:
    """The values, lists among them taken apart."""
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


__all__ = ["ROLES", "USUAL", "Column", "Columns", "flat", "listed", "parse_columns", "resolve"]
