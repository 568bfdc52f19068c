"""What one draw of a judge gives: a judgment, or a failure that never becomes a number."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from deemster.errors import BackendError, FailureStatus, ParseError
from deemster.records import Count, Finite, Record, Text, Whole
from deemster.schemas.principle import Principle
from deemster.usage import Usage


class Scale(Record):
    """The range of scores a dialect allows, both ends included."""

    low: Finite
    high: Finite
    integer: bool = True
    """Whether only whole numbers are scores."""


class Critique(Record):
    """The judge's reasoning about one response."""

    response: Count
    """Index of the response in the caller's order, from 0."""
    text: Text
    scores: tuple[Finite | None, ...] | None = None
    """Where the judge scored each principle: one per principle of the judgment, None where not."""


class _Drawn(Record):
    """What judgments and failures share: which draw it was and what it cost."""

    draw: Count = 0
    """Number of this draw among the k of its `score` call, from 0."""
    judge: str = ""
    """Name of the judge that drew it, where several vote together."""
    order: tuple[Count, ...] = ()
    """Response indices in the order shown to the judge; those left out were not shown."""
    seed: Whole | None = None
    raw: Text = ""
    """The model's text, unchanged."""
    reasoning: Text = ""
    """What a reasoning model thought, where the provider reports it apart from the text."""
    sent: dict[str, JsonValue] | None = None
    """Decoding parameters as sent, where they differ from the judge's; see `Completion.sent`."""
    usage: Usage = Usage()
    warnings: tuple[Text, ...] = ()
    """Why the backend or the dialect says not to rely on this draw, if one does."""


class Judgment(_Drawn):
    """One parsed judge completion."""

    kind: Literal["judgment"] = "judgment"
    scores: Annotated[tuple[Finite | None, ...], Field(min_length=1)]
    """One per response in the caller's order, higher is better.

    None where this judgment says nothing about the response."""
    scale: Scale | None = None
    """The range the scores are from; None where it has no ends (scalar reward models)."""
    principles: tuple[Principle, ...] = ()
    """What it judged by; weights sum to 1."""
    critiques: tuple[Critique, ...] = ()
    analysis: Text = ""
    """Reasoning about the responses together, where it is not told apart by response."""
    meta_reward: Finite | None = None
    """Quality of this judgment according to a meta RM; higher is better."""
    superseded: bool = False
    """Whether a later vote stands in its place (a debate's earlier rounds): it is kept for the
    record and counts nothing."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [score for score in self.scores if score is not None]
        if not given:
            raise ValueError("a judgment needs at least one score; use Failure where there is none")
        scale = self.scale
        if scale is not None:
            for score in given:
                if not scale.low <= score <= scale.high or (scale.integer and score % 1):
                    raise ValueError(f"score {score} is off the scale {scale.low}..{scale.high}")
        n = len(self.scores)
        if any(not index < n for index in self.order) or len(set(self.order)) != len(self.order):
            raise ValueError(f"order {self.order} does not name each of {n} responses at most once")
        for critique in self.critiques:
            if critique.response >= n:
                raise ValueError(f"critique of response {critique.response}, but there are {n}")
            if critique.scores is not None and len(critique.scores) != len(self.principles):
                raise ValueError(
                    f"critique has {len(critique.scores)} scores for "
                    f"{len(self.principles)} principles"
                )
        return self


class Failure(_Drawn):
    """A draw without a verdict. It is counted and shown, never turned into a number."""

    kind: Literal["failure"] = "failure"
    status: FailureStatus
    message: Text
    error: Text = ""
    """Name of the exception class, where one was raised."""

    @classmethod
    def of(cls, error: Exception, message: str | None = None, **drawn: Any) -> Failure:  # noqa: ANN401
        """The failure of a draw that raised an exception.

        Args:
            error: what was raised; its status is `api_error` if it has none.
            message: default: the exception's text.
            drawn: the other fields.
        """
        return cls(
            status=error.status if isinstance(error, BackendError | ParseError) else "api_error",
            message=str(error) if message is None else message,
            error=type(error).__name__,
            **drawn,
        )


Vote = Annotated[Judgment | Failure, Field(discriminator="kind")]
"""One of the k outcomes of a `score` call."""
