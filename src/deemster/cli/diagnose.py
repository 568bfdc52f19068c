"""`deemster diagnose`: what would help a judge, from stored votes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def diagnose(
    run: Annotated[Path, typer.Argument(help="Run with labels; DIR#NAME picks one judge.")],
    others: Annotated[
        list[Path] | None,
        typer.Argument(help="Runs over the same samples: other judges, or other principles."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Splits the items into folds.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Tell what would help a judge: more votes, labels, another judge. No calls are made."""
    from deemster.cli.panel import points, rate
    from deemster.cli.render import show_facts, show_table
    from deemster.suites.diagnosing import diagnose_run

    found = diagnose_run(run, others or (), seed=seed)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    facts = {"judge": found.judge, "accuracy": f"{rate(found.accuracy)} of {found.n} items"}
    if found.stable is not None:
        facts["stable errors"] = f"{rate(found.stable)} of {found.stable.n} errors"
    if found.effective_votes is not None and found.effective_votes.value is not None:
        worth = f"{found.effective_votes.value:.2f} with independent errors"
        facts["votes"] = f"{found.votes:.2f} an item, worth {worth}"
    show_facts(facts)
    show_table(
        "what would help, points of accuracy",
        ("", "gain", "votes", "cost", ""),
        [
            (
                one.what,
                points(one.gain),
                f"{one.votes:.1f}",
                "unknown" if one.cost is None else f"${one.cost:.4g}",
                one.note,
            )
            for one in found.remedies
        ],
    )
