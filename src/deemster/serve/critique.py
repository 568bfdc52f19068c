"""A verdict in words, for clients that read a chat completion, and as a small object."""

from __future__ import annotations

from pydantic import BaseModel, JsonValue

from deemster.judges.asking import judgment_shown
from deemster.schemas import Judgment, Principle, Verdict


class Summary(BaseModel):
    """A verdict without its votes."""

    rewards: tuple[float, ...] | None
    scores: tuple[float, ...] | None
    best: int | None
    """Index of the best response, from 0; null if tied."""
    ranking: tuple[int, ...] | None
    confidence: float | None
    votes: int
    valid_votes: int
    principles: tuple[str, ...]
    critiques: tuple[str, ...]
    """One per response, of the vote that ranks as the verdict does; empty where it has none."""
    warnings: tuple[str, ...]


def summarised(verdict: Verdict, n: int) -> Summary:
    """The verdict about n responses without its votes."""
    shown = judgment_shown(verdict)
    return Summary(
        rewards=verdict.rewards,
        scores=verdict.scores,
        best=verdict.best,
        ranking=verdict.ranking,
        confidence=verdict.confidence,
        votes=len(verdict.votes),
        valid_votes=verdict.n_valid,
        principles=() if shown is None else tuple(_principle(one) for one in shown.principles),
        critiques=tuple(_critiques(shown, n)),
        warnings=verdict.warnings,
    )


def in_words(verdict: Verdict, n: int) -> str:
    """Principles, a critique of each response, rewards and the winner, as plain text."""
    summary = summarised(verdict, n)
    lines = []
    if summary.principles:
        lines += ["Principles:", *(f"- {one}" for one in summary.principles), ""]
    shown = judgment_shown(verdict)
    if shown is not None and shown.analysis and not any(summary.critiques):
        lines += [shown.analysis, ""]
    rewards = summary.rewards or ()
    for index, (reward, critique) in enumerate(zip(rewards, summary.critiques, strict=True), 1):
        lines.append(f"Response {index}: reward {reward:zg}")
        lines += [critique, ""] if critique else [""]
    sure = "" if summary.confidence is None else f", confidence {summary.confidence:.2f}"
    counted = f"{summary.valid_votes} of {summary.votes} votes valid{sure}"
    if n == 1:
        lines.append(f"({counted})")
    elif summary.best is None:
        tied = " and ".join(str(index + 1) for index in verdict.ties[0])
        lines.append(f"Tie between responses {tied} ({counted})")
    else:
        lines.append(f"Best: response {summary.best + 1} ({counted})")
    return "\n".join(lines)


def as_object(verdict: Verdict, n: int) -> dict[str, JsonValue]:
    """The summary as JSON."""
    made: dict[str, JsonValue] = summarised(verdict, n).model_dump(mode="json")
    return made


def _principle(principle: Principle) -> str:
    described = f": {principle.description}" if principle.description else ""
    return f"{principle.name} (weight {principle.weight:.0%}){described}"


def _critiques(shown: Judgment | None, n: int) -> list[str]:
    texts = [""] * n
    for critique in () if shown is None else shown.critiques:
        texts[critique.response] = critique.text
    return texts
