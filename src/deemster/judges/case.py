"""One sample as judges are shown it, before the order of the responses is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from deemster.principles import PrinciplesLike, principles_for
from deemster.prompts import View
from deemster.schemas import (
    Conversation,
    Principle,
    QueryLike,
    ReferenceLike,
    ResponseLike,
    Scale,
    as_query,
    as_reference,
    as_responses,
)

Section = Callable[[tuple[int, ...]], str]
"""Text about the responses, given their indices in the order shown."""


@dataclass(frozen=True)
class Case:
    """What a judge is asked about.

    Attributes:
        query: the conversation that was answered.
        responses: in the caller's order.
        reference: a gold answer.
        principles: criteria given with the call; none leaves them to the judge.
        findings: what tools found, put before the judge.
        after: what follows the prompt, defused and fenced already (others' opinions).
    """

    query: Conversation
    responses: Conversation
    reference: str | None = None
    principles: tuple[Principle, ...] = ()
    findings: Section | None = None
    after: Section | None = None
    _defused: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Texts as they are shown, by text: of all orders each is defused once."""

    @classmethod
    def of(
        cls,
        query: QueryLike,
        responses: Iterable[ResponseLike],
        *,
        reference: ReferenceLike | None = None,
        principles: PrinciplesLike | None = None,
    ) -> Self:
        """What the arguments of a `score` call mean.

        Raises:
            InputError: they cannot be judged.
        """
        asked, shown = as_query(query), as_responses(responses)
        given = () if principles is None else principles_for(principles, asked)
        return cls(asked, shown, as_reference(reference), given)

    @property
    def n(self) -> int:
        """How many responses there are."""
        return len(self.responses)

    def view(self, order: tuple[int, ...], *, scale: Scale, seed: int) -> View:
        """The case with its responses in an order."""
        return View(
            query=self.query,
            responses=tuple(self.responses[i] for i in order),
            scale=scale,
            reference=self.reference,
            principles=self.principles,
            findings="" if self.findings is None else self.findings(order),
            after="" if self.after is None else self.after(order),
            seed=seed,
            defused=self._defused,
        )
