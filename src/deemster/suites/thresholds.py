"""Whether the figures of a run are what its suite asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deemster.schemas import Record
from deemster.suites.metrics import Summary
from deemster.suites.spec import SuiteSpec


class ThresholdResult(Record):
    """One threshold of a suite for one judge."""

    judge: str
    figure: str
    """Which figure it is about."""
    asked: str
    """As a comparison, e.g. `>= 0.8`."""
    found: float | None
    """The figure, a share from 0 to 1; None if it does not exist for these data."""
    passed: bool

    def __str__(self) -> str:
        shown = "does not exist for this data" if self.found is None else f"is {self.found:.4g}"
        return f"judge {self.judge!r}: {self.figure} {shown}; the suite asks for {self.asked}"


def check_thresholds(
    spec: SuiteSpec, summaries: Mapping[str, Summary]
) -> Iterator[ThresholdResult]:
    """Every threshold of a suite for every judge. A figure that does not exist does not pass."""
    for judge, summary in summaries.items():
        for name, threshold in spec.thresholds.items():
            figure = figure_of(summary, name)
            yield ThresholdResult(
                judge=judge, figure=name, asked=str(threshold), found=figure,
                passed=threshold.holds(figure),
            )  # fmt: skip


def figure_of(summary: Summary, name: str) -> float | None:
    """The figure that a threshold names; None if it does not exist for this data."""
    if name == "unscored":
        return None if not summary.n else 1 - summary.n_scored / summary.n
    if name == "ties":
        able = summary.detail.scored.n  # those that accuracy is about, as the ties are
        return summary.ties / able if able else None
    if name == "accuracy":
        return summary.accuracy
    if name == "position_consistency":
        found = summary.position_consistency
        return None if found is None else found.by_item.value
    estimate = {"macro": summary.macro, "roc_auc": summary.roc_auc}[name]
    return None if estimate is None else estimate.value
