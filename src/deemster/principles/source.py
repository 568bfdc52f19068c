"""Principles that depend on the query: what a judge may be given in place of fixed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from deemster.schemas import Principle, QueryLike

_SCHEME = "bank:"


@runtime_checkable
class PrincipleSource(Protocol):
    """Chooses principles for each query. It must not change while a judge uses it."""

    @property
    def name(self) -> str:
        """What records call it; another content has another name."""
        ...

    def for_query(self, query: QueryLike) -> tuple[Principle, ...]:
        """One or more principles, weights summing to 1.

        Raises:
            InputError: there are none for it.
        """
        ...


def as_source(value: object) -> PrincipleSource | None:
    """The source that `principles=` names: `bank:FILE`, a bank, or any source; else None.

    Raises:
        InputError: the bank cannot be read or is empty.
    """
    from deemster.principles.bank import PrincipleBank  # noqa: PLC0415 - it needs this module

    if isinstance(value, str) and value.startswith(_SCHEME):
        with PrincipleBank(Path(value.removeprefix(_SCHEME)), create=False) as bank:
            return bank.source()
    if isinstance(value, PrincipleBank):
        return value.source()
    return value if isinstance(value, PrincipleSource) else None
