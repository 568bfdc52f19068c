"""Figures as text, and Markdown tables of them: shares in per cent, differences in points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deemster.suites.metrics.estimate import Estimate

NONE = "–"
"""What was not measured."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; empty without rows."""
    lines = ["|".join(("", *(cell.replace("|", "\\|") for cell in row), "")) for row in rows]
    if not lines:
        return ""
    return "\n".join([f"|{'|'.join(head)}|", "|" + "-|" * len(head), *lines])


def share(figure: Estimate | None) -> str:
    """`72.3 [70.1, 74.5]`, in per cent."""
    if figure is None or figure.value is None:
        return NONE
    if figure.low is None or figure.high is None:
        return f"{100 * figure.value:.1f}"
    return f"{100 * figure.value:.1f} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def points(figure: Estimate | None) -> str:
    """`+3.1 [+2.0, +4.2]`, in percentage points; finer where an end would be printed as 0."""
    if figure is None or figure.value is None:
        return NONE
    if figure.low is None or figure.high is None:
        return f"{100 * figure.value:+.1f}"
    digits = 2 if any(0 < abs(end) < 0.0005 for end in (figure.low, figure.high)) else 1
    value, low, high = (
        f"{100 * number:+.{digits}f}" for number in (figure.value, figure.low, figure.high)
    )
    return f"{value} [{low}, {high}]"


def bare(figure: Estimate | None) -> str:
    """`72.3`, in per cent."""
    return NONE if figure is None or figure.value is None else f"{100 * figure.value:.1f}"
