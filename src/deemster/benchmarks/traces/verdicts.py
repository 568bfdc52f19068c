"""Verdicts as logs write them down, and whether they are what we read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from deemster.aggregators import strict_best
from deemster.benchmarks.traces.figures import preference
from deemster.errors import InputError
from deemster.schemas import Judgment, Vote

Said = int | Literal["tie", "none"]
"""The better response, counted from 0; a tie; or that the log's tool read no verdict."""

_TIE = {"tie", "draw", "equal", "both", "same", "tie (bothbad)", "both_bad", "bothbad", "neither"}
_NONE = {"", "none", "null", "nan", "error", "invalid", "unknown", "inconsistent", "n/a"}
_NAME = re.compile(
    r"(?:model|assistant|response|answer|output|candidate)?[ _-]?\(?([a-z]|[0-9])\)?"
)
_LABEL = re.compile(r"\[{0,2}([ab])\s?(>{1,2}|<{1,2}|=)\s?([ab])\]{0,2}")


def winner(value: object, names: Sequence[Sequence[str]]) -> Said:
    """The response that a value names.

    Args:
        value: what the log says: a letter, `model_a`, `A>B`, `tie`, one of the names, …
        names: of each response, what else it is called (its column, its model).

    Raises:
        InputError: the value does not say which.
    """
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, str):
        raise InputError(_unclear(value))
    text = value.strip().lower()
    if text in _NONE:
        return "none"
    found = _NAME.fullmatch(text)
    # `model_1` is the response of the column `response_1`, also where that is the second of two.
    for name in (text, found[1] if found else text):
        called = [i for i, known in enumerate(names) if name in {one.lower() for one in known}]
        if len(called) == 1:
            return called[0]
    label = _LABEL.fullmatch(text)
    if text in _TIE or (text == "c" and len(names) == 2) or (label and label[2] == "="):
        return "tie"
    if label and label[1] != label[3]:
        return "ab".index(label[1] if label[2][0] == ">" else label[3])
    # A bare number may count from 0 or from 1.
    index = -1 if not found or text.isdigit() else _index(found[1])
    if not 0 <= index < len(names):
        raise InputError(_unclear(value))
    return index


def _index(name: str) -> int:
    return int(name) - 1 if name.isdigit() else ord(name) - ord("a")


def _unclear(value: object) -> str:
    return (
        f"{value!r:.60} does not say which response is better; say what values mean, e.g. "
        "winner=COLUMN[1=a 2=b 0=tie]"
    )


def agrees(vote: Vote, stored: JsonValue) -> bool | None:
    """Whether a vote is what the log's tool read; None if the log does not say.

    Args:
        vote: as we read it.
        stored: null; the index of the better response, `tie`, or `none` for no verdict; or the
            list of scores in the caller's order.
    """
    if stored is None:
        return None
    if isinstance(stored, list):
        given = vote.scores if isinstance(vote, Judgment) else None
        return given is not None and list(given) == [
            None if one is None else float(one)  # type: ignore[arg-type]  # readers write numbers
            for one in stored
        ]
    said = preference(vote)
    return stored == ("none" if said is None else said)


def together(votes: Sequence[Vote]) -> Said:
    """The better response by votes on one response each; no verdict if one has no score."""
    rows = [vote.scores for vote in votes if isinstance(vote, Judgment)]
    given = [
        next((one for one in column if one is not None), None) for column in zip(*rows, strict=True)
    ]
    scores = [one for one in given if one is not None]
    if not scores or len(scores) < len(given):
        return "none"
    best = strict_best(scores)
    return "tie" if best is None else best


__all__ = ["Said", "agrees", "together", "winner"]
