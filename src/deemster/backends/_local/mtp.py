"""Blocks for multi-token prediction: parts of a model that predict the token after the next.

As in DeepSeek-V3 (arXiv 2412.19437, section 2.2): block k joins what the model made of a token, or
the block before did, with the embedding of the token k places further on, runs a layer of the
model's own kind, and predicts the token after that with the model's own output layer.

Blocks that were trained here are in a file of their own beside the model's weights, under the same
names for all architectures. Released checkpoints with blocks of their own are read by transformers.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from deemster.errors import InputError

MTP_FILE = "mtp.safetensors"
"""In a model's folder."""
_IGNORED = -100


class MtpLoss(NamedTuple):
    """How well blocks predict."""

    total: Tensor
    """Negative log-likelihood, the sum over tokens and mean over blocks."""
    tokens: int
    """Predicted by the first block."""
    correct: int
    """Of these, those that were the likeliest."""


class MtpBlocks(nn.Module):
    """Blocks over a model, whose embeddings and output layer they use but do not hold.

    Args:
        model: a causal language model of transformers, without adapters.
        layers: transformers' `MtpLayer`s, first to last.
        kind: the type of their attention, where the model has several.
    """

    def __init__(self, model: Any, layers: list[nn.Module], kind: str | None) -> None:  # noqa: ANN401
        super().__init__()
        self.alone = False
        """Whether nothing but the blocks is to learn from their loss."""
        self.layers = nn.ModuleList(layers)
        self.config = model.config.get_text_config()
        rotary = getattr(model.get_decoder(), "rotary_emb", None)
        # In a tuple, torch does not take them for parts of this module.
        self._shared = (model.get_input_embeddings(), model.get_output_embeddings(), rotary)
        parameters = getattr(self.config, "rope_parameters", None)
        by_kind = parameters and self.config.nested_rope_parameter_keys(parameters)
        self._rotary_options = {"layer_type": kind} if by_kind else {}
        part: Any
        for part in self.layers.modules():
            if hasattr(part, "layer_idx"):
                part.layer_idx = 0  # each has a cache of its own
            if hasattr(part, "config"):
                part.config = self.config  # which says how attention is computed

    def forward(
        self,
        block: int,
        ids: Tensor,
        states: Tensor,
        positions: Tensor,
        *,
        mask: Tensor | None = None,
        cache: Any = None,  # noqa: ANN401 - of transformers
    ) -> Tensor:
        """States [B, T, width] of a block, from ids [B, T] and the states before their tokens.

        Args:
            block: its number, from 0.
            ids: tokens that are `block` + 1 places after those of the states.
            states: [B, T, width] of the model, or of the block before.
            positions: [B, T] of the ids.
            mask: as the model's layers take it.
            cache: of this block alone.
        """
        rotary = self._shared[2]
        embedded = self._embedded(ids)
        rotation = None
        if rotary is not None:
            rotation = rotary(embedded, position_ids=positions, **self._rotary_options)
        # By position: releases of transformers call the cache by different names.
        found: Tensor = self.layers[block](embedded, states, rotation, mask, positions, cache)
        return found

    def read(self, ids: Tensor, states: Tensor, *, cache: Any) -> Tensor:  # noqa: ANN401
        """The first block over a whole prompt without its last state; as `forward`.

        Args:
            ids: [1, T], the prompt from its second token on.
            states: [1, T, width] of the tokens before these.
            cache: takes what later tokens need.
        """
        positions = torch.arange(1, ids.shape[1] + 1, device=ids.device)[None]
        mask = self._mask(ids, None, positions)
        found: Tensor = self(0, ids, states, positions, mask=mask, cache=cache)
        return found

    def logits(self, states: Tensor) -> Tensor:
        """By the model's own output layer."""
        head = self._shared[1]
        weight, bias = head.weight, getattr(head, "bias", None)
        if self.alone:
            weight, bias = weight.detach(), None if bias is None else bias.detach()
        return linear(states.to(weight.dtype), weight, bias).float()

    def _embedded(self, ids: Tensor) -> Tensor:
        found: Tensor = self._shared[0](ids)
        return found.detach() if self.alone else found

    def loss(
        self,
        states: Tensor,
        ids: Tensor,
        labels: Tensor,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> MtpLoss | None:
        """How well every block predicts the labels; None if there are none to predict.

        Args:
            states: [B, T, width] what the model made of the tokens.
            ids: [B, T]
            labels: [B, T], -100 where nothing is to be learnt; the same tokens, not shifted.
            mask: [B, T], 0 on padding.
            positions: [B, T] where several texts stand in a row.
        """
        losses, first = [], (0, 0)
        states = states.detach() if self.alone else states
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
            packed = None
        else:
            packed = positions
        for k in range(1, len(self.layers) + 1):
            told, there = ids[:, k:], None if mask is None else mask[:, k:]
            shown = None if packed is None else packed[:, k:]
            states = self(
                k - 1, told, states[:, :-1], positions[:, k:], mask=self._mask(told, there, shown)
            )
            wanted = labels[:, k + 1 :]
            kept = wanted != _IGNORED
            if not kept.any():
                break
            logits, wanted = self.logits(states[:, :-1][kept]), wanted[kept]
            losses.append(cross_entropy(logits, wanted, reduction="sum"))
            if k == 1:
                first = len(wanted), int((logits.argmax(-1) == wanted).sum())
        return MtpLoss(torch.stack(losses).sum() / len(self.layers), *first) if losses else None

    def _mask(self, ids: Tensor, mask: Tensor | None, positions: Tensor | None) -> Any:  # noqa: ANN401
        from transformers.masking_utils import create_causal_mask  # noqa: PLC0415 - slow to load

        no_cache = None
        return create_causal_mask(self.config, self._embedded(ids), mask, no_cache, positions)

    def save(self, folder: Path) -> None:
        """Write the blocks into a model's folder."""
        held = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(held, folder / MTP_FILE, metadata={"format": "pt"})


def new_blocks(model: Any, depth: int, *, seed: int = 0) -> MtpBlocks:  # noqa: ANN401 - transformers is untyped
    """Blocks that have learnt nothing yet, but for their layers: copies of the model's last one.

    Args:
        model: a causal language model of transformers, without adapters.
        depth: how many.
        seed: of the weights that are not copies.

    Raises:
        InputError: its architecture is of another kind.
    """
    found = _made(model, depth, seed=seed)
    _try(found, model)
    return found


def _made(model: Any, depth: int, *, seed: int = 0) -> MtpBlocks:  # noqa: ANN401 - as above
    from transformers.modeling_layers import MtpLayer  # noqa: PLC0415 - slow to load

    config = model.config.get_text_config()
    stack = getattr(model.get_decoder(), "layers", None)
    if stack is None or not hasattr(config, "rms_norm_eps"):
        raise _unfit(model, "has no stack of layers with RMS norms")
    kinds = getattr(config, "layer_types", None) or [None] * len(stack)
    full = [place for place, kind in enumerate(kinds) if kind in {None, "full_attention"}]
    place = full[-1] if full else len(stack) - 1
    width = (config.hidden_size,)  # norms of queries and keys are of other widths
    norms = [
        type(part) for name, part in stack[place].named_modules()
        if "norm" in name and getattr(getattr(part, "weight", None), "shape", None) == width
    ]  # fmt: skip
    if not norms:
        raise _unfit(model, "has layers without RMS norms")

    def copied(*_: Any) -> Any:  # noqa: ANN401
        return copy.deepcopy(stack[place])

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [MtpLayer(config, copied, norms[0], 0) for _ in range(depth)]
    return MtpBlocks(model, layers, kinds[place]).to(device=model.device, dtype=model.dtype)


def _try(blocks: MtpBlocks, model: Any) -> None:  # noqa: ANN401 - transformers is untyped
    """Raise `InputError` if a layer needs more than states and positions, as Gemma 4's do."""
    ids = torch.zeros((1, 2), dtype=torch.long, device=model.device)
    states = torch.zeros((1, 2, blocks.config.hidden_size), dtype=model.dtype, device=model.device)
    try:
        with torch.no_grad():
            blocks(0, ids, states, torch.arange(2, device=model.device)[None])
    except Exception as error:
        # Without weights there is nothing to route by, and no more can be said.
        if model.device.type == "meta" and not isinstance(error, TypeError):
            return
        raise _unfit(model, "has layers that need more than states and positions") from error


def _unfit(model: Any, what: str) -> InputError:  # noqa: ANN401 - as above
    return InputError(
        f"mtp: no blocks for multi-token prediction can be made for {type(model).__name__}: it "
        f"{what}; leave it out"
    )


def blocks_of(model: Any, folders: list[str]) -> MtpBlocks | None:  # noqa: ANN401
    """The blocks that a model has, of its file or of its checkpoint; None if it has none.

    Args:
        model: see `new_blocks`.
        folders: or repositories, of its adapter and of its weights; the first that has a file.

    Raises:
        InputError: they do not fit the model.
    """
    file = mtp_file(folders)
    return _of_checkpoint(model) if file is None else _from_file(model, file)


def mtp_file(folders: list[str]) -> Path | None:
    """The file of trained blocks; None if there is none. See `blocks_of`."""
    from transformers.utils import cached_file  # noqa: PLC0415 - slow to load

    for folder in folders:
        file = cached_file(
            folder, MTP_FILE, _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False, _raise_exceptions_for_gated_repo=False,
        )  # fmt: skip
        if file is not None:
            return Path(file)
    return None


def _from_file(model: Any, file: Path) -> MtpBlocks:  # noqa: ANN401 - transformers is untyped
    try:
        with safe_open(file, "pt") as opened:
            depth = 1 + max(int(name.split(".")[1]) for name in opened.keys())  # noqa: SIM118 - no dict
        blocks = _made(model, depth)
        blocks.load_state_dict(load_file(file))
    except Exception as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{str(file)!r} holds no blocks for this model: {reason}; train them again"
        ) from error
    return blocks


def _of_checkpoint(model: Any) -> MtpBlocks | None:  # noqa: ANN401 - transformers is untyped
    """Those of a released checkpoint, where transformers knows their names there."""
    from transformers.modeling_layers import MtpModel  # noqa: PLC0415 - slow to load

    config = model.config.get_text_config()
    if not getattr(config, "num_mtp_layers", 0) or not model._keys_to_ignore_on_load_unexpected:  # noqa: SLF001
        return None
    try:
        found = MtpModel.from_pretrained(model, device_map={"": model.device})
    except (RuntimeError, ValueError, OSError):  # it was saved without them
        return None
    layers = list(found.layers)
    kinds = getattr(found.config, "layer_types", None)
    return MtpBlocks(model, layers, kinds[0] if kinds else None)
