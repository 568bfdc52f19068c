"""Principles: rubrics that ship, rubrics of the user, and principles generated ahead."""

from deemster.principles.bank import PrincipleBank
from deemster.principles.bank_records import StoredSet, Usefulness
from deemster.principles.bank_source import BankSource
from deemster.principles.generator import (
    generate_principles,
    generate_with_usage,
    principles_request,
)
from deemster.principles.library import (
    FixedPrinciples,
    as_principles,
    dump_rubric,
    list_rubrics,
    load_rubric,
    principles_hash,
)
from deemster.principles.source import (
    PrinciplesLike,
    PrincipleSource,
    as_source,
    principles_for,
)

__all__ = [
    "BankSource",
    "FixedPrinciples",
    "PrincipleBank",
    "PrincipleSource",
    "PrinciplesLike",
    "StoredSet",
    "Usefulness",
    "as_principles",
    "as_source",
    "dump_rubric",
    "generate_principles",
    "generate_with_usage",
    "list_rubrics",
    "load_rubric",
    "principles_for",
    "principles_hash",
    "principles_request",
]
