"""Principles as narrow questions, and what the answers say about the responses. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from deemster.aggregators import win_shares
from deemster.aggregators.base import Floats
from deemster.errors import RefusedError
from deemster.prompts.untrusted import one_line
from deemster.schemas import TRUE_OR_FALSE, Critique, Decision, Option, Principle, Question

Ask = Literal["score", "predicate", "choice"]
"""`score`: how well a response meets a principle, by levels. `predicate`: whether it does.
`choice`: which of the responses meets it best. The first two are asked of every response."""

OVERALL = Principle(
    name="Answers the request",
    description="It does what was asked, correctly and completely, and nothing against it.",
)
"""The one principle where none are given."""
LEVELS = tuple(
    Option(value=value) for value in ("not at all", "a little", "partly", "mostly", "fully")
)
"""Of a score question about a principle without bands, lowest first."""
_MOST_LEVELS = 10
_SAMPLES = 4096


@dataclass(frozen=True)
class Sheet:
    """The questions of one order, and what each is about.

    Attributes:
        principles: weights sum to 1.
        n: responses shown.
        ask: the kind of question.
    """

    principles: tuple[Principle, ...]
    n: int
    ask: Ask

    @property
    def questions(self) -> tuple[Question, ...]:
        """Principle by principle; within one, response by response in the order shown."""
        asked = []
        for p, principle in enumerate(self.principles):
            about = one_line(f"{principle.name}: {principle.description}").removesuffix(":")
            if self.ask == "choice":
                asked.append(
                    Question(
                        name=f"p{p}",
                        kind="choice",
                        instructions=f"Which response meets this criterion best? {about}",
                        options=tuple(Option(value=f"Response {r}") for r in range(1, self.n + 1)),
                    )
                )
                continue
            for r in range(self.n):
                words = "How well does" if self.ask == "score" else "Does"
                asked.append(
                    Question(
                        name=f"p{p}r{r}",
                        kind=self.ask,
                        instructions=f"{words} response {r + 1} meet this criterion? {about}",
                        options=levels_of(principle) if self.ask == "score" else TRUE_OR_FALSE,
                    )
                )
        return tuple(asked)

    def values(self, decisions: Sequence[Decision]) -> Floats:
        """(P, n): how well each response meets each principle, 0 to 1: the expected answer.

        Of a choice the probability to be chosen, of a predicate that of `true`, of a score the
        expected level between the lowest (0) and the highest (1).
        """
        if self.ask == "choice":
            return np.array([decision.probabilities for decision in decisions])
        chances = [decision.probabilities or () for decision in decisions]
        if self.ask == "predicate":
            flat = [chance[0] for chance in chances]
        else:
            flat = [
                sum(level * value for level, value in enumerate(chance)) / (len(chance) - 1)
                for chance in chances
            ]
        return np.array(flat).reshape(len(self.principles), self.n)

    def scores(self, values: Floats) -> tuple[float, ...]:
        """One per response in the order shown: the weighted mean of its values, 0 to 1."""
        weights = np.array([principle.weight for principle in self.principles])
        found = np.clip(weights @ values, 0.0, 1.0)
        return tuple(float(score) for score in found)

    def win_chances(self, decisions: Sequence[Decision], *, seed: int) -> Floats:
        """(n,): how often each response has the highest score if answers were drawn.

        Every question is answered independently by its probabilities. A win shared by m counts
        1/m. The standard error is below 0.008.
        """
        rng = np.random.default_rng([seed, self.n])
        total = np.zeros((_SAMPLES, self.n))
        place = iter(decisions)
        for principle in self.principles:
            if self.ask == "choice":
                drawn = _drawn(rng, next(place))
                total[np.arange(_SAMPLES), drawn] += principle.weight
                continue
            for r in range(self.n):
                decision = next(place)
                drawn = _drawn(rng, decision)
                top = len(decision.probabilities or ()) - 1
                share = 1.0 - drawn if self.ask == "predicate" else drawn / top
                total[:, r] += principle.weight * share
        chances: Floats = win_shares(total).mean(axis=0)
        return chances

    def critiques(self, values: Floats) -> tuple[Critique, ...]:
        """What each response got, principle by principle; in the order shown."""
        return tuple(
            Critique(
                response=r,
                text="\n".join(
                    f"{principle.name}: {values[p, r]:.2f}"
                    for p, principle in enumerate(self.principles)
                ),
                scores=tuple(float(value) for value in values[:, r]),
            )
            for r in range(self.n)
        )


def levels_of(principle: Principle) -> tuple[Option, ...]:
    """The levels of a score question: the principle's bands, lowest first, if it has 2 to 10."""
    if not 2 <= len(principle.bands) <= _MOST_LEVELS:
        return LEVELS
    return tuple(
        Option(
            value=str(band.low) if band.low == band.high else f"{band.low} to {band.high}",
            description=one_line(band.meaning),
        )
        for band in reversed(principle.bands)
    )


def check_answered(decisions: Sequence[Decision], *, min_label_mass: float) -> None:
    """Refuse answers that are none: the model declined, or wanted none of the options.

    Raises:
        RefusedError: the text names the questions.
    """
    declined = [one.name for one in decisions if one.probabilities is None]
    low = [
        f"{one.name} ({one.label_mass:.3g})"
        for one in decisions
        if one.label_mass is not None and one.label_mass < min_label_mass
    ]
    if declined:
        raise RefusedError(
            f"the model declined {len(declined)} of {len(decisions)} questions: "
            + ", ".join(declined[:5])
        )
    if low:
        raise RefusedError(
            f"the model gave less than {min_label_mass:g} of its probability to the options of "
            f"{len(low)} of {len(decisions)} questions: {', '.join(low[:5])}; it wanted to say "
            "something else"
        )


def _drawn(rng: np.random.Generator, decision: Decision) -> npt.NDArray[np.intp]:
    """(samples,): indices of options."""
    chances = np.array(decision.probabilities)
    return rng.choice(len(chances), size=_SAMPLES, p=chances / chances.sum())
