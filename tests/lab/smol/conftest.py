"""A base and an adapter over it, of random weights, for what trains or ships adapters."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.tiny_model import save_tiny_adapter, save_tiny_model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), hidden=32, tie_word_embeddings=True)


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return save_tiny_adapter(base, tmp_path / "adapter", layers=[1], alpha=6)
