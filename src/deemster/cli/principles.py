"""`deemster principles`: rubrics that ship, principles made for a query, and the bank."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli import options as opt
from deemster.cli import reword
from deemster.cli.interrupts import run_async
from deemster.cli.statuses import UNSCORED
from deemster.cli.terminal import tell
from deemster.errors import InputError
from deemster.files import writing

if TYPE_CHECKING:
    from deemster.backends import Backend
    from deemster.principles import PrincipleBank

app = typer.Typer(help="Show rubrics; generate, mine and show principles.", no_args_is_help=True)
Bank = Annotated[
    Path | None, typer.Option("--bank", help="Principle bank (SQLite file), made if missing.")
]


app.command("reword")(reword.reword)


@app.command("list")
def list_() -> None:
    """List the rubrics that ship with deemster."""
    from deemster.cli.render import show_table
    from deemster.principles import list_rubrics

    show_table(
        "rubrics",
        ("name", "principles", "what it is for"),
        [(rubric.name, len(rubric.principles), rubric.description) for rubric in list_rubrics()],
    )


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(help="Name of a rubric, or a YAML file. Not with --bank.")
    ] = None,
    bank: Annotated[Path | None, typer.Option("--bank", help="Show a principle bank.")] = None,
    query: Annotated[
        str | None, typer.Option("-q", "--query", help="The bank's principles for this query.")
    ] = None,
    rubric: Annotated[
        bool, typer.Option("--rubric", help="The bank's most useful principles, as a rubric.")
    ] = False,
    top: Annotated[int, typer.Option(help="How many principles: of --rubric or the table.")] = 0,
    history: Annotated[
        bool, typer.Option("--history", help="Every change; with -q every version.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The table or history as JSON.")] = False,
) -> None:
    """Print a rubric as YAML (edit a copy and pass it to --principles), or what a bank holds."""
    from deemster.principles import PrincipleBank, dump_rubric, load_rubric
    from deemster.principles.bank_source import MOST, in_percent

    if (name is None) == (bank is None):
        raise InputError("give the name of a rubric or --bank FILE")
    if bank is None:
        if query is not None or rubric or history or as_json or top:
            raise InputError("-q, --rubric, --top, --history and --json go with --bank")
        typer.echo(dump_rubric(load_rubric(name or "")), nl=False)
        return
    if top < 0:
        raise InputError(f"--top must be >= 1, got {top}")
    with PrincipleBank(bank, create=False) as opened:
        if history:
            _show_history(opened, query, as_json=as_json)
        elif query is not None:
            found = opened.source(most=top or MOST).rubric(query)
            typer.echo(dump_rubric(in_percent(found)), nl=False)
        elif rubric:
            found = opened.source(most=top or MOST).general()
            typer.echo(dump_rubric(in_percent(found)), nl=False)
        else:
            _show_bank(opened, top or 30, as_json=as_json)


def _show_bank(bank: PrincipleBank, top: int, *, as_json: bool) -> None:
    from deemster.cli.render import show_facts, show_table

    useful, sets = bank.usefulness(), bank.queries()
    if as_json:
        for one in useful:
            typer.echo(one.model_dump_json())
        return
    changes = bank.history()
    mined = sum(one.kind == "mined" for one in sets)
    show_facts(
        {
            "bank": bank.path,
            "queries": f"{len(sets)}, {mined} with mined principles",
            "measured principles": len(useful),
            "changes": f"{len(changes)}, last {changes[-1].at}" if changes else "none",
        }
    )
    if useful:
        rows = [
            (
                one.name,
                f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]",
                "–" if one.lift is None else f"{100 * one.lift:+z.1f}",
                f"{one.right}/{one.votes}",
                one.queries,
                one.spellings,
            )
            for one in useful[:top]
        ]
        columns = ("principle", "right (95 %)", "lift, points", "votes", "queries", "spellings")
        show_table("the most surely useful first", columns, rows)


def _show_history(bank: PrincipleBank, query: str | None, *, as_json: bool) -> None:
    from deemster.cli.render import show_table

    if query is None:
        entries = bank.history()
        if as_json:
            for entry in entries:
                typer.echo(entry.model_dump_json())
            return
        rows = [(one.number, one.at, one.what, one.detail) for one in entries]
        show_table("history", ("change", "at", "what", "detail"), rows)
        return
    versions = bank.versions(query)
    if not versions:
        raise InputError(f"the bank has no principles for just the query {query[:80]!r}")
    if as_json:
        for stored in versions:
            typer.echo(stored.model_dump_json())
        return
    rows_of_query = [
        (
            stored.version,
            stored.created,
            stored.kind,
            stored.source,
            ", ".join(f"{p.name} {p.weight:.0%}" for p in stored.principles),
        )
        for stored in versions
    ]
    show_table("versions", ("version", "at", "how", "by", "principles"), rows_of_query)


@app.command()
def mine(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    bank: Annotated[Path, typer.Option("--bank", help="Principle bank, made if missing.")],
    judge: Annotated[str | None, typer.Option(help="Only this judge of the run.")] = None,
) -> None:
    """Count how often votes with each principle were right; keep the principles of right votes."""
    from deemster.principles import PrincipleBank
    from deemster.suites.mining import mine_run
    from deemster.suites.store import RunStore

    RunStore(run).close()  # no bank is created for a run that does not exist
    with PrincipleBank(bank) as opened:
        mined = mine_run(run, opened, judge=judge)
    tell(
        f"{mined.votes} votes with principles and a known outcome, {mined.right} right, "
        f"{mined.new} new to the bank; {mined.sets} queries got a new set; "
        f"{mined.merged} principles are taken for others",
    )


@app.command()
def generate(
    query: Annotated[str | None, typer.Option("-q", "--query", help="What was asked.")] = None,
    response: Annotated[
        list[str] | None,
        typer.Option("-r", "--response", help="Answers to look at; repeat for several."),
    ] = None,
    input_file: Annotated[
        Path | None, typer.Option("--input", "-i", help="JSON lines of samples; with --bank.")
    ] = None,
    bank: Bank = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the rubric of -q here, as YAML.")
    ] = None,
    model: opt.Model = None,
    name: Annotated[str, typer.Option(help="Name of the rubric.")] = "generated",
    n: Annotated[
        int | None, typer.Option("--n", help="Principles per query. Default: 3 to 6.")
    ] = None,
    show_responses: Annotated[
        bool,
        typer.Option(
            "--responses/--no-responses", help="Show the samples' responses to the model."
        ),
    ] = True,
    again: Annotated[
        bool, typer.Option("--again", help="Also for queries that have principles by this model.")
    ] = False,
    seed: opt.Seed = 0,
    api_base: opt.ApiBase = None,
    concurrency: opt.Concurrency = None,
    rate: opt.Rate = None,
    timeout: opt.Timeout = None,
    extra: opt.Extra = None,
    budget: opt.BudgetSpec = None,
) -> int:
    """Write principles: a YAML rubric for one query on stdout, or for a data set into a bank."""
    if (query is None) == (input_file is None):
        raise InputError("give -q QUERY, or --input FILE with --bank FILE")
    limits = {
        "api_base": api_base, "concurrency": concurrency, "rate": rate, "timeout": timeout,
        "extra": opt.read_extra(extra),
    }  # fmt: skip
    backend = opt.make_backend(model, limits=limits, budget=budget)
    if input_file is not None:
        if bank is None or out is not None:
            raise InputError("--input needs --bank FILE, and has no --out")
        return run_async(
            _fill(backend, input_file, bank, n=n, show=show_responses, again=again, seed=seed)
        )
    rubric = _rubric(backend, query or "", response or [], name, bank, n=n, seed=seed)
    if out is None:
        typer.echo(rubric, nl=False)
        return 0
    with writing(out):
        out.write_text(rubric, encoding="utf-8")
    return 0


def _rubric(
    backend: Backend,
    query: str,
    responses: list[str],
    name: str,
    bank: Path | None,
    *,
    n: int | None,
    seed: int,
) -> str:
    """A generated rubric for one query, as YAML; its principles go into the bank, too."""
    from deemster.errors import BackendError, ParseError
    from deemster.principles import PrincipleBank, dump_rubric, generate_principles
    from deemster.schemas import Rubric, as_query, as_responses

    asked = as_query(query)
    answers = as_responses(responses) if responses else None
    try:
        made = run_async(generate_principles(backend, asked, answers, n=n, seed=seed))
    except (BackendError, ParseError) as error:
        raise InputError(f"no principles were made: {error}") from error
    if bank is not None:
        with PrincipleBank(bank) as opened:
            opened.add(asked, made, source=backend.name)
    return dump_rubric(
        Rubric(name=name, description=f"Generated by {backend.name}", principles=made)
    )


async def _fill(
    backend: Backend,
    input_file: Path,
    bank: Path,
    *,
    n: int | None,
    show: bool,
    again: bool,
    seed: int,
) -> int:
    from deemster.data.samples import read_samples
    from deemster.principles import PrincipleBank
    from deemster.principles.ahead import fill_bank

    samples = list(read_samples(input_file))
    try:
        with PrincipleBank(bank) as opened:
            filled = await fill_bank(
                opened, backend, samples, n=n, show_responses=show, again=again, seed=seed
            )
            merged = opened.deduplicate()
    finally:
        await backend.aclose()
    usage = filled.usage
    cost = "cost unknown" if usage.cost is None else f"${usage.cost:.4f}"
    tell(
        f"{filled.made} queries got principles, {filled.known} had them, {len(filled.failed)} "
        f"failed; {merged} principles are taken for others; {usage.calls} calls, {cost}",
    )
    for line in filled.failed[:5]:
        tell(f"deemster: no principles for {' '.join(line.split())}")
    return UNSCORED if filled.failed else 0
