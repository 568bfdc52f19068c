"""`deemster decision`: decision models, which answer typed questions with probabilities."""

from __future__ import annotations

import asyncio
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deemster.benchmarks.typed_decisions import DecisionCase
    from deemster.suites.decision_bench import DecisionBench
    from deemster.suites.metrics.estimate import Estimate

app = typer.Typer(no_args_is_help=True, help="Decision models: probabilities, and no words.")


@app.callback()
def _root() -> None:
    """Keep `bench` a command of its own."""


@app.command()
def bench(
    source: Annotated[
        Path,
        typer.Argument(help="Typed Decisions: a JSONL file, or the wheel of tool-eval-bench."),
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="decisions:…, systemone:…, hf:PATH, replay:CASSETTE."),
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="Most cases to ask about.")] = None,
    min_label_mass: Annotated[
        float,
        typer.Option(min=0, max=1, help="Least probability on the options; less is no answer."),
    ] = 0.5,
    api_base: Annotated[str | None, typer.Option(help="URL of the server.")] = None,
    cassette: Annotated[
        Path | None, typer.Option(help="Keep the answers here, and ask for none that it has.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> int:
    """Accuracy, Brier score, log loss and calibration on questions with gold probabilities."""
    from deemster.benchmarks.typed_decisions import read_cases

    cases = list(islice(read_cases(source), limit))
    found = asyncio.run(_bench(model, cases, min_label_mass, api_base, cassette))
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(found)
    return 0 if found.all.answered else 3


async def _bench(
    model: str,
    cases: list[DecisionCase],
    min_label_mass: float,
    api_base: str | None,
    cassette: Path | None,
) -> DecisionBench:
    from deemster.backends import Backend, RecordBackend, checked, open_backend
    from deemster.suites.decision_bench import decision_bench

    options = {} if api_base is None else {"api_base": api_base}
    backend = checked(open_backend(model, **options))
    asked: Backend = backend if cassette is None else RecordBackend(backend, cassette)
    try:
        return await decision_bench(asked, cases, min_label_mass=min_label_mass)
    finally:
        if asked is not backend:
            await asked.aclose()
        await backend.aclose()


def _show(found: DecisionBench) -> None:
    from deemster.cli.render import show_table, usage_line

    def cell(value: Estimate | None) -> str:
        return "–" if value is None else f"{value.value:.3f}"

    rows = [
        (
            kind,
            f"{one.answered} of {one.n}",
            cell(one.accuracy),
            cell(one.brier),
            cell(one.log_loss),
            cell(one.ece),
            cell(one.level_error),
            "–" if one.log_loss_uniform is None else f"{one.log_loss_uniform:.3f}",
        )
        for kind, one in [*found.kinds.items(), ("all", found.all)]
        if one.n
    ]
    show_table(
        f"{found.model}, {found.cases} cases",
        (
            "questions", "answered", "accuracy", "Brier", "log loss", "ECE", "level error",
            "log loss of equal odds",
        ),
        rows,
    )  # fmt: skip
    for problem in found.problems:
        typer.echo(f"not answered: {problem}", err=True)
    typer.echo(usage_line(found.usage), err=True)
