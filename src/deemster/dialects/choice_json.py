"""Judges of a pair that name the better response in a JSON object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed, settle, tail
from deemster.dialects.loose_json import read_fields
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale


@dataclass(frozen=True)
class ChoiceJson(Dialect):
    """The better of two responses, under a key; there is no tie."""

    scale = Scale(low=0, high=1)
    min_responses = 2
    max_responses = 2
    key: ClassVar[str]
    """Where the choice stands."""
    reason: ClassVar[str] = ""
    """Where the reasons stand, if they are in the object."""
    choices: ClassVar[Mapping[str, tuple[float, float]]]
    """Scores by what is written there, in lower case."""

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the object; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        document = read_fields(fold(text), self.key)
        reason = document.get(self.reason)
        scores = self._scores(document[self.key])
        return Parsed(scores, analysis=reason if isinstance(reason, str) else text.strip())

    def _scores(self, said: object) -> tuple[float, float]:
        word = "" if isinstance(said, bool) else " ".join(str(said).strip(" *[]").lower().split())
        if word not in self.choices:
            raise ParseError(f"{said!r:.60} is not one of {', '.join(self.choices)}")
        return self.choices[word]


@dataclass(frozen=True)
class CompassJudger(ChoiceJson):
    """CompassJudger's: `{"Choice": "Model A"}` after an analysis, or `[Model A]` alone."""

    name = "compass-judger"
    key = "Choice"
    choices: ClassVar[Mapping[str, tuple[float, float]]] = {
        "model a": (1.0, 0.0),
        "model b": (0.0, 1.0),
        "a": (1.0, 0.0),
        "b": (0.0, 1.0),
    }
    _BRACKETS: ClassVar = re.compile(r"\[(Model [AB])\]", re.ASCII)

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the object, or the brackets where there is none; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        if f'"{self.key}"' in fold(text):
            return super().parse(completion, n=n)
        scores = settle(
            self._BRACKETS.findall(fold(text)),
            self._scores,
            missing=f'no "Choice" and no [Model A] or [Model B] in text ending {tail(text)}',
        )
        return Parsed(scores, analysis=text.strip())


@dataclass(frozen=True)
class ConJ(ChoiceJson):
    """Con-J's: `{"原因": "…", "更好的回答": 1}`: reasons, then the better response; in Chinese."""

    name = "con-j"
    key = "更好的回答"
    reason = "原因"
    choices: ClassVar[Mapping[str, tuple[float, float]]] = {
        "1": (1.0, 0.0),
        "2": (0.0, 1.0),
        "回答1": (1.0, 0.0),
        "回答2": (0.0, 1.0),
    }
