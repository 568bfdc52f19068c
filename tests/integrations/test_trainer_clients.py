"""The clients that trainers really post with, where their packages are installed, against a server.

Their own dependencies (DeepSpeed, vLLM, a cluster) are not needed for that:
`pip install --no-deps openrlhf verl`, and what the error says is missing.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.serve.test_serve_trainers import failing, judge
from tests.support.live_server import LiveServer, fake_judge, serving
from tests.support.tiny_model import chat_tokenizer

QUESTION = [{"role": "user", "content": "Name a prime."}]
ANSWER = "answer-seven!!!"


@pytest.fixture
def server() -> Iterator[LiveServer]:
    judges = {"marks": judge(), "dumb": fake_judge("no scores", name="dumb"), "down": failing()}
    with serving(judges, group_wait=0.3) as live:
        yield live


@pytest.fixture
def openrlhf_agent(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`openrlhf.utils.agent`, without `openrlhf.utils`, which imports DeepSpeed."""
    found = importlib.util.find_spec("openrlhf")
    if found is None or found.origin is None:
        pytest.skip("openrlhf is not installed: pip install --no-deps openrlhf")
    package = ModuleType("openrlhf.utils")
    package.__path__ = [str(Path(found.origin).parent / "utils")]
    monkeypatch.setitem(sys.modules, "openrlhf.utils", package)
    return importlib.import_module("openrlhf.utils.agent")


async def no_wait(_seconds: float) -> None:
    pass


class Engine:
    """Generates the answer, as vLLM's engine would."""

    def __init__(self, tokenizer: Any) -> None:
        self.ids = tokenizer(f"{ANSWER}<|im_end|>", add_special_tokens=False)["input_ids"]

    async def generate(self, *_: object, **__: object) -> Any:
        made = SimpleNamespace(token_ids=self.ids, finish_reason="stop", logprobs=None)
        return SimpleNamespace(outputs=[made])


@pytest.mark.parametrize(
    ("query", "reward"),
    [
        pytest.param("", 3.0, id="a verdict"),
        pytest.param("?judge=dumb", None, id="no verdict"),
        pytest.param("?judge=down", None, id="the model is down"),
    ],
)
async def test_openrlhf(
    server: LiveServer,
    openrlhf_agent: Any,
    monkeypatch: pytest.MonkeyPatch,
    query: str,
    reward: float | None,
) -> None:
    quick = SimpleNamespace(gather=asyncio.gather, create_task=asyncio.create_task, sleep=no_wait)
    monkeypatch.setattr(openrlhf_agent, "asyncio", quick)  # it sleeps between its five tries
    tokenizer = chat_tokenizer()
    prompt = tokenizer.apply_chat_template(QUESTION, tokenize=False, add_generation_prompt=True)
    executor = openrlhf_agent.SingleTurnAgentExecutor(f"{server.url}/get_reward{query}")
    sampling = SimpleNamespace(max_tokens=64, logprobs=None)
    output = await executor.execute(prompt, "7", sampling, 256, tokenizer, Engine(tokenizer))
    if reward is None:
        assert (output["reward"], output["scores"]) == (None, None)
        return
    assert output["reward"] == output["scores"] == [reward]
    assert output["extra_logs"] == {"judge_valid_votes": [1.0], "judge_failed_votes": [0.0]}


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
@pytest.mark.filterwarnings("ignore")
async def test_verl_reward_model(server: LiveServer, engine: str) -> None:
    pytest.importorskip("verl", reason="verl is not installed: pip install --no-deps verl")
    import aiohttp
    import torch
    from omegaconf import OmegaConf
    from verl import DataProto
    from verl.experimental.reward_loop.reward_loop import RewardLoopWorker

    tokenizer = chat_tokenizer()
    ids = tokenizer(f"{ANSWER}<|im_end|>", return_tensors="pt", add_special_tokens=False).input_ids
    data = DataProto.from_dict(
        {"responses": ids, "attention_mask": torch.ones_like(ids)},
        non_tensors={"raw_prompt": [QUESTION]},
    )
    worker = object.__new__(RewardLoopWorker)  # its constructor reads models from disks
    model = {"rollout": {"name": engine}, "model_path": "some/model"}
    worker.config = OmegaConf.create({"reward": {"reward_model": model}})
    worker.input_tokenizer = worker.reward_model_tokenizer = tokenizer
    worker.reward_router_address = server.url.removeprefix("http://")
    assert await worker.compute_score_disrm(data) == {"reward_score": 3.0}
    with serving(fake_judge("no scores")) as other:
        worker.reward_router_address = other.url.removeprefix("http://")
        with pytest.raises(aiohttp.ClientResponseError, match="422"):
            await worker.compute_score_disrm(data)
