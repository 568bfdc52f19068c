"""The tiny model, built once for all backend tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.tiny_model import save_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random Llama-type model with a ChatML tokenizer."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny-model"))
