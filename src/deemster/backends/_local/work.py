"""One request of a local model, and the step that many of them take together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch

from deemster.backends._local.decoding import Prefilled
from deemster.backends._local.generation import Draw, Drawing, Plan

if TYPE_CHECKING:
    from deemster.backends._local.loading import LocalModel


class Work:
    """The draws of a request: some to be started, some on their way, some ended.

    Args:
        model: what draws.
        prompt: what the draws go on from, read by the model.
        draws: all of them.
        plan: what they share.
        size: most draws to start at a time.
    """

    def __init__(
        self, model: LocalModel, prompt: Prefilled, draws: Sequence[Draw], plan: Plan, *, size: int
    ) -> None:
        self.model = model
        self.prompt = prompt
        self.draws = draws
        self.cached = 0
        """Tokens of the prompt that had been read before."""
        self.seconds = 0.0
        """Its share of the time that was spent, by rows."""
        self.parts: list[Drawing] = []
        self._plan = plan
        self._left = [draws[first : first + size] for first in range(0, len(draws), size)]

    @property
    def next_rows(self) -> int:
        """How many draws `start` would start; 0 if all have been."""
        return len(self._left[0]) if self._left else 0

    @property
    def rows(self) -> int:
        """Draws on their way."""
        return sum(len(part.tokens) for part in self.parts)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return not self._left and not self.parts

    def start(self) -> None:
        """Start the next draws.

        Raises:
            BackendError: see `generation.Drawing`.
        """
        with torch.inference_mode():
            part = Drawing(self.model.runner, self.prompt, self._left.pop(0), self._plan)
        if part.tokens:
            self.parts.append(part)


@torch.inference_mode()
def step(works: Iterable[Work]) -> dict[Work, Exception]:
    """Give every draw on its way, of requests to one model, its next token.

    Returns:
        What went wrong with single requests; what goes wrong with all of them is raised.
    """
    begun = time.perf_counter()
    parts = [(work, part, part.tokens) for work in works for part in work.parts]
    if not parts:
        return {}
    runner = parts[0][0].model.runner
    given = [(part.rows, tokens) for _, part, tokens in parts if part.rows is not None]
    failed: dict[Work, Exception] = {}
    for (work, part, _), logits in zip(parts, runner.step(given), strict=True):
        try:
            part.take(logits)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other requests are well
            failed[work] = error
    a_row = (time.perf_counter() - begun) / sum(len(tokens) for _, _, tokens in parts)
    for work, _, tokens in parts:
        work.seconds += a_row * len(tokens)
        work.parts = [part for part in work.parts if part.tokens]
    return failed
