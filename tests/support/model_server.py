"""An OpenAI-compatible server of one model, on loopback, whose model can be exchanged."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ModelServer:
    """What it serves, and what it was asked."""

    port: int
    listed: Any = field(default_factory=list)
    """`data` of its list of models; something else than a list is its whole answer."""
    status: int = 200
    text: str = "Analysis: plain.\nScores: \\boxed{7, 3}"
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        """As `api_base`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def serve(self, name: str, root: str | None = None) -> None:
        """Serve this model from now on."""
        self.listed = [{"id": name} if root is None else {"id": name, "root": root}]

    def answer(self, body: dict[str, Any]) -> tuple[int, Any]:
        """To a request for completions."""
        if body["model"] not in [one["id"] for one in self.listed]:
            return 404, {"error": {"message": f"no model {body['model']!r}"}}
        self.asked.append(body)
        message = {"role": "assistant", "content": self.text}
        count = range(body.get("n") or 1)
        choices = [{"index": i, "message": message, "finish_reason": "stop"} for i in count]
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        return 200, {"model": body["model"], "choices": choices, "usage": usage}


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """A server for as long as the block runs."""
    state = ModelServer(0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.keys.append(self.headers["authorization"])
            whole = {"data": state.listed} if isinstance(state.listed, list) else state.listed
            self._send(state.status, whole)

        def do_POST(self) -> None:
            read = self.rfile.read(int(self.headers["content-length"]))
            self._send(*state.answer(json.loads(read)))

        def _send(self, status: int, said: Any) -> None:
            raw = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
