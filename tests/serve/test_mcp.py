"""`deemster serve --mcp`: the official SDK's client, over stdin and stdout of a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from tests.conftest import ServerFactory

pytest.importorskip("mcp", reason="the SDK is not installed: pip install 'deemster[mcp]'")

from mcp import Client, StdioServerParameters

SUITE = """
name: two
data: {samples: [{query: q, responses: [a, b]}]}
judges:
  - {name: good, model: "fake:Analysis: fine\\nScores: \\\\boxed{7, 4}", k: 3, orders: fixed}
  - {name: dumb, model: "fake:I would rather not say.", k: 2}
"""
SAMPLE = {"query": "Name a prime.", "responses": ["7", "9"]}
COMMAND = ("-m", "deemster", "serve", "--mcp")


def parameters(*arguments: str) -> Any:
    return StdioServerParameters(
        command=sys.executable, args=[*COMMAND, *arguments], env=dict(os.environ)
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[IO[str]]:
    with (tmp_path / "log").open("w+", encoding="utf-8") as file:
        yield file


async def test_an_agent_asks_over_stdio(tmp_path: Path, log: IO[str]) -> None:
    from mcp.client.stdio import stdio_client

    (tmp_path / "suite.yaml").write_text(SUITE, "utf-8")
    seen: list[tuple[float, float | None, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append((done, total, message))

    transport = stdio_client(parameters(str(tmp_path / "suite.yaml")), errlog=log)
    async with Client(transport) as client:
        assert "- good: fake:" in (client.instructions or "")
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(listed) == {"score", "compare", "principles"}
        assert listed["score"].input_schema["properties"]["judge"]["enum"] == ["good", "dumb", None]
        scored = await client.call_tool("score", SAMPLE, progress_callback=progress)
        assert not scored.is_error
        figures = scored.structured_content  # the client has checked it against the schema
        assert (figures["rewards"], figures["best"], figures["judge"]) == ([21.0, 12.0], 0, "good")
        assert "Best: response 1 (3 of 3 votes valid" in scored.content[0].text
        assert [(done, total) for done, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
        assert "scores 7, 4; rewards so far: 21, 12" in (seen[-1][2] or "")
        two = {"query": "q", "first": "7", "second": "9", "k": 2}
        compared = await client.call_tool("compare", two)
        assert compared.structured_content["better"] == "first"
        assert compared.structured_content["votes"] == 2
        for name, given, said in (
            ("score", {**SAMPLE, "judge": "dumb"}, "judge 'dumb' gave no rewards: 0 of 2 votes"),
            ("score", {"query": "q"}, "responses: Field required"),
            ("guess", {}, "unknown tool 'guess'; known: score, compare, principles"),
        ):
            refused = await client.call_tool(name, given)
            assert refused.is_error
            assert refused.structured_content is None
            assert said in refused.content[0].text
        rubric = await client.call_tool("principles", {"rubric": "agent-result"})
        assert "- Task done (50%): " in rubric.content[0].text
    log.seek(0)
    lines = [json.loads(line) for line in log if line.startswith("{")]
    assert [line.get("error") for line in lines[:3]] == [None, None, "HttpError"]
    assert {"tool": "score", "judge": "good", "votes": 3, "valid": 3}.items() <= lines[0].items()
    assert "Name a prime" not in str(lines)


def message(number: int, method: str, **params: Any) -> bytes:
    return (
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n"
    ).encode()


@pytest.mark.parametrize("end", ["stdin is closed", "SIGTERM"])
def test_it_ends_cleanly_in_the_middle_of_a_call(openai_server: ServerFactory, end: str) -> None:
    provider = openai_server(lambda _call, _choice: "Scores: \\boxed{7, 4}", latency=600)
    options = ("--model", "openai/x", "--api-base", provider.url)
    with subprocess.Popen(
        [sys.executable, *COMMAND, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OPENAI_API_KEY": "sk-test"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        hello = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        process.stdin.write(message(1, "initialize", **hello))
        process.stdin.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        process.stdin.write(b"this is no JSON\n")
        process.stdin.write(message(2, "tools/call", name="score", arguments=SAMPLE))
        process.stdin.flush()
        while provider.ledger.hits == 0:
            assert process.poll() is None
            time.sleep(0.01)
        if end == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        assert process.wait(timeout=300) == 0
        out, said = process.stdout.read(), process.stderr.read().decode()
    replies = [json.loads(line) for line in out.splitlines()]  # nothing but the protocol
    assert replies[0]["result"]["serverInfo"]["name"] == "deemster"
    assert "Traceback" not in said


@pytest.mark.slow
async def test_the_embedded_judge_over_stdio(log: IO[str]) -> None:
    from mcp.client.stdio import stdio_client

    sample = {"query": "Which is larger, 12 or 31?", "responses": ["I get 31.", "I get 12."]}
    async with Client(stdio_client(parameters("-k", "4"), errlog=log)) as client:
        scored = await client.call_tool("score", sample)
    assert not scored.is_error, scored.content
    assert scored.structured_content["valid_votes"] >= 1
