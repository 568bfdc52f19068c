"""A dialect is a prompt and the parser of what comes back, kept together.

Parsers are pure and linear in the length of the text. They raise `ParseError` or
`AmbiguousError` and nothing else; they never clamp a score and never guess one.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from deemster.errors import InputError, ParseError
from deemster.prompts import PromptTemplate, View, builtin_template
from deemster.schemas import Completion, Conversation, Critique, Principle, Scale


@dataclass(frozen=True)
class Parsed:
    """What a completion says, in the order the responses were shown."""

    scores: tuple[float | None, ...]
    principles: tuple[Principle, ...] = ()
    """Weights sum to 1."""
    critiques: tuple[Critique, ...] = ()
    """`response` counts positions shown, from 0."""
    analysis: str = ""


@dataclass(frozen=True)
class Dialect(ABC):
    """A prompt and its parser. Subclasses say how; instances may carry another template."""

    template_file: PromptTemplate | None = None
    """The user's own template with the same slots; None for the one that ships."""

    name: ClassVar[str]
    scale: ClassVar[Scale]
    min_responses: ClassVar[int] = 1
    max_responses: ClassVar[int | None] = None
    top_logprobs: ClassVar[int] = 0
    """How many alternatives per token the parser wants to see."""

    @property
    def template(self) -> PromptTemplate:
        """The prompt template in use."""
        return self.template_file or builtin_template(self.name)

    def scale_for(self, n: int) -> Scale:  # noqa: ARG002 - some scales depend on n
        """The range that scores of `n` responses are from."""
        return self.scale

    def check_n(self, n: int) -> None:
        """Raise `InputError` if this dialect cannot judge `n` responses at once."""
        most = self.max_responses
        if n < self.min_responses or (most is not None and n > most):
            allowed = (
                f"{self.min_responses}"
                if most == self.min_responses
                else f"{self.min_responses} to {most or 'many'}"
            )
            raise InputError(f"dialect {self.name!r} judges {allowed} responses at once, got {n}")

    def render(self, view: View) -> Conversation:
        """The messages to send."""
        return view.render(self.template)

    def json_schema(self, n: int) -> dict[str, Any] | None:  # noqa: ARG002 - part of the contract
        """Schema the completion is constrained to; None for free text."""
        return None

    @abstractmethod
    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read a completion about `n` responses.

        Raises:
            ParseError: there is no valid verdict in it.
            AmbiguousError: there are two different ones.
        """


_THINK_OPEN = re.compile(r"<(think|thinking|reasoning)>", re.IGNORECASE)
_THINK_CLOSE = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)


def strip_reasoning(text: str) -> str:
    """The text after the reasoning: everything up to the last closing think tag is dropped.

    A closing tag without an opening one counts too (chat templates often put the opening tag
    into the prompt). Reasoning that never closes leaves nothing: a verdict inside it is a draft.
    """
    close = None
    for close in _THINK_CLOSE.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    if close is not None:
        text = text[close.end() :]
    unclosed = _THINK_OPEN.search(text)
    return text[: unclosed.start()] if unclosed else text


def number(token: str, scale: Scale) -> float:
    """A score written in ASCII digits, checked against its scale.

    Raises:
        ParseError: it is not a number or is off the scale.
    """
    token = token.strip()
    if not _NUMBER.fullmatch(token):
        raise ParseError(f"{token[:40]!r} is not a number")
    value = float(token)
    if not scale.low <= value <= scale.high:
        raise ParseError(f"score {token[:40]} is outside {scale.low:g}..{scale.high:g}")
    if scale.integer and value % 1:
        raise ParseError(f"score {token[:40]} is not a whole number")
    return value


_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(?:\.[0-9]{1,9})?")


def tail(text: str, size: int = 60) -> str:
    """The end of a text, quoted, for error messages."""
    return repr(text[-size:] if len(text) > size else text)


def to_caller_order(parsed: Parsed, order: Sequence[int], n: int) -> Parsed:
    """Map positions shown back to the caller's `n` responses; those not shown get None."""
    scores: list[float | None] = [None] * n
    for position, response in enumerate(order):
        scores[response] = parsed.scores[position]
    critiques = tuple(
        sorted(
            (
                critique.model_copy(update={"response": order[critique.response]})
                for critique in parsed.critiques
            ),
            key=lambda critique: critique.response,
        )
    )
    return Parsed(tuple(scores), parsed.principles, critiques, parsed.analysis)
