"""Principles that depend on the query, in place of fixed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from deemster.principles.bank import PrincipleBank
from deemster.principles.library import FixedPrinciples, as_principles
from deemster.schemas import Principle, QueryLike

_SCHEME = "bank:"


@runtime_checkable
class PrincipleSource(Protocol):
    """Chooses principles for each query. It must not change while a judge uses it."""

    @property
    def name(self) -> str:
        """Its name in records; different content has a different name."""
        ...

    def for_query(self, query: QueryLike) -> tuple[Principle, ...]:
        """One or more principles, weights summing to 1.

        Raises:
            InputError: there are no principles for it.
        """
        ...


PrinciplesLike = FixedPrinciples | PrincipleSource | PrincipleBank
"""What judges and their calls take as `principles`: fixed ones, or a source by query."""


def principles_for(value: PrinciplesLike, query: QueryLike) -> tuple[Principle, ...]:
    """What `value` says are the principles for a query, with weights that sum to 1.

    Raises:
        InputError: see `as_principles` and `as_source`.
    """
    source = as_source(value)
    if source is not None:
        return source.for_query(query)
    return as_principles(cast("FixedPrinciples", value))


def as_source(value: object) -> PrincipleSource | None:
    """The source that `principles=` names: `bank:FILE`, a bank, or any source; else None.

    Raises:
        InputError: the bank cannot be read or is empty.
    """
    if isinstance(value, str) and value.startswith(_SCHEME):
        with PrincipleBank(Path(value.removeprefix(_SCHEME)), create=False) as bank:
            return bank.source()
    if isinstance(value, PrincipleBank):
        return value.source()
    return value if isinstance(value, PrincipleSource) else None
