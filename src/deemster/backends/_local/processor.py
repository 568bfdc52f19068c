"""Grammar-constrained drawing inside transformers' own `generate`, which RL rollouts use."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from deemster.backends._local.grammar import Constraint, Vocabulary, allowed_tokens
from deemster.backends._local.sampling import Noise, choose
from deemster.schemas import Sampling


class GrammarProcessor(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped
    """Draws every row's tokens under its grammar, as the local backend does.

    The token is drawn here, because a constraint may replace it when room runs out, and is the
    only one left for `generate` to choose.

    Args:
        constraints: a fresh one per row.
        vocabulary: that they were made with.
        sampling: temperature and top_p.
    """

    def __init__(
        self, constraints: Sequence[Constraint], vocabulary: Vocabulary, sampling: Sampling
    ) -> None:
        self._going = dict(enumerate(constraints))
        self._vocabulary = vocabulary
        self._sampling = sampling
        seeds = torch.randint(2**62, (len(constraints),)).tolist()  # the trainer seeds torch
        self._noise = [Noise(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - transformers'
        """Scores [rows, vocabulary], all -inf but one in every row that goes on."""
        only = scores.clone()
        open_rows = [row for row, constraint in self._going.items() if not constraint.done]
        drawn = dict.fromkeys(self._going, self._vocabulary.eos)
        if open_rows:
            drawn |= self._draw(scores, open_rows)
        for row, token in drawn.items():
            only[row] = -torch.inf
            only[row, token] = 0.0
            if token in self._vocabulary.eos_ids:
                del self._going[row]
        return only

    def _draw(self, scores: Tensor, rows: list[int]) -> dict[int, int]:
        constraints = [self._going[row] for row in rows]
        allowed = torch.from_numpy(allowed_tokens(constraints, self._vocabulary))
        logits = scores[rows, : self._vocabulary.size].float()
        logits = logits.masked_fill(allowed.to(scores.device) == 0, -torch.inf)
        tokens = choose(logits, self._sampling, [self._noise[row] for row in rows])
        return {
            row: constraint.accept(token)
            for row, constraint, token in zip(rows, constraints, tokens, strict=True)
        }
