"""Draws whose next tokens are drafted, and then checked together in one pass of the model.

A draft changes no text. Every token is drawn from the model's own logits with the draw's own noise,
as without drafts; a drafted token is accepted if it is the one that was drawn, and the first that
is not ends the pass for its row. So the text of a draw is that of plain decoding with the same
seed, up to the rounding of matrix products, and its distribution is the model's. A token that is
drafted for certain is accepted as often as by rejection sampling (arXiv 2211.17192): by the
probability that the model gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from deemster.backends._local.decoding import Prefilled, Runner, gap_filling_order
from deemster.backends._local.generation import Draw, Plan, advance


class Drafter(Protocol):
    """Drafts what comes next in the draws of one prompt."""

    def draft(
        self, draws: Sequence[Draw], taken: Sequence[int], states: Tensor | None
    ) -> list[list[int]]:
        """Tokens that may come next in each draw; any number of them, none too.

        Args:
            draws: those that go on.
            taken: how many tokens each of them got since the last call.
            states: [sum of taken, width] what the last layer made of the token before each of
                these, one draw after another; None where that is not kept.
        """
        ...

    def keep(self, order: list[int]) -> None:
        """See `Rows.keep`."""
        ...


class Speculation(Protocol):
    """A way to draft."""

    def begin(self, runner: Runner, prompt: Prefilled, count: int, plan: Plan) -> Drafter:
        """What drafts for so many draws of a prompt."""
        ...


@dataclass
class Tally:
    """How drafts fared."""

    drafted: int = 0
    """Tokens that were drafted and checked."""
    accepted: int = 0
    """Those of them that were drawn."""
    passes: int = 0
    """Passes of the model, counted for each row that was in it."""

    @property
    def acceptance(self) -> float | None:
        """Share of the drafted tokens that were accepted; None if none was drafted."""
        return self.accepted / self.drafted if self.drafted else None

    @property
    def tokens_per_pass(self) -> float | None:
        """Tokens that a row gets from a pass of the model, 1 without drafts; None before any."""
        return 1 + self.accepted / self.passes if self.passes else None


@dataclass(eq=False)
class Speculated:
    """How a model drafts, and how that fares.

    Args:
        speculation: the way to draft.
        most_rows: draws, of all requests, that step together with drafts; where there are more,
            drafts cost more than they save, so the request goes without. None: any number.
        tally: how its drafts fared.
    """

    speculation: Speculation
    most_rows: int | None = None
    tally: Tally = field(default_factory=Tally)

    def pays(self, rows: int) -> bool:
        """Whether to draft where so many draws step together."""
        return self.most_rows is None or rows <= self.most_rows


class SpeculativeDrawing:
    """Draws from one prompt on their way, each by as many tokens of a step as were drafted well.

    The arguments are those of `generation.Drawing`; the plan has a speculation.
    """

    def __init__(
        self, runner: Runner, prompt: Prefilled, draws: Sequence[Draw], plan: Plan
    ) -> None:
        assert plan.speculation is not None  # noqa: S101 - for the type checker
        self._plan, self._tally = plan, plan.speculation.tally
        advance(draws, prompt.logits.expand(len(draws), -1), plan)
        self._alive = [draw for draw in draws if draw.finish is None]
        self._drafts: list[list[int]] = []
        if not self._alive:
            return
        count = len(self._alive)
        self.rows = runner.drafted_rows(prompt, count)
        self._drafter = plan.speculation.speculation.begin(runner, prompt, count, plan)
        last = None if prompt.states is None else prompt.states[-1:].expand(count, -1)
        self._draft([1] * count, last)

    @property
    def count(self) -> int:
        """Draws that go on."""
        return len(self._alive)

    @property
    def tokens(self) -> list[list[int]]:
        """The last token of every draw that goes on, and the draft of what comes after it."""
        return [[draw.ids[-1], *ids] for draw, ids in zip(self._alive, self._drafts, strict=True)]

    def take(self, logits: Tensor, states: Tensor | None) -> None:
        """Go on by a token or more, drawn from what the model said of `tokens`.

        Args:
            logits: [tokens, vocabulary], see `Runner.check`.
            states: [tokens, width], see there.
        """
        offered = [1 + len(ids) for ids in self._drafts]
        first = [sum(offered[:row]) for row in range(len(offered))]
        taken = [0] * len(offered)
        going = list(range(len(offered)))
        while going:
            rows = torch.tensor([first[row] + taken[row] for row in going], device=logits.device)
            advance([self._alive[row] for row in going], logits[rows], self._plan)
            going = [row for row in going if self._went_on(row, taken)]
        self._tally.passes += len(offered)
        self._tally.drafted += sum(offered) - len(offered)
        self._tally.accepted += sum(taken) - len(offered)
        self.rows.took(taken)
        self._go_on(first, taken, states)

    def _went_on(self, row: int, taken: list[int]) -> bool:
        """Count the token that a row got; whether it is the drafted one, and goes on from there."""
        at, draw, draft = taken[row], self._alive[row], self._drafts[row]
        taken[row] += 1
        return draw.finish is None and at < len(draft) and draw.ids[-1] == draft[at]

    def _go_on(self, first: list[int], taken: list[int], states: Tensor | None) -> None:
        """Drop the draws that have ended, and draft for the others."""
        order = list(range(len(taken)))
        alive = [draw.finish is None for draw in self._alive]
        if not all(alive):
            order = gap_filling_order(alive)
            self._alive = [self._alive[row] for row in order]
            if order:
                self.rows.keep(order)
                self._drafter.keep(order)
        self._drafts = []
        if order:
            if states is not None:
                kept = [i for row in order for i in range(first[row], first[row] + taken[row])]
                states = states[torch.tensor(kept, device=states.device)]
            self._draft([taken[row] for row in order], states)

    def _draft(self, taken: list[int], states: Tensor | None) -> None:
        found = self._drafter.draft(self._alive, taken, states)
        # The last token of a draw is never fed, and what is beyond its room never drawn.
        self._drafts = [
            ids[: self._plan.room - len(draw.ids) - 1]
            for draw, ids in zip(self._alive, found, strict=True)
        ]
