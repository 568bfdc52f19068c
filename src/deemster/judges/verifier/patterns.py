"""Users' regular expressions, which may be slow on purpose or by accident."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import regex

from deemster.errors import InputError
from deemster.judges.verifier.base import Finding, TextCheck

SECONDS = 1.0
"""Default limit for one search."""


def compile_pattern(pattern: str, *, flags: str = "") -> Any:  # noqa: ANN401 - regex has no types
    """A compiled pattern of the `regex` library, which can be stopped.

    Args:
        pattern: `re` syntax and the library's extensions.
        flags: any of `i`, `m`, `s`, `x`, as in `(?imsx)`.

    Raises:
        InputError: it does not compile.
    """
    if not set(flags) <= set("imsx"):
        raise InputError(f"flags {flags!r}; allowed: any of i, m, s, x")
    try:
        # V0 behaves like `re`.
        return regex.compile(f"(?{flags})" * bool(flags) + pattern, regex.VERSION0)
    except (regex.error, RecursionError) as error:
        raise InputError(f"pattern {pattern!r:.80} does not compile: {error}") from error


@dataclass(frozen=True)
class Matches(TextCheck):
    """The response matches a regular expression.

    A search that takes longer than `seconds` gives no score (status `timeout`): the response may
    match or not.

    Attributes:
        pattern: what to look for, in `re` syntax.
        flags: any of `i`, `m`, `s`, `x`.
        whole: the pattern must match all of the response, not some part.
        absent: the pattern must not match.
        label: what records call the check; default: the pattern.
        seconds: time for one search, > 0.
    """

    pattern: str
    flags: str = ""
    whole: bool = False
    absent: bool = False
    label: str = ""
    seconds: float = SECONDS

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise InputError(f"seconds must be a finite number above 0, got {self.seconds!r}")
        compile_pattern(self.pattern, flags=self.flags)

    @property
    def name(self) -> str:
        """See `Check.name`."""
        verb = "does not match" if self.absent else "matches"
        return self.label or f"{verb} /{self.pattern[:80]}/{self.flags}"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        compiled = compile_pattern(self.pattern, flags=self.flags)  # cached by the library
        find = compiled.fullmatch if self.whole else compiled.search
        try:
            # concurrent: the search releases the interpreter lock, so that other threads run.
            found = find(response, timeout=self.seconds, concurrent=True)
        except TimeoutError:
            return Finding(None, f"not decided within {self.seconds:g} s", status="timeout")
        evidence = f"found {found[0]!r:.200}" if found else "no match"
        return Finding.of((found is None) == self.absent, evidence)
