"""`deemster principles reword`: other wordings of a principle, accepted only if they are better."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deemster.cli import options as opt
from deemster.cli.interrupts import run_async
from deemster.cli.terminal import tell
from deemster.errors import InputError
from deemster.files import writing

if TYPE_CHECKING:
    from deemster.backends import Backend
    from deemster.suites.loading import Suite
    from deemster.suites.rewording import Rewording


def reword(
    suite_file: Annotated[
        Path, typer.Argument(metavar="SUITE", help="Suite with labelled samples and the judge.")
    ],
    principle: Annotated[str, typer.Argument(help="Name of the principle.")],
    model: opt.Model = None,
    n: Annotated[int, typer.Option("--n", help="Wordings to try, 1 to 10.")] = 3,
    judge: Annotated[
        str | None, typer.Option(help="Which judge, where the suite has several.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the rubric here, as YAML, if one is accepted."),
    ] = None,
    seed: opt.Seed = 0,
    trust_suite: opt.TrustSuite = False,
    api_base: opt.ApiBase = None,
    concurrency: opt.Concurrency = None,
    rate: opt.Rate = None,
    timeout: opt.Timeout = None,
    extra: opt.Extra = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many votes it would take.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Let --model reword a principle; accept that if the judge agrees more with held-out labels.

    The suite's judge judges every labelled comparison by each wording, within the suite's budget.
    """
    from deemster.suites.loading import load_suite

    limits = {
        "api_base": api_base, "concurrency": concurrency, "rate": rate, "timeout": timeout,
        "extra": opt.read_extra(extra),
    }  # fmt: skip
    writer = opt.make_backend(model, limits=limits, budget=None)
    suite = load_suite(suite_file, trust=trust_suite)
    found = run_async(
        _reword(suite, principle, writer, judge=judge, n=n, seed=seed, dry_run=dry_run)
    )
    if found is None:
        return
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(found)
    if out is not None and found.conclusion == "accepted":
        _write(found, out)


async def _reword(
    suite: Suite,
    principle: str,
    writer: Backend,
    *,
    judge: str | None,
    n: int,
    seed: int,
    dry_run: bool,
) -> Rewording | None:
    from deemster.errors import BackendError, ParseError
    from deemster.suites.building import build_judges
    from deemster.suites.rewording import find_principle, labelled_comparisons, reword, rewordable

    built = build_judges(suite.spec, folder=suite.path.parent, trust=suite.trust)
    try:
        names = [one.name for one in built.judges]
        if (judge or names[0]) not in names or (judge is None and len(names) > 1):
            raise InputError(f"--judge {judge!r}; give one of: {', '.join(names)}")
        chosen = rewordable(built.judges[names.index(judge or names[0])])
        find_principle(chosen.principles, principle)
        samples = labelled_comparisons(list(suite.samples()))
        most = (n + 1) * len(samples) * chosen.k
        tell(
            f"{n + 1} wordings, {len(samples)} labelled samples, k = {chosen.k}: at most {most} "
            "votes and 1 call that writes",
        )
        if dry_run:
            return None
        return await reword(
            chosen, samples, principle, writer, n=n, seed=seed, in_flight=suite.spec.in_flight
        )
    except (BackendError, ParseError) as error:
        raise InputError(f"no wordings were written: {error}") from error
    finally:
        await writer.aclose()
        await built.aclose()


def _show(found: Rewording) -> None:
    from deemster.cli.panel import points, rate
    from deemster.cli.render import show_facts, show_table

    show_facts(
        {
            "judge": found.judge,
            "principle": found.principle,
            "labels": f"{found.n} comparisons, {found.votes} votes drawn"
            + (f"; {found.unscored} unscored, left out" if found.unscored else ""),
            "held-out gain": f"{points(found.held_out)} points, p = {found.p_value:.3g}",
            "conclusion": found.conclusion,
        }
    )
    show_table(
        "wordings, on all labels",
        ("", "agreement", "gain, points", "wording"),
        [
            (
                "present" if one.gain is None else "best" if i == found.best else str(i),
                rate(one.agreement),
                "–" if one.gain is None else points(one.gain),
                one.description,
            )
            for i, one in enumerate(found.wordings)
        ],
    )


def _write(found: Rewording, out: Path) -> None:
    from deemster.principles import dump_rubric
    from deemster.schemas import Rubric

    rubric = Rubric(name=out.stem, principles=found.principles)
    with writing(out):
        out.write_text(dump_rubric(rubric), encoding="utf-8")
