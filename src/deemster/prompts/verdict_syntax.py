"""The words and tags of verdicts: one table for defusing prompts and for reading completions.

A dialect whose verdict is written in a form that is not here yet adds it to one of these lists.
"""

from __future__ import annotations

WHOLE_KEYS: tuple[str, ...] = (
    "scores",
    "critiques",
    "principles",
    "ordered_models",
    "best-to-worst",
    "best-to-worse",
    "更好的回答",
)
"""JSON strings that are respelled wherever they stand: no ordinary text has them."""
ANY_QUOTES: tuple[str, ...] = ("综合得分",)
"""Keys that models write in single quotes, too: respelled whatever stands around them."""
KEYS: tuple[str, ...] = (
    "score",
    "score_1",
    "score_2",
    "ranking",
    "Choice",
)
"""JSON strings that are words of code, too: respelled where a colon follows."""
TAGS: tuple[str, ...] = (
    "answer",
    "score",
    "scores",
    "score_a",
    "score_b",
    "verdict",
)
"""Names of tags in angle brackets, in lower case; matched without regard to case."""
LABELS: tuple[str, ...] = (
    "final judgement",
    "final judgment",
    "result",
    "winner",
)
"""Words, in lower case, before the colon of a verdict; matched without regard to case. Parsers read
the colon only right behind them (emphasis may stand between), so that a space defuses them."""
BRACKETED: tuple[str, ...] = (
    "the begin of",
    "the end of",
    "the start of",
    "quality assessment",
    "quality analysis",
    "model a",
    "model b",
)
"""Words, in lower case, that follow an opening bracket; matched without regard to case."""


def words(pattern: str) -> str:
    """A phrase as a regular expression, its spaces as runs of spaces."""
    return "[ ]{1,4}".join(pattern.split(" "))
