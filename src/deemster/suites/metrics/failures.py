"""Why votes failed: the commonest reasons of a run, each with one vote to read in full."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from deemster.errors import FailureStatus
from deemster.schemas import Count, Failure, Record, Sample, Verdict

MOST = 3
"""Reasons that a summary keeps."""
_VARYING = re.compile(
    r"""(?<!\w)'(?:\\.|[^'\\])*'(?!\w)|(?<!\w)"(?:\\.|[^"\\])*"(?!\w)|\d+(?:\.\d+)?"""
)
"""Quoted values and numbers: what differs between two failures for the same reason."""


class FailureReason(Record):
    """A reason for which votes failed, and the first of these votes."""

    status: FailureStatus
    count: Count
    """Votes that failed for it: the same status, and the same message but for numbers and quoted
    values."""
    message: str
    """The first vote's message, in full."""
    raw: str
    """The model's text in the first vote, in full; empty if there was none."""
    sample: str
    """Id of the first vote's sample."""
    draw: Count


@dataclass(slots=True)
class FailureReasons:
    """Collects the reasons of a run, verdict by verdict; keeps one text a reason."""

    _counts: dict[tuple[FailureStatus, str], int] = field(default_factory=dict)
    _first: dict[tuple[FailureStatus, str], tuple[str, Failure]] = field(default_factory=dict)

    def add(self, sample: Sample, verdict: Verdict) -> None:
        """Count the failed votes of one verdict."""
        for failure in verdict.failures:
            key = failure.status, _VARYING.sub("…", failure.message)
            self._counts[key] = self._counts.get(key, 0) + 1
            name, first = self._first.get(key, (sample.id, failure))
            # By id and draw, not by arrival: equal runs give equal summaries.
            if (sample.id, failure.draw, failure.judge) <= (name, first.draw, first.judge):
                self._first[key] = sample.id, failure

    def commonest(self, most: int = MOST) -> tuple[FailureReason, ...]:
        """The reasons, commonest first; equally common ones by status and message."""
        keys = sorted(self._counts, key=lambda key: (-self._counts[key], key))
        found = []
        for key in keys[:most]:
            sample, first = self._first[key]
            found.append(
                FailureReason(
                    status=first.status, count=self._counts[key], message=first.message,
                    raw=first.raw, sample=sample, draw=first.draw,
                )
            )  # fmt: skip
        return tuple(found)
