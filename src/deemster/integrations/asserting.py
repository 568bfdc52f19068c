"""Whether a verdict meets what a test asks for, and in words why not. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deemster.aggregators import Ballot, parse_aggregator
from deemster.aggregators.confidence import share_at_least
from deemster.errors import InputError
from deemster.schemas import Failure, Judgment, Verdict
from deemster.shown import harmless

_LONG = 300
"""Characters of a text that a message shows."""


@dataclass(frozen=True)
class Outcome:
    """What a test asked, and what the votes say.

    Attributes:
        problem: why the verdict does not meet it; empty if it does.
        agreement: share of resampled votes with which the answer would be yes; None with fewer
            than 2 valid votes.
        figures: names and values for a test report.
    """

    problem: str
    agreement: float | None
    figures: dict[str, float | str]


def reaches(verdict: Verdict, at_least: float, *, confidence: float | None = None) -> Outcome:
    """Whether the mean score of a single response is at least a number.

    Args:
        verdict: scored, of one response.
        at_least: on the judge's own scale.
        confidence: share of the resampled votes that must agree, 0 to 1; None: the mean decides.

    Raises:
        InputError: the number is off the judge's scale, the votes have no scale in common, or
            there are too few for a confidence.
    """
    if verdict.scores is None:
        raise InputError(
            f"judge {verdict.judge.name!r} gives no scores on one scale; compare two outputs "
            "with assert_better instead"
        )
    scale = verdict.judgments[0].scale
    if scale is not None and not scale.low <= at_least <= scale.high:
        raise InputError(
            f"at_least {at_least!r} is off the judge's scale of {scale.low:g} to {scale.high:g}"
        )
    score = verdict.scores[0]
    agreement = _share(verdict, at_least)
    _check_confidence(confidence, agreement, verdict)
    of = f" of {scale.high:g}" if scale is not None else ""
    problem = ""
    if score < at_least:
        problem = f"judged {score:.4g}{of}; asked for at least {at_least:g}"
    elif confidence is not None and agreement is not None and agreement < confidence:
        problem = (
            f"judged {score:.4g}{of}, which is at least {at_least:g}, but only {agreement:.0%} of "
            f"the resampled votes agree and {confidence:.0%} were asked for; draw more votes"
        )
    return Outcome(problem, agreement, {"score": score, **_figures(verdict, agreement)})


def better(verdict: Verdict, *, confidence: float | None = None, or_equal: bool = False) -> Outcome:
    """Whether response 0 of a verdict about two is the better one.

    Args:
        verdict: scored, of two responses.
        confidence: the least `verdict.confidence`; None: the rewards decide.
        or_equal: whether a tie will do.

    Raises:
        InputError: there are too few votes for a confidence.
    """
    agreement = verdict.confidence
    won = verdict.best == 0
    _check_confidence(confidence, agreement, verdict)
    rewards = verdict.rewards or ()
    shown = " to ".join(f"{reward:.4g}" for reward in rewards)
    problem = ""
    if not (won or (or_equal and verdict.is_tie)):
        said = "a tie" if verdict.is_tie else "the other is better"
        problem = f"{said}, {shown}"
    elif won and confidence is not None and agreement is not None and agreement < confidence:
        problem = (
            f"better, {shown}, but only {agreement:.0%} of the resampled votes agree and "
            f"{confidence:.0%} were asked for; draw more votes"
        )
    margin = rewards[0] - rewards[1]
    return Outcome(problem, agreement, {"margin": margin, **_figures(verdict, agreement)})


def explain(problem: str, verdict: Verdict, texts: dict[str, str]) -> str:
    """A failure message: what was asked, what was judged, every vote and a critique."""
    info = verdict.judge
    lines = [problem]
    lines += [f"  {what:9} {_cut(text)}" for what, text in texts.items()]
    lines.append(f"  {'judge':9} {info.name}, {verdict.n_valid} of {verdict.k} votes valid")
    lines += [f"  vote {vote.draw:<4} {_vote(vote)}" for vote in verdict.votes]
    lines += [f"  warning   {reason}" for reason in verdict.warnings]
    return harmless("\n".join(lines))


def _vote(vote: Judgment | Failure) -> str:
    if isinstance(vote, Failure):
        return f"no verdict ({vote.status}: {_cut(vote.message)})"
    scores = ", ".join("–" if score is None else f"{score:g}" for score in vote.scores)
    said = " / ".join(one.text for one in vote.critiques) or vote.analysis
    by = ", ".join(principle.name for principle in vote.principles)
    return scores + (f"  by {by}" if by else "") + (f": {_cut(said)}" if said else "")


def _share(verdict: Verdict, bar: float) -> float | None:
    try:
        reducer = parse_aggregator(verdict.judge.aggregator)
    except InputError:
        return None  # an aggregator of the user's own
    ballot = Ballot.from_votes(verdict.votes, n=1, k=verdict.k)
    return share_at_least(reducer, ballot, 0, bar, seed=verdict.judge.seed)


def _check_confidence(asked: float | None, known: float | None, verdict: Verdict) -> None:
    if asked is None:
        return
    if not 0 <= asked <= 1:
        raise InputError(f"confidence must be from 0 to 1, got {asked!r}")
    if known is None:
        raise InputError(
            f"confidence {asked!r} needs 2 or more valid votes, got {verdict.n_valid}; "
            "give the judge a larger k"
        )


def _figures(verdict: Verdict, agreement: float | None) -> dict[str, float | str]:
    usage = verdict.usage
    found: dict[str, float | str] = {
        "votes": len(verdict.votes),
        "valid_votes": verdict.n_valid,
        "calls": usage.calls,
        "judge": verdict.judge.name,
    }
    if agreement is not None:
        found["agreement"] = agreement
    if usage.cost is not None:
        found["cost"] = usage.cost
    return found


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text)} characters)"
