"""Exit statuses: every status that a command may end with, and when it does.

An exception that is none of `DeemsterError` is a bug: it shows its traceback, with status 1.
"""

from __future__ import annotations

from typing import Self


class ExitStatus(int):
    """What a command ends with.

    Attributes:
        when: what it means, for the docs.
    """

    when: str

    def __new__(cls, value: int, when: str) -> Self:
        """The status `value` of the process, 0 to 255."""
        status = super().__new__(cls, value)
        status.when = when
        return status


DONE = ExitStatus(0, "done; as many samples have a verdict as were to have one")
BAD_INPUT = ExitStatus(
    2,
    "the input or the usage is wrong, or a model cannot be used as it is set up: one line on "
    "stderr says what and what to do (`InputError`, and any other `DeemsterError` that reaches "
    "the command line)",
)
BAD_ROWS = ExitStatus(2, "`data show`: some rows cannot be used; the others are shown")
UNSCORED = ExitStatus(
    3,
    "finished, but more is without a verdict than is allowed: `score`, `run`, `probe`; "
    "`principles generate`, where a query got no principles",
)
MISSED = ExitStatus(3, "`run`: a threshold of the suite does not hold, or its budget is spent")
FORGED = ExitStatus(3, "`probe --attacks`: more verdicts were forged than is allowed")
NOT_ALLOWED = ExitStatus(
    3, "`run`: a judge is not allowed, the suite's `requires` does not hold; nothing was sent"
)
WORSE = ExitStatus(
    3,
    "`compare`: the second run is worse than the first; `gate`: the run is worse than the "
    "baseline, or does not show that it is not",
)
STOPPED = ExitStatus(
    3, "`train`: a stage stopped before its end, for example because RL collapsed (`StageError`)"
)
INTERRUPTED = ExitStatus(
    130, "interrupted by Ctrl-C or SIGTERM; what was paid for is kept, and `--resume` goes on"
)

STATUSES = (
    *(DONE, BAD_INPUT, BAD_ROWS, UNSCORED, MISSED, FORGED, NOT_ALLOWED, WORSE, STOPPED),
    INTERRUPTED,
)
"""All of them, for the docs."""
