"""What judging will take, known before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from deemster.backends import Request


class Named(Protocol):
    """Who is asked: a backend, or a service that gives numbers."""

    @property
    def name(self) -> str:
        """The model string."""
        ...


@dataclass(frozen=True)
class Planned:
    """A request that judging a case takes, or may take.

    Attributes:
        backend: who is asked.
        request: what is sent. Where texts are in it that only the run knows, without them.
        votes: how many of its draws are votes; 0 for principles and meta rewards.
        known: whether the request is known to the letter, so that an equal one of another judge
            is the same and bought once.
        tokens_unknown: room for the texts that only the run knows, in tokens.
        writes: whether the answer is text, which takes tokens.
    """

    backend: Named
    request: Request
    votes: int = 0
    known: bool = True
    tokens_unknown: int = 0
    writes: bool = True
