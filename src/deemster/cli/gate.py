"""`deemster gate`: may a run replace its baseline? For CI, with JUnit and Markdown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.statuses import WORSE
from deemster.cli.terminal import tell
from deemster.files import writing

if TYPE_CHECKING:
    from deemster.suites.gating import GateReport

_SUMMARY = "GITHUB_STEP_SUMMARY"


def gate(
    run: Annotated[Path, typer.Argument(help="The new run.")],
    baseline: Annotated[Path, typer.Argument(help="The run it may replace.")],
    margin: Annotated[
        str, typer.Option(help="Loss of accuracy that is acceptable, e.g. 2%.")
    ] = "2%",
    alpha: Annotated[float, typer.Option(help="Level of every test.")] = 0.05,
    judge: Annotated[
        list[str] | None,
        typer.Option(help="Which judge; twice where the runs name theirs differently."),
    ] = None,
    allow_inconclusive: Annotated[
        bool,
        typer.Option("--allow-inconclusive", help="Pass where too few items are there to tell."),
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the checks here as JUnit XML.")] = None,
    summary: Annotated[
        Path | None,
        typer.Option(help=f"Append Markdown to this file. Default: ${_SUMMARY}, if it is set."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> int:
    """Check that a run is not worse than a baseline by a margin; status 3 if it may be.

    Unscored items count as wrong. With too few items to tell, the gate is closed.
    """
    from deemster.cli.score import share
    from deemster.suites.comparing import names_of
    from deemster.suites.gating import gate_run, markdown
    from deemster.suites.gating import junit as junit_xml

    report = gate_run(
        run,
        baseline,
        margin=share(margin, option="--margin"),
        alpha=alpha,
        judges=names_of(judge),
        allow_inconclusive=allow_inconclusive,
    )
    if junit is not None:
        _write(junit, junit_xml(report), "w")
    where = summary or (Path(given) if (given := os.environ.get(_SUMMARY)) else None)
    if where is not None:
        _write(where, markdown(report), "a")
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        _show(report)
    for check in report.checks:
        if not check.passed:
            tell(f"deemster: {check.name}: {check.message}")
    return 0 if report.passed else WORSE


def _write(path: Path, text: str, mode: str) -> None:
    with writing(path), path.open(mode, encoding="utf-8") as file:
        file.write(text)


def _show(report: GateReport) -> None:
    from deemster.cli.render import show_facts, show_table
    from deemster.cli.summary import percent
    from deemster.suites.gating import drift

    found = report.comparison.overall
    show_facts(
        {
            "run": report.run,
            "baseline": report.baseline,
            "accuracy": f"{percent(found.first.value)} to {percent(found.second.value)} "
            f"({found.only_first} lost, {found.only_second} gained of {found.difference.n})",
            "verdicts": drift(report),
        }
    )
    show_table(
        "gate passed" if report.passed else "gate closed",
        ("check", "", ""),
        [(one.name, "passed" if one.passed else "FAILED", one.message) for one in report.checks],
    )
