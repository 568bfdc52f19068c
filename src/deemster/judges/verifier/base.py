"""What a check is, and what it finds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from deemster.errors import FailureStatus, InputError

LONGEST_EVIDENCE = 500
"""Characters; evidence quotes responses, which may be long."""


@dataclass(frozen=True)
class Finding:
    """What one check says about one response.

    Attributes:
        score: 0 (failed) to 1 (passed), or None if the check could not be run: then nothing is
            known, and no number replaces it.
        evidence: what was seen, for people and for judges.
        status: why there is no score (`api_error` if not given); None if there is one.
    """

    score: float | None
    evidence: str
    status: FailureStatus | None = None

    def __post_init__(self) -> None:
        if self.score is not None and not 0 <= self.score <= 1:
            raise ValueError(f"the score of a finding must be from 0 to 1, got {self.score!r}")
        status = None if self.score is not None else self.status or "api_error"
        object.__setattr__(self, "status", status)
        # One line: quoted text must not be able to look like another finding. Escaped: it must
        # not steer a terminal, and lone surrogates cannot be stored.
        line = shorten(" ".join(self.evidence.split()))
        object.__setattr__(self, "evidence", printable(line))

    @classmethod
    def of(cls, passed: bool, evidence: str) -> Finding:
        """The finding of a check that is either passed or failed."""
        return cls(1.0 if passed else 0.0, evidence)


@runtime_checkable
class Check(Protocol):
    """Something about a response that a program can decide. Immutable, and safe in threads."""

    @property
    def name(self) -> str:
        """What it asks for, in a few words; names the principle in judgments."""
        ...

    def run(self, query: str, response: str, reference: str | None) -> Finding:
        """Examine one response.

        Args:
            query: text of the last user turn.
            response: text of the response.
            reference: gold answer, if the caller gave one.

        Raises:
            InputError: the check needs what the caller did not give (a reference).
        """
        ...


@runtime_checkable
class HoldsProcess(Protocol):
    """Optional: a check that keeps a process; closed with its verifier, started again if used."""

    def close(self) -> None:
        """End the process."""
        ...


class TextCheck(ABC):
    """Base of checks that look at the response only."""

    def run(self, query: str, response: str, reference: str | None) -> Finding:  # noqa: ARG002
        """Examine one response; see `Check.run`."""
        return self.examine(response)

    @abstractmethod
    def examine(self, response: str) -> Finding:
        """Examine one response."""


def printable(text: str) -> str:
    """The text, with escapes in place of what is not printed (control characters, surrogates)."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shorten(text: str, limit: int = LONGEST_EVIDENCE) -> str:
    """The text, its middle left out if it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def need_reference(check: Check, reference: str | None) -> str:
    """The reference.

    Raises:
        InputError: there is no reference.
    """
    if reference is None or not reference.strip():
        raise InputError(
            f"check {check.name!r} compares with a reference, got {reference!r}; "
            "give reference= with the gold answer"
        )
    return reference
