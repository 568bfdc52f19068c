"""One request of a local model, and the step that many of them take together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch

from deemster.backends._local.decoding import Prefilled, Runner
from deemster.backends._local.generation import Draw, Drawing, Plan
from deemster.backends._local.speculation import SpeculativeDrawing

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
        self.parts: list[Drawing | SpeculativeDrawing] = []
        self._plan = plan
        self._left = [draws[first : first + size] for first in range(0, len(draws), size)]

    @property
    def next_rows(self) -> int:
        """How many draws `start` would start; 0 if all have been."""
        return len(self._left[0]) if self._left else 0

    @property
    def rows(self) -> int:
        """Draws on their way."""
        return sum(part.count for part in self.parts)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return not self._left and not self.parts

    def start(self, beside: int = 0) -> None:
        """Start the next draws.

        Args:
            beside: draws of other requests, on their way or about to be.

        Raises:
            BackendError: see `generation.Drawing`.
        """
        draws, drafts = self._left.pop(0), self._plan.speculation
        drafted = drafts is not None and drafts.pays(beside + self.rows + len(draws))
        with torch.inference_mode():
            kind = SpeculativeDrawing if drafted else Drawing
            part = kind(self.model.runner, self.prompt, draws, self._plan)
        if part.count:
            self.parts.append(part)


@torch.inference_mode()
def step(works: Iterable[Work]) -> dict[Work, Exception]:
    """Give every draw on its way, of requests to one model, its next token, or several.

    Returns:
        What went wrong with single requests; what goes wrong with all of them is raised.
    """
    begun = time.perf_counter()
    parts = [(work, part, part.count) for work in works for part in work.parts]
    if not parts:
        return {}
    failed: dict[Work, Exception] = {}
    takes = _checked(parts[0][0].model.runner, [part for _, part, _ in parts])
    for (work, _, _), take in zip(parts, takes, strict=True):
        try:
            take()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other requests are well
            failed[work] = error
    a_row = (time.perf_counter() - begun) / sum(count for _, _, count in parts)
    for work, _, count in parts:
        work.seconds += a_row * count
        work.parts = [part for part in work.parts if part.count]
    return failed


def _checked(
    runner: Runner, parts: Sequence[Drawing | SpeculativeDrawing]
) -> list[Callable[[], None]]:
    """Run the model for all parts; what takes its logits, for each."""
    plain = [part for part in parts if isinstance(part, Drawing)]
    drafted = [part for part in parts if isinstance(part, SpeculativeDrawing)]
    found: dict[Drawing | SpeculativeDrawing, Callable[[], None]] = {}
    given = [(part.rows, part.tokens) for part in plain if part.rows is not None]
    offered = [(part.rows, part.tokens) for part in drafted]
    stepped, checked = runner.step_and_check(given, offered)
    for one, logits in zip(plain, stepped, strict=True):
        found[one] = partial(one.take, logits)
    for other, (logits, states) in zip(drafted, checked, strict=True):
        found[other] = partial(other.take, logits, states)
    return [found[part] for part in parts]
