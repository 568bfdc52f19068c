"""Drafts by a model's own block for multi-token prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from deemster.backends._local.attention import LayerPrefix, SharedPrefixAttention, prefix_of
from deemster.backends._local.decoding import Prefilled, Runner
from deemster.backends._local.drafted_rows import DraftedRows
from deemster.backends._local.generation import Draw, Plan
from deemster.backends._local.mtp import MtpBlocks, blocks_of
from deemster.backends._local.sampling import Later, choose
from deemster.backends._local.sources import source_of
from deemster.errors import InputError


class MtpDrafter:
    """See `Drafter`. The first block drafts, one token after another.

    Its cache is one token shorter than the model's: what it holds of a token needs the next one.

    Args:
        runner: of the model.
        blocks: of the model.
        prompt: read with its states.
        count: draws.
        tokens: of a draft.
        plan: of the draws.
    """

    def __init__(
        self,
        runner: Runner,
        blocks: MtpBlocks,
        prompt: Prefilled,
        count: int,
        *,
        tokens: int,
        plan: Plan,
    ) -> None:
        self._runner, self._blocks, self._plan, self._tokens = runner, blocks, plan, tokens
        # Of a prompt of one token nothing is held; what is read then only gives the shapes.
        held = len(prompt.ids) - 1
        ids = torch.tensor([prompt.ids[1:] or prompt.ids], device=runner.device)
        cache = DynamicCache()
        with runner.own_attention():
            states = cast("Tensor", prompt.states)[: ids.shape[1]]
            blocks.read(ids, states[None], cache=cache)
        [layer] = prefix_of(cache)
        prefix = [LayerPrefix(layer.key[:, :, :held], layer.value[:, :, :held], None)]
        self._rows = DraftedRows(prefix, len(prompt.ids), count, runner.device)

    def draft(
        self, draws: Sequence[Draw], taken: Sequence[int], states: Tensor | None
    ) -> list[list[int]]:
        """What the block holds for likeliest, or draws with the noise of the token to come."""
        found: list[list[int]] = [[] for _ in draws]
        given = [draw.ids[-count:] for draw, count in zip(draws, taken, strict=True)]
        states = cast("Tensor", states)
        for step in range(self._tokens):
            states = self._pass(given, states)
            self._rows.took([len(tokens) for tokens in given])
            if step == 0:
                ends = torch.tensor(taken, device=states.device).cumsum(0) - 1
                states = states[ends]
            logits = self._blocks.logits(states)[:, : self._runner.vocabulary]
            # With the same noise, like distributions draw the same token more often than not.
            noise = [Later(draw.noise, step) for draw in draws]
            for ids, token in zip(found, choose(logits, self._plan.sampling, noise), strict=True):
                ids.append(token)
            given = [ids[-1:] for ids in found]
        self._rows.took([1 - self._tokens] * len(draws))  # what was only drafted does not stay
        return found

    def _pass(self, given: Sequence[Sequence[int]], states: Tensor) -> Tensor:
        """[tokens, width] of the block, for tokens of each row and the states before them."""
        runner = self._runner
        tokens, positions, group = self._rows.offer(given)
        ids, places = runner.padded(tokens), runner.padded(positions)
        padding = states[-1:].expand(len(ids) - len(states), -1)
        attention = cast("SharedPrefixAttention", runner.attention)
        with attention.step([group]) as cache:
            found: Tensor = self._blocks(
                0, ids, torch.cat([states, padding])[:, None], places, cache=cache
            )
        return found[: len(tokens), 0]

    def keep(self, order: list[int]) -> None:
        """See `Rows.keep`."""
        self._rows.keep(order)


@dataclass(frozen=True, eq=False)
class Mtp:
    """See `Speculation`.

    Args:
        blocks: of the model.
        tokens: of a draft.
    """

    blocks: MtpBlocks
    tokens: int

    def begin(self, runner: Runner, prompt: Prefilled, count: int, plan: Plan) -> MtpDrafter:
        """See `Speculation.begin`."""
        return MtpDrafter(runner, self.blocks, prompt, count, tokens=self.tokens, plan=plan)


def open_mtp(runner: Runner, path: str, tokens: int) -> Mtp:
    """Drafts by the blocks of a model, whose runner keeps states from now on.

    Args:
        runner: of the model.
        path: of the model, see `sources`.
        tokens: of a draft.

    Raises:
        InputError: it has no blocks, or they do not fit.
    """
    source = source_of(path)
    folders = [place for place in (source.adapter, source.base) if place is not None]
    blocks = blocks_of(runner.model, folders)
    if blocks is None:
        raise InputError(
            f"speculate 'mtp': model 'hf:{path}' has no block for multi-token prediction; train "
            "one (mtp in the section train of a recipe's rft or distil), or give speculate='lookup'"
        )
    runner.keep_states()
    return Mtp(blocks.eval(), tokens)
