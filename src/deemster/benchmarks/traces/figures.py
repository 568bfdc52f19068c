"""Shared parts of the published figures of several formats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Literal

from deemster.aggregators import strict_best
from deemster.benchmarks.base import Figures, Judged
from deemster.schemas import Judgment, Sample, Vote

Preference = int | Literal["tie"] | None
"""The preferred response, `tie`, or None if there is no verdict."""


def preference(vote: Vote) -> Preference:
    """The preference of one vote about all responses."""
    if not isinstance(vote, Judgment) or None in vote.scores:
        return None
    best = strict_best([score for score in vote.scores if score is not None])
    return "tie" if best is None else best


def share(name: str, part: float, whole: float) -> Figures:
    """`part` of `whole` in percent; no figure if the whole is 0."""
    return {name: 100 * part / whole} if whole else {}


def within(
    rows: Judged, figures: Callable[[Judged], Figures], part: Callable[[Sample], str]
) -> Figures:
    """Figures of each part of a log, named `PART/FIGURE`, parts in the order of the log.

    Args:
        rows: the log.
        figures: computes those of a part.
        part: names the part that a sample belongs to.
    """
    parts: defaultdict[str, list[int]] = defaultdict(list)
    for i, (sample, _, _) in enumerate(rows):
        parts[part(sample)].append(i)
    return {
        f"{name}/{key}": value
        for name, members in parts.items()
        for key, value in figures([rows[i] for i in members]).items()
    }


__all__ = ["Preference", "preference", "share", "within"]
