"""A stand-in for the embedded model: real files, random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.tiny_model import chat_tokenizer, save_tiny_classifier, save_tiny_model

from deemster.backends import nano
from deemster.backends.domain import Domain

QUERY, RESPONSES = "What is 4 + 3?", ("It is 6.", "I get 0.")
"""Among `prompts`."""
FOREIGN = "Who wrote the Icelandic sagas, and why does nobody know?"
"""Not of its domain."""

needs_model = pytest.mark.skipif(
    not (nano.assets() / "domain.json").is_file(),
    reason="the embedded model has not been trained yet: no assets/nano",
)


def prompts(count: int = 40) -> list[str]:
    """Prompts of its domain, twice as many as `count`: in both orders."""
    made = []
    for i in range(count):
        answers = (f"It is {i % 9}.", f"I get {i % 8}.")
        for one, other in (answers, answers[::-1]):
            made.append(
                f"Query: What is {i % 10} + {i % 7}?\nResponse 1: {one}\nResponse 2: {other}"
            )
    return made


def save_tiny_nano(folder: Path, *, context: int = 1024) -> Path:
    """Save judge, meta RM and domain; returns the folder."""
    save_tiny_model(folder / "judge", hidden=32, context=context)
    save_tiny_classifier(folder / "meta", context=context)
    tokenizer = chat_tokenizer()
    Domain.fit(
        lambda text: list(tokenizer.encode(text, add_special_tokens=False)),
        prompts(),
        prompts(),
        share=0.001,
    ).save(folder / "domain.json")
    return folder
