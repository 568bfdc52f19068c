"""`deemster diagnose`: what would help a judge, from stored votes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.suites.metrics import Estimate
    from deemster.suites.principle_check import PrincipleFigures, PrincipleReport


def diagnose(
    run: Annotated[Path, typer.Argument(help="Run with labels; DIR#NAME picks one judge.")],
    others: Annotated[
        list[Path] | None,
        typer.Argument(help="Runs over the same samples: other judges, or other principles."),
    ] = None,
    principles: Annotated[
        bool,
        typer.Option(
            "--principles", help="Instead: which of the judge's principles earn their place."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Splits the items into folds.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Tell what would help a judge: more votes, labels, another judge. No calls are made."""
    if principles:
        if others:
            raise InputError("--principles is about one run; leave out the others")
        from deemster.suites.principle_check import check_principles

        report = check_principles(run, seed=seed)
        if as_json:
            typer.echo(report.model_dump_json())
        else:
            _show_principles(report)
        return
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


def _show_principles(report: PrincipleReport) -> None:
    from deemster.cli.calibrate import number
    from deemster.cli.panel import rate
    from deemster.cli.render import show_facts, show_table

    by_scores = report.basis == "scores"
    known = [one for one in report.principles if one.gain is not None]
    few = sum(one.conclusion == "too few items" for one in report.principles)
    facts = {
        "judge": report.judge,
        "figures are": "of the scores that votes give each principle"
        if by_scores
        else "of votes that use a principle against votes that do not",
        "accuracy": f"{rate(report.accuracy)} of {report.n} items, {report.votes} votes",
        "principles": f"{report.n_principles}, {few} with too few items",
    }
    if any(one.conclusion == "cannot be told" for one in report.principles):
        facts["cannot be told"] = (
            "every vote uses the same principles and scores none by itself; judge with a dialect "
            "that does (json)"
        )
    show_facts(facts)
    show_table(
        "gain of having it, in points" if by_scores else "gain over votes without it, in points",
        ("principle", "items", "agree", "gain", "p (Holm)", "flips", "conclusion"),
        [_row(one) for one in known],
    )
    show_table(
        "most alike",
        ("principle", "and", "correlation" if by_scores else "votes with both"),
        [(one.name, one.nearest, number(one.overlap)) for one in known if one.overlap],
    )


def _row(one: PrincipleFigures) -> tuple[object, ...]:
    from deemster.cli.panel import points

    chance = "" if one.flips_by_chance is None else f" (chance {one.flips_by_chance:.0%})"
    return (
        one.name,
        one.items,
        _percent(one.agreement),
        "–" if one.gain is None else points(one.gain),
        "–" if one.p_value is None else f"{one.p_value:.3g}",
        _percent(one.flips) + chance,
        one.conclusion,
    )


def _percent(one: Estimate | None) -> str:
    return "–" if one is None or one.value is None else f"{one.value:.0%}"
