"""Judges of one response by a rubric whose verdict is a tag: `<score>4</score>`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import OUT_OF, Dialect, Parsed, number, settle, tail, with_scale
from deemster.dialects.reasoning import strip_reasoning
from deemster.prompts import OfficialPrompt
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Critique, Scale

_SCORE = re.compile(r"<score>([^<>]{0,200})</score>" + OUT_OF, re.IGNORECASE | re.ASCII)
_TAG = re.compile(r"</?(?:feedback|reasoning|highlight)>", re.IGNORECASE)
_SCALES = {
    "strict": Scale(low=1, high=5),
    "3-point": Scale(low=1, high=3),
    "binary": Scale(low=0, high=1),
}


@dataclass(frozen=True)
class TaggedScore(Dialect):
    """One response at a time, scored by a rubric, whose scale is the rule's.

    Rule `strict` is 1 to 5, `3-point` 1 to 3, `binary` 0 or 1.
    """

    scale = _SCALES["strict"]
    rules: ClassVar[tuple[str, ...]] = tuple(_SCALES)
    max_responses = 1

    def scale_for(self, n: int) -> Scale:  # noqa: ARG002 - one at a time
        """The scale of the rule."""
        return _SCALES[self.rule]

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 1
        """Read the score tag; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        scale = _SCALES[self.rule]
        score = settle(
            (with_scale(*found) for found in _SCORE.findall(fold(text))),
            lambda said: number(said, scale),
            missing=f"no <score> in text ending {tail(text)}",
        )
        said = _TAG.sub("", _SCORE.sub("", self._said(completion.text, text))).strip()
        return Parsed((score,), critiques=(Critique(response=0, text=said),) if said else ())

    def _said(self, whole: str, visible: str) -> str:  # noqa: ARG002 - Glider's reasons are hidden
        """The part of a completion that is the critique."""
        return visible


@dataclass(frozen=True)
class FlowJudge(TaggedScore):
    """Flow-Judge's: `<feedback>…</feedback><score>4</score>`."""

    name = "flow-judge"
    officials: ClassVar[Mapping[str, OfficialPrompt]] = {
        rule: OfficialPrompt(
            "flowaicom/flow-judge, flow_judge/utils/prompt_formatter.py",
            {"user": "USER_PROMPT_TEMPLATE"},
            {
                "INPUTS": "<query>\n{{ conversation }}\n</query>",
                "OUTPUT": "<response>\n{{ responses[0] }}\n</response>",
                "EVALUATION_CRITERIA": "{% if principles %}{{ principles | "
                "map(attribute='description') | join('\\n') }}{% else %}Does the response do what "
                "was asked, correctly and completely?{% endif %}",
                "RUBRIC": "{% for principle in principles %}{% for band in principle.bands %}"
                "- Score {{ band.low }}{{ '' if band.low == band.high else '-' ~ band.high }}: "
                "{{ band.meaning }}\n{% endfor %}{% else %}- Score {{ low }}: not at all\n"
                "- Score {{ high }}: fully{% endfor %}",
            },
            digest="6eb74281d0f1",
        )
        for rule in _SCALES
    }


@dataclass(frozen=True)
class Glider(TaggedScore):
    """Glider's: `<reasoning>…</reasoning><highlight>…</highlight><score>4</score>`.

    Its reasons stand in a tag that other models think in: a score in them is not read, but they
    are kept as the critique.
    """

    name = "glider"

    def _said(self, whole: str, visible: str) -> str:
        return whole if _TAG.match(whole.lstrip()) else visible
