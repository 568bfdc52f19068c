"""Runs as HTML for notebooks: the judges side by side, thresholds, and why votes failed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from deemster.schemas.verdict_html import table_html

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deemster.suites.frames import RunFrames
    from deemster.suites.metrics import Estimate, Summary
    from deemster.suites.runner import RunResult

_COLUMNS = (
    "judge", "accuracy", "unscored as wrong", "scored", "ties", "k", "cost", "calls",
    "failed votes",
)  # fmt: skip
_PER_ITEM = (
    "judge", "calls per item", "tokens in per item", "tokens out per item", "cost per item",
    "seconds per item",
)  # fmt: skip


def run_html(result: RunResult) -> str:
    """The tables that `deemster run` prints."""
    order = [one.judge for one in result.standings] or list(result.summaries)
    parts = [
        f"<p>run in <code>{escape(str(result.directory))}</code></p>",
        _judges(order, result.summaries),
    ]
    if result.thresholds:
        rows = [
            (t.judge, t.figure, "–" if t.found is None else f"{t.found:.4g}", t.asked,
             "passed" if t.passed else "FAILED")
            for t in result.thresholds
        ]  # fmt: skip
        parts.append(table_html(("judge", "figure", "is", "asked", ""), rows))
    parts.append(_reasons(order, result.summaries))
    return f"<div>{''.join(parts)}</div>"


def summary_html(summary: Summary) -> str:
    """The figures of one judge, and why its votes failed."""
    by_name = {"judge" if summary.judge is None else summary.judge.name: summary}
    order = list(by_name)
    notes = "".join(f"<p>{escape(note)}</p>" for note in summary.notes)
    return f"<div>{_judges(order, by_name)}{_reasons(order, by_name)}{notes}</div>"


def frames_html(frames: RunFrames) -> str:
    """How many rows each table has, and which columns."""
    tables = ("samples", "verdicts", "votes")
    rows = [
        (name, len(frame), ", ".join(map(str, frame.columns)))
        for name in tables
        for frame in [getattr(frames, name)]
    ]
    return f"<div>{table_html(('table', 'rows', 'columns'), rows)}</div>"


def _judges(order: Sequence[str], summaries: Mapping[str, Summary]) -> str:
    table = table_html(_COLUMNS, [_row(name, summaries[name]) for name in order])
    costs = [(name, cost) for name in order if (cost := summaries[name].per_item) is not None]
    if not costs:
        return table
    rows = [
        (name, f"{one.calls:.4g}", f"{one.tokens_in:.0f}", f"{one.tokens_out:.0f}",
         _money(one.cost), f"{one.seconds:.3g}")
        for name, one in costs
    ]  # fmt: skip
    return table + table_html(_PER_ITEM, rows)


def _reasons(order: Sequence[str], summaries: Mapping[str, Summary]) -> str:
    """Why votes failed; nothing where none did."""
    reasons = [
        (name, reason.count, reason.status, reason.message)
        for name in order
        for reason in summaries[name].failure_reasons
    ]
    if not reasons:
        return ""
    return table_html(("judge", "failed votes", "status", "such as"), reasons)


def _row(name: str, summary: Summary) -> tuple[object, ...]:
    return (
        name,
        _rate(summary.detail.scored),
        _rate(summary.detail.overall),
        f"{summary.n_scored} of {summary.n}",
        summary.ties,
        "–" if summary.judge is None else summary.judge.k,
        _money(summary.usage.cost),
        summary.usage.calls,
        f"{sum(summary.failures.values())} of {summary.n_votes}",
    )


def _money(cost: float | None) -> str:
    return "unknown" if cost is None else f"${cost:.4g}"


def _rate(figure: Estimate) -> str:
    if figure.value is None:
        return "–"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.1%} (n = {figure.n})"
    return f"{figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}] (n = {figure.n})"
