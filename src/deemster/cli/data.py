"""`deemster data`: how a file of data is understood, before anything is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli import options as opt
from deemster.cli.statuses import BAD_ROWS
from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.data.columns import Columns
    from deemster.data.row import Row
    from deemster.schemas import Sample

_TOLD = 5
"""Bad rows that are reported in full."""

app = typer.Typer(no_args_is_help=True, help="Data files: how they are understood.")


@app.callback()
def _group() -> None:
    """Keep `show` a command of its own."""


@app.command("show")
def show(
    file: Annotated[
        Path, typer.Argument(help="A file, a folder, a data set of `datasets`, or - for stdin.")
    ],
    columns: opt.ColumnsOption = None,
    split: opt.SplitOption = None,
    rows: Annotated[int, typer.Option(min=0, help="So many rows are shown as samples.")] = 2,
) -> int:
    """Show how the first rows are understood, and count what all of them have.

    The exit status is 2 if a row cannot be used.
    """
    from deemster.cli.render import console, show_facts, show_table
    from deemster.cli.score import spooled
    from deemster.data.columns import GivenColumns
    from deemster.data.samples import columns_of, numbered, open_rows, sample_of

    given = None if columns is None else GivenColumns.parse(columns)
    counts: Counter[str] = Counter()
    bad: list[str] = []
    unseen = set() if given is None else set(given.names)
    with spooled(file) as (path, name):
        for place, row in enumerate(open_rows(path, split=split, name=name)):
            counts["rows"] += 1
            unseen -= row.values.keys()
            try:
                if place == 0:
                    parts = columns_of(row, given)
                    title = f"columns of {row.where}"
                    show_table(title, ("column", "is", "value"), _parts(row, parts))
                sample = numbered(sample_of(row, given), place + 1)
            except InputError as error:
                bad.append(str(error))
                continue
            counts.update(_facts(sample))
            if place < rows:
                show_table(f"sample {sample.id}", ("part", "value"), list(_shown(sample)))
    show_facts(dict(counts) | ({"cannot be used": len(bad)} if bad else {}))
    for problem in bad[:_TOLD]:
        console(stderr=True).print(f"deemster: {problem}", markup=False, soft_wrap=True)
    if given is not None:
        given.check_seen(unseen)
    return BAD_ROWS if bad else 0


def _parts(row: Row, columns: Columns) -> list[tuple[str, str, str]]:
    return [
        (name, "empty" if value is None else columns.part_of(name), _cut(value))
        for name, value in row.values.items()
    ]


def _shown(sample: Sample) -> Iterator[tuple[str, str]]:
    yield from (("query", f"{turn.role}: {_cut(turn.text)}") for turn in sample.query)
    truth = sample.ground_truth
    for i, response in enumerate(sample.responses):
        of = "" if sample.policies is None else f" by {sample.policies[i]}"
        worth = "" if truth is None else f", truth {truth[i]:g}"
        yield f"response {i}{of}{worth}", _cut(response.text)
    if sample.reference is not None:
        yield "reference", _cut(sample.reference)
    for principle in sample.principles:
        yield f"principle, weight {principle.weight:g}", _cut(principle.name)
    if sample.subset:
        yield "subset", sample.subset
    if sample.metadata:
        yield "metadata", ", ".join(sample.metadata)


def _facts(sample: Sample) -> Iterable[str]:
    """What is counted about a sample."""
    n = len(sample.responses)
    yield f"with {n} response{'s' * (n > 1)}"
    truth = sample.ground_truth
    if truth is not None:
        yield "with ground truth"
        if n > 1:
            yield "ties on top" if sample.best is None else f"response {sample.best} is best"
    for name in ("reference", "principles", "policies"):
        if getattr(sample, name):
            yield f"with {name}"
    if sample.subset:
        yield f"subset {sample.subset}"


def _cut(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:79]}…"
