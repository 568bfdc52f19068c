"""Fixtures that several packages' tests share."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from tests.support.command_line import heed_ctrl_c
from tests.support.tiny_model import save_tiny_model
from tests.support.tiny_nano import save_tiny_nano
from tests.support.tiny_smol import save_tiny_base, save_tiny_smol

from deemster.backends import embedded, nano, shipped
from deemster.testing import OpenAIServer

ServerFactory = Callable[..., OpenAIServer]

heed_ctrl_c()  # the programs that tests interrupt are started by this one

# Machines are shared: how long an example takes says nothing. The same examples on every run.
settings.register_profile("deemster", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("deemster")


def pytest_collection_finish() -> None:
    """Keep thousands of tests and all modules out of garbage collections, which would look through
    them again and again: a full one takes seconds."""
    gc.freeze()


@pytest.fixture
def openai_server() -> Iterator[ServerFactory]:
    """Starts OpenAI-compatible servers: `server = openai_server(latency=0.1, n="ignore")`.

    The arguments are those of `OpenAIServer`; the servers stop at the end of the test.
    """
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(OpenAIServer(*args, **options))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What this machine's user fetched decides nothing here, such as which model is the default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEMSTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random Llama-type model with a ChatML tokenizer."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def tiny_nano_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random model in the layout of the embedded one."""
    return save_tiny_nano(tmp_path_factory.mktemp("tiny-nano"))


@pytest.fixture
def tiny_nano(tiny_nano_files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, in the place of the embedded model."""
    monkeypatch.setattr(nano, "assets", lambda: tiny_nano_files)
    embedded.tell_once.cache_clear()
    return tiny_nano_files


@pytest.fixture(scope="session")
def tiny_smol_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `smol`, an adapter in the layout of the package's, and `models`, its base's."""
    folder = tmp_path_factory.mktemp("tiny-smol")
    save_tiny_base(folder)
    save_tiny_smol(folder / "smol")
    return folder


@pytest.fixture
def tiny_smol(tiny_smol_files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The adapter's folder, in the place of the package's; its base is in the cache."""
    monkeypatch.setenv("DEEMSTER_CACHE", str(tiny_smol_files))
    monkeypatch.setattr(shipped, "smol_folder", lambda: tiny_smol_files / "smol")
    embedded.tell_once.cache_clear()
    return tiny_smol_files / "smol"
