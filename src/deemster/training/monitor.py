"""Decides from a training run's figures when to stop it, and why.

Pure, so that every trainer shares the rules: a number that is not finite ends any run, and
GRPO's figures show whether the policy has collapsed (paper section 3: a small KL coefficient let
it collapse on subsets of the data).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from deemster.training.settings import CollapseSettings
from deemster.training.stage import StageError


class TrainingCollapsedError(StageError):
    """A run was stopped because continuing would be pointless.

    Attributes:
        reason: what was observed.
        step: the optimizer step it was stopped at.
        last_good: the newest checkpoint from before the trouble; None if there was none yet.
    """

    def __init__(self, reason: str, *, step: int, last_good: Path | None) -> None:
        kept = "no checkpoint was written before" if last_good is None else f"kept: {last_good}"
        super().__init__(f"training stopped at step {step}: {reason}; last good checkpoint: {kept}")
        self.reason = reason
        self.step = step
        self.last_good = last_good


class Stop(NamedTuple):
    """Why to stop; `collapsed` is False if nothing is wrong but nothing is left to learn."""

    reason: str
    collapsed: bool = True


_SOLVED = "every reward is +1"
_MUST_BE_FINITE = ("loss", "grad_norm", "reward", "kl")


@dataclass
class TrainingMonitor:
    """Reads the figures of each optimizer step.

    Args:
        collapse: the rules for RL; None checks only that numbers are finite.
    """

    collapse: CollapseSettings | None = None
    _streaks: dict[str, int] = field(default_factory=dict)

    @property
    def suspicious(self) -> bool:
        """Whether something looks bad now, so that a checkpoint made now should not be trusted."""
        return any(self._streaks.values())

    def observe(self, figures: Mapping[str, float | None]) -> Stop | None:
        """Process one step; returns a reason to stop, or None.

        Args:
            figures: `loss` and `grad_norm`, and for RL `reward` (mean), `frac_reward_zero_std`
                (share of groups without spread), `parse_failures` (share of completions) and
                `kl` (nats per token), as far as they are known.
        """
        for name in _MUST_BE_FINITE:
            value = figures.get(name)
            if value is not None and not math.isfinite(value):
                return Stop(f"{name} is {value}; try a smaller learning rate")
        return None if self.collapse is None else self._collapsed(figures, self.collapse)

    def _collapsed(
        self, figures: Mapping[str, float | None], rules: CollapseSettings
    ) -> Stop | None:
        names = ("reward", "frac_reward_zero_std", "parse_failures", "kl")
        reward, flat, failures, kl = (figures.get(name) for name in names)
        bad = {
            f"more than {rules.max_parse_failures:.0%} of the completions are unparseable": (
                None if failures is None else failures > rules.max_parse_failures
            ),
            "every reward is -1": None if reward is None else reward <= -1,
            f"KL to the reference exceeds {rules.max_kl:g} nats per token": (
                None if kl is None else kl > rules.max_kl
            ),
            _SOLVED: None if reward is None else reward >= 1,
            "no group has both right and wrong completions": None if flat is None else flat >= 1,
        }
        for why, seen in bad.items():
            if seen is not None:  # else no completions were drawn in this step
                self._streaks[why] = self._streaks.get(why, 0) + 1 if seen else 0
        for why, streak in self._streaks.items():
            if streak >= rules.patience:
                return Stop(f"{why} for {streak} steps", collapsed=why != _SOLVED)
        return None


__all__ = ["Stop", "TrainingCollapsedError", "TrainingMonitor"]
