"""Training with matrix products in FP8, by torchao, where the GPU multiplies in it.

Weights, gradients and the optimizer keep their types: what is saved is a plain model. Imports
torch; stages import this when they run.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from accelerate import PartialState

from deemster.backends._local.quantization import eight_bit_layers, lacks_fp8, quiet_torchao
from deemster.errors import InputError
from deemster.extras import need
from deemster.training.settings import TrainerSettings

_RECIPE = "rowwise_with_gw_hp"
"""torchao's most accurate one: E4M3 with a scale per row forward and for the gradient of inputs,
while the gradient of weights is a bfloat16 product, so that a batch may have any number of
tokens."""


def why_not_fp8(settings: TrainerSettings) -> str | None:
    """Why a run that asks for FP8 is trained without; None where it gets it or does not ask."""
    if settings.precision != "fp8":
        return None
    reason = lacks_fp8(PartialState(cpu=settings.cpu).device)
    if reason is None:
        return None
    return f"precision 'fp8': {reason}; trained as without it (bf16 where the device has it)"


def use_fp8(model: Any, settings: TrainerSettings) -> None:  # noqa: ANN401 - transformers is untyped
    """Let a model that is about to be trained multiply in FP8, if the settings ask for it.

    Where the device has none, nothing changes: see `why_not_fp8`.

    Raises:
        InputError: the extra `quantization` is not installed, or no layer fits.
    """
    if settings.precision == "fp8" and why_not_fp8(settings) is None:
        convert(model)


def convert(model: Any, *, emulate: bool = False) -> None:  # noqa: ANN401 - transformers is untyped
    """Replace the linear layers (`eight_bit_layers`) by ones that multiply in FP8.

    Args:
        model: changed in place; its parameters and their names stay.
        emulate: round as FP8 does, but multiply in the model's type, which any device can.

    Raises:
        InputError: see `use_fp8`.
    """
    need("quantization", "precision 'fp8'", otherwise="leave precision out")
    layers = eight_bit_layers(model, fp8=True)
    if not layers:
        raise InputError(
            f"precision 'fp8': {type(model).__name__} has no linear layers whose sides are "
            "multiples of 16; leave precision out"
        )
    with quiet_torchao():
        from torchao.float8 import (  # noqa: PLC0415 - of the extra
            Float8LinearConfig,
            convert_to_float8_training,
        )

        config = dataclasses.replace(Float8LinearConfig.from_recipe_name(_RECIPE), emulate=emulate)
        convert_to_float8_training(
            model, module_filter_fn=lambda layer, _: layer in layers, config=config
        )


__all__ = ["convert", "use_fp8", "why_not_fp8"]
