"""What each trainer's own client posts, over real HTTP, and what it makes of the reply.

The clients here are written after the public ones (named at each); they keep their bodies
and what they do with a reply.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from tests.support.live_server import LiveServer, fake_judge, serving, soon

from deemster import Judge
from deemster.backends import FakeBackend, Request
from deemster.errors import BackendError
from deemster.judges import BaseJudge

CHATML = "<|im_start|>user\nName a prime.<|im_end|>\n<|im_start|>assistant\n"
LLAMA = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nName a prime.<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)


def by_length(request: Request, _draw: int) -> str:
    """A judge whose score of a response is its number of exclamation marks; it reads the prompt."""
    text = request.messages[-1].text
    shown = text.split("answer-")[1:]
    scores = [part.partition(" ")[0].partition("\n")[0].count("!") for part in shown]
    return f"Scores: \\boxed{{{', '.join(map(str, scores))}}}"


def judge() -> Judge:
    return Judge(FakeBackend(by_length), name="marks")


def failing() -> Judge:
    return Judge(FakeBackend([BackendError("connection reset")] * 99), name="failing")


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    judges: dict[str, BaseJudge] = {
        "marks": judge(),
        "dumb": fake_judge("no scores", name="dumb"),
        "failing": failing(),
    }
    with serving(judges, group_wait=0.3) as live:
        yield live


async def post(url: str, body: object) -> Any:
    """How all of these clients post: aiohttp, `raise_for_status`, JSON."""
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        response.raise_for_status()
        return await response.json()


async def status_of(url: str, body: object) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        return response.status, (await response.json())["error"]["type"]


@pytest.mark.parametrize("path", ["/get_reward", "/v1/rewards"])
@pytest.mark.parametrize(
    "prompt", [CHATML, LLAMA, "Name a prime."], ids=["chatml", "llama", "plain"]
)
async def test_openrlhf(server: LiveServer, path: str, prompt: str) -> None:
    """openrlhf/utils/agent.py: one rollout a request; its reward goes into torch.tensor([…])."""
    query = f"{prompt}answer-seven!!!<|im_end|>"
    reply = await post(server.url + path, {"query": [query], "prompts": [prompt], "labels": ["7"]})
    assert reply["rewards"] == reply["scores"] == [3.0]
    assert all(isinstance(one, float) for values in reply["extra_logs"].values() for one in values)


async def test_openrlhf_rows_of_one_prompt_are_judged_together(server: LiveServer) -> None:
    rows = [(CHATML, "answer-a!"), (LLAMA, "answer-b!!"), (CHATML, "answer-c!!!!")]
    reply = await post(
        f"{server.url}/get_reward",
        {"query": [prompt + answer for prompt, answer in rows],
         "prompts": [prompt for prompt, _ in rows]},
    )  # fmt: skip
    assert reply["rewards"] == [1.0, 2.0, 4.0]


async def test_slime(server: LiveServer) -> None:
    """slime/rollout/rm_hub: the reply is the reward, or an object with --reward-key."""
    sample = {"prompt": CHATML, "response": "answer-x!!<|im_end|>", "label": None}
    assert await post(f"{server.url}/remote_rm", sample) == 2.0
    with_messages = {**sample, "prompt": [{"role": "user", "content": "Name a prime."}]}
    detailed = await post(f"{server.url}/remote_rm?detail=true&value=scores", with_messages)
    assert detailed == {"reward": 2.0, "confidence": None, "valid_votes": 1, "votes": 1}


async def test_openrlhf_prompts_of_one_request_are_judged_at_the_same_time() -> None:
    asked: list[int] = []

    async def all_at_once(_request: Request, draw: int) -> str:
        asked.append(draw)
        while len(asked) < 3:  # noqa: ASYNC110 - the server has a loop of its own
            await asyncio.sleep(0.005)
        return "Scores: \\boxed{7}"

    body = {"query": [f"{name} answer" for name in "pqr"], "prompts": ["p ", "q ", "r "]}
    with serving(Judge(FakeBackend(all_at_once)), deadline=10.0, group_wait=1.0) as live:
        assert (await post(f"{live.url}/get_reward", body))["rewards"] == [7.0, 7.0, 7.0]


async def test_pairs_of_one_score_request_wait_for_no_group() -> None:
    body = {"queries": ["p?", "q?"], "documents": ["answer-a!", "answer-b!!"]}
    with serving(judge(), group_size=8, group_wait=0.5) as live:
        reply = await post(f"{live.url}/score", body)
    assert [one["score"] for one in reply["data"]] == [1, 2]


@pytest.mark.parametrize("prompt", [CHATML, LLAMA], ids=["chatml", "llama"])
async def test_verl(server: LiveServer, prompt: str) -> None:
    """verl/experimental/reward_loop: a vLLM or an SGLang router, the last number of the reply."""
    body = {"model": "some/path", "input": f"{prompt}answer-y!!!!<|im_end|>"}
    classified = await post(f"{server.url}/classify", {**body, "use_activation": False})
    assert classified["data"][-1]["probs"][-1] == 4.0
    embedded = await post(f"{server.url}/v1/embeddings", body)
    assert embedded["data"][-1]["embedding"][-1] == 4.0


async def test_vllm_score(server: LiveServer) -> None:
    body = {"model": "m", "queries": "Name a prime.", "documents": ["answer-a!", "answer-b!!!"]}
    reply = await post(f"{server.url}/score", body)
    assert [(one["index"], one["score"]) for one in reply["data"]] == [(0, 1.0), (1, 3.0)]
    assert reply["usage"]["total_tokens"] > 0
    older = {"text_1": ["p?", "q?"], "text_2": ["answer-a!", "answer-b!!"]}
    assert [one["score"] for one in (await post(f"{server.url}/score", older))["data"]] == [1, 2]


def response_object(text: str) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "answer-0!!!!!!"}]},
            {"type": "message", "content": [{"type": "output_text", "text": text}]},
        ],
    }


async def test_nemo_gym_compare(server: LiveServer) -> None:
    """resources_servers/genrm_compare: objects of the Responses API, without their reasoning."""
    reply = await post(
        f"{server.url}/compare",
        {
            "conversation_history": [{"role": "user", "content": "Name a prime."}],
            "response_objs": [response_object("answer-a!!"), response_object("answer-b!")],
            "principle": "The response should be brief",
        },
    )
    assert reply["rewards"] == [2.0, 1.0]
    assert reply["metrics"]["valid_votes"] == 1


async def test_nemo_gym_verify_waits_for_its_cohort(server: LiveServer) -> None:
    asked = {"input": [{"role": "user", "content": "Name a prime."}], "model": "policy"}
    bodies = [
        {"responses_create_params": asked, "response": response_object(f"answer-{'!' * (i + 1)}"),
         "_ng_task_index": 4, "_ng_rollout_index": i}
        for i in range(3)
    ]  # fmt: skip
    url = f"{server.url}/verify?group_size=3"
    replies = await asyncio.gather(*(post(url, body) for body in bodies))
    assert [reply["reward"] for reply in replies] == [1.0, 2.0, 3.0]
    assert replies[0]["response"] == bodies[0]["response"]


MESSAGE = {"type": "message", "role": "assistant"}


@pytest.mark.parametrize(
    ("output", "reward"),
    [
        pytest.param([MESSAGE | {"content": "answer-a!!"}], 2.0, id="text"),
        pytest.param(
            [MESSAGE | {"content": [{"type": "output_text", "text": "answer-a!!\ud83d"}]}],
            2.0,
            id="half-a-surrogate-pair",
        ),
        pytest.param(
            [MESSAGE | {"content": "answer-a!", "\ud83d": ["\ud83d"]}], 1.0, id="elsewhere"
        ),
    ],
)
async def test_nemo_gym_reads_and_returns_any_output(
    server: LiveServer, output: list[dict[str, Any]], reward: float
) -> None:
    asked = {"input": [{"role": "user", "content": "Name a prime."}]}
    body = {"responses_create_params": asked, "response": {"output": output}}
    reply = await post(f"{server.url}/verify", body)
    assert reply["reward"] == reward
    returned = json.dumps(output).replace("\\ud83d", "\\ufffd")
    assert reply["response"]["output"] == json.loads(returned)


NO_VERDICT = [
    pytest.param("/get_reward", {"query": ["p answer-a"], "prompts": ["p "]}, id="openrlhf"),
    pytest.param("/remote_rm", {"prompt": "p", "response": "answer-a"}, id="slime"),
    pytest.param("/classify", {"input": f"{CHATML}answer-a"}, id="verl-vllm"),
    pytest.param("/v1/embeddings", {"input": f"{CHATML}answer-a"}, id="verl-sglang"),
    pytest.param("/score", {"queries": "p", "documents": ["answer-a"]}, id="vllm-score"),
    pytest.param(
        "/compare",
        {"conversation_history": [{"role": "user", "content": "p"}],
         "response_objs": [response_object("answer-a")]},
        id="nemo-gym",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), NO_VERDICT)
async def test_no_verdict_is_an_error_and_never_a_number(
    server: LiveServer, path: str, body: dict[str, Any]
) -> None:
    """422 where the judge answered without a verdict; 503, which all repeat, where it failed."""
    assert await status_of(f"{server.url}{path}?judge=dumb", body) == (422, "no_verdict")
    assert await status_of(f"{server.url}{path}?judge=failing", body) == (503, "no_verdict")


async def test_rollouts_that_come_one_by_one_are_judged_together() -> None:
    backend = FakeBackend(by_length)
    with serving(Judge(backend), group_size=4) as live:
        answers = [f"answer-{'!' * n}" for n in (3, 1, 4, 2)]
        replies = await asyncio.gather(
            *(post(f"{live.url}/remote_rm", {"prompt": CHATML, "response": one})
              for one in answers),
            *(post(f"{live.url}/get_reward?group_size=2",
                   {"query": [CHATML + one], "prompts": [CHATML]}) for one in answers[:2]),
            *(post(f"{live.url}/remote_rm?group=g&group_size=2",
                   {"prompt": CHATML, "response": one}) for one in answers[:2]),
        )  # fmt: skip
        assert replies[:4] == [3.0, 1.0, 4.0, 2.0]
        assert [reply["rewards"] for reply in replies[4:6]] == [[3.0], [1.0]]
        assert replies[6:] == [3.0, 1.0]
        assert len(backend.requests) == 3
        assert live.desk._here == 0


async def test_a_group_whose_time_is_up_is_judged_as_it_is() -> None:
    with serving(judge(), group_size=8, group_wait=0.3) as live:
        url = f"{live.url}/remote_rm"
        several = await asyncio.gather(
            *(post(url, {"prompt": "p", "response": f"answer-{'!' * n}"}) for n in (1, 2))
        )
        assert several == [1.0, 2.0]
        alone = {"prompt": "p", "response": "answer-!"}
        assert await status_of(url, alone) == (503, "group_incomplete")
        assert b'deemster_groups_total{whole="no"} 2' in live.get("/metrics").body


async def test_a_rollout_whose_client_leaves_is_not_in_the_group() -> None:
    backend = FakeBackend(by_length)
    with serving(Judge(backend), group_size=3, group_wait=0.5) as live:
        url = f"{live.url}/remote_rm"
        gone = asyncio.create_task(post(url, {"prompt": "p", "response": "answer-!!!!!!!!!"}))
        await soon(lambda: live.desk._here == 1)
        gone.cancel()
        await soon(lambda: live.desk._here == 0)
        stay = await asyncio.gather(
            *(post(url, {"prompt": "p", "response": f"answer-{'!' * n}"}) for n in (1, 2))
        )
        assert stay == [1.0, 2.0]
        assert "!!!!!!!!!" not in backend.requests[0].messages[-1].text


async def test_a_group_that_all_have_left_is_not_judged_on() -> None:
    asked = threading.Event()
    cut: list[str] = []

    async def hang(_request: Request, _draw: int) -> str:
        asked.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cut.append("cut")
            raise
        return ""

    with serving(Judge(FakeBackend(hang)), group_size=2) as live:
        url = f"{live.url}/remote_rm"
        both = [
            asyncio.create_task(post(url, {"prompt": "p", "response": one})) for one in ("a", "b")
        ]
        await asyncio.to_thread(asked.wait, 30)
        for one in both:
            one.cancel()
        await soon(lambda: cut)


async def test_members_of_a_named_group_answer_one_query(server: LiveServer) -> None:
    url = f"{server.url}/remote_rm?group=g&group_size=2"
    first = asyncio.create_task(status_of(url, {"prompt": "p", "response": "answer-a"}))
    await soon(lambda: server.desk._here == 1)
    assert await status_of(url, {"prompt": "other", "response": "b"}) == (400, "bad_request")
    assert await first == (503, "group_incomplete")


async def test_labels_reach_the_judge_as_references() -> None:
    backend = FakeBackend(by_length)
    with serving(Judge(backend)) as live:
        await post(
            f"{live.url}/remote_rm", {"prompt": "p", "response": "answer-!", "label": "GOLD"}
        )
    assert "GOLD" in backend.requests[0].messages[-1].text
