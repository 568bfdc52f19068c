"""docs/reliability.md from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.reliability.goals import GOALS, Goal
from benchmarks.reliability.record import Result

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

_INTRO = """# Reliability

What deemster does under faults, kills and attacks, measured. `make reliability` measures all of it
and writes this page; `python -m benchmarks.reliability --only R7 --scale 0.01` measures a part with
small counts. Everything runs on one machine and on loopback, seeded, without a provider or a key.

- **not met**: a figure misses its target; its section says which, and the cause.
- *part*: fewer counts than the target asks for. *not run*: no figure at all.

Tests of `make test` hold them with small counts; each section names its own. To test a pipeline of
yours in these ways, see [Test your own pipeline](howto/test-your-pipeline.md). What is promised
against attackers, and what is not, is in [SECURITY.md](../SECURITY.md).
"""


def render(results: Mapping[str, Result]) -> str:
    """The page."""
    rows = ["| # | what | state | counts | date |", "|---|---|---|---|---|"]
    rows += [_row(goal, results.get(goal.r)) for goal in GOALS]
    parts = [_INTRO, "\n".join(rows), ""]
    parts += [_section(goal, results.get(goal.r)) for goal in GOALS]
    return "\n".join(parts)


def state(result: Result | None) -> str:
    """In a word."""
    if result is None:
        return "*not run*"
    found = _met(result.met)
    return found if result.complete else f"{found}, *part*"


def _met(met: bool) -> str:
    return "met" if met else "**not met**"


def _row(goal: Goal, result: Result | None) -> str:
    anchor = f"{goal.r} {goal.title}".lower().replace(" ", "-").replace(",", "").replace("'", "")
    counts, date = ("–", "–") if result is None else (_counts(result), result.date)
    return f"| [{goal.r}](#{anchor}) | {goal.title} | {state(result)} | {counts} | {date} |"


def _counts(result: Result) -> str:
    def one(name: str) -> str:
        count, full = result.counts[name], result.full[name]
        return f"{count:,} {name}" if count >= full else f"{count:,} of {full:,} {name}"

    return ", ".join(one(name) for name in result.counts)


def _section(goal: Goal, result: Result | None) -> str:
    lines = [f"## {goal.r} {goal.title}", "", f"Target: {goal.target}.", ""]
    if result is None:
        why = goal.missing or "not yet run at full count; `make reliability` does"
        lines += [f"Not run: {why}.", ""]
    else:
        lines += ["| figure | target | measured | |", "|---|---|---|---|"]
        lines += [
            f"| {check.name} | {check.target} | {check.shown} | {_met(check.met)} |"
            for check in result.checks
        ]
        notes = [*result.notes]
        if not result.met and result.load is not None and result.load > result.cores:
            notes.append(
                f"The machine was busy: a load of {result.load:g} on {result.cores} cores. Times "
                "and rates that miss may be its own; on an idle machine it is not yet run."
            )
        lines += ["", *(f"- {note}" for note in notes), *([""] if notes else [])]
        load = "" if result.load is None else f" (load {result.load:g})"
        part = "" if result.complete else " The full counts are not yet run."
        lines += [
            (
                f"`{result.command}` on {result.date}: {_counts(result)}; {result.seconds:,.0f} s, "
                f"{result.cores} cores{load}, Python {result.python}, "
                f"deemster {result.version}.{part}"
            ),
            "",
        ]
    if goal.tests:
        tests = ", ".join(f"`tests/{test}`" for test in goal.tests)
        lines += [f"In `make test`: {tests}.", ""]
    return "\n".join(lines)
