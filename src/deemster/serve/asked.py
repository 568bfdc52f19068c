"""What a client may ask about: a sample, and how it is to be judged."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deemster.judges.case import Case
from deemster.principles import list_rubrics
from deemster.schemas import Message, Principle

JudgeName = Annotated[str | None, Field(max_length=200)]
"""Name of a judge; see `GET /v1/judges`."""
Votes = Annotated[int | None, Field(ge=1, le=10_000)]
_Turns = Annotated[tuple[Message, ...], Field(min_length=1)]
_Query = Annotated[str, Field(min_length=1)] | _Turns


@cache
def rubric_names() -> tuple[str, ...]:
    """Names of the rubrics that ship."""
    return tuple(rubric.name for rubric in list_rubrics())


class Asked(BaseModel):
    """A sample, and how it is to be judged."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    query: _Query
    """What was asked: a text, or OpenAI-style messages."""
    responses: Annotated[tuple[str | Message | _Turns, ...], Field(min_length=1)]
    """The answers, 1 or more: texts, messages, or all turns of an agent."""
    reference: str | tuple[str, ...] | None = None
    """A gold answer to show the judge, or several."""
    principles: str | tuple[str | Principle, ...] | None = None
    """Criteria in place of the judge's own: a list, or the name of a rubric that ships."""
    judge: JudgeName = None
    """Which judge; the first if left out."""
    k: Votes = None
    """Votes to draw; the judge's own number if left out."""
    timeout: Annotated[float, Field(ge=1, le=86_400)] | None = None
    """Seconds, if less than the server allows."""

    @model_validator(mode="after")
    def _nothing_of_the_disk(self) -> Self:
        """In Python and in suites a text may be a file; a client does not name files here."""
        if isinstance(self.principles, str) and self.principles not in rubric_names():
            raise ValueError(
                f"principles {self.principles!r:.80} is no rubric that ships; give a list of "
                f"criteria, or one of {', '.join(rubric_names())}"
            )
        return self

    def case(self) -> Case:
        """What the judge is asked.

        Raises:
            InputError: it cannot be judged.
        """
        return Case.of(
            self.query, self.responses, reference=self.reference, principles=self.principles or None
        )
