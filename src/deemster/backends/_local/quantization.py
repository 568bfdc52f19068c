"""Weights of eight bits: made while a model is loaded, or found in its checkpoint.

torchao and compressed-tensors do it; here is what is asked of them and where they stop. Nothing
of torch is imported before it is needed, so that an option can be checked without it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, get_args

from deemster.errors import InputError
from deemster.extras import need

if TYPE_CHECKING:
    import torch

Quantization = Literal["int8", "fp8"]
"""`int8`: weights only, a scale per row; the arithmetic stays that of `dtype`. `fp8`: weights and
activations (E4M3, a scale per row and per token), multiplied in eight bits."""

KINDS: tuple[str, ...] = get_args(Quantization)
EXTRA = "quantization"
"""The extra that brings torchao and compressed-tensors."""

_FP8_FROM = (8, 9)
"""Compute capability of the first GPUs that multiply in FP8 (Ada; Hopper is 9.0)."""
_EIGHTS = 16
"""FP8 products need sides that are multiples of this."""
_ROUTERS = ("gate", "router", "shared_expert_gate", "score")
_STORED = ("compressed-tensors", "torchao")
"""Formats of checkpoints that need a package of the extra."""


def check_quantization(kind: str | None) -> None:
    """Check the option before anything is loaded.

    Raises:
        InputError: there is no such kind, or the extra is not installed.
    """
    if kind is None:
        return
    if kind not in KINDS:
        raise InputError(f"unknown quantization {kind!r}; allowed: {', '.join(KINDS)}")
    need(EXTRA, f"quantization {kind!r}", otherwise="leave quantization out")


def lacks_fp8(device: torch.device) -> str | None:
    """Why a device cannot multiply in FP8; None where it can."""
    import torch  # noqa: PLC0415 - heavy

    if device.type != "cuda":
        return f"it needs a GPU that multiplies in FP8, got device {device.type!r}"
    capability = torch.cuda.get_device_capability(device)
    if capability < _FP8_FROM:
        name = torch.cuda.get_device_name(device)
        return f"it needs a GPU of compute capability 8.9 or more, {name!r} has " + ".".join(
            map(str, capability)
        )
    return None


def quantize(model: Any, kind: str, device: torch.device) -> None:  # noqa: ANN401 - transformers is untyped
    """Replace the weights of a model's linear layers, one after another, and put them on a device.

    The output layer and the embeddings stay as they are, and so do the experts of a mixture, whose
    weights are no linear layers.

    Args:
        model: in full precision, with adapters merged; changed in place.
        kind: one of `KINDS`.
        device: where it will run.

    Raises:
        InputError: the device has no FP8, or nothing in the model can be quantised.
    """
    check_device(kind, device)
    if getattr(model, "hf_quantizer", None) is not None:
        method = model.config.quantization_config.quant_method
        raise InputError(
            f"quantization {kind!r}: the checkpoint is quantised already ({method.value!r}); "
            "leave quantization out"
        )
    layers = eight_bit_layers(model, fp8=kind == "fp8")
    if not layers:
        raise InputError(
            f"quantization {kind!r}: {type(model).__name__} has no linear layers that can be "
            "quantised; leave quantization out"
        )
    with quiet_torchao():
        from torchao.quantization import quantize_  # noqa: PLC0415 - of the extra

        quantize_(model, config_of(kind), filter_fn=lambda layer, _: layer in layers, device=device)


def check_device(kind: str | None, device: torch.device) -> None:
    """Refuse FP8 where there is none, before weights are read.

    Raises:
        InputError: see there.
    """
    reason = lacks_fp8(device) if kind == "fp8" else None
    if reason is not None:
        raise InputError(f"quantization 'fp8': {reason}; give quantization 'int8', or none")


def config_of(kind: str) -> Any:  # noqa: ANN401 - torchao is untyped
    """What torchao is given for a kind.

    Its settings for `torch.compile` are left alone: they would change the precision of float32
    products in the whole process.
    """
    with quiet_torchao():
        from torchao.quantization import (  # noqa: PLC0415 - of the extra
            Float8DynamicActivationFloat8WeightConfig,
            Int8WeightOnlyConfig,
            PerRow,
        )

    if kind == "int8":
        return Int8WeightOnlyConfig(granularity=PerRow(), set_inductor_config=False)
    return Float8DynamicActivationFloat8WeightConfig(
        granularity=PerRow(), set_inductor_config=False
    )


def eight_bit_layers(model: Any, *, fp8: bool) -> set[torch.nn.Module]:  # noqa: ANN401 - transformers is untyped
    """The linear layers of a model whose products may be in eight bits.

    All but the output layer (a scalar model's, too) and the routers of a mixture of experts, whose
    errors would change which experts are chosen; for FP8 those whose sides are multiples of 16.
    """
    from torch import nn  # noqa: PLC0415 - heavy

    head = model.get_output_embeddings()
    return {
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and module is not head
        and name.rpartition(".")[2] not in _ROUTERS
        and not (fp8 and (module.in_features % _EIGHTS or module.out_features % _EIGHTS))
    }


def stored_options(config: Mapping[str, Any], device: torch.device | None) -> dict[str, Any]:
    """What `from_pretrained` is given for a checkpoint that is quantised already.

    Weights of compressed-tensors stay in eight bits where they are FP8 and the device multiplies
    in it; elsewhere they are dequantised as they are read. (By itself the library would do that
    in the first pass, and would round activations too, as the format's kernels do.)

    Args:
        config: of the model, as `config.json` has it.
        device: where the model will run; None for one without FP8.

    Raises:
        InputError: the format's package is not installed.
    """
    stored = config.get("quantization_config") or {}
    method = stored.get("quant_method")
    if method not in _STORED:
        return {}
    need(EXTRA, f"a checkpoint quantised by {method!r}", otherwise="give one in full precision")
    if method != "compressed-tensors":
        return {}
    from transformers import CompressedTensorsConfig  # noqa: PLC0415 - heavy

    keeps = device is not None and lacks_fp8(device) is None
    return {
        "quantization_config": CompressedTensorsConfig(
            dequantize=not keeps, use_optimized_inference=keeps
        )
    }


@contextmanager
def quiet_torchao() -> Iterator[None]:
    """Import and use torchao without its notices, of GPU kernels that do not fit this torch say."""
    loggers = [logging.getLogger(name) for name in ("torchao", "torch.utils._pytree")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def quiet_merging() -> Iterator[None]:
    """Without transformers' notice that a checkpoint's own quantization comes first."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You passed `quantization_config`", UserWarning)
        yield
