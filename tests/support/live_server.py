"""The reward server on loopback, in a thread of its own, for clients that speak real HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import uvicorn

from deemster import Judge
from deemster.backends import Backend, FakeBackend
from deemster.judges import BaseJudge
from deemster.serve import ServerSettings, create_app
from deemster.serve.desk import Desk, Vary
from deemster.serve.running import bind


@dataclass
class Reply:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, str]:
        """The error, which is one line."""
        assert self.body.count(b"\n") == 1, self.body
        error: dict[str, str] = self.json["error"]
        assert error["request_id"] == self.headers["x-request-id"]
        return error


@dataclass
class LiveServer:
    """A server that runs."""

    port: int
    desk: Desk
    key: str = ""
    _extra: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request over a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {} if not self.key else {"Authorization": f"Bearer {self.key}"}
        try:
            connection.request(method, path, body, {**sent, **(headers or {})})
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, received, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        """GET."""
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: object) -> Reply:
        """POST of JSON."""
        return self.send(
            "POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )


@contextmanager
def serving(
    judges: BaseJudge | Mapping[str, BaseJudge], *, vary: Vary | None = None, **settings: Any
) -> Iterator[LiveServer]:
    """A server of these judges; it stops, and answers what it has accepted, at the end."""
    chosen = ServerSettings(port=0, **settings)
    app = create_app(judges, chosen, vary=vary)
    listening = bind(chosen)
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    while not server.started and thread.is_alive():
        threading.Event().wait(0.01)
    key = chosen.keys[0].key if chosen.keys else ""
    try:
        yield LiveServer(listening.getsockname()[1], app.state.desk, key)
    finally:
        server.should_exit = True
        thread.join()


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


async def soon(holds: Callable[[], object], seconds: float = 60) -> None:
    """The same beside other tasks."""
    await asyncio.to_thread(until, holds, seconds)


def fake_judge(text: str = "Scores: \\boxed{7, 4}", **options: Any) -> Judge:
    """A judge whose every draw is that text."""
    return Judge(FakeBackend(text), **options)


def slow_judge(release: threading.Event, **options: Any) -> Judge:
    """A judge whose draws wait until the event is set."""

    async def wait(_request: object, _draw: int) -> str:
        while not release.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.005)
        return "Scores: \\boxed{7, 4}"

    backend: Backend = FakeBackend(wait)
    return Judge(backend, **options)
