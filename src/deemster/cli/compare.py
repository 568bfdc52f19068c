"""`deemster compare`: is a run worse than another? With an exit status for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli.statuses import WORSE
from deemster.cli.terminal import tell
from deemster.files import writing

if TYPE_CHECKING:
    from deemster.suites.comparing import RunComparison
    from deemster.suites.metrics import Comparison


def compare(
    first: Annotated[Path, typer.Argument(help="Run to compare with, e.g. of the main branch.")],
    second: Annotated[Path, typer.Argument(help="The new run.")],
    judge: Annotated[
        list[str] | None,
        typer.Option(help="Which judge; twice where the runs name theirs differently."),
    ] = None,
    alpha: Annotated[
        float, typer.Option(min=0, max=1, help="Level of the test that says worse.")
    ] = 0.05,
    max_drop: Annotated[
        str | None,
        typer.Option(help="Also worse: accuracy lower by more than this share, e.g. 2%."),
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="Changed items to print.")] = 20,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the comparison here, as JSON.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> int:
    """Compare two runs over the same data, item by item; status 3 if the second is worse.

    Accuracy here counts unscored items as wrong. The test is McNemar's, exact and paired.
    """
    from deemster.cli.score import share
    from deemster.suites.comparing import compare_runs, names_of
    from deemster.suites.summaries import write_json

    drop = None if max_drop is None else share(max_drop, option="--max-drop")
    found = compare_runs(first, second, judges=names_of(judge))
    if out is not None:
        with writing(out):
            write_json(out, found.model_dump(mode="json"))
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(found, show)
    if not found.is_worse(alpha=alpha, max_drop=drop):
        return 0
    tell(
        f"deemster: {found.second} is worse than {found.first}: {100 * found.change:+z.2f} points",
    )
    return WORSE


def _show(found: RunComparison, most: int) -> None:
    from deemster.cli.render import show_facts, show_table

    facts = {
        "first": found.first,
        "second": found.second,
        "all items, unscored as wrong": _line(found.overall),
    }
    if found.scored.unscored:
        facts["items that both scored"] = _line(found.scored)
    lost = found.overall
    facts["right only in the first"] = str(lost.only_first)
    facts["right only in the second"] = str(lost.only_second)
    facts["McNemar p"] = "–" if lost.p_value is None else f"{lost.p_value:.4g}"
    if found.only_in_first or found.only_in_second:
        facts["not compared"] = (
            f"{found.only_in_first} items only in the first, "
            f"{found.only_in_second} only in the second"
        )
    show_facts(facts)
    rows = [(one.id, one.subset, one.before, one.after) for one in found.changes[:most]]
    more = f", the first {most}" if len(found.changes) > most else ""
    title = f"changed items: {len(found.changes)}{more}"
    show_table(title, ("item", "subset", "first", "second"), rows)


def _line(one: Comparison) -> str:
    from deemster.cli.summary import percent

    difference = one.difference
    change = "" if difference.value is None else f": {-100 * difference.value:+z.2f}"
    if difference.low is not None and difference.high is not None:
        low, high = (-100 * end for end in (difference.high, difference.low))
        change += f" [{low:+z.2f}, {high:+z.2f}]"
    return (
        f"{percent(one.first.value)} to {percent(one.second.value)}{change} points "
        f"(n = {difference.n})"
    )
