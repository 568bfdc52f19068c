"""Runs that are written in one go: another run decided again, a log that was read.

They are written beside, in a folder of their own, and moved to their place when they are whole:
whoever looks finds all of it or no run, and after a kill the same command can be given again. One
transaction would do that too, but its log takes as much room as the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree

from deemster.errors import InputError
from deemster.schemas import JudgeInfo, Sample, Verdict
from deemster.suites.metrics import Summary
from deemster.suites.run_folder import FILE, lock_run
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_verdicts

UNFINISHED = ".unfinished"


def check_new(out: Path) -> None:
    """Raise `InputError` if a run is already in a directory."""
    if (out / FILE).exists():
        raise InputError(f"{str(out)!r} already holds a run; give another --out")


def write_new_run(out: Path, info: JudgeInfo, judged: Iterable[tuple[Sample, Verdict]]) -> Summary:
    """Write the verdicts of one judge as a new run.

    Args:
        out: run directory to make; it must not hold a run yet.
        info: the judge.
        judged: in the order of the new run; read once, and only a few are held at a time.

    Returns:
        The figures of the run. `summary.json` is the caller's to write.

    Raises:
        InputError: there is a run, another process writes one there, or a sample id occurs twice.
        StoreError: it cannot be written, because the disk is full for example.
    """
    unfinished = out / UNFINISHED
    lock = lock_run(out)
    try:
        check_new(out)
        rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        with RunStore(unfinished, write=True) as store:
            store.set_judges([info])
            summary = summarise_verdicts(store.adding(judged), info)[1]
        (unfinished / FILE).replace(out / FILE)
    finally:
        rmtree(unfinished, ignore_errors=True)
        lock.release()
    return summary
