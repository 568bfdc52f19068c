"""Principles: rubrics that ship, rubrics of the user, and principles generated ahead."""

from deemster.principles.generator import generate_principles, generate_with_usage
from deemster.principles.library import (
    PrinciplesLike,
    as_principles,
    dump_rubric,
    list_rubrics,
    load_rubric,
    principles_hash,
)

__all__ = [
    "PrinciplesLike",
    "as_principles",
    "dump_rubric",
    "generate_principles",
    "generate_with_usage",
    "list_rubrics",
    "load_rubric",
    "principles_hash",
]
