"""Local models are loaded as the server starts, and what asks meanwhile waits."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.support.live_server import fake_judge, serving, until
from tests.support.tiny_model import save_tiny_classifier, save_tiny_model

from deemster import Judge
from deemster.backends import FakeBackend
from deemster.errors import InputError
from deemster.judges import DecisionJudge
from deemster.serve import ServerSettings, create_app
from deemster.serve.running import bind, serve

SAMPLE = {"query": "q", "responses": ["a", "b"]}


class Slow(FakeBackend):
    """Is loaded once the event is set, or cannot be if there is an error."""

    def __init__(self, release: threading.Event, error: Exception | None = None) -> None:
        super().__init__("Scores: \\boxed{7, 4}")
        self.release, self.error = release, error

    async def preload(self) -> None:
        await asyncio.to_thread(self.release.wait)
        if self.error is not None:
            raise self.error


def slow(name: str, release: threading.Event, error: Exception | None = None) -> Judge:
    return Judge(Slow(release, error), name=name)


def test_a_server_that_loads_is_alive_and_not_ready() -> None:
    release = threading.Event()
    with serving({"quick": fake_judge(), "slow": slow("slow", release)}) as live:
        try:
            reply = live.get("/readyz")
            assert (reply.status, reply.error["type"]) == (503, "loading")
            assert reply.error["message"] == "loading the model of slow"
            assert live.get("/healthz").status == 200
            assert live.post("/v1/score", SAMPLE).status == 200  # it has nothing to wait for
        finally:
            release.set()
        until(lambda: live.get("/readyz").status == 200)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(InputError("no weights in 'x'"), id="said"),
        pytest.param(RuntimeError("no weights\nin 'x'"), id="unforeseen"),
    ],
)
def test_a_judge_that_cannot_be_loaded_does_not_harm_the_others(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    release.set()
    with serving({"good": fake_judge(), "bad": slow("bad", release, error)}) as live:
        until(lambda: not live.desk.loading.pending)
        ready = live.get("/readyz").json
        assert (ready["judges"], ready["failed"]) == (["good"], {"bad": "no weights in 'x'"})
        assert live.post("/v1/score", SAMPLE).status == 200
        refused = live.post("/v1/score", {**SAMPLE, "judge": "bad"})
        assert (refused.status, refused.error["type"]) == (503, "model_unusable")
        assert refused.error["message"] == "no weights in 'x'"
    assert "judge 'bad' cannot be used: no weights in 'x'" in caplog.text


async def test_a_server_without_a_judge_ends_with_the_reason(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    settings = ServerSettings(port=0)
    async with Judge(f"hf:{folder}") as judge:
        app = create_app(judge, settings)
        with pytest.raises(InputError, match=r"cannot load model 'hf:.*broken'"):
            await asyncio.wait_for(serve(app, settings, bind(settings)), timeout=300)


def test_a_local_model_answers_what_came_while_it_was_loaded(tmp_path: Path) -> None:
    model = f"hf:{save_tiny_model(tmp_path)}"
    (tmp_path / "decision.json").write_text(json.dumps({"labels": {"noul": ["Y", "N"]}}), "utf-8")
    question = {"type": "predicate", "instructions": "Is it polite?", "name": "polite"}
    levels = [{"label": label} for label in ("bad", "fair", "good")]
    body: dict[str, Any] = {
        "input": "Thank you very much.",
        "questions": [
            question,
            {
                "type": "choice",
                "instructions": "Which?",
                "choices": [{"value": "a"}, {"value": "b"}],
            },
            {"type": "score", "instructions": "How good?", "levels": levels},
        ],
    }
    with serving({"writes": Judge(model), "decides": DecisionJudge(model)}) as live:
        replies = [
            live.post("/v1/decisions", {**body, "model": name}) for name in ("writes", "decides")
        ]
        until(lambda: live.get("/readyz").status == 200)
    first, second = (reply.json["answers"] for reply in replies)
    assert [one["type"] for one in first] == ["predicate", "choice", "score"]
    assert 0 < first[0]["probability"] < 1
    shares = [one["probability"] for one in first[1]["probabilities"]]
    assert sum(shares) == pytest.approx(1)
    assert first[1]["choice"] == "ab"[shares.index(max(shares))]
    assert 0 <= first[2]["score"] <= 2
    assert second == first  # the same model, asked as another judge


async def test_every_local_model_of_a_judge_is_loaded(tmp_path: Path) -> None:
    base = save_tiny_model(tmp_path / "judge")
    meta = save_tiny_classifier(tmp_path / "meta")
    async with Judge(f"hf:{base}", k=2, meta_rm=f"hf:{meta}") as judge:
        await judge.preload()
        assert judge.backend._model is not None  # type: ignore[attr-defined]
        assert judge.meta_rm._classifier._loaded is not None  # type: ignore[union-attr]
