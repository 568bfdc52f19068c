"""`deemster import` and `deemster rescore`: stored judgments, no model calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.garbage import search_rarely
from deemster.cli.terminal import tell

if TYPE_CHECKING:
    from deemster.suites.metrics import Summary

Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def import_traces(
    format_name: Annotated[
        str,
        typer.Option(
            "--format",
            help="Layout of the log, e.g. judgebench, or columns for any table; or module:name "
            "of your own reader. See docs/importing.md.",
        ),
    ],
    traces: Annotated[Path, typer.Option(help="The judge's log.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run directory to make.")],
    data: Annotated[
        Path | None, typer.Option(help="The data set, where the log does not hold it.")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="Which judge, where the log holds several; its name, where it has none."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Which column holds what, e.g. 'query=prompt,responses=a|b,output=judgment'."
        ),
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(help="Reads the judge's text. Default: that of the format.")
    ] = None,
    aggregator: Annotated[
        str | None, typer.Option(help="E.g. mean. Default: the rule of the log's own tool.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", "--k", help="Only the first k votes.")] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Also write report.html into the run directory.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Turn another tool's judge log into a run: parsed by our parsers from its raw text.

    The published figures below the summary are those of the whole log under the rule of its own
    tool, whatever --aggregator and --k.
    """
    from deemster.suites.importing import import_run

    search_rarely()
    summary = import_run(
        format_name,
        traces=traces,
        data=data,
        judge=judge,
        out=out,
        aggregator=aggregator,
        k=k,
        dialect=dialect,
        columns=columns,
    )
    if report:
        from deemster.reports import write_report

        write_report([out], out / "report.html")
    _show(summary, out, as_json=as_json)


def rescore(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a new run here; else only print.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="Which judge, where the run has several.")
    ] = None,
    aggregator: Annotated[str | None, typer.Option(help="E.g. 'topk(4) >> mean'.")] = None,
    k_meta: Annotated[
        int | None,
        typer.Option("--k-meta", help="Keep the votes with the highest meta rewards."),
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option(
            help="Parse the raw texts again, with this dialect; 'stored': with the one the run "
            "notes, of each sample where they differ (imported logs)."
        ),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", "--k", help="Only the first k votes.")] = None,
    min_valid: Annotated[
        int | None,
        typer.Option(help="Fewest valid votes for a reward. Default: the judge's own."),
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(help="Only the votes a stopping rule would have drawn, e.g. decided:0.95."),
    ] = None,
    votes_per_item: Annotated[
        float | None,
        typer.Option(
            help="Or: the stopping rule that draws so many on average, where they change most."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Parse, vote and weigh the stored votes of a run again, without a call."""
    from deemster.suites.rescoring import rescore_run

    if k_meta is not None:
        aggregator = f"topk({k_meta}) >> {aggregator or 'sum'}"
    summary = rescore_run(
        run,
        out=out,
        judge=judge,
        aggregator=aggregator,
        dialect=dialect,
        k=k,
        min_valid=min_valid,
        stop=stop,
        votes_per_item=votes_per_item,
    )
    if votes_per_item is not None and summary.judge is not None:
        tell(f"stopping rule: {summary.judge.stop}")
    _show(summary, out, as_json=as_json)


def export(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File ending in .jsonl or .parquet.")],
    table: Annotated[str, typer.Option(help="votes, verdicts or samples.")] = "votes",
) -> None:
    """Write one table of a run to a file for other tools."""
    from deemster.suites.frames import export_run

    count = export_run(run, out, table=table)  # type: ignore[arg-type]  # checked there
    tell(f"{count} rows written to {out}")


def _show(summary: Summary, out: Path | None, *, as_json: bool) -> None:
    if as_json:
        typer.echo(summary.model_dump_json())
        return
    from deemster.cli.published import show_published
    from deemster.cli.summary import show_summary

    show_summary(summary)
    show_published(summary.published)
    for note in summary.notes:
        tell(f"note: {note}")
    if out is not None:
        tell(f"run written to {out}")
