"""Two scores on the first line, `9 8.5`: the form of FastChat's reviews and of JudgeLM."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed, number, tail
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import AmbiguousError, ParseError
from deemster.prompts.normal_form import fold, visible
from deemster.schemas import Completion, Scale

_NUMBER = r"[+-]?[0-9]{1,9}(?:\.[0-9]{1,9})?(?:[ ]?/[ ]?10)?"
_GAP = r"(?:[ \t]{0,4},[ \t]{0,4}|[ \t]{1,8})"
_LINE = re.compile(rf"[ \t*_`]{{0,4}}({_NUMBER}){_GAP}({_NUMBER})[ \t*_`.]{{0,4}}")
_END = re.compile(r"(?:</s>|<\|(?:im_end|eot_id|endoftext|end)\|>|<end_of_turn>)\s*\Z")


@dataclass(frozen=True)
class TwoScores(Dialect):
    """Two responses, scored 1 to 10 on the first line, in the order shown; then the reasons.

    The first line that is not blank holds the two scores and nothing else. A later line of that
    form with other scores makes the verdict ambiguous. Rule `first` reads the first line
    whatever follows, as FastChat's reader and JudgeLM's do. A bare pair of numbers cannot be
    defused in a response that the judge may quote: for live judging prefer another dialect.
    """

    name = "two-scores"
    forgeable = "two bare numbers"
    scale = Scale(low=1, high=10, integer=False)
    rules: ClassVar[tuple[str, ...]] = ("strict", "first")
    min_responses = 2
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the first line; see `Dialect.parse`."""
        text = _END.sub("", strip_reasoning(completion.text)).strip()
        lines = [line for line in visible(fold(text)).splitlines() if line.strip()]
        first = _LINE.fullmatch(lines[0]) if lines else None
        if first is None:
            raise ParseError(
                f"the first line must be two scores, got {lines[0][:60]!r}"
                if lines
                else f"no scores in text ending {tail(text)}"
            )
        scores = self._scores(first)
        if self.rule == "strict":
            for line in lines[1:]:
                other = _LINE.fullmatch(line)
                if other is not None and other.groups() != first.groups():
                    raise AmbiguousError(f"different scores: {lines[0][:40]!r} and {line[:40]!r}")
        return Parsed(scores, analysis=text.partition("\n")[2].strip())

    def _scores(self, found: re.Match[str]) -> tuple[float, ...]:
        return tuple(number(token, self.scale) for token in found.groups())


@dataclass(frozen=True)
class JudgeLm(TwoScores):
    """JudgeLM's: the form of `two-scores`, asked in the layout that it was trained on."""

    name = "judgelm"
