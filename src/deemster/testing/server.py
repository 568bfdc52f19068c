"""An OpenAI-compatible chat-completions server on loopback, for tests and benchmarks.

It is a real HTTP server (aiohttp, in a thread of its own, or as a process: `python -m
deemster.testing`), because the faults that matter live below the client library: resets,
truncated bodies, bytes that trickle. `Ledger` is its own account of what it was asked and what it
delivered; tests compare the client's account with it.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web

from deemster.testing.exchange import Call, Ledger, Raw, Reply, Script
from deemster.testing.faults import STATUS, Fault, FaultScript


def default_script(call: Call, choice: int) -> str:
    """A reply that says what it answers."""
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
        script: Script = default_script,
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
        # Set by `__enter__`, in the server's own thread.
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._thread: threading.Thread

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
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=10)

    async def _serve(self, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=64 * 1024**2)
        self.routes(app)
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

    def routes(self, app: web.Application) -> None:
        """Say which endpoints there are."""
        # Any prefix: Azure puts the deployment there.
        for path in self.paths:
            app.router.add_post(f"/{path}", self._handle)
            app.router.add_post(f"/{{prefix:.*}}/{path}", self._handle)

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
            _cut(request)
            return web.Response()
        if fault in STATUS:
            status, error = STATUS[fault]
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
        with suppress(ConnectionResetError):  # the client was first
            await self._break(request, response, data, fault)
        return response

    async def _break(
        self, request: web.Request, response: web.StreamResponse, data: bytes, fault: Fault
    ) -> None:
        await response.prepare(request)
        if fault == "truncated":
            await response.write(data[: len(data) // 2])
            _cut(request)
            return
        for byte in data[:-1]:
            await response.write(bytes([byte]))
            await asyncio.sleep(0.1)
        await asyncio.Event().wait()

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


def _cut(request: web.Request) -> None:
    """End the connection with a reset."""
    if request.transport is not None:  # None: the client was first
        request.transport.abort()


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
