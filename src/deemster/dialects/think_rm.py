"""Think-RM's verdicts: `<answer>A</answer>`, or how much better, -3 to 3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed, number, settle, tail
from deemster.dialects.letters import read_letter
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts import OfficialPrompt
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_ANSWER = re.compile(r"<answer>([^<>]{0,200})</answer>", re.IGNORECASE | re.ASCII)
_FILE = "IlgeeHong/Think-RM, VERL/examples/data_preprocess/prompt_templates.py"
_SLOTS = {"context": "conversation", "response1": "responses[0]", "response2": "responses[1]"}


def _official(kind: str, digest: str) -> dict[str, OfficialPrompt]:
    where = f"NaiveReasoning{kind}PromptTemplate.__init__."
    parts = {"system": f"{where}system_msg", "user": f"{where}user_msg"}
    return {"strict": OfficialPrompt(_FILE, parts, _SLOTS, digest=digest)}


@dataclass(frozen=True)
class ThinkRm(Dialect):
    """The better of two responses, by its letter.

    The makers' reader takes the last answer; here two different ones are ambiguous.
    """

    name = "think-rm"
    scale = Scale(low=0, high=1)
    min_responses = 2
    max_responses = 2
    officials: ClassVar[Mapping[str, OfficialPrompt]] = _official("Binary", "4114987c2312")

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the letter; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        return Parsed(read_letter(text), analysis=_ANSWER.sub("", text).strip())


@dataclass(frozen=True)
class ThinkRmScale(Dialect):
    """How much better one of two responses is: -3 (A is much better) to 3 (B is), never 0.

    -3 gives A 1 and B 0; -1 gives A 2/3 and B 1/3.
    """

    name = "think-rm-scale"
    scale = Scale(low=0, high=1, integer=False)
    min_responses = 2
    max_responses = 2
    officials: ClassVar[Mapping[str, OfficialPrompt]] = _official("Multiclass", "dcdf6073a949")

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the number; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        value = settle(
            _ANSWER.findall(fold(text).replace("\N{MINUS SIGN}", "-")),
            _margin,
            missing=f"no <answer> in text ending {tail(text)}",
        )
        return Parsed(((3 - value) / 6, (3 + value) / 6), analysis=_ANSWER.sub("", text).strip())


def _margin(answer: str) -> float:
    value = number(answer, Scale(low=-3, high=3))
    if not value:
        raise ParseError("0 is not on the scale -3..3 of Think-RM: one response must be better")
    return value
