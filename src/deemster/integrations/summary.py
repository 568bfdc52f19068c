"""A verdict about one response as evaluation tools store it: a number, a comment, the votes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from deemster.errors import InputError
from deemster.judges import Judge
from deemster.judges.base import BaseJudge
from deemster.schemas import Failure, Judgment, Verdict


def as_judge(judge: BaseJudge | str, **options: Any) -> BaseJudge:  # noqa: ANN401 - of `Judge`
    """A judge as it is, or that of a model string.

    Raises:
        InputError: there are options for a judge that is made already, or they are wrong.
    """
    if isinstance(judge, str):
        return Judge(judge, **options)
    if options:
        raise InputError(f"options {sorted(options)} go to a judge made from a model string")
    return judge


def field(values: Any, name: str, what: str) -> Any:  # noqa: ANN401 - a tool's record
    """A value of a tool's record; of a record that is no mapping, the record itself.

    Raises:
        InputError: there is no such key.
    """
    if not isinstance(values, Mapping):
        return values
    if name not in values:
        raise InputError(f"no {name!r} in the {what}; there is: {', '.join(map(str, values))}")
    return values[name]


def number(verdict: Verdict) -> float | None:
    """The mean score on the judge's own scale, else the reward; None if there is no verdict."""
    numbers = verdict.scores or verdict.rewards
    return numbers[0] if numbers else None


def comment(verdict: Verdict) -> str:
    """The critique of the vote nearest to the mean, or why there is no verdict."""
    mean = number(verdict)
    if mean is None:
        return reason(verdict)
    nearest = min(verdict.judgments, key=lambda one: abs((one.scores[0] or 0.0) - mean))
    return _said(nearest)


def reason(verdict: Verdict) -> str:
    """Why there is no verdict, in one line."""
    said = dict.fromkeys(f"{one.status}: {one.message}" for one in verdict.failures)
    return f"no verdict, {verdict.n_valid} of {verdict.k} votes valid; " + "; ".join(said)


def details(verdict: Verdict) -> dict[str, JsonValue]:
    """What made the verdict, and every vote, as plain data."""
    found: dict[str, JsonValue] = {
        "judge": verdict.judge.name,
        "fingerprint": verdict.judge.fingerprint,
        "k": verdict.k,
        "n_valid": verdict.n_valid,
        "calls": verdict.usage.calls,
        "votes": [_vote(vote) for vote in verdict.votes],
    }
    if verdict.usage.cost is not None:
        found["cost"] = verdict.usage.cost
    if verdict.warnings:
        found["warnings"] = list(verdict.warnings)
    return found


def _vote(vote: Judgment | Failure) -> JsonValue:
    if isinstance(vote, Failure):
        return {"draw": vote.draw, "failure": vote.status, "message": vote.message}
    return {
        "draw": vote.draw,
        "score": vote.scores[0],
        "principles": [principle.name for principle in vote.principles],
        "critique": _said(vote),
    }


def _said(judgment: Judgment) -> str:
    return "\n".join(one.text for one in judgment.critiques) or judgment.analysis
