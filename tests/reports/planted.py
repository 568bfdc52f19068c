"""Policies with known defects, judged by a scripted judge: what weakness analysis must find."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from deemster.aggregators import Sum
from deemster.judges import decide
from deemster.schemas import (
    Critique,
    JudgeInfo,
    Judgment,
    Principle,
    Sample,
    Scale,
    Verdict,
    Vote,
    normalise_weights,
)

SCALE = Scale(low=1, high=10)
INFO = JudgeInfo(name="scripted", model="scripted", aggregator="sum", k=4)

DEFECTS: dict[str, tuple[tuple[str, str], ...]] = {
    "arithmetic": (
        ("Arithmetic accuracy", "The calculations and numbers are right."),
        ("Correct calculations", "Every arithmetic step of the calculation is right."),
        ("Accuracy of calculation", "Sums, products and numbers are computed without error."),
        ("Numerical accuracy", "The numbers and arithmetic results are accurate."),
        ("Calculation correctness", "Whether the arithmetic is done without a mistake."),
        ("Mathematical accuracy", "Are the calculations and the arithmetic correct?"),
    ),
    "length": (
        ("Length limit", "Keeps to the number of words that was asked for."),
        ("Adherence to word limit", "The answer stays within the length limit in words."),
        ("Respects length constraints", "Not longer than the word limit allows."),
        ("Word count compliance", "Keeps within the word count and length asked for."),
        ("Length constraint", "Obeys the limit on length."),
        ("Word limit", "Within the requested word count."),
    ),
    "rude": (
        ("Politeness", "The tone is polite and respectful to the user."),
        ("Respectful tone", "Speaks to the user politely and with respect."),
        ("Polite and respectful language", "No insult, no contempt, a polite tone."),
        ("Courteous tone", "A courteous, polite tone without insult."),
        ("Tone and politeness", "Whether the tone towards the user is respectful."),
        ("Respect for the user", "Treats the user politely, with a respectful tone."),
    ),
    "language": (
        ("Answer language", "Written in the language of the question."),
        ("Matches the user's language", "Answers in the same language as the question."),
        ("Language consistency", "The language of the answer is the one the user wrote in."),
        ("Correct language", "Uses the language that the user asked in."),
        ("Same language as the question", "The answer is in the user's language."),
        ("Response language", "Is the answer in the language of the user's question?"),
    ),
}
OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "clarity": (
        ("Clarity", "Easy to follow and clearly expressed."),
        ("Clear expression", "Clearly worded, without ambiguity."),
        ("Clarity of explanation", "The explanation is clear and easy to follow."),
    ),
    "depth": (
        ("Depth of detail", "Goes into enough depth and detail."),
        ("Depth", "Detailed, not superficial."),
        ("Level of detail", "Gives details where they matter."),
    ),
    "relevance": (
        ("Relevance", "Addresses what was asked."),
        ("Relevance to the request", "Stays on the topic of the request."),
        ("On topic", "Relevant, without digression from the topic."),
    ),
    "structure": (
        ("Structure", "Well organised, with a sensible order."),
        ("Organisation and structure", "Organised into paragraphs in a logical order."),
        ("Logical organisation", "Ideas are organised in order."),
    ),
    "helpfulness": (
        ("Helpfulness", "Solves the problem in practice."),
        ("Practical helpfulness", "Practical advice that can be put to use."),
        ("Usefulness", "Practical use for solving the problem."),
    ),
    "creativity": (
        ("Creativity", "Original ideas."),
        ("Originality", "Creative and original, no cliché."),
        ("Creative ideas", "Shows imagination and originality."),
    ),
    "safety": (
        ("Safety", "Contains nothing harmful or dangerous."),
        ("Harmlessness", "Avoids harmful or dangerous content."),
        ("Avoids harm", "No harmful or unsafe advice."),
    ),
    "evidence": (
        ("Evidence", "Claims are supported by sources."),
        ("Support for claims", "Gives evidence and sources for its claims."),
        ("Cites sources", "Names the sources behind its claims."),
    ),
}
NAMES = {**DEFECTS, **OTHERS}
CONCERN = {name: concern for concern, names in NAMES.items() for name, _ in names}
COMPLAINT = {
    "arithmetic": "The calculation is wrong: the arithmetic gives another number.",
    "length": "It is far longer than the word limit allows.",
    "rude": "The tone is rude and shows no respect for the user.",
    "language": "It answers in another language than the user's question.",
}
TOPIC = {
    "arithmetic": "calculate the total price of the invoice",
    "length": "summarise this report within fifty words",
    "rude": "explain my mistake in the homework",
    "language": "beantworte die Frage bitte auf Deutsch",
}


@dataclass(frozen=True)
class World:
    """How often each policy has each defect, and how the judge votes."""

    defects: dict[str, dict[str, float]]
    """Policy to defect to probability on an item."""
    with_scores: bool
    """Whether critiques have scores per principle (json) or weights are all there is (grm)."""
    n_items: int = 240
    k: int = 3
    named_when_seen: float = 0.85
    named_anyway: float = 0.07
    noise: float = 1.0
    policies: tuple[str, str] = ("alpha", "beta")
    extra: dict[str, float] = field(default_factory=dict)
    """Constant advantage of a policy, in points."""

    def rows(self, seed: int) -> list[tuple[Sample, Verdict]]:
        """Judged pairs; which policy comes first alternates."""
        rng = np.random.default_rng(seed)
        return [self._row(rng, number) for number in range(self.n_items)]

    def _row(self, rng: np.random.Generator, number: int) -> tuple[Sample, Verdict]:
        policies = self.policies if number % 2 else self.policies[::-1]
        has = [
            {d for d in DEFECTS if rng.random() < self.defects.get(p, {}).get(d, 0.0)}
            for p in policies
        ]
        quality = [rng.normal(7, 1) + self.extra.get(p, 0.0) for p in policies]
        topic = next((TOPIC[d] for d in sorted(has[0] | has[1])), "tell me about the weather")
        sample = Sample(
            id=f"item-{number}",
            query=f"Please {topic}, case {number}",
            responses=[f"answer of {p} to {number}" for p in policies],
            policies=policies,
            subset=("maths", "writing", "chat")[number % 3],
        )
        votes: list[Vote] = [self._vote(rng, draw, has, quality) for draw in range(self.k)]
        return sample, decide(votes, n=2, k=self.k, reducer=Sum(), info=INFO)

    def _vote(
        self, rng: np.random.Generator, draw: int, has: list[set[str]], quality: list[float]
    ) -> Judgment:
        seen = has[0] | has[1]
        chance = {d: self.named_when_seen if d in seen else self.named_anyway for d in DEFECTS}
        concerns = [d for d in DEFECTS if rng.random() < chance[d]]
        concerns += [str(c) for c in rng.choice(list(OTHERS), rng.integers(2, 5), replace=False)]
        rng.shuffle(concerns)
        principles = []
        for concern in concerns:
            names = NAMES[concern]
            name, description = names[rng.integers(len(names))]
            weight = float(rng.integers(30, 61) if concern in seen else rng.integers(10, 41))
            principles.append(
                Principle(name=self._spelled(rng, name), description=description, weight=weight)
            )
        weighted = normalise_weights(principles)
        table = [
            [self._score(rng, quality[i], concern in has[i]) for concern in concerns]
            for i in range(2)
        ]
        scores = [
            float(round(sum(p.weight * s for p, s in zip(weighted, row, strict=True))))
            for row in table
        ]
        critiques = tuple(
            Critique(
                response=i,
                text=" ".join(["A sound answer.", *(COMPLAINT[d] for d in sorted(has[i]))]),
                scores=tuple(table[i]) if self.with_scores else None,
            )
            for i in range(2)
        )
        return Judgment(
            draw=draw, scores=tuple(scores), scale=SCALE, principles=weighted,
            critiques=critiques, order=(0, 1),
        )  # fmt: skip

    def _score(self, rng: np.random.Generator, quality: float, flawed: bool) -> float:
        score = quality + rng.normal(0, self.noise) - (rng.uniform(4, 6) if flawed else 0)
        return float(min(max(round(score), 1), 10))

    @staticmethod
    def _spelled(rng: np.random.Generator, name: str) -> str:
        return (name, name, name.title(), f"**{name}**", f"{name}.")[rng.integers(5)]


def concern_of(members: tuple[str, ...] | list[str]) -> str:
    """What a reported group is about: the concern most of its members belong to."""
    found = [CONCERN.get(_known(name), "") for name in members]
    return max(sorted(set(found)), key=found.count)


def _known(name: str) -> str:
    plain = name.strip("*. ").casefold()
    return next((known for known in CONCERN if known.casefold() == plain), "")
