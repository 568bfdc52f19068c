"""What agents may ask, without a protocol: figures, progress, and errors in place of numbers."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.support.live_server import fake_judge, slow_judge

from deemster import Judge
from deemster.backends import FakeBackend, Request
from deemster.errors import DeemsterError
from deemster.judges import BaseJudge
from deemster.serve import ServerSettings
from deemster.serve.agent_tools import LONGEST, Tools
from deemster.serve.desk import Desk
from deemster.serve.metrics import Metrics

SAMPLE = {"query": "What is 2+2?", "responses": ["4", "5"]}
CALL = {"id": "c", "function": {"name": "run", "arguments": "{}"}}
TURNS = [
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": "4"},
]


def tools(judge: BaseJudge, **settings: Any) -> Tools:
    desk = Desk({"one": judge}, settings=ServerSettings(**settings), metrics=Metrics())
    return Tools(desk, most_text=desk.settings.max_body)


async def ignore(_done: int, _total: int, _line: str) -> None:
    pass


async def test_votes_are_reported_as_they_come() -> None:
    lines = []

    async def report(done: int, total: int, line: str) -> None:
        lines.append((done, total, line))

    texts = iter(["Scores: \\boxed{7, 4}", "no idea", "Scores: \\boxed{7, 4}"])

    def draw(_request: Request, _number: int) -> str:  # live votes are a request each
        return next(texts)

    found, verdict = await tools(Judge(FakeBackend(draw), k=3, orders="fixed")).score(
        SAMPLE, report
    )
    assert [(done, total) for done, total, _ in lines] == [(1, 3), (2, 3), (3, 3)]
    assert sum("scores 7, 4" in line for _, _, line in lines) == 2
    assert sum("parse_error: " in line for _, _, line in lines) == 1
    assert (found.rewards, found.best, found.valid_votes) == (verdict.rewards, 0, 2)
    assert [one.partition(":")[0] for one in found.failed_votes] == ["parse_error"]


@pytest.mark.parametrize(
    ("text", "better"),
    [
        pytest.param("Scores: \\boxed{7, 4}", "first", id="first"),
        pytest.param("Scores: \\boxed{4, 7}", "second", id="second"),
        pytest.param("Scores: \\boxed{4, 4}", "tie", id="tie"),
    ],
)
async def test_the_better_of_two(text: str, better: str) -> None:
    given = {"query": "q", "first": "[1, 2]", "second": TURNS}  # a text that looks like a list
    judge = Judge(FakeBackend(text), orders="fixed")
    found, _ = await tools(judge).compare(given, ignore)
    assert found.better == better
    prompt = judge.backend.requests[0].messages[-1].text  # type: ignore[attr-defined]
    assert "[1, 2]" in prompt
    assert "[2/2 tool, result of call 1: run, 1 characters]" in prompt


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"query": "q"}, "responses: Field required", id="missing"),
        pytest.param({**SAMPLE, "judge": "x"}, "unknown judge 'x'; known: 'one'", id="judge"),
        pytest.param({**SAMPLE, "principles": "/etc/passwd"}, "is no rubric", id="no-files"),
        pytest.param({**SAMPLE, "k": 3}, "draws 1 votes; leave k out", id="k"),
        pytest.param({**SAMPLE, "query": " "}, "query is empty", id="blank"),
        pytest.param({**SAMPLE, "responses": "4"}, "responses: Input should be", id="one-text"),
        pytest.param({**SAMPLE, "reference": "x" * 5000}, "nothing was cut or judged", id="long"),
        pytest.param({**SAMPLE, "more": 1}, "more: Extra", id="unknown"),
    ],
)
async def test_what_cannot_be_judged_is_an_error_of_one_line(given: Any, said: str) -> None:
    with pytest.raises(DeemsterError) as caught:
        await tools(fake_judge(), max_body=3000).score(given, ignore)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_judge_without_a_verdict_gives_no_number() -> None:
    with pytest.raises(DeemsterError, match=r"gave no rewards: 0 of 2 votes .*parse_error"):
        await tools(fake_judge("I would rather not.", k=2)).score(SAMPLE, ignore)


async def test_a_deadline_holds() -> None:
    asked = tools(slow_judge(threading.Event()), deadline=0.05, group_wait=0.01)
    with pytest.raises(DeemsterError, match=r"no verdict within 0\.05 s"):
        await asked.score(SAMPLE, ignore)


async def test_lists_written_as_json_are_read() -> None:
    given = {"query": "q", "responses": '["4", "5"]', "principles": '["Right: it is."]'}
    found, _ = await tools(fake_judge(orders="fixed")).score(given, ignore)
    assert found.rewards == (7.0, 4.0)


async def test_long_critiques_say_what_is_left_out() -> None:
    text = f"Analysis:\n- Response 1: {'a' * 9000}\n- Response 2: b\nScores: \\boxed{{7, 4}}"
    found, _ = await tools(fake_judge(text, orders="fixed")).score(SAMPLE, ignore)
    assert found.critiques[0].endswith(f"[... {9000 - LONGEST:,} characters more are left out]")


async def test_principles() -> None:
    written = '{"principles": [{"name": "Right", "description": "It is so.", "weight": 100}]}'
    asked = tools(fake_judge(written))
    everything = await asked.principles({})
    assert {"agent-path", "agent-result"} <= {one.name for one in everything.rubrics}
    path = await asked.principles({"rubric": "agent-path"})
    assert path.principles[0].name == "Sound steps"
    own = await asked.principles({"query": "q", "n": 1})
    assert [one.name for one in own.principles] == ["Right"]
    with pytest.raises(DeemsterError, match="unknown rubric 'x'; known: agent-path"):
        await asked.principles({"rubric": "x"})
