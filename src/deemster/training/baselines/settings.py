"""Settings of the trainers of the baselines. Nothing here imports torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from deemster.schemas import Record
from deemster.training.settings import Number, Positive, ScalarSettings, SftSettings


class RewardSettings(ScalarSettings):
    """A model with one output, trained on pairs (Bradley-Terry loss).

    `batch_size` counts pairs, each of which is two sequences of at most `max_length`.
    """

    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 1e-5
    center_rewards: Annotated[Number, Field(gt=0)] | None = None
    """Weight of a penalty on the squared sum of a pair's rewards, which keeps their mean near 0
    (0.01 is usual). The loss alone fixes differences only."""


class CloudSettings(Record):
    """CLoud: a critic, its own critiques of the training data, and a value model on top."""

    critic: SftSettings = SftSettings()
    value: RewardSettings = RewardSettings()
    n: Positive = 1
    """Critiques the trained critic writes per response, for the value model to learn from."""
    temperature: Annotated[Number, Field(ge=0, le=2)] = 0.5
    """Of those; as at inference."""
    max_tokens: Positive = 1024
    """Of those."""


__all__ = ["CloudSettings", "RewardSettings"]
