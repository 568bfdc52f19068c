"""`deemster probe`: the health card of a judge."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from deemster.cli import options as opt
from deemster.cli.score import judging, share
from deemster.cli.statuses import UNSCORED
from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.judges import Judge
    from deemster.probe import HealthCard, ProbePlan
    from deemster.suites.building import SuiteJudges


NO_PART = ("k", "aggregator", "meta_rm", "meta_template", "k_meta", "orders", "min_valid", "stop")
"""Settings of a judge that a probe chooses itself."""


def probe(
    k: Annotated[
        int,
        typer.Option("-k", "--k", help="Votes per pair where several are drawn: even, 4 or more."),
    ] = 4,
    calls: Annotated[int, typer.Option(help="Most completions to draw.")] = 300,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write probe.html and probe.json here.")
    ] = None,
    seed: opt.Seed = 0,
    record: Annotated[
        Path | None,
        typer.Option(help="Keep every completion in this cassette, for --model replay:FILE."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The card as JSON.")] = False,
    allow_unscored: Annotated[
        str, typer.Option(help="Share of verdicts that may stay unscored, e.g. 1%.")
    ] = "10%",
    *,
    judge: opt.JudgeOptions,
) -> int:
    """Health card of a judge: biases, consistency, calibration and resistance to attacks.

    Asks about short items whose truth is certain. Every figure has its 95 % interval; faults do not
    change the exit status, too many verdicts without a score do (3).
    """
    from deemster.judges import Judge
    from deemster.probe import plan_probe

    allowed = share(allow_unscored)
    built = judge.build(seed=seed)
    probed = built.judges[0]
    if not isinstance(probed, Judge):
        raise InputError(f"probe needs a judge of type grm, got a {type(probed).__name__}")
    plan = plan_probe(probed, calls=calls, k=k, seed=seed)
    part = "" if plan.calls == plan.full else f" (all items would take {plan.full})"
    typer.echo(f"{probed.name}: {plan.calls} calls at most{part}", err=True)
    card = asyncio.run(_probe(built, record, plan))
    if out is not None:
        from deemster.probe import write_card

        page, _ = write_card(card, out)
        typer.echo(f"health card written to {page}", err=True)
    if as_json:
        typer.echo(card.model_dump_json())
    else:
        show_card(card)
    if card.n_unscored:
        typer.echo(
            f"deemster: {card.n_unscored} of {card.n_verdicts} verdicts are unscored", err=True
        )
    return UNSCORED if card.n_unscored > allowed * card.n_verdicts else 0


async def _probe(built: SuiteJudges, record: Path | None, plan: ProbePlan) -> HealthCard:
    from deemster.cli.render import progress_bar
    from deemster.probe import probe as run

    total = sum(len(unit.questions) for unit in plan.units)
    with progress_bar(total) as advance:
        async with judging(built, record) as judge:
            return await run(cast("Judge", judge), plan=plan, on_done=advance)


def show_card(card: HealthCard) -> None:
    """The card as tables."""
    from deemster.cli.render import show_facts, show_table
    from deemster.probe.card import SIGNED
    from deemster.probe.html import interval, number

    rows = []
    for figure in card.figures:
        points = figure.name in SIGNED
        value = number(figure.estimate.value, signed=points)
        healthy = f"{number(figure.low, signed=points)} to {number(figure.high, signed=points)}"
        state = figure.state.upper() if figure.state == "fault" else figure.state
        rows.append(
            (
                figure.title,
                _close(f"{value} {interval(figure.estimate, signed=points)}"),
                _close(healthy),
                figure.estimate.n,
                state,
            )
        )
    title = f"health card of {card.judge.name}"
    show_table(title, ("figure", "value (95 %)", "healthy", "n", "state"), rows)
    facts = {
        figure.title: "; ".join(
            _close(f"{name} {number(part.value)} {interval(part)}")
            for name, part in figure.parts.items()
            if part.value is not None
        )
        for figure in card.figures
    }
    show_facts({name: fact for name, fact in facts.items() if fact})
    if card.failures:
        failed = ", ".join(f"{count} {status}" for status, count in card.failures.items())
        show_facts({"failed votes": f"{failed} of {card.n_votes}"})


def _close(text: str) -> str:
    """Without the space before percent signs, where terminals would break the line."""
    return text.replace(" %", "%").strip()
