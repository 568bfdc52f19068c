"""Constraints on the form of a response, in the families of IFEval (arXiv 2311.07911).

Each is decided by counting or by looking for marks, so implementations differ only in what they
call a "word" and a "sentence"; `counting` defines ours.
"""

from deemster.judges.verifier.constraints.counting import Bound, Relation
from deemster.judges.verifier.constraints.ifeval import ifeval_checks, ifeval_ids
from deemster.judges.verifier.constraints.layout import (
    HasBullets,
    HasHighlights,
    HasNumberedList,
    HasPlaceholders,
    HasPostscript,
    HasSections,
    HasTitle,
    IsQuoted,
    TwoResponses,
)
from deemster.judges.verifier.constraints.length import Length, ParagraphStartsWith
from deemster.judges.verifier.constraints.wording import (
    AvoidsWords,
    CapitalWords,
    ContainsOneOf,
    EndsWith,
    HasCase,
    HasKeywords,
    InLanguage,
    KeywordFrequency,
    LetterFrequency,
    NoCommas,
    RepeatsFirst,
    StartsWith,
)

__all__ = [
    "AvoidsWords",
    "Bound",
    "CapitalWords",
    "ContainsOneOf",
    "EndsWith",
    "HasBullets",
    "HasCase",
    "HasHighlights",
    "HasKeywords",
    "HasNumberedList",
    "HasPlaceholders",
    "HasPostscript",
    "HasSections",
    "HasTitle",
    "InLanguage",
    "IsQuoted",
    "KeywordFrequency",
    "Length",
    "LetterFrequency",
    "NoCommas",
    "ParagraphStartsWith",
    "Relation",
    "RepeatsFirst",
    "StartsWith",
    "TwoResponses",
    "ifeval_checks",
    "ifeval_ids",
]
