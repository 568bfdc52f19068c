"""`deemster probe`: the health card of a judge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from deemster.cli import options as opt
from deemster.cli.interrupts import run_async
from deemster.cli.score import judging, share
from deemster.cli.statuses import FORGED, UNSCORED
from deemster.cli.terminal import tell
from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.judges import Judge
    from deemster.probe import AttackReport, HealthCard, ProbePlan
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
    attacks: Annotated[
        bool,
        typer.Option("--attacks", help="Only attacks, many of each kind; for any type of judge."),
    ] = False,
    allow_forged: Annotated[
        str, typer.Option(help="With --attacks: share of verdicts that may be forged, e.g. 1%.")
    ] = "0%",
    *,
    judge: opt.JudgeOptions,
) -> int:
    """Health card of a judge: biases, consistency, calibration and resistance to attacks.

    Asks about short items whose truth is certain. Every figure has its 95 % interval; faults do not
    change the exit status, too many verdicts without a score do (3). With --attacks, too many
    forged verdicts do too.
    """
    from deemster.judges import Judge
    from deemster.probe import plan_probe

    allowed = share(allow_unscored)
    forgeable = share(allow_forged, option="--allow-forged")
    built = judge.build(seed=seed)
    if attacks:
        report = run_async(_attack(built, record, calls, seed))
        if out is not None:
            written = write_report(report, out)
            tell(f"attacks written to {written}")
        typer.echo(report.model_dump_json()) if as_json else show_attacks(report)
        return attack_status(report, allowed, forgeable)
    probed = built.judges[0]
    if not isinstance(probed, Judge):
        raise InputError(f"probe needs a judge of type grm, got a {type(probed).__name__}")
    plan = plan_probe(probed, calls=calls, k=k, seed=seed)
    part = "" if plan.calls == plan.full else f" (all items would take {plan.full})"
    tell(f"{probed.name}: {plan.calls} calls at most{part}")
    card = run_async(_probe(built, record, plan))
    if out is not None:
        from deemster.probe import write_card

        page, _ = write_card(card, out)
        tell(f"health card written to {page}")
    if as_json:
        typer.echo(card.model_dump_json())
    else:
        show_card(card)
    if card.n_unscored:
        tell(f"deemster: {card.n_unscored} of {card.n_verdicts} verdicts are unscored")
    return UNSCORED if card.n_unscored > allowed * card.n_verdicts else 0


async def _probe(built: SuiteJudges, record: Path | None, plan: ProbePlan) -> HealthCard:
    from deemster.cli.render import progress_bar
    from deemster.probe import probe as run

    total = sum(len(unit.questions) for unit in plan.units)
    with progress_bar(total) as advance:
        async with judging(built, record) as judge:
            return await run(cast("Judge", judge), plan=plan, on_done=advance)


async def _attack(built: SuiteJudges, record: Path | None, calls: int, seed: int) -> AttackReport:
    from deemster.cli.render import progress_bar
    from deemster.probe import attack, plan_attacks

    plan = plan_attacks(built.judges[0], calls=calls, seed=seed)
    tell(f"{built.judges[0].name}: {plan.questions} verdicts")
    with progress_bar(plan.questions) as advance:
        async with judging(built, record) as judge:
            return await attack(judge, plan=plan, on_done=advance)


def write_report(report: AttackReport, folder: Path) -> Path:
    """Write `attacks.json`.

    Raises:
        InputError: it cannot be written.
    """
    from deemster.suites.summaries import write_json

    path = folder / "attacks.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, report.model_dump(mode="json"))
    except OSError as error:
        raise InputError(f"cannot write the attacks to {str(folder)!r}: {error}") from error
    return path


def show_attacks(report: AttackReport) -> None:
    """The report as a table, with one example of each kind that worked."""
    from deemster.cli.render import show_facts, show_table
    from deemster.probe.html import interval, number

    rows = [
        (
            one.kind,
            _close(f"{number(one.share.value)} {interval(one.share)}"),
            *(f"{count:,}" for count in (one.forged, one.n, one.wrong, one.unscored)),
        )
        for one in (*report.figures, report.overall)
    ]
    columns = ("attack", "share (95 %)", "forged", "of", "wrong anyway", "unscored")
    show_table(f"attacks on {report.judge.name}", columns, rows)
    show_facts(
        {f"a {one.kind} that won": repr(one.examples[0]) for one in report.figures if one.forged}
    )


def attack_status(report: AttackReport, allow_unscored: float, allow_forged: float) -> int:
    """Say on stderr what is not allowed; the exit status."""
    found, status = report.overall, 0
    if report.n_unscored > allow_unscored * report.n_verdicts:
        tell(f"deemster: {report.n_unscored} of {report.n_verdicts} verdicts are unscored")
        status = UNSCORED
    if not found.n:
        tell(
            "deemster: nothing was measured: without attacks the judge never preferred the right "
            "answer",
        )  # fmt: skip
        status = UNSCORED
    elif found.forged > allow_forged * found.n:
        tell(f"deemster: {found.forged} of {found.n} verdicts were forged")
        status = FORGED
    return status


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
