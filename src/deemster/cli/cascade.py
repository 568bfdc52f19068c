"""`deemster cascade`: fit a cascade on stored runs, and see what it would have done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.terminal import say, tell
from deemster.errors import InputError
from deemster.files import writing

if TYPE_CHECKING:
    from deemster.suites.cascading import CascadeSummary

app = typer.Typer(
    help="A cheap judge first, a dearer one only where it is unsure. No calls are made.",
    no_args_is_help=True,
)

Runs = Annotated[
    list[Path],
    typer.Argument(help="Run directories, cheapest judge first; DIR#NAME picks one of several."),
]


@app.command()
def fit(
    runs: Runs,
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON file to write.")],
    level: Annotated[
        float | None, typer.Option(help="Agreement with the labels that must hold, e.g. 0.8.")
    ] = None,
    samples: Annotated[
        float | None,
        typer.Option(help="Or: votes per item that the judges after the first may draw."),
    ] = None,
    delta: Annotated[float, typer.Option(help="How often the level may fail to hold.")] = 0.1,
    abstain: Annotated[
        bool, typer.Option("--abstain", help="Leave unanswered what the last judge is unsure of.")
    ] = False,
    stop: Annotated[
        str | None,
        typer.Option(help="Use only the votes this rule would have drawn, e.g. decided:0.95."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Splits the items into calibration and test.")] = 0,
) -> None:
    """Fit confidences and thresholds on the labelled items of stored runs."""
    from deemster.suites.cascading import fit_cascade

    if len(runs) < 2:
        raise InputError(f"a cascade needs 2 or more runs, got {len(runs)}")
    rule = fit_cascade(
        runs,
        level=level,
        samples=samples,
        delta=delta,
        abstain=abstain,
        stop=stop,
        seed=seed,
    )
    with writing(out):
        rule.save(out)
    cheap = rule.thresholds[0]
    tell(
        f"stops at confidence {cheap:.2f}; on {rule.n_tested} items tested {rule.n_agreed} of "
        f"{rule.n_answered} answers agree, at least {rule.bound:.3f} with probability "
        f"{1 - rule.delta:g}; written to {out}",
    )


@app.command()
def apply(
    rule: Annotated[Path, typer.Argument(help="What `deemster cascade fit` wrote.")],
    runs: Runs,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the summary here as JSON.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """What a fitted cascade does with stored runs: agreement, coverage, samples of each judge."""
    from deemster.judges.cascade_rule import CascadeRule
    from deemster.suites.cascading import apply_cascade
    from deemster.suites.summaries import write_json

    summary = apply_cascade(CascadeRule.load(rule), runs)
    if out is not None:
        with writing(out):
            write_json(out, summary.model_dump(mode="json"))
    if as_json:
        typer.echo(summary.model_dump_json())
    else:
        _show(summary)


def _show(summary: CascadeSummary) -> None:
    from deemster.cli.render import show_table

    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.1%}"

    show_table(
        "judges",
        ("judge", "asked", "samples per item", "agreement if always asked"),
        [
            (name, share(summary.asked[name]), f"{drawn:.2f}", share(summary.alone[name].value))
            for name, drawn in summary.samples.items()
        ],
    )
    found = summary.agreement
    say(
        f"{summary.n_answered} of {summary.n} items answered ({share(summary.coverage)}); "
        f"agreement {share(found.value)} [{share(found.low)}, {share(found.high)}]"
        + (
            ""
            if summary.level is None
            else f", asked for {summary.level:.1%} with probability {1 - summary.delta:g}"
        )
    )
