"""What tests of the trainers share: a very small model to start from, items, settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.tiny_model import save_tiny_model

from deemster.dialects import Dialect, open_dialect
from deemster.schemas import Sample
from deemster.training.prompts import training_messages
from deemster.training.settings import SftSettings
from deemster.training.sft import Example

NANO: Dialect = open_dialect("nano")
"""A short prompt: tests are quick."""

FAST: Mapping[str, Any] = {
    "batch_size": 8,
    "micro_batch_size": 8,
    "max_length": 256,
    "schedule": "constant_with_warmup",
    "warmup": 0,
    "gradient_checkpointing": False,
    "cpu": True,
}


def save_base(folder: Path) -> Path:
    """A model of some 40,000 random weights."""
    return save_tiny_model(folder, hidden=32, context=512, spread=0.05, tie_word_embeddings=True)


def single(i: int, *, truth: float = 1.0) -> Sample:
    """An item with one response."""
    return Sample(id=f"s{i}", query=f"Say {i}.", responses=[str(i)], ground_truth=(truth,))


def verdict(sample: Sample, scores: str) -> Example:
    """The prompt about an item, and a completion with these scores."""
    order = range(len(sample.responses))
    messages = training_messages(sample, NANO, order=order, seed=0)
    return Example(messages, f"Scores: \\boxed{{{scores}}}")


def sft(**more: Any) -> SftSettings:
    """Settings for a few quick steps."""
    return SftSettings(**{**FAST, "learning_rate": 1e-2, "max_steps": 8, **more})
