"""The device of the embedded model's training: chosen once, then read from the model.

Random numbers are always drawn on the CPU and moved: with the same seed, all devices start from
the same weights and see the same numbers.
"""

from __future__ import annotations

import torch

from deemster.errors import InputError
from lab.nano.settings import DeviceName


def chosen_device(name: DeviceName) -> torch.device:
    """The device that a recipe's `device` means on this machine.

    Raises:
        InputError: it is "cuda", and torch sees no GPU.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError(
            "nano.device: 'cuda' needs a GPU and a torch built for it, and torch sees none here; "
            "give 'cpu', or 'auto' for a GPU if there is one"
        )
    return torch.device("cuda" if name != "cpu" and there else "cpu")


def device_of(model: torch.nn.Module) -> torch.device:
    """Where a model's weights are, all of them on one device."""
    return next(model.parameters()).device
