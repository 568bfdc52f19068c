"""Samples out of rows, whatever shape the rows have."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from deemster.data.columns import (
    CONVERSATIONS,
    QUERY_NAMES,
    SHAPES,
    SINGLE_NAMES,
    Columns,
    GivenColumns,
    known_columns,
)
from deemster.data.files import read_rows
from deemster.data.hub import dataset_rows, is_dataset
from deemster.data.row import Row, short
from deemster.data.truth import truth_of
from deemster.data.turns import (
    answer_of,
    plain_text,
    quotes,
    several_texts,
    turns,
    unpacked,
    without_nulls,
)
from deemster.errors import InputError
from deemster.principles.library import read_criteria
from deemster.schemas import Conversation, Message, Sample

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{,99})(\.[0-9]{1,99})?([eE][+-]?[0-9]{1,2})?")
_OWN = ("responses", "reference", "principles", "ground_truth", "policies", "subset")


def read_samples(
    source: Path,
    *,
    columns: GivenColumns | None = None,
    split: str | None = None,
    name: str | None = None,
) -> Iterator[Sample]:
    """Samples of a file or folder, one a row; a sample without an id gets the row's place.

    Args:
        source: see `read_rows`; or, of the `datasets` library, a folder it saved or `owner/name`.
        columns: which column holds what, where the names do not say it.
        split: only this part, see `read_rows`; of a data set, its split.
        name: what errors call the file.

    Raises:
        InputError: the file cannot be read, or a row is not a sample that can be judged; the text
            names the line or row.
    """
    yield from samples_of(open_rows(source, split=split, name=name), columns)


def open_rows(source: Path, *, split: str | None = None, name: str | None = None) -> Iterator[Row]:
    """The rows of a file, a folder, or a data set of the `datasets` library, or of one split.

    Raises:
        InputError: see `read_rows` and `dataset_rows`.
    """
    if is_dataset(source):
        return dataset_rows(str(source), split=split)
    return read_rows(source, split=split, name=name)


def samples_of(
    rows: Iterable[Row], columns: GivenColumns | None = None, *, start: int = 1
) -> Iterator[Sample]:
    """The samples of rows, numbered from `start` where they have no id.

    Raises:
        InputError: see `sample_of`; or, in the end, no row had one of the given columns.
    """
    unseen = set() if columns is None else set(columns.names)
    for place, row in enumerate(rows, start):
        unseen -= row.values.keys()
        yield numbered(sample_of(row, columns), place)
    if columns is not None:
        columns.check_seen(unseen)


def numbered(sample: Sample, place: int) -> Sample:
    """The sample, with its place as id if it has none."""
    return sample if sample.id else sample.model_copy(update={"id": str(place)})


def columns_of(row: Row, given: GivenColumns | None = None) -> Columns:
    """Which column of a row holds what.

    Raises:
        InputError: `given` names a column that is not there.
    """
    names = [name for name, value in row.values.items() if value is not None]
    try:
        return known_columns(names) if given is None else given.complete(names, row.values)
    except InputError as error:
        raise row.error(str(error)) from error


def sample_of(row: Row, given: GivenColumns | None = None) -> Sample:
    """The sample that a row holds. Columns that are not part of it become metadata.

    Raises:
        InputError: the row has no known shape, or a value cannot be used; the text names the
            row, the column, the value and what to write.
    """
    values: dict[str, Any] = {
        name: without_nulls(value) for name, value in row.values.items() if value is not None
    }
    columns = columns_of(row, given)
    fields: dict[str, Any] = {}
    query, responses = _texts(row, values, columns)
    if columns.system in values and query[0].role != "system":
        query = (*_system(row, values[columns.system], columns.system), *query)
    if columns.policies:
        fields["policies"] = _policies(row, values, columns, len(responses))
    for key in ("id", "subset"):
        if name := getattr(columns, key):
            fields[key] = plain_text(row, values[name], name) if name in values else ""
    if columns.reference in values:
        fields["reference"] = _reference(row, values[columns.reference], columns.reference)
    if columns.principles in values:
        given_criteria = unpacked(row, values[columns.principles])
        where = f"{row.where}: {columns.principles}"
        fields["principles"] = read_criteria(given_criteria, where=where)
    truth = truth_of(row, values, columns, len(responses), fields.get("policies"))
    metadata = _metadata(row, values, columns, told=given is not None)
    return row.sample(
        query=query, responses=responses, ground_truth=truth, metadata=metadata, **fields
    )


def _texts(
    row: Row, values: dict[str, Any], columns: Columns
) -> tuple[Conversation, list[Message]]:
    """Query and responses; where responses repeat the query, or hold it, that is taken off."""
    if columns.messages:
        name = columns.messages
        conversation = turns(row, values[name], name, "user")
        answer = answer_of(row, conversation, name)
        if len(conversation) < 2:
            raise row.error(f"{name!r}: a conversation needs a turn before the assistant's last")
        return conversation[:-1], [answer]
    if not columns.responses:
        _check_none_empty(row, values, known_columns(row.values))
        here = ", ".join(values) or "none"
        raise row.error(
            f"no responses found; known shapes: {SHAPES}; columns here: {here}; say which is "
            "which by columns such as query=prompt,responses=a|b"
        )
    answers, before = [], []
    for name, value in _responses(row, values, columns):
        conversation = turns(row, value, name, "assistant")
        answers.append(answer_of(row, conversation, name))
        before.append(conversation[:-1])
    asked = [name for name in columns.query if name in values]
    if not asked and columns.best_first and not any(before):
        asked = [name for name in CONVERSATIONS if name in values][:1]
    if not asked:
        if not before[0] or any(one != before[0] for one in before):
            raise row.error(
                f"no query: give one of {', '.join(QUERY_NAMES)}, or begin each of "
                f"{', '.join(map(repr, columns.responses))} with the same turns"
            )
        return before[0], answers
    query = _query(row, values, asked)
    if any(one and one != query for one in before):
        names = " or ".join(map(repr, columns.responses))
        raise row.error(f"{names} starts with a conversation other than {asked[0]!r}")
    return query, answers


def _system(row: Row, value: Any, name: str) -> Conversation:  # noqa: ANN401 - any JSON value
    if not isinstance(value, str):
        raise row.error(f"{name!r} must be text, got {short(value)}{quotes(value)}")
    return (Message(role="system", content=value),) if value.strip() else ()


def _query(row: Row, values: dict[str, Any], names: list[str]) -> Conversation:
    if len(names) == 1:
        return turns(row, values[names[0]], names[0], "user")
    parts = [values[name] for name in names]
    wrong = next((i for i, part in enumerate(parts) if not isinstance(part, str)), None)
    if wrong is not None:
        raise row.error(
            f"{names[wrong]!r} must be text, got {short(parts[wrong])}{quotes(parts[wrong])}"
        )
    joined = "\n\n".join(part for part in parts if part.strip())
    return turns(row, joined, names[0], "user")


def _responses(row: Row, values: dict[str, Any], columns: Columns) -> list[tuple[str, Any]]:
    """Each response with the name that errors call it."""
    names = columns.responses
    if len(names) > 1:
        _check_none_empty(row, values, columns)
        if columns.best_first:
            return [
                (name if texts is None else f"{name}.{i}", one)
                for name in names
                for texts in [several_texts(row, values[name])]
                for i, one in enumerate([values[name]] if texts is None else texts)
            ]
        return [(name, values[name]) for name in names]
    name, value = names[0], values.get(names[0])
    if isinstance(value, str) and name.lower() not in SINGLE_NAMES:
        value = _listed(value)
    if isinstance(value, list):
        if not value:
            raise row.error(f"{name!r} is empty; give 1 or more responses")
        return [(f"{name}.{i}", one) for i, one in enumerate(value)]
    _check_none_empty(row, values, columns)
    if name.lower() == "responses":
        raise row.error(
            f"{name!r} must be a list of 1 or more, got {short(value)}; put a single response in "
            "a list"
        )
    return [(name, value)]


def _check_none_empty(row: Row, values: dict[str, Any], columns: Columns) -> None:
    absent = next((name for name in columns.responses if name not in values), None)
    if absent is not None:
        raise row.error(f"{absent!r} is empty; give a response there, or leave the row out")


def _listed(text: str) -> object:
    """The list of texts or messages that a text is as JSON, else the text."""
    try:
        value = json.loads(text) if text.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        return text
    usable = isinstance(value, list) and all(isinstance(one, str | dict | list) for one in value)
    return value if usable else text


def _policies(row: Row, values: dict[str, Any], columns: Columns, n: int) -> tuple[str, ...] | None:
    names = columns.policies
    if len(names) > 1:
        given = [(name, values[name]) for name in names if name in values]
    else:
        value = unpacked(row, values.get(names[0]))
        listed = value if isinstance(value, list) else [value] * (value is not None)
        given = [(names[0], one) for one in listed]
    if given and len(given) != n:
        raise row.error(f"{names[0]!r}: {len(given)} policies for {n} responses")
    return tuple(plain_text(row, one, name) for name, one in given) or None


def _reference(row: Row, value: Any, name: str) -> Any:  # noqa: ANN401 - `Sample` joins a list
    return value if isinstance(value, list) else plain_text(row, value, name)


def _metadata(row: Row, values: dict[str, Any], columns: Columns, *, told: bool) -> dict[str, Any]:
    read = columns.names
    given = unpacked(row, values.get("metadata"))
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in read or (name == "metadata" and isinstance(given, Mapping)):
            continue
        near = "" if told else _nearly(name)
        if near and near not in values:
            raise row.error(
                f"unknown column {name!r}; did you mean {near!r}? Rename it, or say what is "
                "what by columns"
            )
        found[name] = _plain(row, value)
    return found | (dict(given) if isinstance(given, Mapping) else {})


@lru_cache(maxsize=4096)
def _nearly(name: str) -> str:
    """The name of a part that a column's name nearly is."""
    return next(iter(difflib.get_close_matches(name, _OWN, 1, 0.85)), "")


def _plain(row: Row, value: Any) -> Any:  # noqa: ANN401 - any value of a table
    """The value as JSON has it; numbers and booleans in text tables as what they are."""
    if row.textual and isinstance(value, str):
        if value.lower() in ("true", "false"):
            return value.lower() == "true"
        try:
            return json.loads(value) if _NUMBER.fullmatch(value) else value
        except ValueError:  # more digits than Python reads
            return value
    if isinstance(value, Mapping):
        return {str(key): _plain(row, one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(row, one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


__all__ = ["columns_of", "numbered", "open_rows", "read_samples", "sample_of", "samples_of"]
