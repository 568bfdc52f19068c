"""The judges of a run side by side, best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from deemster.schemas import Record
from deemster.suites.metrics.compare import Comparison, compare
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate
from deemster.suites.metrics.items import Item
from deemster.suites.metrics.summary import Summary

RankedBy = Literal["accuracy", "roc_auc", "spearman", "kendall", "pairwise", "with_ties"]
RANKED_BY: dict[RankedBy, str] = {
    "accuracy": "Accuracy",
    "roc_auc": "ROC-AUC",
    "spearman": "Spearman",
    "kendall": "Kendall tau-b",
    "pairwise": "Pairwise accuracy",
    "with_ties": "Agreement with true ties",
}
"""The figures that order judges, the first that there is before the others, and their names."""


class Standing(Record):
    """One judge's place among those of a run."""

    judge: str
    ranked_by: RankedBy
    """The figure that orders the judges: the first of these that some judge has."""
    figure: Estimate | None
    """Of `accuracy` the one over all items, an unscored one counting as wrong: else a judge could
    win by leaving the hard ones out. None if it does not exist for this judge."""
    against_best: Comparison | None
    """This judge (first) and the best one (second) on the items that both scored; None for the
    best itself, and where no item of both can be right or wrong."""


def standings(
    runs: Mapping[str, Sequence[Item]],
    summaries: Mapping[str, Summary],
    *,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[Standing, ...]:
    """The judges, best first; equal ones, and those without the figure, in the order given.

    Args:
        runs: every judge's items, of the same samples.
        summaries: every judge's figures.
        bootstrap: how the intervals of the differences are drawn.
    """
    by = next(
        (name for name in RANKED_BY if any(_figure(s, name) for s in summaries.values())), None
    )
    if by is None:
        return ()
    figures = {judge: _figure(summaries[judge], by) for judge in runs}
    order = sorted(figures, key=lambda judge: -_value(figures[judge]))
    best = order[0]
    return tuple(
        Standing(
            judge=judge,
            ranked_by=by,
            figure=figures[judge],
            against_best=None if judge == best else _paired(runs[judge], runs[best], bootstrap),
        )
        for judge in order
    )


def _figure(summary: Summary, name: RankedBy) -> Estimate | None:
    found = summary.detail.overall if name == "accuracy" else getattr(summary, name)
    return found if found is not None and found.value is not None else None


def _value(figure: Estimate | None) -> float:
    return float("-inf") if figure is None or figure.value is None else figure.value


def _paired(
    first: Sequence[Item], second: Sequence[Item], bootstrap: Bootstrap
) -> Comparison | None:
    found = compare(first, second, bootstrap=bootstrap)
    return found if found.difference.n else None
