"""PairRM-style judges: one model reads the query and two responses and says which is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal

from deemster.errors import BackendError, InputError
from deemster.judges.building import Site
from deemster.judges.classifier import Encode, numbered_text, sigmoid
from deemster.judges.classifier_judge import ClassifierJudge, ClassifierSpec
from deemster.prompts import conversation_text
from deemster.schemas import Conversation, Scale

if TYPE_CHECKING:
    from deemster.backends.classify import Layout, Passage
    from deemster.judges.remote_classifier import RemoteClassifier

MARKS = ("<|source|>", "<|candidate1|>", "<|candidate2|>")
"""Tokens of LLM-Blender's PairRM."""


def pair_ids(encoder: Any, query: Conversation, shown: Conversation) -> list[int]:  # noqa: ANN401 - transformers is untyped
    """Ids of what the model reads about two responses in an order; training shares this."""
    ids: list[int] = encoder.encode(encoder.guard(numbered_text(query, shown)), special=True)
    return ids


def marked_ids(encoder: Any, query: Conversation, shown: Conversation) -> list[int]:  # noqa: ANN401 - as above
    """Ids of the request and two responses as PairRM of LLM-Blender reads them.

    Each is a sequence of its own behind its mark; nothing is cut.

    Raises:
        BackendError: there are images.
    """
    if any(message.images for message in (*query, *shown)):
        raise BackendError("this model reads text only, but the messages contain images")
    alone = len(query) == 1 and query[0].role == "user"
    texts = (query[0].text if alone else conversation_text(query), *(one.text for one in shown))
    return [
        token
        for mark, text in zip(MARKS, texts, strict=True)
        for token in encoder.encode(mark + encoder.guard(text), special=True)
    ]


class PairRM(ClassifierJudge):
    """Compares every pair of responses in both orders, and sums each response's wins.

    With f(i, j) the model's output when response i is shown first, the probability that i beats
    j is sigmoid(f(i, j) - f(j, i)): what the place alone does cancels out. The reward of a
    response is the sum of its probabilities against the others, from 0 to n - 1 (expected wins:
    fewer ties than counted wins). n responses take n (n - 1) forward passes. LLM-Blender's PairRM
    (`llm-blender/PairRM-hf`) opens too. See `ClassifierJudge` for the arguments.
    """

    kind = "pair-rm"
    pairs = True

    def _check(self, n: int) -> None:
        if n < 2:
            raise InputError(f"a {self.kind} compares 2 or more responses, got {n}")

    def _encode(self, query: Conversation, responses: Conversation) -> Encode:
        def encode(tokenizer: Any, encoder: Any) -> list[list[int]]:  # noqa: ANN401 - as above
            read = marked_ids if set(MARKS) <= set(tokenizer.get_added_vocab()) else pair_ids
            return [
                read(encoder, query, (responses[i], responses[j]))
                for i, j in permutations(range(len(responses)), 2)
            ]

        return encode

    def _open_remote(self, options: dict[str, Any]) -> RemoteClassifier:
        return super()._open_remote({"layout": "text", **options})

    @property
    def _usual_layout(self) -> str:
        return "text"

    def _passages(
        self, query: Conversation, responses: Conversation, layout: Layout
    ) -> Sequence[Passage]:
        if layout != "text":
            raise InputError(f"a {self.kind} is asked with layout 'text', got {layout!r}")
        return [
            numbered_text(query, (responses[i], responses[j]))
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
