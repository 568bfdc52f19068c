"""Clients that leave, and a server that is told to stop."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest
from tests.conftest import ServerFactory
from tests.support.live_server import serving, until

from deemster import Judge

SAMPLE = json.dumps({"query": "q", "responses": ["a", "b"]}).encode()
JSON = {"Content-Type": "application/json"}
VOTE = "Analysis: fine\nScores: \\boxed{7, 4}"
K = 40


def test_a_client_that_leaves_cancels_its_votes(openai_server: ServerFactory) -> None:
    provider = openai_server(lambda _call, _choice: VOTE, latency=0.3, n="ignore")
    judge = Judge("openai/x", k=K, api_base=provider.url, api_key="sk-x", concurrency=4)
    with serving(judge) as live:
        with socket.create_connection(("127.0.0.1", live.port)) as client:
            head = (
                f"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(SAMPLE)}\r\n"
            )
            client.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + SAMPLE)
            until(lambda: provider.ledger.hits > 0)
        until(lambda: live.desk._here == 0)
        asked = provider.ledger.hits
        assert asked < K / 2
        until(lambda: provider.ledger.in_flight == 0)
        reply = live.send("POST", "/v1/score", SAMPLE, JSON)  # the judge is as good as before
        assert reply.json["n_valid"] == K
        assert provider.ledger.hits == asked + K
        assert b"deemster_left_total 1" in live.get("/metrics").body


@contextmanager
def program(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int, list[str]]]:
    """`deemster serve`, its port, and the lines of its log as they come."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deemster", "serve", "--port", "0", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": "sk-test"},
    )
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
    try:
        first = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)$", first.strip())
        assert found, first + process.stderr.read()
        reader.start()
        yield process, int(found[1]), lines
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


@pytest.mark.parametrize(
    "second", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_second_signal_does_not_wait_for_a_model_that_hangs(
    openai_server: ServerFactory, second: signal.Signals
) -> None:
    provider = openai_server(lambda _call, _choice: VOTE, latency=90)
    with program("--model", "openai/x", "--api-base", provider.url) as (process, port, lines):
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/v1/score", SAMPLE, JSON)
        until(lambda: provider.ledger.hits > 0)
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.poll() is None  # it waits for the answer
        process.send_signal(second)
        assert process.wait(timeout=20) == 130  # 100 s is the deadline of the request
        connection.close()
    assert "deemster: stopped at once; not everything accepted is answered\n" in lines
    assert not any("trace" in line or "Traceback" in line for line in lines)


def test_sigterm_answers_what_was_accepted(openai_server: ServerFactory) -> None:
    provider = openai_server(lambda _call, _choice: VOTE, latency=1.5)
    options = ("--in-flight", "2", "--group-size", "3", "--group-wait", "90")
    with program("--model", "openai/x", "--api-base", provider.url, *options) as started:
        process, port, lines = started
        kept = HTTPConnection("127.0.0.1", port, timeout=60)  # open, between two requests
        kept.request("GET", "/readyz")
        assert json.loads(kept.getresponse().read())["status"] == "ready"
        replies: list[tuple[int, bytes]] = []

        def ask(path: str = "/v1/score", body: bytes = SAMPLE) -> None:
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", path, body, JSON)
            response = connection.getresponse()
            replies.append((response.status, response.read()))
            connection.close()

        asking = [threading.Thread(target=ask) for _ in range(6)]  # two rounds wait
        for answer in ("a", "b"):  # their group waits for a third
            body = json.dumps({"prompt": "p", "response": answer}).encode()
            asking.append(threading.Thread(target=ask, args=("/remote_rm", body)))
        for thread in asking:
            thread.start()
        until(lambda: provider.ledger.hits == 2)
        time.sleep(0.2)  # the others are accepted
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        kept.request("GET", "/readyz")  # a request just after the signal is answered too
        last = kept.getresponse()
        assert (last.status, last.headers["connection"]) == (503, "close")
        last.read()
        for thread in asking:
            thread.join()
        assert process.wait(timeout=60) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert [status for status, _ in replies] == [200] * 8
    found = [json.loads(body) for _, body in replies]
    assert sorted(one for one in found if isinstance(one, float)) == [4.0, 7.0]
    scored = [one["rewards"] for one in found if isinstance(one, dict)]
    assert [sorted(rewards) for rewards in scored] == [[4.0, 7.0]] * 6
    assert "stopped" in lines[-1]
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert sum(line["route"] == "/v1/score" for line in logged) == 6
    assert not any("query" in line for line in logged)
