"""How much memory a training step takes, told from a model's configuration alone.

Nothing is estimated by hand: the trainer's model is made without numbers (fake tensors), a forward
pass over one and two blocks says what is saved for the backward pass, and the rest is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoModelForCausalLM

from deemster.errors import InputError
from deemster.training.adapters import lora_config
from deemster.training.modeling import quiet
from deemster.training.settings import TrainerSettings

_STATES = {
    "adamw_8bit": 2.0,
    "paged_adamw_8bit": 2.0,
    "paged_adamw_32bit": 8.0,
    "lion_8bit": 1.0,
    "paged_lion_8bit": 1.0,
}
"""Bytes of an optimizer's states per trained number."""
_NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes per number in 4 bits, with doubly quantized scales of blocks of 64."""


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes on each of the processes. What libraries and kernels take besides is not among them."""

    parameters: int
    """Of the model; a number, no bytes."""
    trained: int
    """Of them, or of the adapters."""
    weights: float
    gradients: float
    states: float
    """Of the optimizer."""
    activations: float
    """Saved for the backward pass; with checkpointing the blocks' inputs and one block."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.states + self.activations


def training_memory(
    config: Any,  # noqa: ANN401 - transformers is untyped
    settings: TrainerSettings,
    *,
    tokens: int,
    shards: int = 1,
) -> TrainingMemory:
    """What a step of fine-tuning takes on a GPU, the output layer's loss in tiles left out.

    Args:
        config: of the model; it is not changed.
        settings: `weights`, `optimizer`, `lora`, `gradient_checkpointing` and
            `micro_batch_size` (at most `batch_size`) matter. Mixed precision is on.
        tokens: of a sequence.
        shards: processes that weights, gradients and states are shared out to (FSDP, ZeRO 3).

    Raises:
        InputError: a mixture of experts is to be held in float32, of which torch tells no shapes.
    """
    lora = settings.lora
    half = settings.weights == "bfloat16" or (settings.weights is None and lora is not None)
    dtype = torch.bfloat16 if half else torch.float32
    if not half and _is_mixture(config):
        raise InputError(
            "the memory of a mixture of experts in float32 is not known; give weights 'bfloat16'"
        )
    whole = _model(config, dtype, settings)
    sizes = [(p, p.numel()) for p in whole.parameters()]
    trained = [p for p, _ in sizes if p.requires_grad]
    adapters = sum(p.numel() for p in trained) if lora is not None else 0
    weights = float(sum(n * p.element_size() for p, n in sizes))
    if lora is not None and lora.quantize:
        frozen = sum(_quantized(whole))
        weights -= frozen * (dtype.itemsize - _NF4)
    block, rest, stream = _activations(config, dtype, settings, tokens)
    layers = config.get_text_config().num_hidden_layers
    saved = layers * stream + block if settings.gradient_checkpointing else layers * block
    return TrainingMemory(
        parameters=sum(n for _, n in sizes) - adapters,
        trained=sum(p.numel() for p in trained),
        weights=weights / shards,
        gradients=sum(p.numel() * p.element_size() for p in trained) / shards,
        states=sum(_state(p, settings.optimizer) for p in trained) / shards,
        activations=saved + rest + stream,  # the last is the output layer's input
    )


def _is_mixture(config: Any) -> bool:  # noqa: ANN401 - transformers is untyped
    text = config.get_text_config()
    return any(
        hasattr(text, name) for name in ("n_routed_experts", "num_experts", "num_local_experts")
    )


def _model(config: Any, dtype: torch.dtype, settings: TrainerSettings) -> Any:  # noqa: ANN401 - transformers is untyped
    experts = settings.moe.experts_implementation
    if experts is None and _is_mixture(config):
        experts = "grouped_mm"  # the others look at numbers
    options = {} if experts is None else {"experts_implementation": experts}
    with quiet(), torch.device("meta"):  # shapes without numbers
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, **options)
        if settings.lora is not None:
            from peft import get_peft_model  # noqa: PLC0415 - heavy

            model = get_peft_model(model, lora_config(settings.lora, "CAUSAL_LM", model))
    return model.train()


def _as_if_on_a_device(model: Any) -> None:  # noqa: ANN401 - transformers is untyped
    """Let shapes become fake tensors, which go through the kernels' choices as real ones do."""
    made: dict[int, torch.Tensor] = {}
    for module in model.modules():
        for held in (module._parameters, module._buffers):  # noqa: SLF001 - `to` needs real ones
            for name, one in held.items():
                if one is not None and id(one) not in made:
                    fake = torch.empty(one.shape, dtype=one.dtype)
                    if isinstance(one, torch.nn.Parameter):
                        fake = torch.nn.Parameter(fake, requires_grad=one.requires_grad)
                    made[id(one)] = fake
                held[name] = None if one is None else made[id(one)]


def _quantized(model: Any) -> list[int]:  # noqa: ANN401 - peft is untyped
    """Sizes of what bitsandbytes holds in 4 bits: linear layers, not the output layer."""
    head = model.get_output_embeddings()
    return [
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and "lora_" not in name
    ]


def _state(parameter: torch.Tensor, optimizer: str | None) -> float:
    """Bytes that an optimizer keeps of a parameter."""
    numbers = parameter.numel()
    if optimizer == "adafactor":  # a number per row and per column of a matrix
        shape = parameter.shape
        kept = numbers if len(shape) < 2 else numbers // shape[-1] + numbers // shape[-2]
        return 4.0 * kept
    return _STATES.get(optimizer or "", 2.0 * parameter.element_size()) * numbers


def _activations(
    config: Any,  # noqa: ANN401 - transformers is untyped
    dtype: torch.dtype,
    settings: TrainerSettings,
    tokens: int,
) -> tuple[int, int, int]:
    """Bytes saved in a block, outside of all blocks, and of a block's input."""
    text = config.get_text_config()
    first = getattr(text, "first_k_dense_replace", 0) + 1  # the blocks after these are alike
    fewer = _saved(_shortened(config, first), dtype, settings, tokens)
    block = _saved(_shortened(config, first + 1), dtype, settings, tokens) - fewer
    stream = _rows(settings) * tokens * text.hidden_size * dtype.itemsize
    return block, max(fewer - first * block, 0), stream


def _rows(settings: TrainerSettings) -> int:
    """Sequences of a pass."""
    return min(settings.micro_batch_size, settings.batch_size)


def _shortened(config: Any, layers: int) -> Any:  # noqa: ANN401 - transformers is untyped
    given = config.to_dict() | {"num_hidden_layers": layers}
    if given.get("layer_types"):
        given["layer_types"] = given["layer_types"][:layers]
    return type(config).from_dict(given)


def _saved(config: Any, dtype: torch.dtype, settings: TrainerSettings, tokens: int) -> int:  # noqa: ANN401 - transformers is untyped
    """Bytes that a forward pass saves, without parameters and without the output layer."""
    found: dict[int, tuple[Any, int]] = {}
    model = _model(config, dtype, settings)
    before = list(model.parameters()), list(model.buffers())  # whose ids are not to be used again
    with FakeTensorMode():
        _as_if_on_a_device(model)
        del before
        own = {p.untyped_storage()._cdata for p in model.parameters()}  # noqa: SLF001 - its identity

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in own:  # noqa: SLF001 - as above
                found[storage._cdata] = (storage, storage.nbytes())  # noqa: SLF001 - held, so that no other gets its identity
            return tensor

        ids = torch.zeros(_rows(settings), tokens, dtype=torch.long)
        inner = model.get_base_model() if settings.lora is not None else model
        with (
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16),
        ):
            inner.base_model(input_ids=ids, use_cache=False)
    return sum(size for _, size in found.values())


__all__ = ["TrainingMemory", "training_memory"]
