from __future__ import annotations

import asyncio
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from deemster.backends import BACKENDS, FakeBackend, RecordBackend, ReplayBackend, Request, registry
from deemster.errors import InputError
from deemster.schemas import Message, Sampling


class Recorded:
    """Stands in for a heavy backend: keeps what it was made with."""

    name = "recorded"

    def __init__(self, argument: str, *, api_base: str = "") -> None:
        self.argument = argument
        self.api_base = api_base

    async def generate(self, request: Request) -> list[Any]:
        return []

    async def aclose(self) -> None:
        return None


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("api", "hf", "litellm"):
        monkeypatch.setitem(BACKENDS._builtin, scheme, f"{__name__}:Recorded")


@pytest.mark.parametrize(
    ("model", "argument"),
    [
        pytest.param("hf:Qwen/Qwen3-8B", "Qwen/Qwen3-8B", id="scheme"),
        pytest.param("hf:C:/models/a:b", "C:/models/a:b", id="colons-in-path"),
        pytest.param("openai/gpt-5-mini", "openai/gpt-5-mini", id="api"),
        pytest.param("ollama_chat/llama3:8b", "ollama_chat/llama3:8b", id="api-with-tag"),
        pytest.param("litellm:gpt-5-mini", "gpt-5-mini", id="litellm-scheme"),
    ],
)
def test_model_string_decides(stand_in: None, model: str, argument: str) -> None:
    backend = registry.open_backend(model, api_base="http://127.0.0.1:1")
    assert type(backend).__name__ == "Recorded"
    assert vars(backend) == {"argument": argument, "api_base": "http://127.0.0.1:1"}


def test_option_that_a_backend_does_not_take(stand_in: None) -> None:
    with pytest.raises(InputError, match=r"'hf:x' does not take the option 'batch_sise'"):
        registry.open_backend("hf:x", batch_sise=3)


def test_the_options_of_plugins_are_read_as_far_as_they_can_be() -> None:
    def plain(argument: str, *, width: int = 1, **options: int) -> None: ...
    def odd(argument: str, *, width: int = 1, **options: dict[str, int]) -> None: ...
    def for_types_only(argument: str, *, width: Missing = 1) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert [registry.options_of(one) for one in (plain, odd, for_types_only)] == [
        {"width"}, {"width"}, set(),
    ]  # fmt: skip


def test_unknown_scheme_lists_the_known_ones() -> None:
    assert {"hf", "litellm", "nano", "replay"} <= set(BACKENDS.names())
    with pytest.raises(InputError) as caught:
        registry.open_backend("vlm:some/model")
    assert str(caught.value) == (
        f"unknown model scheme 'vlm'; known: {', '.join(BACKENDS.names())}"
    )


@pytest.mark.parametrize("model", ["gpt-5-mini", "replay"])
def test_bare_name_lists_the_known_ones(model: str) -> None:
    with pytest.raises(
        InputError, match=rf"unknown model '{model}'; .*hf:…, .*litellm:…, .*replay:…"
    ):
        registry.open_backend(model)


@pytest.mark.parametrize("model", ["", "  "])
def test_empty_model(model: str) -> None:
    with pytest.raises(InputError, match="model is empty; give for example"):
        registry.open_backend(model)


def test_replay_is_real(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    request = Request(messages=(Message(role="user", content="q"),), sampling=Sampling())

    async def run() -> None:
        recorder = RecordBackend(FakeBackend("x"), path)
        await recorder.generate(request)
        await recorder.aclose()

    asyncio.run(run())
    assert isinstance(registry.open_backend(f"replay:{path}"), ReplayBackend)


def test_third_party_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{__name__}:Recorded", BACKENDS.group)
    monkeypatch.setattr("deemster.plugins.entry_points", lambda *, group: [point])
    assert "mine" in BACKENDS.names()
    backend = registry.open_backend("mine:somewhere")
    assert type(backend).__name__ == "Recorded"
