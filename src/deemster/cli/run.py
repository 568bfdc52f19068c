"""`deemster run`: a YAML-defined evaluation suite."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deemster.cli.engines import make_engine
from deemster.cli.garbage import search_rarely
from deemster.cli.interrupts import run_async
from deemster.cli.options import TrustSuite
from deemster.cli.statuses import MISSED, NOT_ALLOWED, UNSCORED
from deemster.cli.terminal import tell
from deemster.errors import CalibrationError, InputError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from deemster.schemas import Sample, Verdict
    from deemster.suites.engines import Engine, Observer
    from deemster.suites.loading import Suite
    from deemster.suites.overrides import Override
    from deemster.suites.planning import JudgePlan
    from deemster.suites.runner import Plan, RunResult

_LONGEST = 255
"""Bytes of a folder's name."""
_RATED = 2.0
"""Seconds after which the progress line says votes per second."""


def run(
    engine: Mapping[str, Any],
    suite_file: Annotated[
        Path | None,
        typer.Argument(metavar="SUITE", help="The suite, a YAML file.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Run directory. Default: runs/NAME-OF-THE-SUITE."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Another model, for every judge.")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", "-k", help="Votes, for every judge.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most this many samples of each source of data.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change a setting: judge.k=8 (of all judges), seed=1. Repeatable."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an unfinished run; retry failed votes.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would take: calls, tokens, money.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print summary.json, or the plan of --dry-run.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of suites, for editors.")
    ] = False,
    trust_suite: TrustSuite = False,
) -> int:
    """Judge all samples of a suite; stop and resume at any time, nothing is judged twice."""
    if schema:
        return _print_schema()
    if suite_file is None:
        raise InputError("SUITE is missing; give a YAML file, for example suites/quickstart.yaml")

    from deemster.suites.loading import load_suite

    judging = make_engine(engine)
    overrides = _overrides(model, k, limit, changes or ())
    suite = load_suite(suite_file, overrides=overrides, trust=trust_suite)
    if dry_run:
        return _dry_run(suite, batch=engine["batch"], as_json=as_json)
    directory = out or default_directory(suite.spec.name)
    try:
        result = _judge_all(suite, directory, resume=resume, engine=judging)
    except CalibrationError as error:
        if suite.spec.requires is None:
            raise
        tell(f"deemster: {error}")
        return NOT_ALLOWED
    _show(result, as_json=as_json, metrics=suite.spec.metrics)
    return _status(result, asked="unscored" in suite.spec.thresholds)


def default_directory(name: str) -> Path:
    """A folder of its own in `runs`, whatever the suite's name is.

    Raises:
        InputError: nothing of the name can be that of a folder.
    """
    folder = re.sub(r"[^\w.-]+", "-", name).strip("-").lstrip("-.")
    if not folder or len(os.fsencode(folder)) > _LONGEST:
        raise InputError(f"the suite's name {name!r} is no name of a folder; give --out")
    return Path("runs") / folder


def _print_schema() -> int:
    from importlib.resources import files

    typer.echo(files("deemster.suites").joinpath("suite.schema.json").read_text("utf-8"), nl=False)
    return 0


def _judge_all(suite: Suite, directory: Path, *, resume: bool, engine: Engine | None) -> RunResult:
    from deemster.suites.runner import run_suite

    search_rarely()
    try:
        with _progress() as (plan, observe):
            return run_async(
                run_suite(
                    suite, directory, resume=resume, observer=observe, on_plan=plan, engine=engine
                )
            )
    except KeyboardInterrupt:
        tell(f"deemster: {directory} is kept; give --resume to continue it")
        raise


def _overrides(
    model: str | None, k: int | None, limit: int | None, changes: Sequence[str]
) -> list[Override]:
    from deemster.suites.overrides import parse_override

    short = (("judge.model", model), ("judge.k", k), ("data.limit", limit))
    given = [(path, value) for path, value in short if value is not None]
    return given + [parse_override(text) for text in changes]


def _status(result: RunResult, *, asked: bool) -> int:
    """0, or 3 with the reasons on stderr.

    Unless the suite has a threshold for unscored samples, none is allowed.
    """
    for line in result.broken:
        tell(f"deemster: {line}")
    if result.over_budget:
        tell("deemster: the budget is spent; raise it and give --resume to continue")
    elif result.unscored and not asked:
        tell(
            f"deemster: {result.unscored} samples have no verdict; --resume tries them again",
        )
    if result.broken or result.over_budget:
        return MISSED
    return UNSCORED if result.unscored and not asked else 0


def _show(result: RunResult, *, as_json: bool, metrics: Sequence[str] | None) -> None:
    if as_json:
        typer.echo((result.directory / "summary.json").read_text("utf-8"), nl=False)
        return
    from deemster.cli.summary import show_judges, show_summary, show_thresholds

    for summary in result.summaries.values():
        show_summary(summary, metrics=metrics)
        typer.echo()
    show_judges(result.standings, result.summaries)
    show_thresholds(result.thresholds)
    used, spent = (
        sum(usage.calls for usage in usages)
        for usages in (
            [summary.usage for summary in result.summaries.values()],
            list(result.spent.values()),
        )
    )
    if spent < used:
        tell(f"{spent} calls in all: judges share draws, which are bought once")
    tell(f"run written to {result.directory}")


def _dry_run(suite: Suite, *, batch: bool, as_json: bool) -> int:
    from deemster.backends import checked
    from deemster.suites.building import build_judges
    from deemster.suites.planning import plan_suite

    plans = plan_suite(suite, batch=batch)
    if as_json:
        typer.echo(json.dumps({"batch": batch, "judges": [asdict(plan) for plan in plans]}))
    else:
        _show_plans(plans, batch=batch)
    for judge in build_judges(suite.spec, folder=suite.path.parent, trust=suite.trust).judges:
        judge.wrap_backends(checked)  # a plan that cannot be run is of no use
    return 0


def _show_plans(plans: Sequence[JudgePlan], *, batch: bool) -> None:
    from deemster.cli.render import show_table

    rows = [
        (
            plan.judge,
            plan.samples,
            plan.votes,
            plan.requests,
            plan.shared,
            plan.tokens_in,
            plan.tokens_out,
            "unknown" if plan.cost is None else f"${plan.cost:.2f}",
        )
        for plan in plans
    ]
    columns = (
        "judge", "samples", "votes", "requests", "shared", "tokens in", "most tokens out",
        "most cost",
    )  # fmt: skip
    how = "estimated, at the price of batches" if batch else "estimated"
    show_table(f"what the run would take ({how})", columns, rows)


class Figures:
    """Holds the figures that the progress line shows."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.done = self.failed = self.right = self.asked = self.votes = 0
        self.cost: float | None = 0.0

    def add(self, sample: Sample, verdict: Verdict) -> None:
        """Count one more."""
        self.done += 1
        self.failed += verdict.rewards is None
        self.votes += len(verdict.votes)
        if verdict.rewards is not None and sample.best is not None:
            self.asked += 1
            self.right += verdict.best == sample.best
        cost = verdict.usage.cost
        self.cost = None if cost is None or self.cost is None else self.cost + cost

    @property
    def note(self) -> str:
        """Failed, votes per second, cost and accuracy so far."""
        seconds = time.monotonic() - self.started
        # A rate over a moment says nothing, least of all of votes that a cassette held.
        parts = [f"{self.votes / seconds:.1f} votes/s"] if seconds >= _RATED else []
        if self.asked:
            parts.append(f"accuracy {self.right / self.asked:.1%}")
        if self.cost:
            parts.append(f"${self.cost:.4f}")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)


@contextmanager
def _progress() -> Iterator[tuple[Callable[[list[Plan]], None], Observer]]:
    """A bar per judge on a terminal; elsewhere one line at the start and every 30 seconds."""
    seen: dict[str, Figures] = {}
    begun = time.monotonic()
    from rich.progress import TimeRemainingColumn

    from deemster.cli.render import bars

    bar = bars(TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    reported = time.monotonic()

    def plan(plans: list[Plan]) -> None:
        for one in plans:
            tasks[one.judge] = bar.add_task(
                one.judge, total=one.total, completed=one.total - one.todo, note=""
            )
            if bar.disable:
                tell(f"{one.judge}: {one.todo} of {one.total} samples to judge")

    def observe(judge: str, sample: Sample, verdict: Verdict) -> None:
        nonlocal begun, reported
        if judge not in seen:
            # Judges run one after the other: a judge begins where the one before it ended.
            seen[judge] = Figures(begun)
        begun = time.monotonic()
        figures = seen[judge]
        figures.add(sample, verdict)
        if not bar.disable:
            bar.update(tasks[judge], advance=1, note=figures.note)
        elif time.monotonic() - reported > 30:
            reported = time.monotonic()
            tell(f"{judge}: {figures.done} judged, {figures.note}")

    with bar:
        yield plan, observe
