"""What a provider's batch API does, whatever its calls look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import aiohttp

ENDPOINT = "/v1/chat/completions"
"""What every request of a batch is sent to."""
WINDOW = "24h"
"""The only time that providers offer."""
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


@dataclass(frozen=True)
class BatchStatus:
    """How far a batch is."""

    state: str
    """The provider's word: `in_progress`, `completed`, `expired`, …"""
    done: int = 0
    failed: int = 0
    files: tuple[str, ...] = ()
    """Ids of the files with answers and with errors."""
    said: str = ""
    """Why it failed as a whole."""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.state in ENDED


class BatchService(Protocol):
    """Calls to one provider for one model.

    Every method raises `BackendError` if there is no answer, `retryable` set where another try may
    get one.
    """

    model: str
    """Its name in the requests."""

    async def upload(self, session: aiohttp.ClientSession, data: bytes, /) -> str:
        """Upload a file of requests; its id. A file that is uploaded twice costs nothing."""
        ...

    async def create(self, session: aiohttp.ClientSession, file: str, /) -> str:
        """Make a batch of a file; its id. Never tried twice in one call."""
        ...

    async def find(self, session: aiohttp.ClientSession, file: str, /) -> str | None:
        """The id of the batch that was made of a file, if one was."""
        ...

    async def look(self, session: aiohttp.ClientSession, batch: str, /) -> BatchStatus:
        """How far a batch is."""
        ...

    async def download(self, session: aiohttp.ClientSession, file: str, /) -> bytes:
        """The content of a file."""
        ...


def status_of(batch: object) -> BatchStatus:
    """A batch object of the OpenAI API as a status; what is missing counts as nothing."""
    found = batch if isinstance(batch, dict) else {}
    counts = found.get("request_counts")
    counts = counts if isinstance(counts, dict) else {}
    files = (found.get("output_file_id"), found.get("error_file_id"))
    errors = found.get("errors") or {}
    data = errors.get("data") if isinstance(errors, dict) else None
    said = "; ".join(
        f"{one.get('code') or 'error'}: {one.get('message') or ''}".strip()
        for one in (data or ())[:3]
        if isinstance(one, dict)
    )
    return BatchStatus(
        state=str(found.get("status") or ""),
        done=int(counts.get("completed") or 0),
        failed=int(counts.get("failed") or 0),
        files=tuple(str(one) for one in files if one),
        said=said,
    )
