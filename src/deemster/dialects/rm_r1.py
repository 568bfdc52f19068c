"""RM-R1's verdicts: a rubric with weights or a solution, an evaluation, `<answer>[[A]]</answer>`.

The Instruct models have a system prompt that asks for all of it; those distilled
from DeepSeek-R1 reason first and are asked in one user turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed
from deemster.dialects.criteria import read_principles
from deemster.dialects.letters import read_letter
from deemster.dialects.reasoning import strip_reasoning
from deemster.prompts import OfficialPrompt
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_RUBRIC = re.compile(r"<rubric>(?P<text>[^\0]{0,20000}?)</rubric>", re.IGNORECASE)
_JUSTIFY = re.compile(r"<justify>(?P<text>[^\0]{0,20000}?)(?:</justify>|\Z)", re.IGNORECASE)
_ANSWER = re.compile(r"<answer>[^<>]{0,200}</answer>", re.IGNORECASE)
_FILE = "RM-R1-UIUC/RM-R1, eval/reward-bench/rewardbench/generative.py"
_SLOTS = {"question": "conversation", "answer_a": "responses[0]", "answer_b": "responses[1]"}


@dataclass(frozen=True)
class RmR1(Dialect):
    """The better of two responses; the rubric's items are the principles."""

    name = "rm-r1"
    scale = Scale(low=0, high=1)
    min_responses = 2
    max_responses = 2
    officials: ClassVar[Mapping[str, OfficialPrompt]] = {
        "strict": OfficialPrompt(
            _FILE,
            {
                "system": "RM_R1_INSTRUCT_SYSTEM_PROMPT",
                "user": "RM_R1_SINGLE_TURN_INSTRUCT_USER_PROMPT",
            },
            _SLOTS,
        )
    }

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the letter and the rubric; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        scores = read_letter(text)
        rubric = _RUBRIC.search(fold(text))
        listed = text[rubric.start("text") : rubric.end("text")] if rubric else ""
        principles = read_principles(_JUSTIFY.sub("", listed))
        return Parsed(scores, principles, analysis=_ANSWER.sub("", text).strip())


@dataclass(frozen=True)
class RmR1Distilled(RmR1):
    """The same verdict, of the models that are distilled from DeepSeek-R1."""

    name = "rm-r1-distilled"
    officials: ClassVar[Mapping[str, OfficialPrompt]] = {
        "strict": OfficialPrompt(_FILE, {"user": "RM_R1_SINGLE_TURN_REASONING_USER_PROMPT"}, _SLOTS)
    }
