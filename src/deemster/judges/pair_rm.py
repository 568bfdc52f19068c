"""PairRM-style judges: one model reads the query and two responses and says which is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any, Literal

from deemster.errors import InputError
from deemster.judges.building import Site
from deemster.judges.classifier import Encode, numbered_text, sigmoid
from deemster.judges.scalar_rm import ClassifierJudge, ClassifierSpec
from deemster.schemas import Conversation, Scale


def pair_ids(encoder: Any, query: Conversation, shown: Conversation) -> list[int]:  # noqa: ANN401 - transformers is untyped
    """Ids of what the model reads about two responses in an order; training shares this."""
    ids: list[int] = encoder.encode(encoder.guard(numbered_text(query, shown)), special=True)
    return ids


class PairRM(ClassifierJudge):
    """Compares every pair of responses in both orders, and sums each response's wins.

    With f(i, j) the model's output when response i is shown first, the probability that i beats
    j is sigmoid(f(i, j) - f(j, i)): what the place alone does cancels out. The reward of a
    response is the sum of its probabilities against the others, from 0 to n - 1 (expected wins:
    fewer ties than counted wins). n responses take n (n - 1) forward passes. See
    `ClassifierJudge` for the arguments.
    """

    kind = "pair-rm"

    def _check(self, n: int) -> None:
        if n < 2:
            raise InputError(f"a {self.kind} compares 2 or more responses, got {n}")

    def _encode(self, query: Conversation, responses: Conversation) -> Encode:
        return lambda _, encoder: [
            pair_ids(encoder, query, (responses[i], responses[j]))
            for i, j in permutations(range(len(responses)), 2)
        ]

    def _scores(self, logits: Sequence[float], n: int) -> tuple[float, ...]:
        shown = dict(zip(permutations(range(n), 2), logits, strict=True))
        return tuple(
            math.fsum(sigmoid(shown[i, j] - shown[j, i]) for j in range(n) if j != i)
            for i in range(n)
        )

    def _scale(self, n: int) -> Scale:
        return Scale(low=0, high=n - 1, integer=False)


class PairwiseSpec(ClassifierSpec):
    """A trained model that compares every pair of responses in both orders (PairRM)."""

    type: Literal["pairwise"] = "pairwise"

    def build(self, site: Site) -> PairRM:
        """See `JudgeSpec.build`."""
        return PairRM(**self.arguments(site))
