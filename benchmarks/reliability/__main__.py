"""Measure all of R1 to R20, or some, and write docs/reliability.md.

    python -m benchmarks.reliability                       all, at full counts: hours
    python -m benchmarks.reliability --only R7 R9 --scale 0.01
    python -m benchmarks.reliability --page                the page again, from what is kept

Everything is on this machine and on loopback. A result is kept in benchmarks/reliability/results
unless one with larger counts is there already; the page is made from what is kept.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.reliability.goals import GOALS, Goal
from benchmarks.reliability.page import PAGE, render
from benchmarks.reliability.record import RESULTS, Run, ended, load, save


def measure(goal: Goal, scale: float, minutes: float | None, *, replace: bool) -> bool:
    """Measure one and keep the result; whether every target was met."""
    run = Run(goal.r, scale)
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


def main() -> None:
    known = [goal.r for goal in GOALS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reliability",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="R")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full counts")
    parser.add_argument("--minutes", type=float, help="of R20: stop there, at whatever counts")
    parser.add_argument("--replace", action="store_true", help="keep also what is smaller")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    given = parser.parse_args()
    if not 0 < given.scale <= 1:
        parser.error(f"--scale {given.scale:g}; give a share in (0, 1]")
    missed = []
    for goal in GOALS:
        if given.page or goal.r not in given.only or goal.measured_by is None:
            continue
        if not measure(goal, given.scale, given.minutes, replace=given.replace):
            missed.append(goal.r)
        PAGE.write_text(render(load()), "utf-8")
    PAGE.write_text(render(load()), "utf-8")
    if missed:
        print(f"targets missed: {', '.join(missed)}")
    sys.exit(3 if missed else 0)


if __name__ == "__main__":
    main()
