"""JudgeLRM's verdicts: `<think>…</think><answer>8</answer><answer>5</answer>`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import Dialect, Parsed, number, settle, tail
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_ANSWER = re.compile(r"<answer>([^<>]{0,200})</answer>", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class JudgeLrm(Dialect):
    """Two responses (or one), scored 0 to 10 with one answer tag each, in the order shown.

    The released models were rewarded for 0 too, so they write it. The variant prompted for 1.0
    to 10.0 writes fractions, which are scores. The answers may be repeated, but not changed.
    """

    name = "judgelrm"
    scale = Scale(low=0, high=10, integer=False)
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the answer tags after the reasoning; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        answers = _ANSWER.findall(fold(text))
        if len(answers) % n:
            raise ParseError(f"expected {n} answers, got {len(answers)}")
        rounds = [",".join(answers[i : i + n]) for i in range(0, len(answers), n)]
        scores = settle(
            rounds,
            lambda said: tuple(number(token, self.scale) for token in said.split(",")),
            missing=f"no <answer> in text ending {tail(text)}",
        )
        if len(scores) != n:
            raise ParseError(f"expected {n} scores, got {len(scores)}")
        return Parsed(scores, analysis=_ANSWER.sub("", text).strip())
