"""Answers compared with a reference: as text, as numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from deemster.errors import InputError
from deemster.judges.verifier.answers import Number, final_answer, numbers
from deemster.judges.verifier.base import Finding, need_reference, shorten
from deemster.prompts.normal_form import nfkc

_WRAPPING = " \t\n\"'`\u201c\u201d\u2018\u2019()[]{}*_"
_ARTICLE = re.compile(r"^(?:an?|the) (?=.)")


def normalise(text: str) -> str:
    """Text for comparison: one Unicode form, no case, no leading article, no outer punctuation.

    White space counts as one space. Signs, currency and percent are kept: `-5` is not `5`.
    """
    plain = " ".join(nfkc(text).casefold().split())
    bare = plain.lstrip(_WRAPPING).rstrip(_WRAPPING + ".,;:!?")
    return _ARTICLE.sub("", bare) or plain


@dataclass(frozen=True)
class ExactMatch:
    """The answer is the reference, up to case, articles, spacing and outer punctuation.

    Attributes:
        where: `answer` compares the final answer (see `answers.final_answer`) and, failing that,
            the whole response; `whole` only the whole response.
        raw: compare the texts as they are, trimmed.
    """

    where: Literal["answer", "whole"] = "answer"
    raw: bool = False

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "exact match with the reference"

    def run(self, query: str, response: str, reference: str | None) -> Finding:  # noqa: ARG002
        """See `Check.run`."""
        wanted = self._form(need_reference(self, reference))
        answer = final_answer(response)
        given = [response] if self.where == "whole" else [answer, response]
        passed = wanted in map(self._form, given)
        return Finding.of(passed, f"answer {shorten(answer, 150)!r}, reference {wanted!r}")

    def _form(self, text: str) -> str:
        return text.strip() if self.raw else normalise(text)


@dataclass(frozen=True)
class NumericMatch:
    r"""The number that the response ends on equals the number of the reference.

    Compared is the last number of the final answer (`\boxed{...}`, "Answer: ...", else the last
    line), or the last number of the response if its final answer has none. What counts as a
    number: see `answers.numbers`; units are not compared.

    Attributes:
        rel_tol: allowed difference as a share of the reference, >= 0.
        abs_tol: allowed difference, >= 0.
        percent: if only one side has a percent sign: `either` accepts `50%`
            for both 50 and 0.5, `number` for 50 only, `share` for 0.5 only.
    """

    rel_tol: float = 1e-6
    abs_tol: float = 0.0
    percent: Literal["either", "number", "share"] = "either"

    def __post_init__(self) -> None:
        for name in ("rel_tol", "abs_tol"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} must be a finite number >= 0, got {value!r}")
        if self.percent not in ("either", "number", "share"):
            raise InputError(f"percent {self.percent!r}; allowed: either, number, share")

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "numeric match with the reference"

    def run(self, query: str, response: str, reference: str | None) -> Finding:  # noqa: ARG002
        """See `Check.run`.

        Raises:
            InputError: there is no reference, or no number in it.
        """
        wanted = last_number(need_reference(self, reference))
        if wanted is None:
            raise InputError(f"reference {shorten(reference or '', 80)!r} holds no number")
        given = last_number(response)
        if given is None:
            return Finding(0.0, f"no number in the answer; reference {wanted.text!r}")
        evidence = f"answer {shorten(given.text, 100)!r}, reference {shorten(wanted.text, 100)!r}"
        return Finding.of(self._equal(given, wanted), evidence)

    def _equal(self, given: Number, wanted: Number) -> bool:
        pairs = [(given.value, wanted.value)]
        if given.percent != wanted.percent:
            shares = [
                number.value / 100 if number.percent else number.value for number in (given, wanted)
            ]
            share = (shares[0], shares[1])
            pairs = {"number": pairs, "share": [share], "either": [*pairs, share]}[self.percent]
        return any(self._close(*pair) for pair in pairs)

    def _close(self, given: Fraction, wanted: Fraction) -> bool:
        allowed = max(Fraction(self.rel_tol) * abs(wanted), Fraction(self.abs_tol))
        return abs(given - wanted) <= allowed


def last_number(text: str) -> Number | None:
    """The last number of the final answer, else of the text, else None."""
    found = numbers(final_answer(text)) or numbers(text)
    return found[-1] if found else None
