"""Weights of a decision judge's questions, fitted on labelled answers and measured on others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deemster.backends.decision_file import WeighedQuestions
from deemster.judges.decision_fit import PENALTIES, accuracies, comparisons, cross_fit, fit
from deemster.schemas import Count, Finite, QuestionKind, Record
from deemster.suites.metrics import Bootstrap, Estimate
from deemster.suites.question_answers import read_answers


class FitFigures(Record):
    """How well weights do on items they were not fitted on."""

    accuracy: Estimate
    """Share of the comparisons in the right order, equal scores wrong; items count alike. Of
    pairs, accuracy."""
    log_loss: Estimate
    """Of the labels, in nats; a coin has 0.693."""


class WeighedQuestion(Record):
    """One question of a fit."""

    name: str
    weight: Finite
    """Share of the score, 0 to 1."""
    alone: Estimate
    """Accuracy of its answers by themselves."""


class QuestionFit(Record):
    """Fitted weights beside equal ones."""

    source: str
    items: Count
    """Labelled items with responses of different worth."""
    comparisons: Count
    left_out: dict[str, int]
    """Items that were not learned from, by reason."""
    folds: Count
    questions: tuple[WeighedQuestion, ...]
    penalty: Finite | None
    """Of the distance from equal weights, picked by cross-validation; None: equal weights."""
    scale: Finite
    fitted: FitFigures
    """Cross-fitted: every item by weights that were learned on others."""
    equal: FitFigures
    """The same of equal weights, whose scale is cross-fitted too."""
    gain: FitFigures
    """Fitted less equal, in pairs. Better are a higher accuracy and a lower log loss."""
    weighed: WeighedQuestions
    """What `decision.json` gets, fitted on all items."""

    @property
    def finding(self) -> str:
        """What the intervals of the differences say, in a sentence."""
        if self.penalty is None:
            return "cross-validation picked equal weights: nothing here tells the questions apart"
        more, less = self.gain.accuracy, self.gain.log_loss
        if _beyond(more.low, 1):
            return "fitted weights order responses better than equal ones"
        if _beyond(more.high, -1) or _beyond(less.low, 1):
            return "fitted weights are worse than equal ones on other items; keep equal weights"
        if _beyond(less.high, -1):
            return (
                "fitted weights give better probabilities than equal ones, but are not shown to "
                "order responses better"
            )
        return (
            "fitted weights are not shown to be better than equal ones: the intervals of both "
            "differences contain 0"
        )


def _beyond(end: float | None, sign: int) -> bool:
    return end is not None and end * sign > 0


def fit_questions(
    source: Path,
    *,
    labels: Path | None = None,
    ask: QuestionKind | None = None,
    folds: int = 10,
    seed: int = 0,
    bootstrap: Bootstrap | None = None,
) -> QuestionFit:
    """Learn how much each question should count, and measure it by cross-fitting.

    Args:
        source: a run or a file, see `read_answers`.
        labels: see `read_answers`.
        ask: see `read_answers`.
        folds: of the cross-fit, dealt by query.
        seed: of the folds.
        bootstrap: how intervals are drawn, over items.

    Raises:
        InputError: a file is malformed, labels and answers do not fit together, there are too few
            items, or no question orders them better than chance.
    """
    answers = read_answers(source, labels=labels, ask=ask)
    rows = comparisons(answers.items)
    found = fit(rows, seed=seed)
    draw = bootstrap or Bootstrap()
    own = cross_fit(rows, folds=folds, seed=seed)
    equal = cross_fit(rows, folds=folds, seed=seed, penalties=PENALTIES[:1])
    weights = found.weights
    single = np.eye(len(weights))
    return QuestionFit(
        source=str(source),
        items=rows.n,
        comparisons=len(rows.item),
        left_out=dict(answers.left_out)
        | (
            {"no two responses of different worth": n} if (n := len(answers.items) - rows.n) else {}
        ),
        folds=folds,
        questions=tuple(
            WeighedQuestion(
                name=principle.name,
                weight=float(weights[p]),
                alone=draw.mean(accuracies(rows, single[p])),
            )
            for p, principle in enumerate(answers.principles)
        ),
        penalty=found.penalty if np.isfinite(found.penalty) else None,
        scale=found.scale,
        fitted=FitFigures(
            accuracy=draw.mean(own[0]), log_loss=draw.mean(own[1], within=(0.0, np.inf))
        ),
        equal=FitFigures(
            accuracy=draw.mean(equal[0]), log_loss=draw.mean(equal[1], within=(0.0, np.inf))
        ),
        gain=FitFigures(
            accuracy=draw.difference(own[0], equal[0]), log_loss=draw.difference(own[1], equal[1])
        ),
        weighed=WeighedQuestions(
            ask=answers.ask,
            principles=tuple(
                one.model_copy(update={"weight": float(weight)})
                for one, weight in zip(answers.principles, weights, strict=True)
                if weight > 0  # what does not count need not be asked
            ),
            scale=found.scale,
        ),
    )


__all__ = ["FitFigures", "QuestionFit", "WeighedQuestion", "fit_questions"]
