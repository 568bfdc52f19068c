"""What the trace readers share: choosing a judge, and votes from text or from numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from deemster.data.row import Row
from deemster.dialects import Dialect
from deemster.dialects.vote import read_vote
from deemster.errors import FailureStatus, InputError
from deemster.schemas import Completion, Failure, Judgment, Sample, Scale, Vote

FORWARD, SWAPPED = (0, 1), (1, 0)
"""Orders in which a pair was shown."""
NO_COMPLETION = "the log has no completion"
"""Message of a vote of which the log holds neither text nor verdict."""
STORED = "stored"
"""Metadata: what the log's own tool read, one entry a vote, see `agrees`."""
STORED_TOGETHER = "stored_together"
"""Metadata: what the tool read from votes on one response each taken together, see `together`."""
REPEATED = "repeated_rows"
"""Metadata: how many rows behind the sample are word for word the same as another one."""
UNIT = Scale(low=0, high=1, integer=False)
"""The scale of verdicts that are given as a preference."""


class Ids:
    """Makes ids unique: logs hold the same judgment twice when a run was repeated."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def apart(self, sample: Sample) -> Sample:
        """The sample, `#2`, `#3`, … appended to its id if that occurred before."""
        self._seen[sample.id] += 1
        times = self._seen[sample.id]
        return sample if times == 1 else sample.model_copy(update={"id": f"{sample.id}#{times}"})


def of_judge(
    rows: Iterable[Row], name_of: Callable[[Row], str | None], judge: str | None, path: Path
) -> tuple[list[Row], str]:
    """The rows of one judge, and its name.

    Where no row says whose it is (`name_of` gives None), `judge` names it: `judge` if not given.

    Raises:
        InputError: there are several judges and none is named, or the named one is not there.
    """
    by_name: dict[str | None, list[Row]] = {}
    for row in rows:
        by_name.setdefault(name_of(row), []).append(row)
    if None in by_name:
        if len(by_name) > 1:
            raise by_name[None][0].error("this row does not say which judge it is of; others do")
        return by_name[None], judge or "judge"
    name = choose([name for name in by_name if name is not None], judge, path)
    return by_name[name], name


def choose(names: Iterable[str], judge: str | None, path: Path) -> str:
    """The named judge, or the only one; see `of_judge`."""
    known = list(names)
    if judge is None and len(known) == 1:
        return known[0]
    if judge is None:
        raise InputError(f"{path} holds {len(known)} judges; name one of them: {', '.join(known)}")
    if judge not in known:
        raise InputError(f"no judge {judge!r} in {path}; judges there: {', '.join(known)}")
    return judge


def from_text(
    dialect: Dialect,
    text: str | None,
    *,
    order: Sequence[int],
    n: int,
    draw: int,
    judge: str,
    failed: Sequence[str] = (),
    finish: Literal["stop", "length"] = "stop",
) -> Vote:
    """A vote read from raw text by our parser.

    Args:
        dialect: whose parser reads it.
        text: the completion; None if the log has none, blank if the judge gave none.
        order: the responses as shown.
        n: how many responses the sample has.
        draw: number of the vote.
        judge: who gave it.
        failed: texts that the tool wrote in place of a completion when its call failed.
        finish: `length` if the text was cut.
    """
    if text is None or text.strip() in failed:
        return failure("api_error", NO_COMPLETION, order, draw, judge, raw=text or "")
    if not text.strip():
        return failure("empty", "the completion is blank", order, draw, judge, raw=text)
    completion = Completion(text=text, finish=finish)
    return read_vote(dialect, completion, order=order, n=n, draw=draw, judge=judge)


def from_scores(
    scores: Sequence[float | None],
    *,
    draw: int,
    judge: str,
    order: Sequence[int],
    scale: Scale | None = None,
) -> Vote:
    """A vote from numbers in the caller's order, where the log kept no text."""
    return Judgment(
        scores=tuple(None if score is None else float(score) for score in scores),
        scale=scale,
        order=tuple(order),
        draw=draw,
        judge=judge,
    )


def failure(
    status: FailureStatus,
    message: str,
    order: Sequence[int],
    draw: int,
    judge: str,
    *,
    raw: str = "",
) -> Vote:
    """A vote without a verdict."""
    return Failure(
        status=status, message=message, order=tuple(order), draw=draw, judge=judge, raw=raw
    )


def need_data(data: Path | None, name: str, what: str) -> Path:
    """The path of the data set.

    Raises:
        InputError: none was given.
    """
    if data is None:
        raise InputError(f"format {name!r} needs the judged data: give --data with {what}")
    return data


__all__ = [
    "FORWARD",
    "NO_COMPLETION",
    "REPEATED",
    "STORED",
    "STORED_TOGETHER",
    "SWAPPED",
    "UNIT",
    "Ids",
    "choose",
    "failure",
    "from_scores",
    "from_text",
    "need_data",
    "of_judge",
]
