"""`deemster calibrate`: a judge against human labels, and a confidence that means "right"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.terminal import say, tell
from deemster.errors import InputError
from deemster.files import writing

if TYPE_CHECKING:
    from deemster.suites.calibrating import (
        CalibrationReport,
        ConfidenceFit,
        LabelAgreement,
        Quality,
    )
    from deemster.suites.metrics import Estimate


def calibrate(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="File of human labels: rows of id, label and maybe rater. Default: the ground "
            "truth of the run. See docs/trust.md."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the calibration here, for Judge(calibration=…)."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="Which judge, where the run has several.")
    ] = None,
    method: Annotated[str, typer.Option(help="logistic or isotonic.")] = "logistic",
    first: Annotated[
        int | None,
        typer.Option(min=0, max=1, help="Number of the first response in labels: 0 or 1."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Splits the items into folds.")] = 0,
    diagram: Annotated[
        Path | None, typer.Option(help="Draw confidence before and after here, as SVG.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure a stored judge against human labels: agreement, its ceiling, confidence.

    No calls are made. Figures of what was fitted are cross-fitted in five folds.
    """
    from deemster.suites.calibrating import calibrate_run

    report, found = calibrate_run(
        run, labels=labels, judge=judge, method=method, first=first, seed=seed  # type: ignore[arg-type]  # checked there
    )  # fmt: skip
    if out is not None and report.judge.members:
        raise InputError(
            f"--out: judge {report.judge.name!r} is made of other judges, which take no "
            "calibration; leave out --out for the figures, or calibrate runs of the members"
        )
    if diagram is not None and report.confidence is None:
        raise InputError(f"--diagram: no confidence to draw, {report.why_none}")
    if diagram is not None and report.confidence is not None:
        from deemster.reports.reliability import reliability_svg

        _write(diagram, reliability_svg(report.confidence))
    if out is not None:
        _write(out, found.model_dump_json(indent=2) + "\n")
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        _show(report)
    if out is not None:
        tell(f"calibration written to {out}")


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.write_text(text, encoding="utf-8")


def _show(report: CalibrationReport) -> None:
    from deemster.cli.render import show_facts, show_table

    whole = report.overall
    left_out = [
        (report.n_unscored, "without rewards"),
        (report.n_split, "on which raters are split"),
        (report.n_unknown, "labels of other samples"),
    ]
    facts = {
        "judge": f"{report.judge.name}, {report.fingerprint}",
        "labels": f"{report.n_labelled} items, {report.labels}; "
        + ", ".join(f"{name}: {n}" for name, n in list(report.raters.items())[:8]),
        "left out": ", ".join(f"{n} {what}" for n, what in left_out if n) or "nothing",
        "agreement": number(whole.judge.agreement),
        "Cohen's kappa": number(whole.judge.kappa),
        "Gwet's AC": number(whole.judge.ac),
        "labels to halve it": f"{report.labels_to_halve} more items halve kappa's interval",
    }
    if whole.alpha is not None:
        facts["raters' alpha"] = number(whole.alpha)
    if whole.ceiling is not None:
        facts["kappa, one rater"] = f"{number(whole.ceiling.rater.kappa)} with the others"
        facts["kappa, judge"] = f"{number(whole.ceiling.judge.kappa)} with the same"
        facts["judge less rater"] = number(whole.ceiling.gap)
    show_facts(facts)
    rated = whole.ceiling is not None
    show_table(
        "subsets",
        ("subset", "n", "agreement", "AC", "kappa", *["kappa, one rater"] * rated),
        [_row(name, one)[: 5 + rated] for name, one in report.subsets.items()],
    )
    if report.confidence is None:
        say(f"no confidence was fitted: {report.why_none}")
        return
    _show_confidence(report.confidence)


def _row(name: str, one: LabelAgreement) -> tuple[object, ...]:
    judge = one.judge
    rater = "–" if one.ceiling is None else number(one.ceiling.rater.kappa)
    plain = ("–" if x.value is None else f"{x.value:z.3f}" for x in (judge.agreement, judge.ac))
    return name, one.n, *plain, number(judge.kappa), rater


def _show_confidence(found: ConfidenceFit) -> None:
    from deemster.cli.render import show_table

    before, after = found.before, found.after
    figures: list[tuple[str, Callable[[Quality], Estimate], Estimate | None]] = [
        ("ECE", lambda one: one.calibration.ece, None),
        ("Brier score", lambda one: one.calibration.brier, found.brier_change),
        ("log loss", lambda one: one.log_loss, found.log_loss_change),
    ]
    rows = [
        (
            name,
            "–" if before is None else number(read(before)),
            number(read(after)),
            "–" if change is None else number(change, signed=True),
        )
        for name, read, change in figures
    ]
    title = f"confidence as the chance of being right ({found.method}, n = {found.n})"
    show_table(title, ("", "resampled", "calibrated", "change"), rows)
    if before is None:
        return
    for title, one in (("resampled", before), ("calibrated", after)):
        show_table(
            f"reliability, {title}",
            ("said", "right", "n"),
            [(f"{b.confidence:.3f}", number(b.accuracy), b.n) for b in one.calibration.curve],
        )


def number(one: Estimate, *, signed: bool = False) -> str:
    """A figure with its interval, three decimals; a dash where it is undefined."""
    form = "+z.3f" if signed else "z.3f"
    if one.value is None:
        return "–"
    if one.low is None or one.high is None:
        return f"{one.value:{form}}"
    return f"{one.value:{form}} [{one.low:{form}}, {one.high:{form}}]"
