"""What verl loads as `reward.custom_reward_function`: the reward of paper Eq. 11."""

from deemster.training.verl import compute_score

__all__ = ["compute_score"]
