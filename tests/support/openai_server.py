"""An OpenAI-compatible chat-completions server on loopback, for tests and benchmarks.

It is a real HTTP server (aiohttp, in a thread of its own, or as a process: `python
tests/support/openai_server.py`), because the faults that matter live below the client library:
resets, truncated bodies, bytes that trickle. `Ledger` is its own account of what it was asked
and what it delivered; tests compare the client's account with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web

Fault = Literal[
    "429",  # no Retry-After
    "429-after",  # with Retry-After
    "500",
    "503",
    "reset",  # the connection is cut before an answer
    "truncated",  # half of the body, then cut
    "bad-json",
    "empty",  # 200 and no body
    "slow-loris",  # the body, byte by byte, for ever
    "hang",  # no answer
    "401",
    "400",
    "404",
    "context",  # 400, the prompt is too long
    "402",
    "blocked",  # 400, content filter
]
TRANSIENT: tuple[Fault, ...] = (
    "429", "429-after", "500", "503", "reset", "truncated", "bad-json", "empty",
)  # fmt: skip
"""Faults that a second attempt gets over, and that say so at once."""

_STATUS: dict[str, tuple[int, dict[str, Any]]] = {
    "429": (429, {"message": "slow down", "type": "rate_limit", "code": "rate_limit_exceeded"}),
    "429-after": (429, {"message": "slow down", "type": "rate_limit", "code": "rate_limit"}),
    "500": (500, {"message": "internal error", "type": "server_error"}),
    "503": (503, {"message": "overloaded", "type": "server_error"}),
    "401": (401, {"message": "Incorrect API key provided: {key}", "code": "invalid_api_key"}),
    "400": (400, {"message": "unknown field", "type": "invalid_request_error"}),
    "402": (402, {"message": "insufficient credits", "type": "billing"}),
    "404": (404, {"message": "the model does not exist", "code": "model_not_found"}),
    "context": (
        400,
        {
            "message": "This model's maximum context length is 4096 tokens. However, your messages "
            "resulted in 5000 tokens. Please reduce the length of the messages.",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        },
    ),
    "blocked": (
        400,
        {
            "message": "The response was filtered due to the prompt triggering the content "
            "management policy.",
            "code": "content_filter",
        },
    ),
}


@dataclass(frozen=True)
class Call:
    """One request as the server saw it."""

    hit: int
    """Number of the request since the start, from 0."""
    body: dict[str, Any]
    headers: Mapping[str, str]
    url: str = ""
    """Path and query."""

    @property
    def query(self) -> str:
        """Text of the last message."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else json.dumps(content)


@dataclass(frozen=True)
class Reply:
    """One choice."""

    text: str
    finish: str = "stop"
    refusal: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True)
class Raw:
    """A whole answer, as it goes over the wire."""

    body: Any
    """JSON, or bytes as they are."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """It, to be sent."""
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        return web.Response(body=body, status=self.status, headers=headers)


Script = Callable[[Call, int], str | Reply]
"""Called with the request and the choice's number in it."""
FaultScript = Callable[[Call], Fault | None]


@dataclass
class Ledger:
    """The server's own account. Tokens are counted when a whole answer was written."""

    hits: int = 0
    answered: int = 0
    choices: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    faulty: list[tuple[int, str]] = field(default_factory=list)
    """Number of the hit and kind of every fault."""
    times: list[float] = field(default_factory=list)
    """`time.monotonic()` of every hit."""
    calls: list[Call] = field(default_factory=list)
    in_flight: int = 0
    max_in_flight: int = 0


def random_faults(rate: float, kinds: Sequence[Fault], *, seed: int = 0) -> FaultScript:
    """Each hit is a fault of a random kind with probability `rate`."""
    rng = random.Random(seed)

    def fault(_call: Call) -> Fault | None:
        return rng.choice(kinds) if rng.random() < rate else None

    return fault


def first_faults(*kinds: Fault) -> FaultScript:
    """The first hits fail in this order; the rest are fine."""
    return lambda call: kinds[call.hit] if call.hit < len(kinds) else None


def _default_script(call: Call, choice: int) -> str:
    return f"reply {choice} to {call.query}"


class OpenAIServer:
    """Start with `with OpenAIServer(...) as server:`; `server.url` ends in `/v1`.

    Args:
        script: text of each choice.
        latency: seconds before an answer.
        raw: answers in place of `script`; None from it leaves the answer to `script`.
        n: what it makes of `n` > 1: as many choices, `"ignore"` (one), or `"reject"` (400).
        faults: decides for each hit whether and how it fails.
        retry_after: seconds said with a 429.
        rps: more requests a second than this get a 429 with Retry-After.
        tools: whether a forced tool call is made; otherwise the text is in `content`.
        usage: whether answers carry `usage`.
        cached: how many prompt tokens are said to come from the cache.
        keep_calls: keep every request in the ledger (not for long runs).
    """

    paths: tuple[str, ...] = ("chat/completions",)

    def __init__(
        self,
        script: Script = _default_script,
        *,
        raw: Callable[[Call], Raw | None] | None = None,
        latency: float = 0.0,
        n: Literal["yes", "ignore", "reject"] = "yes",
        faults: FaultScript | None = None,
        retry_after: float = 0.05,
        rps: float | None = None,
        tools: bool = True,
        usage: bool = True,
        cached: int = 0,
        keep_calls: bool = True,
        port: int = 0,
    ) -> None:
        self.script = script
        self.raw = raw
        self.latency = latency
        self.n = n
        self.faults = faults
        self.retry_after = retry_after
        self.rps = rps
        self.tools = tools
        self.usage = usage
        self.cached = cached
        self.keep_calls = keep_calls
        self.port = port
        self.ledger = Ledger()
        self._recent: deque[float] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What clients take as `api_base`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="openai-server", daemon=True
        )
        self._thread.start()
        started.result(timeout=10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._loop is not None
        assert self._stop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=10)

    async def _serve(self, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=64 * 1024**2)
        # Any prefix: Azure puts the deployment there.
        for path in self.paths:
            app.router.add_post(f"/{path}", self._handle)
            app.router.add_post(f"/{{prefix:.*}}/{path}", self._handle)
        # Handlers that hang or trickle end with the client's connection.
        runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        started.set_result(None)
        await self._stop.wait()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        ledger = self.ledger
        call = Call(
            ledger.hits, json.loads(await request.read()), dict(request.headers), request.path_qs
        )
        ledger.hits += 1
        ledger.in_flight += 1
        ledger.max_in_flight = max(ledger.max_in_flight, ledger.in_flight)
        if self.keep_calls:
            ledger.times.append(time.monotonic())
            ledger.calls.append(call)
        try:
            fault = self.faults(call) if self.faults is not None else None
            if fault is None and self._over_rate():
                fault = "429-after"
            if self.latency:
                await asyncio.sleep(self.latency)
            if fault is not None:
                ledger.faults[fault] += 1
                ledger.faulty.append((call.hit, fault))
            elif self.n == "reject" and call.body.get("n", 1) > 1:
                fault = "400"
            raw = self.raw(call) if self.raw is not None and fault is None else None
            return await self._answer(request, call, fault) if raw is None else raw.response()
        finally:
            ledger.in_flight -= 1

    def _over_rate(self) -> bool:
        if self.rps is None:
            return False
        now = time.monotonic()
        while self._recent and now - self._recent[0] > 1.0:
            self._recent.popleft()
        if len(self._recent) >= self.rps:
            return True
        self._recent.append(now)
        return False

    async def _answer(
        self, request: web.Request, call: Call, fault: Fault | None
    ) -> web.StreamResponse:
        if fault == "hang":
            await asyncio.Event().wait()
        if fault == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault in _STATUS:
            status, error = _STATUS[fault]
            key = call.headers.get("Authorization", "").removeprefix("Bearer ")
            error = error | {"message": error["message"].replace("{key}", key)}
            after = fault == "429-after"
            headers = {"Retry-After": f"{self.retry_after:g}"} if after else None
            return web.json_response({"error": error}, status=status, headers=headers)
        if fault == "empty":
            return web.Response(content_type="application/json")
        payload = self._payload(call)
        data = json.dumps(payload).encode()
        if fault == "bad-json":
            return web.Response(body=data[: len(data) // 2] + b"}", content_type="application/json")
        if fault in {"truncated", "slow-loris"}:
            return await self._broken_stream(request, data, fault)
        self._enter(payload)
        return web.Response(body=data, content_type="application/json")

    async def _broken_stream(
        self, request: web.Request, data: bytes, fault: Fault
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(data)
        await response.prepare(request)
        if fault == "truncated":
            await response.write(data[: len(data) // 2])
            assert request.transport is not None
            request.transport.abort()
            return response
        for byte in data[:-1]:
            await response.write(bytes([byte]))
            await asyncio.sleep(0.1)
        await asyncio.Event().wait()
        return response

    def _payload(self, call: Call) -> dict[str, Any]:
        body = call.body
        n = body.get("n") or 1
        replies = []
        for choice in range(n if self.n == "yes" else 1):
            reply = self.script(call, choice)
            replies.append(Reply(reply) if isinstance(reply, str) else reply)
        payload: dict[str, Any] = {
            "id": f"chatcmpl-{call.hit}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": body["model"],
            "choices": [self._choice(body, i, reply) for i, reply in enumerate(replies)],
        }
        if self.usage:
            tokens_in = sum(
                len(json.dumps(message["content"]).split()) for message in body["messages"]
            )
            tokens_out = sum(len(reply.text.split()) for reply in replies)
            payload["usage"] = {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
                "prompt_tokens_details": {"cached_tokens": min(self.cached, tokens_in)},
            }
        return payload

    def _choice(self, body: dict[str, Any], index: int, reply: Reply) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        if reply.reasoning is not None:
            message["reasoning_content"] = reply.reasoning
        if reply.refusal is not None:
            message |= {"content": None, "refusal": reply.refusal}
        elif self.tools and body.get("tools"):
            function = {
                "name": body["tools"][0]["function"]["name"],
                "arguments": reply.text,
            }
            call = {"id": f"call-{index}", "type": "function", "function": function}
            message |= {"content": None, "tool_calls": [call]}
        choice = {"index": index, "message": message, "finish_reason": reply.finish}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": _logprobs(reply.text, body.get("top_logprobs", 0))}
        return choice

    def _enter(self, payload: dict[str, Any]) -> None:
        ledger = self.ledger
        ledger.answered += 1
        ledger.choices += len(payload["choices"])
        usage = payload.get("usage")
        if usage is not None:
            ledger.tokens_in += usage["prompt_tokens"]
            ledger.tokens_out += usage["completion_tokens"]
            ledger.tokens_cached += usage["prompt_tokens_details"]["cached_tokens"]


def _logprobs(text: str, top: int) -> list[dict[str, Any]]:
    entries = []
    for token in text.split():
        alternatives = [(token, -0.1)] + [(f"alt{i}", -2.0 - i) for i in range(1, top)]
        entries.append(
            {
                "token": token,
                "logprob": -0.1,
                "bytes": list(token.encode()),
                "top_logprobs": [
                    {"token": name, "logprob": value, "bytes": None}
                    for name, value in alternatives[:top]
                ],
            }
        )
    return entries


def main() -> None:
    """Serve until stdin closes; the first line on stdout is the URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--text", default="The first response is better. \\boxed{8, 5}")
    parser.add_argument("--words", type=int, default=0, help="pad the text to this many words")
    arguments = parser.parse_args()
    padding = arguments.words - len(arguments.text.split())
    text = " ".join(["reason"] * max(0, padding) + [arguments.text])
    with OpenAIServer(
        lambda _call, _choice: text, latency=arguments.latency, keep_calls=False
    ) as server:
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
