"""A dialect is a prompt and the parser of what comes back, kept together.

Parsers are pure and linear in the length of the text. They raise `ParseError` or
`AmbiguousError` and nothing else; they never clamp a score and never guess one.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from deemster.dialects.parts import split_parts
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import AmbiguousError, InputError, ParseError
from deemster.prompts import OfficialPrompt, PromptTemplate, View, builtin_template
from deemster.schemas import Completion, Conversation, Critique, Message, Principle, Scale

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Parsed:
    """What a completion says, in the order the responses were shown."""

    scores: tuple[float | None, ...]
    principles: tuple[Principle, ...] = ()
    """Weights sum to 1."""
    critiques: tuple[Critique, ...] = ()
    """`response` counts positions shown, from 0."""
    analysis: str = ""
    warnings: tuple[str, ...] = ()
    """What a reader should know before relying on it."""


@dataclass(frozen=True)
class Dialect(ABC):
    """A prompt and its parser. Subclasses say how; instances may carry another template.

    Raises:
        InputError: this dialect has no such rule.
    """

    template_file: PromptTemplate | None = None
    """The user's own template with the same slots; None for the one that ships."""
    rule: str = "strict"
    """How completions are read, one of `rules`. The rules other than `strict` are for reading
    what other tools logged and for the paper's second scale; the class documents them."""

    name: ClassVar[str]
    scale: ClassVar[Scale]
    rules: ClassVar[tuple[str, ...]] = ("strict",)
    point_rules: ClassVar[tuple[str, ...]] = ()
    """Rules by which several responses are judged one at a time."""
    min_responses: ClassVar[int] = 1
    max_responses: ClassVar[int | None] = None
    temperature: ClassVar[float] = 0.5
    """Default for several votes; the paper's."""
    top_logprobs: ClassVar[int] = 0
    """How many alternatives per token the parser wants to see."""
    template_name: ClassVar[str] = ""
    """File of the prompt that ships, where it is not called like the dialect."""
    forgeable: ClassVar[str] = ""
    """What of its verdicts no prompt can respell, where that is so: a response can then dictate
    the verdict of a judge that quotes it."""
    officials: ClassVar[Mapping[str, OfficialPrompt]] = {}
    """Where the makers publish the prompt, by rule; empty where no file of theirs holds it."""

    def __post_init__(self) -> None:
        if self.rule not in self.rules:
            raise InputError(
                f"dialect {self.name!r} has no rule {self.rule!r}; known: {', '.join(self.rules)}"
            )

    @property
    def spec(self) -> str:
        """The name, with `:rule` where it is not `strict`: what `open_dialect` takes."""
        return self.name if self.rule == "strict" else f"{self.name}:{self.rule}"

    @property
    def template(self) -> PromptTemplate:
        """The prompt template in use."""
        return self.template_file or builtin_template(self.template_name or self.name)

    @property
    def judges_one_at_a_time(self) -> bool:
        """Whether several responses take a completion each, all of which are one vote."""
        return self.max_responses == 1 or self.rule in self.point_rules

    def scale_for(self, n: int) -> Scale:  # noqa: ARG002 - some scales depend on n
        """The range that scores of `n` responses are from."""
        return self.scale

    def check_n(self, n: int) -> None:
        """Raise `InputError` if this dialect cannot judge `n` responses at once."""
        most = self.max_responses
        too_many = most is not None and n > most
        if n < self.min_responses or too_many:
            allowed = (
                f"{self.min_responses}"
                if most == self.min_responses
                else f"{self.min_responses} to {most or 'many'}"
            )
            remedy = "; more are ranked by a tournament (judges.rerank)" if too_many else ""
            raise InputError(
                f"dialect {self.name!r} judges {allowed} responses at once, got {n}{remedy}"
            )

    def render(self, view: View) -> Conversation:
        """The messages to send.

        Raises:
            InputError: the template leaves out something the view has, or cannot be filled.
        """
        for slot in ("principles", "reference", "findings"):
            if getattr(view, slot) and slot not in self.template.slots:
                raise InputError(
                    f"template {self.template.name!r} does not use the slot {slot!r}, but there "
                    f"is something to put there; add the slot, or leave out the {slot}"
                )
        return view.render(self.template)

    def render_second(self, view: View, sent: Conversation, first: Completion) -> Conversation:
        """The messages of the second turn, for templates that have one.

        Args:
            view: what was judged in the first.
            sent: its messages.
            first: what the judge answered; its reasoning is left out.
        """
        said = Message(role="assistant", content=strip_reasoning(first.text))
        return (*sent, said, view.second(self.template))

    def json_schema(self, n: int) -> dict[str, Any] | None:  # noqa: ARG002 - part of the contract
        """Schema the completion is constrained to; None for free text."""
        return None

    def read(self, completion: Completion, *, n: int) -> Parsed:
        """What a completion says about `n` responses, or several that `join_parts` made one.

        Where the dialect judges one response at a time, a response whose completion holds no
        verdict has no score, and a warning says why.

        Raises:
            ParseError: there is no valid verdict about any response.
            AmbiguousError: there are two different ones.
        """
        if n == 1 or not self.judges_one_at_a_time:
            return self.parse(completion, n=n)
        scores: list[float | None] = []
        critiques: list[Critique] = []
        warnings: list[str] = []
        problems: list[ParseError] = []
        parts = split_parts(completion, n)
        for position, part in enumerate(parts):
            try:
                one = self.parse(part, n=1)
            except ParseError as error:
                problems.append(error)
                scores.append(None)
                warnings.append(f"response {position + 1} as shown has no score: {error}")
                continue
            scores.append(one.scores[0])
            text = "\n".join(critique.text for critique in one.critiques) or one.analysis
            if text:
                critiques.append(Critique(response=position, text=text))
            warnings += one.warnings
        if len(problems) == n:
            raise problems[0]
        return Parsed(tuple(scores), critiques=tuple(critiques), warnings=tuple(warnings))

    @abstractmethod
    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read a completion about `n` responses.

        Raises:
            ParseError: there is no valid verdict in it.
            AmbiguousError: there are two different ones.
        """


def settle(findings: Iterable[str], read: Callable[[str], T], *, missing: str = "no verdict") -> T:
    """The one verdict that all findings state, each read by `read`.

    A finding that cannot be read speaks against the others: it is one more verdict, unknown.

    Args:
        findings: the places of a completion that look like verdicts, in order.
        read: from a finding to a verdict; raises `ParseError`.
        missing: what to say when there is no finding.

    Raises:
        ParseError: there is none, or none can be read.
        AmbiguousError: they differ.
    """
    verdicts: dict[T, str] = {}
    problems: list[ParseError] = []
    for finding in dict.fromkeys(findings):
        try:
            verdicts.setdefault(read(finding), finding)
        except ParseError as error:
            problems.append(error)
        if len(verdicts) > 1 or (verdicts and problems) or len(problems) == _PROBLEMS:
            break  # nothing that follows can make it a verdict
    if len(verdicts) > 1:
        raise AmbiguousError(
            f"different verdicts: {' and '.join(repr(text[:60]) for text in verdicts.values())}"
        )
    if verdicts and problems:
        said = next(iter(verdicts.values()))
        raise AmbiguousError(f"a verdict {said[:60]!r}, but also: {problems[0]}")
    if not verdicts:
        raise problems[0] if problems else ParseError(missing)
    return next(iter(verdicts))


_PROBLEMS = 8


def number(token: str, scale: Scale) -> float:
    """A score written in ASCII digits, checked against its scale.

    Emphasis around it does not matter. "8/10" is 8 where the scale ends at 10, and nothing
    elsewhere: to convert it would be a guess.

    Raises:
        ParseError: it is not a number or is off the scale.
    """
    token = token.strip(" \t\r\n*_$")
    found = _NUMBER.fullmatch(token)
    if not found:
        raise ParseError(f"{token[:40]!r} is not a number")
    if found["of"] and (scale.high <= 1 or float(found["of"]) != scale.high):
        raise ParseError(f"score {token[:40]} is of {found['of']}, not of {scale.high:g}")
    value = float(found["value"])
    if not scale.low <= value <= scale.high:
        raise ParseError(f"score {token[:40]} is outside {scale.low:g}..{scale.high:g}")
    if scale.integer and value % 1:
        raise ParseError(f"score {token[:40]} is not a whole number")
    return value


def json_number(value: float | str, scale: Scale) -> float:
    """A score that JSON gives, as a number or a string; see `number`.

    Raises:
        ParseError: it is not a number or is off the scale.
    """
    if isinstance(value, str):
        return number(value, scale)
    try:
        digits = f"{value:.9f}".rstrip("0").rstrip(".")  # 1e-05 is written out
        return number(digits, scale)
    except OverflowError:  # JSON has whole numbers of any length
        raise ParseError(f"score is outside {scale.low:g}..{scale.high:g}") from None


NO_CHOICE = r"(?![ \t*_]{0,8}(?:[/|]|or\b))"
"""A regular expression for behind a verdict in words: no other follows, as in `Yes/No`."""

OUT_OF = r"(?:[ \t*_$]{0,8}(?:/|out of)[ \t]{0,4}([0-9]{1,4})(?![0-9.]))?"
"""A regular expression for behind the mark of a score: the end of the scale it is on, if said."""


def with_scale(token: str, of: str) -> str:
    """A score with the end of the scale that stands behind its mark, for `number` to check."""
    return f"{token.strip()}/{of}" if of and "/" not in token else token


_REACH = 200
_CLAUSE_ENDS = re.compile(
    r"[.,;:!?\n]|\b(?:so|therefore|thus|hence|because|since|and|but)\b", re.IGNORECASE
)
# The month of May is not one of them.
_DOUBTS = re.compile(
    r"(?i:\b(?:if|whether|unless|not|cannot|no|nor|n?either|never|hardly|unclear|unsure|uncertain"
    r"|although|though|while|might|could)\b|n['\u2019]t\b)|\bmay\b"
)


def asserted(text: str, start: int) -> bool:
    """Whether a verdict in plain words is said outright.

    It is not where its clause denies, doubts, supposes or concedes it: `I cannot say that …`,
    `whether …`, `neither … nor …`, `although …`.

    Args:
        text: the completion.
        start: where the verdict begins.
    """
    before = text[max(0, start - _REACH) : start]
    return _DOUBTS.search(_CLAUSE_ENDS.split(before)[-1]) is None


_NUMBER = re.compile(
    r"(?P<value>[+-]?[0-9]{1,9}(?:\.[0-9]{1,9})?)(?:[ ]{0,4}/[ ]{0,4}(?P<of>[0-9]{1,4}))?"
)


def probability(logprob: float) -> float:
    """The probability that a log-probability stands for.

    Raises:
        ParseError: it is not a number, or is above 0 by more than rounding.
    """
    if not logprob < 1e-3:
        raise ParseError(f"{logprob} is not a log-probability")
    return math.exp(min(logprob, 0.0))


def tail(text: str, size: int = 60) -> str:
    """The end of a text, quoted, for error messages."""
    return repr(text[-size:])


def to_caller_order(parsed: Parsed, order: Sequence[int], n: int) -> Parsed:
    """Map positions shown back to the caller's `n` responses; those not shown get None."""
    scores: list[float | None] = [None] * n
    for position, response in enumerate(order):
        scores[response] = parsed.scores[position]
    critiques = tuple(
        sorted(
            (
                critique
                if (response := order[critique.response]) == critique.response
                else Critique(response=response, text=critique.text, scores=critique.scores)
                for critique in parsed.critiques
            ),
            key=lambda critique: critique.response,
        )
    )
    return Parsed(tuple(scores), parsed.principles, critiques, parsed.analysis, parsed.warnings)
