"""The file and batch endpoints of the OpenAI API, which lose, reorder and repeat on request."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from deemster.testing.exchange import Call, Script
from deemster.testing.faults import STATUS
from deemster.testing.server import OpenAIServer, default_script

Fate = Literal["answered", "twice", "dropped", "expired", "400", "500"]
"""What becomes of one request of a batch: `twice` has two lines of which the second is an error,
`dropped` has none, `400` and `500` are lines with errors."""
Fates = Callable[[str, int], Fate]
"""Called with the custom id and the number of earlier batches that the request was in."""


@dataclass
class SubmittedBatch:
    """A batch as the server holds it."""

    id: str
    file: str
    looks: int
    """How often it is still in progress when looked at."""
    state: str = "in_progress"
    output: bytes = b""
    errors: bytes = b""


class BatchServer(OpenAIServer):
    """`OpenAIServer` that takes batches too. Answers come in another order than the requests.

    Args:
        script: text of each choice, in batches and elsewhere.
        looks: how often a batch is in progress before it has ended.
        fates: what becomes of each request; None: all are answered.
        refused: with what words batches fail as a whole; None: they do not.
        lost_answers: how many batches are made without the client being told: the connection is
            cut.
        seed: of the order.
        options: of `OpenAIServer`.
    """

    def __init__(
        self,
        script: Script = default_script,
        *,
        looks: int = 1,
        fates: Fates | None = None,
        refused: str | None = None,
        lost_answers: int = 0,
        seed: int = 0,
        **options: Any,  # noqa: ANN401 - those of OpenAIServer
    ) -> None:
        super().__init__(script, **options)
        self.looks = looks
        self.fates = fates or (lambda _id, _times: "answered")
        self.refused = refused
        self.lost_answers = lost_answers
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, SubmittedBatch] = {}
        self.submitted: Counter[str] = Counter()
        """By custom id, the batches that a request was in."""
        self._random = random.Random(seed)

    def routes(self, app: web.Application) -> None:
        """See `OpenAIServer.routes`."""
        super().routes(app)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{id}", self._look)

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        field = form["file"]
        if form["purpose"] != "batch" or not isinstance(field, web.FileField):
            return web.json_response({"error": {"message": "purpose must be batch"}}, status=400)
        name = f"file-{len(self.files)}"
        self.files[name] = field.file.read()
        return web.json_response(
            {
                "id": name,
                "object": "file",
                "purpose": "batch",
                "bytes": len(self.files[name]),
                "created_at": 1_700_000_000,
                "filename": "requests.jsonl",
                "status": "processed",
            }
        )

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]])

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        batch = SubmittedBatch(f"batch-{len(self.batches)}", body["input_file_id"], self.looks)
        self.batches[batch.id] = batch
        if self.lost_answers:
            self.lost_answers -= 1
            if request.transport is not None:
                request.transport.abort()
        return web.json_response(self._shown(batch))

    async def _list(self, _request: web.Request) -> web.Response:
        shown = [self._shown(one) for one in reversed(self.batches.values())]
        return web.json_response({"object": "list", "data": shown, "has_more": False})

    async def _look(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["id"]]
        batch.looks -= 1
        if batch.looks < 0 and batch.state == "in_progress":
            self._run(batch)
        return web.json_response(self._shown(batch))

    def _shown(self, batch: SubmittedBatch) -> dict[str, Any]:
        files = {}
        for name, content in (("output", batch.output), ("error", batch.errors)):
            if content:
                self.files[f"{batch.id}-{name}"] = content
                files[f"{name}_file_id"] = f"{batch.id}-{name}"
        errors = None
        if batch.state == "failed":
            errors = {"object": "list", "data": [{"code": "refused", "message": self.refused}]}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": batch.file,
            "completion_window": "24h",
            "created_at": 1_700_000_000,
            "status": batch.state,
            "errors": errors,
            **files,
        }

    def _run(self, batch: SubmittedBatch) -> None:
        if self.refused is not None:
            batch.state = "failed"
            return
        output: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for raw in self.files[batch.file].splitlines():
            request = json.loads(raw)
            name = request["custom_id"]
            fate = self.fates(name, self.submitted[name])
            self.submitted[name] += 1
            self._answer_line(request, fate, output, errors)
        expired = any(line["error"] is not None for line in errors)
        batch.state = "expired" if expired else "completed"
        self._random.shuffle(output)
        batch.output, batch.errors = (
            "".join(f"{json.dumps(line)}\n" for line in lines).encode()
            for lines in (output, errors)
        )

    def _answer_line(
        self,
        request: dict[str, Any],
        fate: Fate,
        output: list[dict[str, Any]],
        errors: list[dict[str, Any]],
    ) -> None:
        line: dict[str, Any] = {"custom_id": request["custom_id"], "response": None, "error": None}
        if fate in {"answered", "twice"}:
            call = Call(self.ledger.hits, request["body"], {}, request["url"])
            self.ledger.hits += 1
            payload = self._payload(call)
            self._enter(payload)
            output.append(line | {"response": {"status_code": 200, "body": payload}})
        if fate == "expired":
            error = {"code": "batch_expired", "message": "This request could not be executed."}
            errors.append(line | {"error": error})
        if fate in {"400", "500", "twice"}:
            status, error = STATUS["500" if fate == "500" else "400"]
            body = {"error": error}
            errors.append(line | {"response": {"status_code": status, "body": body}})
