"""ReaLMistake's verdicts: the response `contains an error` or `contains no error`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed, asserted, settle, tail
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.schemas import Completion, Scale

# "No significant errors" and "a possible error" are neither.
_KIND = r"(?:(?:minor|small|major|significant|serious|critical|factual|logical|mathematical) )?"
_VERDICT = re.compile(
    r"\bresponse (?:"
    rf"(?P<some>contains (?:(?:an?|some|several|multiple|many|two|three|a few) )?{_KIND}errors?)"
    r"|(?P<none>contains no errors?|(?:does not|doesn't) contain (?:an error|any errors?))"
    r")\b",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True)
class RealMistake(Dialect):
    """One response: 1 if it contains no error, 0 if it contains one, said outright.

    Rule `published` is the benchmark's own, reconstructed from its data (2,250 of 2,250
    predictions): `contains no error` or `response is correct` anywhere means no error, whatever
    else is said; else `contains an error` means an error.

    Verdicts in plain words can be quoted, so look-alikes of their letters are not read, and
    another dialect is better for live judging.
    """

    name = "realmistake"
    forgeable = "a sentence in plain words"
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
            said = (
                found.lastgroup or ""
                for found in _VERDICT.finditer(text)
                if asserted(text, found.start())
            )
            score = settle(said, lambda which: float(which == "none"), missing=missing)
        return Parsed((score,), analysis=text.strip())


def _published(text: str, missing: str) -> float:
    if "contains no error" in text or "response is correct" in text:
        return 1.0
    if "contains an error" in text:
        return 0.0
    raise ParseError(missing)
