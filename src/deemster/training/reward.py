"""The rule-based reward of a completion (paper Eq. 11), shared by TRL, verl and our own loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deemster.dialects import Dialect
from deemster.dialects.vote import read_vote
from deemster.schemas import Completion, Judgment
from deemster.training.outcome import is_correct, rule_reward


class Rewarded(NamedTuple):
    """A completion's reward, and its basis."""

    reward: float
    """+1 or -1."""
    correct: bool | None
    """None if the completion is unparseable."""


def reward_text(
    text: str, *, dialect: Dialect, order: Sequence[int], ground_truth: Sequence[float]
) -> Rewarded:
    """Parse a completion as a judge does, and reward its scores.

    Args:
        text: the completion.
        dialect: its parser.
        order: response indices in the order the prompt showed them.
        ground_truth: one true reward per response, in the caller's order.

    Raises:
        InputError: the ground truth is unusable.
    """
    vote = read_vote(dialect, Completion(text=text), order=order, n=len(ground_truth), draw=0)
    correct = is_correct(vote.scores, ground_truth) if isinstance(vote, Judgment) else None
    return Rewarded(rule_reward(correct), correct)


__all__ = ["Rewarded", "reward_text"]
