"""J1's verdicts (arXiv 2505.10320): a letter, or scores in tags, after the reasoning."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import OUT_OF, Dialect, Parsed, number, settle, tail, with_scale
from deemster.dialects.letters import LetterPair
from deemster.dialects.reasoning import strip_reasoning
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_TAGS = re.compile(
    r"<(?P<name>score(?:_[AB])?)>(?P<value>[^<>]{0,200})</(?P=name)>" + OUT_OF,
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True)
class J1(LetterPair):
    """The better of two responses: `<answer>[[A]]</answer>` (the paper's PaV)."""

    name = "j1"


@dataclass(frozen=True)
class J1Scores(Dialect):
    """One or two responses scored 0 to 10 in steps of 0.1 (the paper's PoS and PaS).

    `<score>7.5</score>` for one, `<score_A>7.5</score_A> <score_B>4</score_B>` for two.
    """

    name = "j1-scores"
    scale = Scale(low=0, high=10, integer=False)
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read each tag; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        said: dict[str, list[str]] = {}
        for tag in _TAGS.finditer(fold(text)):
            said.setdefault(tag["name"].lower(), []).append(with_scale(tag["value"], tag[3]))
        names = ("score",) if n == 1 else ("score_a", "score_b")
        scores = tuple(
            settle(
                said.get(name, ()),
                lambda value: number(value, self.scale),
                missing=f"no <{name}> in text ending {tail(text)}",
            )
            for name in names
        )
        return Parsed(scores, analysis=_TAGS.sub("", text).strip())
