"""Mixtures of experts while they train: the load of each expert, and what keeps it even.

For the architectures whose class in transformers has a balance loss (Mixtral, Qwen-MoE, OLMoE,
GPT-OSS …), TRL adds it. DeepSeek's family has none there: its loss per sequence
(arXiv 2405.04434, section 2.2.3; 2412.19437, section 2.1.2) and the bias of its routers are here.

Imports torch; stages import this when they run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import JsonValue
from torch import Tensor, nn

from deemster.errors import InputError
from deemster.training.balance_loss import Tokens, sequence_balance_loss
from deemster.training.settings import MoeSettings

_ROUTERS = ("gate", "router")
_BIAS = "e_score_correction_bias"
_COUNT = "num_experts"


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


def no_experts(model: nn.Module) -> str:
    """What to say of a model without such layers; some keep their experts in another form."""
    other = any(hasattr(module, "experts") for module in model.modules())
    form = " in the form of one weight [experts, …]" if other else ""
    return f"{type(model).__name__} has no routed experts{form}"


def freeze(model: nn.Module, settings: MoeSettings) -> None:
    """Keep from training what the settings say."""
    for layer in moe_layers(model):
        if "experts" in settings.freeze:
            layer.experts.requires_grad_(requires_grad=False)
        if "routers" in settings.freeze and layer.router is not None:
            layer.router.requires_grad_(requires_grad=False)


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
        # Some configurations have the weight of a loss that their class does not compute.
        computed = hasattr(sys.modules[type(self.model).__module__], "load_balancing_loss_func")
        self.library = computed and hasattr(config, "router_aux_loss_coef")
        names = ("router_aux_loss_coef", "aux_loss_alpha")  # the second is DeepSeek's
        own = next((getattr(config, name) for name in names if hasattr(config, name)), None) or 0.0
        wanted = self.settings.router_aux_loss_coef
        self._weight = float(own if wanted is None else wanted)
        ours = self.balance and not self.library
        self.coefficient = self._weight if ours else 0.0
        self._per_sequence = bool(getattr(config, "seq_aux", True))
        shape = (len(self.layers), self.layers[0].count if self.layers else 0)
        # Where the model is: a copy to the CPU for each layer would make a GPU wait.
        self.counts = torch.zeros(shape, device=self.model.device)
        self.total = torch.zeros(shape, dtype=torch.float64)
        self._biased = self.counts.clone()
        self._passes = 0
        self._open = False
        self._tokens: Tokens | None = None
        self._logits: dict[int, Tensor] = {}
        self._seen: list[tuple[Tensor, Tensor, Tokens, bool]] = []
        self._hook()

    @property
    def trl_coefficient(self) -> float:
        """What TRL is to be given as `router_aux_loss_coef`: 0 where the loss is this module's."""
        return self._weight if self.library else 0.0

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While a loss is computed; what is computed again for checkpoints comes later."""
        self._open, self._seen, self._passes = True, [], 0
        try:
            with self._count_known():
                yield
        finally:
            self._open, self._tokens = False, None
            self._logits.clear()

    @contextmanager
    def _count_known(self) -> Iterator[None]:
        """While it is open, TRL finds how many experts there are by the one name it looks for."""
        config = self.model.config.get_text_config()
        if not self.library or not self.layers or hasattr(config, _COUNT):
            yield
            return
        setattr(config, _COUNT, self.layers[0].count)
        try:
            yield
        finally:
            delattr(config, _COUNT)  # a checkpoint is to have what it had

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
                raise InputError(f"{no_experts(self.model)}; leave out the section moe")
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

                def routed(_: Any, __: Any, output: Any, place: int = place) -> None:  # noqa: ANN401
                    if self._tokens is not None:
                        self._routed(place, output)

                layer.router.register_forward_hook(routed)

            def chosen(_: Any, given: Any, options: Any, place: int = place) -> None:  # noqa: ANN401
                if self._tokens is not None:
                    self._count(place, [*given, *options.values()])

            layer.experts.register_forward_pre_hook(chosen, with_kwargs=True)

    def _begin(self, _: Any, given: Any, options: dict[str, Any]) -> None:  # noqa: ANN401
        self._tokens = None
        if self._open and torch.is_grad_enabled():
            if given:
                options = {**options, "input_ids": given[0]}
            self._tokens = Tokens.of(options, per_sequence=self._per_sequence)
            self._passes += 1

    def _routed(self, place: int, output: Any) -> None:  # noqa: ANN401
        """Keep a router's logits; count its choice where the experts are not given it."""
        parts = output if isinstance(output, tuple) else (output,)
        chooses = any(map(_whole, parts))
        # Where a router says which experts it chose, its logits come first; else last (Llama 4).
        logits = parts[0] if chooses else parts[-1]
        # Without what stands for no expert at all (ZAYA).
        logits = logits.reshape(-1, logits.shape[-1])[:, : self.counts.shape[1]]
        if self.coefficient:
            self._logits[place] = logits
        if not chooses:
            k = self.model.config.get_text_config().num_experts_per_tok
            self._count(place, [logits.topk(k, dim=-1).indices])

    def _count(self, place: int, given: list[Any]) -> None:
        tokens = self._tokens
        assert tokens is not None  # noqa: S101 - for the type checker
        chosen = next(filter(_whole, given), None)
        if chosen is None:  # the router's choice has been counted
            return
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
            logits = self._logits.pop(place)
            sigmoid = hasattr(self.layers[place].router, _BIAS)
            self._seen.append((logits, chosen, tokens, sigmoid))


def _whole(part: Any) -> bool:  # noqa: ANN401
    """Whether it is a tensor of whole numbers, as those of experts are."""
    return isinstance(part, Tensor) and not part.is_floating_point()


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


__all__ = ["MoeLayer", "Routing", "freeze", "largest_share", "moe_layers", "no_experts"]
