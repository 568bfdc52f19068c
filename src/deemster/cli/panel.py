"""`deemster panel`: stored runs of different judges as one panel, without a call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.terminal import tell
from deemster.errors import InputError
from deemster.files import writing

if TYPE_CHECKING:
    from deemster.suites.metrics import Estimate
    from deemster.suites.panel_report import PanelReport


def panel(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Runs over the same samples; DIR#NAME picks one of several judges."),
    ],
    votes: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many votes of each judge.")
    ] = None,
    scale: Annotated[
        str, typer.Option(help="How rewards become comparable: zscore, rank, minmax, none.")
    ] = "zscore",
    weights: Annotated[
        Path | None,
        typer.Option(help="Write weights learned from the labels here, for a panel's `weights`."),
    ] = None,
    weighted: Annotated[
        bool, typer.Option("--weighted", help="Use the learned weights in the run of --out.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the panel's verdicts here, as a run.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Splits the items into folds.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Join stored runs into a panel: what it gains, whose errors are shared, who is a copy.

    Weights and the smallest panel are cross-fitted in five folds.
    """
    from deemster.suites.new_run import check_new
    from deemster.suites.panel_report import report_panel
    from deemster.suites.panels import load_panel
    from deemster.suites.rescoring import write_judged

    if scale not in ("zscore", "rank", "minmax", "none"):
        raise InputError(f"--scale {scale!r}; allowed: zscore, rank, minmax, none")
    if out is not None:
        check_new(out)
    joined = load_panel(runs)
    report = report_panel(joined, votes=votes, seed=seed)
    if weights is not None:
        with writing(weights):
            report.weights.save(weights)
    if out is not None:
        learned = report.weights if weighted else None
        info, rows = joined.verdicts(scale=scale, weights=learned, votes=votes, seed=seed)  # type: ignore[arg-type]  # checked above
        write_judged(out, info, rows)
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        _show(report)
    if out is not None:
        tell(f"run written to {out}")


def _show(report: PanelReport) -> None:
    from deemster.cli.render import show_facts, show_table
    from deemster.cli.summary import percent

    show_table(
        f"judges, over {report.n} labelled items",
        ("judge", "votes", "cost", "accuracy", "weight"),
        [
            (
                one.name,
                f"{one.votes:.2f}",
                "unknown" if one.cost is None else f"${one.cost:.4g}",
                rate(one.accuracy),
                f"{report.weights.weights[one.name]:.2f}",
            )
            for one in report.members
        ],
    )
    show_table(
        "errors in common",
        ("judges", "correlation", "noise removed", "same wrong", ""),
        [
            (
                f"{one.first}, {one.second}",
                "–" if one.correlation.value is None else f"{one.correlation.value:z.2f}",
                "–" if one.corrected is None else f"{one.corrected:z.2f}",
                percent(one.same_wrong),
                "copies" if one.copies else "",
            )
            for one in report.pairs
        ],
    )
    effective = report.effective
    number = "–" if effective.value is None else f"{effective.value:.2f}"
    if effective.low is not None and effective.high is not None:
        number += f" [{effective.low:.2f}, {effective.high:.2f}]"
    show_facts(
        {
            "worth": f"{number} independent judges of {len(report.members)}",
            "all, equal weights": rate(report.equal),
            f"less {report.best_single}": f"{points(report.gain)} points",
            "all, weights by labels": f"{rate(report.weighted)}, "
            f"{points(report.weighted_gain)} points to equal weights",
            "smallest within a point": f"{', '.join(report.smallest)}: "
            f"{rate(report.smallest_accuracy)}",
            "all less the smallest": f"{points(report.smallest_loss)} points",
        }
    )
    for note in notes(report):
        tell(f"note: {note}")


def notes(report: PanelReport) -> list[str]:
    """What to mind, in words."""
    found = [
        f"{one.first} and {one.second} err on the same items: one of them is enough"
        for one in report.pairs
        if one.copies
    ]
    found += [
        f"{one.name} is one-sided: it finds the best far more often where that is response "
        f"{one.favours + 1} of the data"
        for one in report.members
        if one.favours is not None
    ]
    return found


def rate(one: Estimate) -> str:
    """A share with its interval, in per cent."""
    if one.value is None or one.low is None or one.high is None:
        return "–"
    return f"{one.value:.2%} [{one.low:.1%}, {one.high:.1%}]"


def points(one: Estimate) -> str:
    """A difference of shares with its interval, in points."""
    if one.value is None or one.low is None or one.high is None:
        return "–"
    return f"{100 * one.value:+z.2f} [{100 * one.low:+z.2f}, {100 * one.high:+z.2f}]"
