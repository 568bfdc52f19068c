"""The batch and file calls of the OpenAI API, at any server that has them."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from deemster.backends._api.faults import Fault
from deemster.backends._api.lean import LeanRoad, connection_error, read_all
from deemster.backends._batch.service import ENDPOINT, WINDOW, BatchStatus, status_of
from deemster.errors import BackendError, UnusableModelError

_ANSWER_BYTES = 2**30
"""Limit of one answer: a file has up to 50,000 completions."""
_TIMEOUT = aiohttp.ClientTimeout(total=600, sock_connect=30)
_PAGES = 50
"""Pages of the list of batches that are read in search of one."""


class HttpBatches:
    """Batches at the server that a lean road goes to.

    Args:
        road: knows URL, key and headers.
        label: what errors call the model.
        secrets: what errors must not show.
    """

    def __init__(self, road: LeanRoad, label: str, secrets: tuple[str, ...]) -> None:
        self.model = road.model
        self._road = road
        self._label = label
        self._secrets = secrets

    async def upload(self, session: aiohttp.ClientSession, data: bytes) -> str:
        """See `BatchService`."""
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", data, filename="requests.jsonl", content_type="application/jsonl")
        return self._id(await self._json(session, "POST", "/files", data=form))

    async def create(self, session: aiohttp.ClientSession, file: str) -> str:
        """See `BatchService`."""
        body = {"input_file_id": file, "endpoint": ENDPOINT, "completion_window": WINDOW}
        return self._id(await self._json(session, "POST", "/batches", json=body))

    async def find(self, session: aiohttp.ClientSession, file: str) -> str | None:
        """See `BatchService`."""
        after: dict[str, str] = {}
        for _ in range(_PAGES):
            page = await self._json(session, "GET", "/batches", params={"limit": "100"} | after)
            batches = [one for one in page.get("data") or () if isinstance(one, dict)]
            for batch in batches:
                if batch.get("input_file_id") == file:
                    return self._id(batch)
            if not batches or not page.get("has_more"):
                return None
            after = {"after": self._id(batches[-1])}
        return None

    async def look(self, session: aiohttp.ClientSession, batch: str) -> BatchStatus:
        """See `BatchService`."""
        return status_of(await self._json(session, "GET", f"/batches/{batch}"))

    async def download(self, session: aiohttp.ClientSession, file: str) -> bytes:
        """See `BatchService`."""
        return await self._call(session, "GET", f"/files/{file}/content")

    def _id(self, answer: dict[str, Any]) -> str:
        found = answer.get("id")
        if not isinstance(found, str) or not found:
            raise BackendError(f"{self._label}: the batch API gave no id: {answer!r:.200}")
        return found

    async def _json(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        **options: Any,  # noqa: ANN401 - aiohttp's
    ) -> dict[str, Any]:
        content = await self._call(session, method, path, **options)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            shown = content[:100].decode(errors="replace")
            raise BackendError(
                f"{self._label}: the answer of the batch API is not JSON: {shown!r}", retryable=True
            )
        return answer

    async def _call(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        **options: Any,  # noqa: ANN401 - aiohttp's
    ) -> bytes:
        url, headers = self._road.beside(path)
        try:
            async with session.request(
                method, url, headers=headers, allow_redirects=False, timeout=_TIMEOUT, **options
            ) as reply:
                content = await read_all(reply, _ANSWER_BYTES)
                status, said = reply.status, dict(reply.headers)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise connection_error(error, self._road.shown) from None
        if status < 300:
            return content
        if status in {404, 405} and path in {"/files", "/batches"}:
            raise UnusableModelError(
                f"{self._road.shown} has no batch API (HTTP {status} for {path}); "
                "run without --batch"
            )
        try:
            error_body: object = json.loads(content)
        except (ValueError, RecursionError):
            error_body = content[:1000].decode(errors="replace")
        raise Fault.read(status, error_body, said).to_error(self._label, self._secrets)
