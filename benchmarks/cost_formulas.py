"""What a judgment takes by how it is drawn: requests, votes and tokens, as short formulas.

A judgment is one verdict on one set of responses. `benchmarks.cost_checks` holds every formula
against what a server counted; `benchmarks.cost` makes docs/cost.md of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Size:
    """Tokens of one request with one completion."""

    prompt: float
    completion: float


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    tokens_in: float
    tokens_out: float


@dataclass(frozen=True)
class Load:
    """What judgments take of one model. Adds with `+`; `load * share` is that for a share."""

    requests: float = 0.0
    votes: float = 0.0
    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def __add__(self, other: Load) -> Load:
        return Load(
            self.requests + other.requests,
            self.votes + other.votes,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
        )

    def __mul__(self, times: float) -> Load:
        return Load(
            self.requests * times,
            self.votes * times,
            self.tokens_in * times,
            self.tokens_out * times,
        )

    def cost(self, price: Price) -> float:
        """US dollars."""
        return (self.tokens_in * price.tokens_in + self.tokens_out * price.tokens_out) / 1e6

    @classmethod
    def total(cls, loads: Sequence[Load]) -> Self:
        """The sum of all."""
        return cls(*(sum(getattr(one, name) for one in loads) for name in cls.__annotations__))


def one_by_one(size: Size, k: float) -> Load:
    """k votes, a request for each: where the server has no `n`.

    With the mean number of votes drawn for k, adaptive stopping: its rounds are no longer than the
    number of orders, so no two votes of a round share a prompt.
    """
    return Load(k, k, k * size.prompt, k * size.completion)


def shared(size: Size, k: int, orders: int) -> Load:
    """k votes, a request for each order of the responses: its prompt is paid once."""
    requests = min(k, orders)
    return Load(requests, k, requests * size.prompt, k * size.completion)


def ahead(writing: Size, judging: Load, judgments_per_query: float = 1.0) -> Load:
    """Principles written once by a request of their own, then judged by.

    Args:
        writing: of the request that writes them.
        judging: of one judgment by given principles.
        judgments_per_query: how many judgments use what one request wrote.
    """
    return Load(1, 0, writing.prompt, writing.completion) * (1 / judgments_per_query) + judging


def in_turn(stages: Sequence[Load], reached: Sequence[float]) -> list[Load]:
    """By stage, what a cascade takes, where each stage is reached by a share of the items."""
    return [load * share for load, share in zip(stages, reached, strict=True)]


def decision(prompt: float, orders: int) -> Load:
    """One request in each order, which all questions share; not a word is written."""
    return Load(orders, orders, orders * prompt, 0.0)
