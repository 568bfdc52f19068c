"""What calls cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from deemster.records import Count, Finite, Record

_Amount = Annotated[Finite, Field(ge=0)]


class Usage(Record):
    """Calls, tokens, money and time of one vote, one verdict or one run. Adds with `+`."""

    calls: Count = 0
    """Requests sent, retries included."""
    tokens_in: Count = 0
    tokens_out: Count = 0
    tokens_cached: Count = 0
    """The part of `tokens_in` that the provider read from its prompt cache."""
    cost: _Amount | None = 0.0
    """US dollars; None when the price of some of it is not known."""
    seconds: _Amount = 0.0
    """Time spent in calls, summed: calls in parallel add up to more than the wall clock."""

    def __add__(self, other: Usage) -> Usage:
        return Usage.total((self, other))

    def minus(self, part: Usage) -> Usage:
        """What is left when a part of it is taken away; never below 0."""
        cost = None if self.cost is None or part.cost is None else max(self.cost - part.cost, 0.0)
        return Usage(
            calls=max(self.calls - part.calls, 0),
            tokens_in=max(self.tokens_in - part.tokens_in, 0),
            tokens_out=max(self.tokens_out - part.tokens_out, 0),
            tokens_cached=max(self.tokens_cached - part.tokens_cached, 0),
            cost=cost,
            seconds=max(self.seconds - part.seconds, 0.0),
        )

    @classmethod
    def total(cls, usages: Iterable[Usage]) -> Usage:
        """The sum of all; unknown cost anywhere makes the total's cost unknown."""
        account = Account()
        for usage in usages:
            account.add(usage)
        return account.total


@dataclass(slots=True)
class Account:
    """A sum that is added to in place: a record for each call that is counted would cost more."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost: float | None = 0.0
    seconds: float = 0.0

    def add(self, usage: Usage | Account) -> None:
        """Count one more usage."""
        self.calls += usage.calls
        self.tokens_in += usage.tokens_in
        self.tokens_out += usage.tokens_out
        self.tokens_cached += usage.tokens_cached
        self.cost = None if self.cost is None or usage.cost is None else self.cost + usage.cost
        self.seconds += usage.seconds

    @property
    def total(self) -> Usage:
        """The sum so far."""
        return Usage(
            calls=self.calls,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            tokens_cached=self.tokens_cached,
            cost=self.cost,
            seconds=self.seconds,
        )
