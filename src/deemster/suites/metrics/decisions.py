"""How far stated probabilities are from gold ones: accuracy, Brier, log loss, calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deemster.schemas import Count, QuestionKind, Record
from deemster.suites.metrics.calibration import calibrate
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate

FLOOR = 1e-12
"""Stands for a stated probability of 0 in the log loss, which would else be infinite."""


@dataclass(frozen=True)
class Answered:
    """One question: its gold probabilities, and those stated; None where it was not answered."""

    kind: QuestionKind
    gold: tuple[float, ...]
    stated: tuple[float, ...] | None


class DecisionFigures(Record):
    """Figures over the questions that were answered; all None where none was."""

    n: Count
    """Questions asked."""
    answered: Count
    accuracy: Estimate | None = None
    """Share whose most probable option is the gold one's; ties go to the first option."""
    brier: Estimate | None = None
    """Mean squared distance of the two distributions, summed over the options: 0 to 2."""
    log_loss: Estimate | None = None
    """Mean cross-entropy with the gold probabilities, in nats."""
    ece: Estimate | None = None
    """Expected calibration error of the most probable option's probability, 0 to 1."""
    level_error: Estimate | None = None
    """Mean distance of the expected levels, of score questions alone, in levels."""
    brier_uniform: float | None = None
    """What equal probabilities for all options would get."""
    log_loss_uniform: float | None = None


def decision_figures(
    answers: Sequence[Answered], *, bootstrap: Bootstrap = DEFAULT
) -> DecisionFigures:
    """The figures of some questions."""
    pairs = [(one.gold, one.stated) for one in answers if one.stated is not None]
    if not pairs:
        return DecisionFigures(n=len(answers), answered=0)
    right = [float(_top(gold) == _top(stated)) for gold, stated in pairs]
    flat = [(gold, (1 / len(gold),) * len(gold)) for gold, _ in pairs]
    scores = [
        abs(_level(one.gold) - _level(one.stated))
        for one in answers
        if one.kind == "score" and one.stated is not None
    ]
    return DecisionFigures(
        n=len(answers),
        answered=len(pairs),
        accuracy=bootstrap.mean(right),
        brier=bootstrap.mean([_brier(*pair) for pair in pairs], within=(0.0, 2.0)),
        log_loss=bootstrap.mean([_log_loss(*pair) for pair in pairs], within=(0.0, math.inf)),
        ece=calibrate([max(stated) for _, stated in pairs], right, bootstrap=bootstrap).ece,
        level_error=bootstrap.mean(scores, within=(0.0, math.inf)) if scores else None,
        brier_uniform=math.fsum(_brier(*pair) for pair in flat) / len(flat),
        log_loss_uniform=math.fsum(_log_loss(*pair) for pair in flat) / len(flat),
    )


def _top(chances: Sequence[float]) -> int:
    return chances.index(max(chances))


def _level(chances: Sequence[float]) -> float:
    return math.fsum(level * chance for level, chance in enumerate(chances))


def _brier(gold: Sequence[float], stated: Sequence[float]) -> float:
    return math.fsum((g - p) ** 2 for g, p in zip(gold, stated, strict=True))


def _log_loss(gold: Sequence[float], stated: Sequence[float]) -> float:
    return -math.fsum(g * math.log(max(p, FLOOR)) for g, p in zip(gold, stated, strict=True))
