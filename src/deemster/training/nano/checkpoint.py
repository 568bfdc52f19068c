"""Where a loop left off: written whole or not at all, so that a killed run goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from deemster.training.nano.model import Optimizer


class Checkpoint:
    """One file with the weights and the optimizer, renewed every `seconds`.

    Args:
        path: the file; its last version is replaced in one move.
        seconds: least time between two versions.
    """

    def __init__(self, path: Path, *, seconds: float = 60) -> None:
        self._path, self._seconds, self._saved = path, seconds, time.monotonic()

    def restore(self, model: torch.nn.Module, optimizer: Optimizer) -> bool:
        """Load the file into both, if there is one."""
        if not self._path.exists():
            return False
        state = torch.load(self._path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return True

    def weights(self, model: torch.nn.Module) -> bool:
        """Load the weights alone, if there is a file."""
        if not self._path.exists():
            return False
        model.load_state_dict(torch.load(self._path, weights_only=True)["model"])
        return True

    def save(self, model: torch.nn.Module, optimizer: Optimizer, *, last: bool = False) -> None:
        """Write the file if it is time, or at the `last` step."""
        if not last and time.monotonic() - self._saved < self._seconds:
            return
        part = self._path.with_suffix(".part")
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, part)
        part.replace(self._path)
        self._saved = time.monotonic()
