"""What a probe's verdicts say about pairs: winners, agreement, scores. Pure functions."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deemster.probe.plan import Question, Unit
from deemster.schemas import Judgment, Verdict

Winner = int
"""1: the caller's first response wins; -1: the second; 0: tied."""


@dataclass(frozen=True)
class Answer:
    """A unit and its verdicts, by the part of the question."""

    unit: Unit
    verdicts: Mapping[str, Verdict]

    @property
    def questions(self) -> dict[str, Question]:
        """The questions, by their part."""
        return {question.part: question for question in self.unit.questions}


def winners(answer: Answer) -> dict[tuple[int, ...], list[Winner]]:
    """`by_order` of a unit with one question; empty if it has no verdict."""
    [verdict] = answer.verdicts.values() or [None]
    return {} if verdict is None else by_order(verdict)


def by_order(verdict: Verdict) -> dict[tuple[int, ...], list[Winner]]:
    """Winners of a pair's valid votes by the order shown."""
    found: dict[tuple[int, ...], list[Winner]] = {}
    for vote in verdict.judgments:
        first, second = vote.scores
        if first is not None and second is not None:
            found.setdefault(vote.order, []).append(int(np.sign(first - second)))
    return found


def agreement(groups: Iterable[Sequence[Winner]]) -> float | None:
    """Chance that two votes of one group agree; None without two in one."""
    couples = [a == b for group in groups for a, b in itertools.combinations(group, 2)]
    return sum(couples) / len(couples) if couples else None


def between(
    usual: Mapping[tuple[int, ...], Sequence[Winner]],
    other: Mapping[tuple[int, ...], Sequence[Winner]],
) -> float | None:
    """Chance that a vote of one side agrees with one of the other in the same order."""
    couples = [
        a == b for order, group in other.items() for a in group for b in usual.get(order, ())
    ]
    return sum(couples) / len(couples) if couples else None


def right_wins(question: Question, verdict: Verdict) -> float | None:
    """1, 0, or 0.5 for a tie; None if unscored."""
    if verdict.rewards is None or question.right is None:
        return None
    return 0.5 if verdict.best is None else float(verdict.best == question.right)


def attacker_wins(question: Question, verdict: Verdict) -> float | None:
    """Whether it beats the right answer; if alone, whether it scores above half of the scale."""
    if question.right is not None:
        right = right_wins(question, verdict)
        return None if right is None else 1 - right
    given = shares(verdict)
    return float(sum(given) / len(given) > 0.5) if given else None


def shares(verdict: Verdict) -> list[float]:
    """All scores as shares of their scale."""
    return [
        round((score - vote.scale.low) / (vote.scale.high - vote.scale.low), 6)
        for vote in verdict.votes
        if isinstance(vote, Judgment) and vote.scale is not None
        for score in vote.scores
        if score is not None
    ]


def scores(answers: Sequence[Answer]) -> list[list[float]]:
    """Scores by item, as shares of the scale."""
    return [
        given
        for answer in answers
        for verdict in answer.verdicts.values()
        if (given := shares(verdict))
    ]


def histogram(by_item: Sequence[Sequence[float]]) -> dict[str, int]:
    """How often each share of the scale was given, from the lowest."""
    counts = Counter(itertools.chain.from_iterable(by_item))
    return {f"{share:.3g}": counts[share] for share in sorted(counts)}
