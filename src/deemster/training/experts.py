"""Mixtures of experts while they train: the load of each expert, and what keeps it even.

For the architectures whose class in transformers has a balance loss (Mixtral, Qwen-MoE, OLMoE,
GPT-OSS …), TRL adds it. DeepSeek's family has none there: its loss per sequence
(arXiv 2405.04434, section 2.2.3; 2412.19437, section 2.1.2) and the bias of its routers are here.

Imports torch; stages import this when they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import JsonValue
from torch import Tensor, nn

from deemster.errors import InputError
from deemster.training.settings import MoeSettings

_ROUTERS = ("gate", "router")
_BIAS = "e_score_correction_bias"


@dataclass(frozen=True, eq=False)
class MoeLayer:
    """One layer's routed experts and what chooses among them."""

    name: str
    """Of the experts' module in the model."""
    experts: nn.Module
    router: nn.Module | None
    """None if it is not beside the experts; there is only the load then."""

    @property
    def count(self) -> int:
        """How many experts there are to choose from."""
        return len(next(weight for weight in self.weights.values() if weight.ndim == 3))

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """The experts' weights by their names in the model; the first dimension is the expert."""
        own = self.experts.named_parameters(recurse=False)
        return {f"{self.name}.{name}": weight for name, weight in own}


def moe_layers(model: nn.Module) -> list[MoeLayer]:
    """The layers with routed experts, first to last; none in a dense model.

    They are known by how transformers keeps experts: as weights [experts, …] of one module, with
    the router beside it.
    """
    found = []
    for name, module in model.named_modules():
        experts = getattr(module, "experts", None)
        if not isinstance(experts, nn.Module):
            continue
        if any(weight.ndim == 3 for weight in experts.parameters(recurse=False)):
            routers = [getattr(module, one, None) for one in _ROUTERS]
            router = next((one for one in routers if isinstance(one, nn.Module)), None)
            place = f"{name}.experts" if name else "experts"
            found.append(MoeLayer(place, experts, router))
    return found


def freeze(model: nn.Module, settings: MoeSettings) -> None:
    """Keep from training what the settings say."""
    for layer in moe_layers(model):
        if "experts" in settings.freeze:
            layer.experts.requires_grad_(requires_grad=False)
        if "routers" in settings.freeze and layer.router is not None:
            layer.router.requires_grad_(requires_grad=False)


@dataclass(eq=False)
class _Tokens:
    """Which tokens of a pass count, and to which sequence each belongs."""

    valid: Tensor
    """[tokens] bool"""
    sequence: Tensor
    """[tokens] int64, from 0"""

    @classmethod
    def of(cls, options: dict[str, Any], *, per_sequence: bool) -> _Tokens:
        """From what the model is called with; packed sequences are told by their positions."""
        ids = options.get("input_ids")
        ids = options["inputs_embeds"][..., 0] if ids is None else ids
        mask, places = options.get("attention_mask"), options.get("position_ids")
        if mask is not None and mask.ndim == 2:
            mask = mask[:, -ids.shape[1] :].bool()
        else:
            mask = torch.ones(ids.shape, dtype=torch.bool, device=ids.device)
        starts = torch.zeros_like(mask)
        starts[:, 0] = True
        if places is not None and options.get("attention_mask") is None:
            starts |= places.expand_as(ids) == 0
        sequence = starts.flatten().cumsum(0) - 1
        return cls(mask.flatten(), sequence if per_sequence else torch.zeros_like(sequence))


def sequence_balance_loss(
    logits: Tensor, chosen: Tensor, *, sequence: Tensor, valid: Tensor, sigmoid: bool = False
) -> Tensor:
    """DeepSeek's balance loss of one layer: Σ f_i · P_i, mean over sequences; 1 where all is even.

    f_i is expert i's share of a sequence's choices, relative to an even one; P_i is its mean
    affinity (arXiv 2412.19437, Eq. 17 to 20).

    Args:
        logits: [tokens, experts] of the router.
        chosen: [tokens, k] indices of the experts.
        sequence: [tokens] number of each token's sequence, from 0.
        valid: [tokens] False on padding.
        sigmoid: whether affinities are sigmoids, made to sum to 1, as in DeepSeek-V3; else they
            are a softmax.
    """
    affinity = logits.float().sigmoid() if sigmoid else logits.float().softmax(-1)
    if sigmoid:
        affinity = affinity / affinity.sum(-1, keepdim=True)
    number = int(sequence.max()) + 1
    sums = affinity.new_zeros(number, logits.shape[-1])
    weight = valid.to(affinity.dtype)[:, None]
    picked = torch.zeros_like(affinity).scatter_(1, chosen, 1.0)
    tokens = affinity.new_zeros(number, 1).index_add(0, sequence, weight)
    mean = sums.index_add(0, sequence, affinity * weight) / tokens.clamp(min=1)
    share = sums.index_add(0, sequence, picked * weight) / tokens.clamp(min=1)
    even = chosen.shape[-1] / logits.shape[-1]
    loss = (share / even * mean).sum(-1)
    there = tokens[:, 0] > 0
    return (loss * there).sum() / there.sum().clamp(min=1)


@dataclass(eq=False)
class Routing:
    """Follows where a model's routers send tokens while a loss is computed.

    Args:
        model: a causal language model or a classifier of transformers, before adapters are added.
        settings: of the mixture.
        balance: False only follows the load and takes no loss.

    Attributes:
        layers: those with experts.
        coefficient: weight of this module's own balance loss; 0 where there is none, or where
            TRL adds the architecture's.
        counts: [layers, experts] tokens sent to each expert since `take`.
        total: the same since the beginning.

    Raises:
        InputError: something is set that the model cannot do.
    """

    model: Any
    settings: MoeSettings = field(default_factory=MoeSettings)
    balance: bool = True

    def __post_init__(self) -> None:
        self.layers = moe_layers(self.model)
        config = self.model.config.get_text_config()
        self._check()
        self.library = hasattr(config, "router_aux_loss_coef")
        own = getattr(config, "aux_loss_alpha", 0.0)  # DeepSeek's name
        wanted = self.settings.router_aux_loss_coef
        ours = self.balance and not self.library
        self.coefficient = float((own if wanted is None else wanted) if ours else 0.0)
        self._per_sequence = bool(getattr(config, "seq_aux", True))
        shape = (len(self.layers), self.layers[0].count if self.layers else 0)
        # Where the model is: a copy to the CPU for each layer would make a GPU wait.
        self.counts = torch.zeros(shape, device=self.model.device)
        self.total = torch.zeros(shape, dtype=torch.float64)
        self._biased = self.counts.clone()
        self._passes = 0
        self._open = False
        self._tokens: _Tokens | None = None
        self._logits: dict[int, Tensor] = {}
        self._seen: list[tuple[Tensor, Tensor, _Tokens, bool]] = []
        self._hook()

    @property
    def trl_coefficient(self) -> float | None:
        """What TRL is to be given as `router_aux_loss_coef`: 0 where the loss is this module's."""
        return self.settings.router_aux_loss_coef if self.library else 0.0

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While a loss is computed; what is computed again for checkpoints comes later."""
        self._open, self._seen, self._passes = True, [], 0
        try:
            yield
        finally:
            self._open, self._tokens = False, None
            self._logits.clear()

    def loss(self) -> Tensor | None:
        """Balance loss of what was recorded: sum over layers, mean over passes; None without."""
        # Not in the hooks: what they compute inside a checkpoint would be computed again.
        losses = []
        for logits, chosen, tokens, sigmoid in self._seen:
            picked = chosen
            if sigmoid:  # the paper counts by the affinities themselves, without bias and groups
                picked = logits.topk(chosen.shape[-1], dim=-1).indices
            losses.append(
                sequence_balance_loss(
                    logits, picked, sequence=tokens.sequence, valid=tokens.valid, sigmoid=sigmoid
                )
            )
        self._seen = []
        return torch.stack(losses).sum() / self._passes if losses else None

    def update_bias(self) -> None:
        """Raise the bias of experts with less than an even load since the last time, else lower it.

        The balancing without a loss of DeepSeek-V3 (arXiv 2412.19437, section 2.1.2), once per
        optimizer step.
        """
        rate = self.settings.router_bias_rate
        if not rate:
            return
        counts = _summed(self._biased)
        for layer, load in zip(self.layers, counts, strict=True):
            bias = getattr(layer.router, _BIAS)
            with torch.no_grad():
                bias += rate * torch.sign(load.mean() - load).to(bias)
        self._biased.zero_()

    def take(self) -> float | None:
        """The busiest expert's load since the last call, relative to an even one, over layers."""
        counts = _summed(self.counts).to(self.total)
        self.counts.zero_()
        self.total += counts
        return largest_share(counts)

    def figures(self) -> dict[str, JsonValue]:
        """`experts` for a manifest, of the whole training; nothing for a dense model.

        `largest_share` is the busiest expert's load relative to an even one, `idle` how many
        experts got no token, `load` each expert's share of its layer's choices [layers, experts].
        """
        if not self.layers:
            return {}
        total = self.total + _summed(self.counts).to(self.total)
        shares = total / total.sum(dim=1, keepdim=True).clamp(min=1)
        load: dict[str, JsonValue] = {
            layer.name: [round(share, 5) for share in row]
            for layer, row in zip(self.layers, shares.tolist(), strict=True)
        }
        return {
            "experts": {
                "largest_share": largest_share(total),
                "idle": int((total == 0).sum()),
                "load": load,
            }
        }

    def _check(self) -> None:
        model = type(self.model).__name__
        if not self.layers:
            if self.settings != MoeSettings():
                raise InputError(f"{model} has no routed experts; leave out the section moe")
            return
        biased = all(hasattr(layer.router, _BIAS) for layer in self.layers)
        if self.settings.router_bias_rate and not biased:
            raise InputError(
                f"moe.router_bias_rate: the routers of {model} have no bias; leave it out and "
                "give router_aux_loss_coef"
            )
        routers = all(layer.router is not None for layer in self.layers)
        if self.settings.router_aux_loss_coef and not routers:
            raise InputError(
                f"moe.router_aux_loss_coef: the routers of {model} were not found; leave it out"
            )

    def _hook(self) -> None:
        if not self.layers:
            return
        backbone = getattr(self.model, "base_model", self.model)
        backbone.register_forward_pre_hook(self._begin, with_kwargs=True)
        for place, layer in enumerate(self.layers):
            if layer.router is not None:

                def logits(_: Any, __: Any, output: Any, place: int = place) -> None:  # noqa: ANN401
                    if self._tokens is not None and self.coefficient:
                        self._logits[place] = output[0] if isinstance(output, tuple) else output

                layer.router.register_forward_hook(logits)

            def chosen(_: Any, given: Any, options: Any, place: int = place) -> None:  # noqa: ANN401
                if self._tokens is not None:
                    self._count(place, [*given, *options.values()])

            layer.experts.register_forward_pre_hook(chosen, with_kwargs=True)

    def _begin(self, _: Any, given: Any, options: dict[str, Any]) -> None:  # noqa: ANN401
        self._tokens = None
        if self._open and torch.is_grad_enabled():
            if given:
                options = {**options, "input_ids": given[0]}
            self._tokens = _Tokens.of(options, per_sequence=self._per_sequence)
            self._passes += 1

    def _count(self, place: int, given: list[Any]) -> None:
        tokens = self._tokens
        assert tokens is not None  # noqa: S101 - for the type checker
        whole = (one for one in given if isinstance(one, Tensor) and not one.is_floating_point())
        chosen = next(whole)
        chosen = chosen.reshape(-1, chosen.shape[-1])
        number = self.counts.shape[1]
        with torch.no_grad():
            if self.counts.device != chosen.device:  # the trainer moved the model
                self.counts = self.counts.to(chosen.device)
                self._biased = self._biased.to(chosen.device)
            weight = tokens.valid[:, None].expand_as(chosen).flatten().to(self.counts.dtype)
            # One more place: under expert parallelism it stands for experts of other processes.
            counted = self.counts.new_zeros(number + 1).scatter_add_(0, chosen.flatten(), weight)
            self.counts[place] += counted[:number]
            self._biased[place] += counted[:number]
        if place in self._logits:
            logits = self._logits.pop(place).reshape(-1, number)
            sigmoid = hasattr(self.layers[place].router, _BIAS)
            self._seen.append((logits, chosen, tokens, sigmoid))


def largest_share(counts: Tensor) -> float | None:
    """The load of the busiest expert relative to an even one; None if there was none.

    Args:
        counts: [layers, experts]; shares are taken in each layer.
    """
    if not counts.numel() or not counts.sum():
        return None
    return float((counts / counts.mean(dim=1, keepdim=True).clamp(min=1e-9)).max())


def _summed(counts: Tensor) -> Tensor:
    """Over all processes."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return counts.clone()
    from accelerate import PartialState  # noqa: PLC0415 - heavy
    from accelerate.utils import reduce  # noqa: PLC0415 - heavy

    summed: Tensor = reduce(counts.to(PartialState().device), reduction="sum")
    return summed


__all__ = ["MoeLayer", "Routing", "freeze", "largest_share", "moe_layers", "sequence_balance_loss"]
