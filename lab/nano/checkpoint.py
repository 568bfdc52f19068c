"""Where a loop stopped: written atomically, so that a killed run can continue."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from lab.nano.model import Optimizer


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
        state = self._load()
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return True

    def weights(self, model: torch.nn.Module) -> bool:
        """Load the weights alone, if there is a file."""
        if not self._path.exists():
            return False
        model.load_state_dict(self._load()["model"])
        return True

    def _load(self) -> dict[str, Any]:
        """The file, on the CPU: model and optimizer copy it to where their parameters are.

        So a run can continue on another device, and the step counts stay where AdamW needs them.
        """
        state: dict[str, Any] = torch.load(self._path, map_location="cpu", weights_only=True)
        return state

    def save(self, model: torch.nn.Module, optimizer: Optimizer, *, last: bool = False) -> None:
        """Write the file if it is time, or at the `last` step."""
        if not last and time.monotonic() - self._saved < self._seconds:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, part)
        part.replace(self._path)
        self._saved = time.monotonic()
