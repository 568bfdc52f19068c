"""TRL's RewardTrainer, with the load of a mixture's experts followed.

Imports TRL; stages import this when they run.
"""

from __future__ import annotations

from trl import RewardTrainer

from deemster.training.balanced import Balanced


class FollowedRewardTrainer(Balanced, RewardTrainer):  # type: ignore[misc]  # trl is untyped
    """TRL's own otherwise."""


__all__ = ["FollowedRewardTrainer"]
