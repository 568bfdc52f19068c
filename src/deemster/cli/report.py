"""`deemster report`: runs as HTML, with weakness analysis where policies are compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.terminal import tell

if TYPE_CHECKING:
    from deemster.reports.records import Report


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="HTML file. Default: report.html in the first run."),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="Whose weaknesses to analyse. Default: each of two.")
    ] = None,
    versus: Annotated[
        str | None, typer.Option(help="Against which policy. Default: the best of the others.")
    ] = None,
    before: Annotated[
        Path | None, typer.Option(help="JSON of an earlier report, to show what changed.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The page's heading.")] = None,
    items: Annotated[
        int,
        typer.Option(
            help="Judged items to list at most; of more, so many are drawn. Figures are over all."
        ),
    ] = 50_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report's JSON.")] = False,
) -> None:
    """Write one HTML file that opens anywhere, and the same figures beside it as JSON."""
    from deemster.reports import write_report

    path = out or runs[0] / "report.html"
    made = write_report(
        runs, path, policy=policy, versus=versus, before=before, title=title, most_items=items
    )
    for line in made.not_believed:
        tell(f"deemster: {line}")
    if as_json:
        typer.echo(made.model_dump_json())
        return
    _show(made)
    tell(f"report written to {path} and {path.with_suffix('.json')}")


def _show(made: Report) -> None:
    from deemster.cli.render import show_table
    from deemster.cli.summary import show_judges, show_summary, show_thresholds

    for section in made.judges:
        show_summary(section.summary)
        for found in section.weaknesses:
            versus = f" against {found.versus}" if found.versus else ""
            show_table(
                f"weaknesses of {found.policy}{versus}, by {section.label}",
                ("weakness", "items", "share of lost reward", "lift", "q"),
                [
                    (
                        one.name,
                        f"{one.items} of {found.n_lost}",
                        _figure(one.share.value, ".1%"),
                        _figure(one.lift.value, ".1f"),
                        _figure(one.q_value, ".2g"),
                    )
                    for one in found.weaknesses
                ],
            )
    show_judges(made.standings, {section.label: section.summary for section in made.judges})
    show_thresholds([one for section in made.judges for one in section.thresholds])


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
