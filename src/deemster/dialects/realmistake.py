"""ReaLMistake's verdicts: the response `contains an error` or `contains no error`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed, settle, strip_reasoning, tail
from deemster.errors import ParseError
from deemster.schemas import Completion, Scale

_VERDICT = re.compile(r"\bresponse contains (an|no) error\b", re.IGNORECASE | re.ASCII)
_SCORES = {"an": 0.0, "no": 1.0}


@dataclass(frozen=True)
class RealMistake(Dialect):
    """One response: 1 if it contains no error, 0 if it contains one.

    Rule `published` is the benchmark's own, reconstructed from its data (2,250 of 2,250
    predictions): `contains no error` or `response is correct` anywhere means no error, whatever
    else is said; else `contains an error` means an error.

    Verdicts in plain words can be quoted; prefer another dialect for live judging.
    """

    name = "realmistake"
    scale = Scale(low=0, high=1)
    rules: ClassVar[tuple[str, ...]] = ("strict", "published")
    max_responses = 1

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 1
        """Read the sentence; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        missing = f"no 'contains an error' or 'contains no error' in text ending {tail(text)}"
        if self.rule == "published":
            score = _published(text.lower(), missing)
        else:
            score = settle(
                _VERDICT.findall(text), lambda word: _SCORES[word.lower()], missing=missing
            )
        return Parsed((score,), analysis=text.strip())


def _published(text: str, missing: str) -> float:
    if "contains no error" in text or "response is correct" in text:
        return 1.0
    if "contains an error" in text:
        return 0.0
    raise ParseError(missing)
