"""Judges of a pair that name the better response in a JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed
from deemster.dialects.loose_json import read_fields
from deemster.dialects.reasoning import strip_reasoning
from deemster.dialects.strict_json import own_words, unfolded
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
        scores = choice_of(document[self.key], self.choices)
        if not isinstance(reason, str):
            return Parsed(scores, analysis=text.strip())
        written = unfolded(text, self.key).get(self.reason)
        return Parsed(scores, analysis=own_words(reason, written))


def choice_of(said: object, choices: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """The scores that a word stands for.

    Args:
        said: as it was written.
        choices: scores by word, in lower case.

    Raises:
        ParseError: it is none of them.
    """
    word = "" if isinstance(said, bool) else " ".join(str(said).strip(" *[]").lower().split())
    if word not in choices:
        raise ParseError(f"{said!r:.60} is not one of {', '.join(choices)}")
    return choices[word]


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
