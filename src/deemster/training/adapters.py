"""Which weights get low-rank adapters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deemster.errors import InputError
from deemster.training.settings import LoraSettings

_TAKEN_FOR_EXPERTS = {"gate", "w1", "w2", "w3", "gate_proj", "up_proj", "down_proj"}
"""PEFT reads these names, in a mixture of experts, as parts of the routed experts and the router,
which get adapters then, while shared experts and dense layers of these names lose theirs."""
_STATE_SPACE = {"falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h"}
_REFUSED = "out_proj"
"""PEFT puts no adapter on this part of their blocks, which fused kernels read."""


def lora_config(
    settings: LoraSettings,
    task: str,
    model: Any,  # noqa: ANN401 - transformers is untyped
) -> Any:  # noqa: ANN401 - peft is untyped
    """PEFT's configuration.

    In a mixture of experts every target is named, so that the routed experts get adapters if
    `settings.experts` says so, routers never, and all other layers as in a dense model.

    Args:
        settings: of the adapters.
        task: `CAUSAL_LM` or `SEQ_CLS`.
        model: that gets them.

    Raises:
        InputError: the model has no layers or no experts of that kind, or they allow no dropout
            or no quantization.
    """
    from peft import LoraConfig  # noqa: PLC0415 - heavy

    from deemster.training.experts import moe_layers, no_experts  # noqa: PLC0415 - loads torch

    targets = settings.target_modules
    common = {
        "task_type": task,
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
    }
    if not moe_layers(model):
        if settings.experts:
            raise InputError(f"lora.experts: {no_experts(model)}; leave it out")
        if not any(_asked(name, settings) for name, _ in model.named_modules()):
            raise _no_such(settings, model)
        return LoraConfig(
            **common,
            target_modules=targets if isinstance(targets, str) else list(targets),
            exclude_modules=[_REFUSED] if _refuses(_REFUSED, settings, model) else None,
            layers_to_transform=None if settings.layers is None else list(settings.layers),
        )
    modules, parameters = _targets(settings, model)
    if parameters and (settings.dropout or settings.quantize):
        given = "dropout" if settings.dropout else "quantize"
        raise InputError(
            f"lora.{given}: adapters on {parameters[0]!r} do not allow it in a mixture of experts; "
            "leave it out, or name other layers in target_modules"
        )
    return LoraConfig(**common, target_modules=modules, target_parameters=parameters or None)


def _targets(settings: LoraSettings, model: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 - as above
    """Names of modules, and of weights where PEFT would take the module's name for another's.

    Raises:
        InputError: there are none.
    """
    from deemster.training.experts import moe_layers  # noqa: PLC0415 - loads torch

    modules: list[str] = []
    parameters: list[str] = []
    for name in _linear(model):
        leaf = name.rpartition(".")[2]
        if _asked(name, settings) and not _refuses(leaf, settings, model):
            plain = leaf not in _TAKEN_FOR_EXPERTS
            (modules if plain else parameters).append(name if plain else f"{name}.weight")
    matrices = [
        name
        for layer in moe_layers(model) if settings.experts
        for name, weight in layer.weights.items()
        if weight.ndim == 3 and _among(name, settings.layers)
    ]  # fmt: skip
    where = _where(settings)
    if settings.experts and not matrices:
        raise InputError(
            f"lora.experts: {type(model).__name__} has no routed experts{where}; leave it out"
        )
    if not modules and not parameters and not matrices:
        raise _no_such(settings, model)
    return modules, [*parameters, *matrices]


def _linear(model: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    """Names of the linear layers but the output layer and parts of routers."""
    from torch import nn  # noqa: PLC0415 - heavy

    from deemster.training.experts import moe_layers  # noqa: PLC0415 - loads torch

    left_out = [model.get_output_embeddings(), getattr(model, "score", None)]
    for layer in moe_layers(model):
        left_out += [] if layer.router is None else layer.router.modules()
    for name, module in model.named_modules():
        # A model's own kind of linear layer computes more than a product, which adapters do not.
        own = type(module).__module__.startswith("transformers.models.")
        if isinstance(module, nn.Linear) and not own and all(module is not one for one in left_out):
            yield name


def _asked(name: str, settings: LoraSettings) -> bool:
    """Whether a layer of that name is to get adapters, if it is a linear one."""
    targets = settings.target_modules
    named = targets == "all-linear" or any(
        name == one or name.endswith(f".{one}") for one in targets
    )
    return named and _among(name, settings.layers)


def _refuses(leaf: str, settings: LoraSettings, model: Any) -> bool:  # noqa: ANN401 - as above
    """Whether PEFT refuses a layer that nobody asked for by its name."""
    kind = getattr(model.config, "model_type", None)
    return leaf == _REFUSED and kind in _STATE_SPACE and settings.target_modules == "all-linear"


def _no_such(settings: LoraSettings, model: Any) -> InputError:  # noqa: ANN401 - as above
    return InputError(
        f"lora.target_modules: {type(model).__name__} has no layers "
        f"{settings.target_modules!r}{_where(settings)}; give others"
    )


def _where(settings: LoraSettings) -> str:
    return "" if settings.layers is None else f" in layers {list(settings.layers)}"


def _among(name: str, layers: tuple[int, ...] | None) -> bool:
    numbers = {int(part) for part in name.split(".") if part.isdigit()}
    return layers is None or bool(numbers & set(layers))


__all__ = ["lora_config"]
