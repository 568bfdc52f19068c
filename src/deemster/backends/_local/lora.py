"""A plain LoRA adapter added to a model's weights, without PEFT, whose import takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from deemster.backends._local.checkpoint import whole_files
from deemster.errors import InputError
from deemster.json_text import read_json

_PREFIX = "base_model.model."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_PLAIN = {"peft_type": "LORA", "bias": "none"}
_VARIANTS = ("use_dora", "use_rslora", "modules_to_save", "rank_pattern", "alpha_pattern")


@torch.no_grad()
def add_lora(model: nn.Module, folder: Path) -> None:
    """Add `lora_alpha / r` times B A to every weight that the adapter changes.

    Args:
        model: changed in place.
        folder: of an adapter without biases, whole modules and variants such as DoRA.

    Raises:
        InputError: the adapter is another, or does not fit the model.
        ValueError: its file is damaged.
    """
    weights = dict(model.named_parameters())
    for name, change in lora_changes(folder):
        weight = weights.get(name)
        if weight is None or weight.shape != change.shape:
            raise InputError(f"adapter {str(folder)!r} does not fit its base: {name}")
        weight.add_(change.to(weight))


def lora_changes(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Names of the weights that an adapter changes, and by how much, in float32.

    Raises:
        InputError, ValueError: see `add_lora`.
    """
    config = read_json(folder / "adapter_config.json", what="adapter configuration")
    if not isinstance(config, dict) or any(config.get(key) != to for key, to in _PLAIN.items()):
        raise InputError(f"adapter {str(folder)!r} is not a LoRA without biases")
    if given := [name for name in _VARIANTS if config.get(name)]:
        raise InputError(f"adapter {str(folder)!r} is not a plain LoRA: it has {given[0]}")
    scale = config["lora_alpha"] / config["r"]
    with whole_files():
        tensors = load_file(folder / "adapter_model.safetensors")
    for name in [name for name in tensors if name.endswith(_DOWN)]:
        stem = name.removesuffix(_DOWN)
        down, up = tensors.pop(name).float(), tensors.pop(f"{stem}{_UP}").float()
        yield f"{stem.removeprefix(_PREFIX)}.weight", scale * up @ down
    if tensors:
        raise InputError(f"adapter {str(folder)!r} is not a plain LoRA: it has {min(tensors)}")
