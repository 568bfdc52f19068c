"""What only `summary.json` tells of a run, and whether to believe it.

Figures are always computed from the run's store. The thresholds of the suite, and what an imported
log published, stand in this file alone. It carries a seal over them and over the run's samples and
judges, so that a file of another run, or one that was changed, is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from deemster.errors import InputError
from deemster.json_text import read_json
from deemster.schemas import Record, first_problem
from deemster.suites.metrics import Summary
from deemster.suites.store import RunStore
from deemster.suites.thresholds import ThresholdResult, figure_of

FILE = "summary.json"
_THRESHOLDS = TypeAdapter(tuple[ThresholdResult, ...])
_COMPARED = ("n", "n_scored", "n_votes", "accuracy")
_REMEDY = (
    "its thresholds and published figures are left out; restore it from a copy, or give "
    "`deemster run` again with the same suite and --out, which writes it anew"
)


class Noted(Record):
    """What is noted of an imported log; see the fields of `Summary`."""

    model_config = ConfigDict(extra="ignore")

    notes: tuple[str, ...] = ()
    published: dict[str, float | int] = Field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What the file tells; nothing where it is not believed."""

    noted: Mapping[str, Noted] = field(default_factory=dict)
    """By judge."""
    thresholds: tuple[ThresholdResult, ...] = ()
    problem: str = ""
    """Why it is not believed, in one line."""

    def add_to(self, summary: Summary) -> Summary:
        """The figures of a judge with what is noted of it."""
        name = "" if summary.judge is None else summary.judge.name
        return summary.model_copy(update=dict(self.noted.get(name, Noted())))


def seal(record: Mapping[str, Any], contents: str) -> str:
    """Binds what a summary alone tells to a run, whose `RunStore.contents` are given."""
    told = [contents, _beside(record)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _beside(record: Mapping[str, Any]) -> list[Any]:
    noted = {
        name: [one.get("notes"), one.get("published")] for name, one in record["judges"].items()
    }
    return [noted, record.get("thresholds")]


def read_told(store: RunStore, summaries: Mapping[str, Summary]) -> Told:
    """What `summary.json` tells beside a run's figures.

    Args:
        store: the run's.
        summaries: by judge, what the store gives.
    """
    path = store.directory / FILE
    if not path.exists():
        unfinished = any(store.left(j) for j in range(len(summaries)))
        return Told(problem="" if unfinished else f"{str(path)!r} is missing: {_REMEDY}")
    try:
        record: Any = read_json(path)
        problem = _doubt(record, store, summaries)
        if not problem:
            noted = {
                name: Noted.model_validate_json(json.dumps(record["judges"][name]))
                for name in summaries
            }
            thresholds = _THRESHOLDS.validate_python(record.get("thresholds", ()))
            problem = _changed(thresholds, summaries)
        if not problem:
            return Told(noted, thresholds)
    except InputError as error:  # it names the file
        return Told(problem=f"{error}: {_REMEDY}")
    except ValidationError as error:
        problem = first_problem(error)
    except (LookupError, TypeError, AttributeError):
        problem = "it lacks figures of a run"
    return Told(problem=f"{str(path)!r} is not believed ({problem}): {_REMEDY}")


def _doubt(record: Any, store: RunStore, summaries: Mapping[str, Summary]) -> str:  # noqa: ANN401
    """Why a file is not of this run, if it is not."""
    judges = record["judges"]
    if not isinstance(judges, dict):
        return "it lacks figures of a run"
    if list(judges) != list(summaries):
        return f"it is of the judges {', '.join(map(repr, judges))}"
    for name, summary in summaries.items():
        for figure in _COMPARED:
            found, own = judges[name][figure], getattr(summary, figure)
            if not _same(found, own):
                return f"judge {name!r}: its {figure} is {found!r}, that of the run is {own!r}"
    # Files of versions before this one have no seal.
    if "seal" in record and record["seal"] != seal(record, store.contents()):
        return "it was changed, or is of another run"
    return ""


def _changed(thresholds: Sequence[ThresholdResult], summaries: Mapping[str, Summary]) -> str:
    for one in thresholds:
        if one.judge not in summaries:
            return f"it has a threshold for {one.judge!r}, which is no judge of the run"
        try:
            own = figure_of(summaries[one.judge], one.figure)
        except LookupError:
            return f"it has a threshold of {one.figure!r}, which is no figure"
        if not _same(one.found, own):
            return f"judge {one.judge!r}: its {one.figure} is {one.found!r}, the run's is {own!r}"
    return ""


def _same(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return isclose(one, other, rel_tol=1e-9)
    return one == other
