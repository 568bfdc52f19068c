"""How the figures of a run look in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from rich.console import Console

from deemster.cli.render import show_facts, show_table, usage_line
from deemster.suites.metrics import Estimate, Summary


def show_summary(
    summary: Summary, out: Console | None = None, *, metrics: Sequence[str] | None = None
) -> None:
    """Print the figures of a run that apply.

    Args:
        summary: the figures.
        out: where to.
        metrics: groups of figures to show (`deemster.suites.spec.Metric`); None shows all.
    """

    def wanted(name: str) -> bool:
        return metrics is None or name in metrics

    facts: dict[str, str] = {}
    if summary.judge is not None:
        facts["judge"] = f"{summary.judge.name} ({summary.judge.aggregator})"
    facts["items"] = f"{summary.n}, {summary.n_scored} scored"
    facts |= {label: text for name, label, text in _figures(summary) if wanted(name)}
    if summary.samples_per_item is not None and summary.judge and summary.judge.stop:
        facts["votes per item"] = f"{summary.samples_per_item:.2f} of {summary.judge.k}"
    if summary.failures:
        failed = ", ".join(f"{count} {status}" for status, count in summary.failures.items())
        facts["failed votes"] = f"{failed} of {summary.n_votes}"
    facts["usage"] = usage_line(summary.usage)
    show_facts(facts, out)
    if wanted("curve"):
        _curves(summary, out)
    if wanted("subsets") and any(one.n for one in summary.subsets.values()):
        rows = [
            (name, one.n, _percent(one.scored.value), one.ties, one.unscored)
            for name, one in summary.subsets.items()
        ]
        show_table("subsets", ("subset", "items", "accuracy", "ties", "unscored"), rows, out)
    if wanted("win_rates") and summary.win_rates:
        wins = [
            (name, one.n, _percent(one.value), _corrected(summary, name))
            for name, one in summary.win_rates.items()
        ]
        show_table("win rates", ("policy", "items", "won", "corrected by labels"), wins, out)


def _figures(summary: Summary) -> Iterator[tuple[str, str, str]]:
    """(metric, label, text) of every single figure that applies."""
    if summary.accuracy is not None:
        interval = "" if summary.ci95 is None else " [{:.1%}, {:.1%}]".format(*summary.ci95)
        text = f"{summary.accuracy:.2%}{interval}, {summary.ties} ties counted wrong"
        yield "accuracy", "accuracy", text
        if summary.n_scored < summary.n:
            overall = _percent(summary.detail.overall.value)
            yield "accuracy", "accuracy over all items", overall
    for name, label, figure in (
        ("macro", "macro accuracy", summary.macro),
        ("with_ties", "agreement with true ties", summary.with_ties),
        ("roc_auc", "ROC-AUC", summary.roc_auc),
        ("spearman", "Spearman", summary.spearman),
        ("kendall", "Kendall tau-b", summary.kendall),
    ):
        if figure is not None and figure.value is not None:
            yield name, label, _estimate(figure)
    if summary.position_consistency is not None:
        share = _percent(summary.position_consistency.by_item.value)
        yield "position_consistency", "position consistency", share


def _curves(summary: Summary, out: Console | None) -> None:
    many = {name: points for name, points in summary.curve.items() if len(points) > 1}
    if not many:
        return
    ks = list(dict.fromkeys(chain.from_iterable(many.values())))
    rows = [[name, *(_percent(points.get(k)) for k in ks)] for name, points in many.items()]
    show_table("accuracy at k", ["", *(f"k={k}" for k in ks)], rows, out)


def _corrected(summary: Summary, policy: str) -> str:
    found = summary.corrected.get(policy)
    return "–" if found is None else _estimate(found.mean)


def _estimate(figure: Estimate) -> str:
    if figure.value is None:
        return "–"
    known = figure.low is not None and figure.high is not None
    interval = f" [{figure.low:.3f}, {figure.high:.3f}]" if known else ""
    return f"{figure.value:.3f}{interval}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"
