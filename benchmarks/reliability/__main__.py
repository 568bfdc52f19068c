"""Measure all of R1 to R20, or some, and write docs/reliability.md.

    python -m benchmarks.reliability                       all, at full counts: hours
    python -m benchmarks.reliability --only R7 R9 --scale 0.01
    python -m benchmarks.reliability --only R1 R5 --missing   go on after a break: only those that
                                                           are not kept at full counts
    python -m benchmarks.reliability --plan                how long each takes, as far as is known
    python -m benchmarks.reliability --page                the page again, from what is kept

Everything is on this machine and on loopback. A result is kept in benchmarks/reliability/results
unless one with larger counts is there already; the page is made from what is kept.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping

from benchmarks.reliability.goals import GOALS, Goal
from benchmarks.reliability.page import PAGE, render
from benchmarks.reliability.record import RESULTS, Result, Run, ended, load, save


def measure(goal: Goal, run: Run, minutes: float | None, *, replace: bool) -> bool:
    """Measure one and keep the result; whether every target was met."""
    print(f"{goal.r}: {goal.title} …", flush=True)
    start = time.monotonic()
    if minutes is not None:
        run.ends = start + 60 * minutes
    goal.load()(run)
    result = ended(run, time.monotonic() - start, minutes=minutes)
    if replace:
        (RESULTS / f"{goal.r}.json").unlink(missing_ok=True)
    kept = save(result)
    for check in result.checks:
        print(f"  {'ok  ' if check.met else 'MISS'} {check.name}: {check.shown} ({check.target})")
    counts = ", ".join(f"{count:,} {name}" for name, count in result.counts.items())
    print(f"  {counts}; {result.seconds} s{'' if kept else '; not kept: a larger run is there'}")
    return result.met


def plan(goals: list[Goal], kept: Mapping[str, Result]) -> None:
    """Print the minutes that each takes at full counts, by what the last run of it took."""
    total = 0.0
    for goal in goals:
        result = kept.get(goal.r)
        if result is None:
            print(f"{goal.r:4} {goal.title:34} not known")
            continue
        minutes = result.seconds_at_full_counts / 60
        total += minutes
        busy = "" if result.load is None else f", measured at a load of {result.load:g}"
        print(f"{goal.r:4} {goal.title:34} {minutes:6.1f} min{busy}")
    print(f"{'':39} {total:6.1f} min in all")


def main() -> None:
    known = [goal.r for goal in GOALS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reliability",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", default=known, metavar="R", help="R1 R5, or R1,R5")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full counts")
    parser.add_argument("--minutes", type=float, help="of R20: stop there, at whatever counts")
    parser.add_argument("--seed", type=int, default=Run.seed, help="of R20: which sample")
    parser.add_argument("--replace", action="store_true", help="keep also what is smaller")
    parser.add_argument(
        "--missing", action="store_true", help="leave out what is kept at full counts"
    )
    parser.add_argument(
        "--plan", action="store_true", help="measure nothing, say how long it takes"
    )
    parser.add_argument("--page", action="store_true", help="measure nothing")
    given = parser.parse_args()
    only = {name for part in given.only for name in part.split(",")}
    if not only <= set(known):
        parser.error(f"--only {' '.join(sorted(only - set(known)))}; known: {', '.join(known)}")
    if not 0 < given.scale <= 1:
        parser.error(f"--scale {given.scale:g}; give a share in (0, 1]")
    kept = load()
    goals = [goal for goal in GOALS if goal.r in only and goal.measured_by is not None]
    if given.missing:
        goals = [goal for goal in goals if goal.r not in kept or not kept[goal.r].complete]
    if given.plan:
        plan(goals, kept)
        return
    missed = []
    for goal in goals if not given.page else []:
        run = Run(goal.r, given.scale, seed=given.seed)
        if not measure(goal, run, given.minutes, replace=given.replace):
            missed.append(goal.r)
        PAGE.write_text(render(load()), "utf-8")
    PAGE.write_text(render(load()), "utf-8")
    if missed:
        print(f"targets missed: {', '.join(missed)}")
    sys.exit(3 if missed else 0)


if __name__ == "__main__":
    main()
