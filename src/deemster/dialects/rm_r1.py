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

_TAG = re.compile(r"</?(?:rubric|justify)>", re.IGNORECASE | re.ASCII)
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
        principles = read_principles(_rubric(text))
        return Parsed(scores, principles, analysis=_ANSWER.sub("", text).strip())


def _rubric(text: str) -> str:
    """What stands in the first rubric tags, without the justification; nothing if not closed."""
    tags = {tag[0].lower(): tag.span() for tag in reversed([*_TAG.finditer(fold(text))])}
    (_, start), (end, _) = tags.get("<rubric>", (0, -1)), tags.get("</rubric>", (-1, 0))
    if not 0 < start <= end:
        return ""
    justified, _ = tags.get("<justify>", (end, end))
    _, closed = tags.get("</justify>", (end, end))
    return text[start : min(justified, end)] + text[min(closed, end) : end]


@dataclass(frozen=True)
class RmR1Distilled(RmR1):
    """The same verdict, of the models that are distilled from DeepSeek-R1."""

    name = "rm-r1-distilled"
    officials: ClassVar[Mapping[str, OfficialPrompt]] = {
        "strict": OfficialPrompt(_FILE, {"user": "RM_R1_SINGLE_TURN_REASONING_USER_PROMPT"}, _SLOTS)
    }
