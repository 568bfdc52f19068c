"""What was tried with each dialect, counted in the tables of the tests; docs/zoo.py shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.dialects.test_forgery_forms import HONEST, PLAIN_WORDS
from tests.dialects.verdict_forms import READ, REFUSED

from deemster.dialects import open_dialect
from deemster.errors import InputError

ELSEWHERE = {
    "nano": "test_nano_dialect: it reads as `grm` does",
    "smol": "test_smol_dialect: it reads as `grm` does",
    "pairwise-tokenprob": "test_pairwise_dialects: its forms need log-probabilities",
}
"""Dialects that are read by another's code or need more than text, and where they are tested."""
_CELL = 120
"""Most characters of an example."""
ONE_FORM = {"llmbar-rating": "the whole completion is the number, so two are none"}
"""Dialects in which nothing can be ambiguous, and why."""


@dataclass(frozen=True)
class Checks:
    """What the tables of the tests have of one dialect, its rules included.

    Attributes:
        right: outputs written to its grammar that are read.
        failed: outputs that give no verdict.
        ambiguous: outputs with two different verdicts.
        round_trip: numbers of responses for which a scripted model answers in it.
        forgery: those for which quoted verdicts were planted.
        plain: those whose verdicts are plain words or numbers, which no prompt can defuse.
    """

    right: int
    failed: int
    ambiguous: int
    round_trip: tuple[int, ...]
    forgery: tuple[int, ...]
    plain: tuple[int, ...]

    @property
    def text(self) -> str:
        """For a table."""
        outputs = f"{self.right} right, {self.failed} failed, {self.ambiguous} ambiguous outputs"
        parts = [outputs, f"round trip {_counted(self.round_trip)}"]
        if self.forgery:
            parts.append(f"forgery {_counted(self.forgery)}")
        return "; ".join(parts)

    @property
    def lacking(self) -> str:
        """What cannot be tried, for a table."""
        return f"forgery {_counted(self.plain)}: plain words" if self.plain else ""


def checks_of(name: str) -> Checks:
    """The checks of a dialect by name."""
    base = name.partition(":")[0]
    failed = Counter(form.outcome for form in REFUSED if _base(form.dialect) == base)
    sizes = sorted({n for spec, n in HONEST if _base(spec) == base})
    plain = {n for spec, n in PLAIN_WORDS if _base(spec) == base}
    return Checks(
        right=sum(_base(form.dialect) == base for form in READ),
        failed=failed["parse_error"] + failed["refused"],
        ambiguous=failed["ambiguous"],
        round_trip=tuple(sizes),
        forgery=tuple(n for n in sizes if n not in plain),
        plain=tuple(sorted(plain)),
    )


def example_of(spec: str) -> str:
    """The first output of a dialect that is read and not long, as a cell of a Markdown table."""
    forms = [form.shown for form in READ if form.dialect == spec]
    return next((form for form in forms if len(form) <= _CELL), min(forms, key=len, default="–"))


def sizes_of(name: str) -> list[int]:
    """For which of 1 and 2 responses a dialect reads one completion."""
    dialect = open_dialect(name)
    found = []
    for n in (1, 2):
        try:
            dialect.check_n(n)
        except InputError:
            continue
        found.append(n)
    return found


def _base(spec: str) -> str:
    return spec.partition(":")[0]


def _counted(sizes: tuple[int, ...]) -> str:
    return f"({' and '.join(map(str, sizes))} shown)"
