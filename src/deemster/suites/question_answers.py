"""Labelled answers to narrow questions: out of a stored run, or out of a file from elsewhere."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard, cast

import numpy as np

from deemster.aggregators.base import Floats
from deemster.data.files import read_rows
from deemster.data.row import Row
from deemster.errors import InputError
from deemster.judges.decision_fit import Labelled
from deemster.prompts import conversation_text
from deemster.schemas import JudgeInfo, Principle, QuestionKind, Verdict
from deemster.suites.rescoring import find_judge
from deemster.suites.store import RunStore

Label = tuple[float, ...] | int
"""One true reward for each response, or the index of the best."""
_KINDS = ("score", "predicate", "choice")


@dataclass
class Answers:
    """What a source holds.

    Attributes:
        ask: the kind of question.
        principles: what was asked about; with weights, if the judge had any.
        items: labelled ones.
        left_out: how many others there were, by reason.
    """

    ask: QuestionKind
    principles: tuple[Principle, ...] = ()
    items: list[Labelled] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def read_answers(
    source: Path, *, labels: Path | None = None, ask: QuestionKind | None = None
) -> Answers:
    """The answers of a run or a file, with their labels.

    Args:
        source: a run of a decision judge, `DIR#NAME` where it has several; or a file of answers
            from elsewhere, with rows of `id`, `values` (question: one number from 0 to 1 for each
            response) and `ground_truth` or `best`, and `group` where ids share a query.
        labels: rows of `id` with `best` (index of the best response, from 0) or `ground_truth`,
            in place of the source's own.
        ask: of a file, the kind of question that the answers are to; None is `predicate`.

    Raises:
        InputError: a file is malformed, or labels and answers do not fit together.
    """
    known = None if labels is None else _read_labels(labels)
    directory, _, judge = str(source).partition("#")
    if not Path(directory).is_dir():
        return _of_file(source, ask or "predicate", known)
    if ask is not None:
        raise InputError("ask is of a file of answers; a run knows what it asked")
    return _of_run(Path(directory), judge or None, known)


def _of_run(directory: Path, judge: str | None, known: Mapping[str, Label] | None) -> Answers:
    """The answers of a stored decision judge, means over its votes."""
    with RunStore(directory) as store:
        position = find_judge(store, judge)
        info = store.judges()[position]
        made = Answers(_kind_of(info, directory))
        for sample, verdict in store.verdicts(position):
            if not verdict.judgments:
                made.left_out["not answered"] += 1
                continue
            asked = verdict.judgments[0].principles
            made.principles = made.principles or asked
            if [one.name for one in asked] != [one.name for one in made.principles]:
                raise InputError(
                    f"judge {info.name!r} asked different questions about different samples; "
                    "weights are fitted for one set of questions (a rubric or a list)"
                )
            n = len(sample.responses)
            label = sample.ground_truth if known is None else known.get(sample.id)
            truth = _truth(label, n, f"label of {sample.id!r}")
            if truth is None:
                made.left_out["no label"] += 1
                continue
            query = conversation_text(sample.query)
            made.items.append(Labelled(_values(verdict, n, len(asked)), truth, query))
    return made


def _kind_of(info: JudgeInfo, directory: Path) -> QuestionKind:
    name, _, rest = info.dialect.partition(":")
    kind = rest.partition(":")[0]
    if name != "decision" or kind not in _KINDS:
        raise InputError(
            f"judge {info.name!r} of {str(directory)!r} is no decision judge; weights are fitted "
            "on the answers of one (type: decision)"
        )
    return cast("QuestionKind", kind)


def _values(verdict: Verdict, n: int, count: int) -> Floats:
    """(P, N): what the votes say of each response under each principle, their mean."""
    votes = np.full((len(verdict.judgments), count, n), np.nan)
    for v, vote in enumerate(verdict.judgments):
        for critique in vote.critiques:
            votes[v, :, critique.response] = critique.scores
    return cast("Floats", votes.mean(axis=0))


def _of_file(path: Path, ask: QuestionKind, known: Mapping[str, Label] | None) -> Answers:
    made = Answers(ask)
    for row in read_rows(path):
        values = _row_values(row)
        made.principles = made.principles or tuple(Principle(name=name) for name in values)
        names = [one.name for one in made.principles]
        if sorted(values) != sorted(names):
            raise row.error(f"has answers to {list(values)}, the first row to {names}")
        table = np.array([values[name] for name in names])
        name = row.label("id")
        label = _row_label(row) if known is None else known.get(name)
        truth = _truth(label, table.shape[1], row.where)
        if truth is None:
            made.left_out["no label"] += 1
            continue
        made.items.append(Labelled(table, truth, str(row.get("group", name))))
    return made


def _row_values(row: Row) -> dict[str, list[float]]:
    values = row.need("values")
    if not isinstance(values, dict) or not values:
        raise row.error("'values' must map each question to one number for each response")
    for name, given in values.items():
        numbers = given if isinstance(given, list) else ["none"]
        if not all(_is_number(one) and 0 <= one <= 1 for one in numbers):
            raise row.error(
                f"the answers to {name!r} must be a list of numbers from 0 to 1, got {given!r:.80}"
            )
    if len({len(given) for given in values.values()}) != 1:
        raise row.error("every question needs one answer for each response")
    return values


def _read_labels(path: Path) -> dict[str, Label]:
    found: dict[str, Label] = {}
    for row in read_rows(path):
        name = row.label("id")
        label = _row_label(row)
        if label is None:
            raise row.error("has no label: give 'best' or 'ground_truth'")
        if found.setdefault(name, label) != label:
            raise row.error(f"id {name!r} has another label before")
    return found


def _row_label(row: Row) -> Label | None:
    """`best` or `ground_truth`; None where the row has neither."""
    best, truth = row.get("best"), row.get("ground_truth")
    if best is None and truth is None:
        return None
    if isinstance(best, str) and best.strip().isdecimal():  # CSV
        best = int(best)
    if isinstance(best, int) and not isinstance(best, bool) and best >= 0:
        return best
    if best is None and isinstance(truth, list) and all(map(_is_number, truth)):
        return tuple(float(one) for one in truth)
    raise row.error(
        "needs 'best', the index of the best response from 0, or 'ground_truth', a list with one "
        f"number for each response; got {best if best is not None else truth!r:.80}"
    )


def _truth(label: Label | None, n: int, where: str) -> tuple[float, ...] | None:
    """One number for each of n responses."""
    if isinstance(label, int):
        if label >= n:
            raise InputError(
                f"{where}: best is {label}, but there are {n} responses, counted from 0"
            )
        return tuple(float(i == label) for i in range(n))
    if label is not None and len(label) != n:
        raise InputError(f"{where}: {len(label)} labels for {n} responses")
    return label


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
