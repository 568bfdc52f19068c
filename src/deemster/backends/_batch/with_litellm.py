"""LiteLLM's batch and file calls, for providers whose batches are not OpenAI's.

Importing this module imports LiteLLM, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, get_args

import aiohttp
from litellm.types.utils import OPENAI_COMPATIBLE_BATCH_AND_FILES_PROVIDERS

from deemster.backends._api.road import UnansweredError
from deemster.backends._api.with_litellm import LiteLLMRoad, find_provider, litellm, translated
from deemster.backends._batch.service import ENDPOINT, WINDOW, BatchStatus, status_of
from deemster.errors import BackendError, UnusableModelError
from deemster.runtime import run_in_background

T = TypeVar("T")

_BY_NAME_ALONE = {*OPENAI_COMPATIBLE_BATCH_AND_FILES_PROVIDERS, "azure"}
"""Providers whose calls are told apart by the provider; the others need the model's name too."""
_MOST = 20
"""Pages of the list of batches that are read in search of one."""


class LiteLLMBatches:
    """Batches at a provider that LiteLLM knows.

    Args:
        road: knows the provider, the key and the URL.
        secrets: what errors must not show.

    Raises:
        UnusableModelError: LiteLLM makes no batches for the provider.
    """

    def __init__(self, road: LiteLLMRoad, secrets: tuple[str, ...]) -> None:
        known = get_args(litellm.acreate_batch.__annotations__.get("custom_llm_provider")) or ()
        if known and road.provider not in known:
            raise UnusableModelError(
                f"model {road.name!r}: LiteLLM has no batch calls for {road.provider!r}; it has "
                f"them for {', '.join(known)}; run without --batch"
            )
        self.model, _ = find_provider(road.name, road.given.get("api_base"))
        self._label = road.name
        self._secrets = secrets
        # The SDK would send the request that makes a batch twice if an answer is late.
        self._options = {"custom_llm_provider": road.provider, "max_retries": 0, **road.given}
        if road.provider not in _BY_NAME_ALONE:
            self._options["model"] = road.name

    async def upload(self, _session: aiohttp.ClientSession, data: bytes) -> str:
        """See `BatchService`."""
        file = ("requests.jsonl", data, "application/jsonl")
        made = await self._ask(litellm.acreate_file, file=file, purpose="batch")
        return str(made.id)

    async def create(self, _session: aiohttp.ClientSession, file: str) -> str:
        """See `BatchService`."""
        made = await self._ask(
            litellm.acreate_batch,
            completion_window=WINDOW,
            endpoint=ENDPOINT,
            input_file_id=file,
        )
        return str(made.id)

    async def find(self, _session: aiohttp.ClientSession, file: str) -> str | None:
        """See `BatchService`."""
        after: dict[str, str] = {}
        for _ in range(_MOST):
            page = await self._ask(litellm.alist_batches, limit=100, **after)
            for batch in page.data:
                if batch.input_file_id == file:
                    return str(batch.id)
            if not page.data or not getattr(page, "has_more", False):
                return None
            after = {"after": str(page.data[-1].id)}
        return None

    async def look(self, _session: aiohttp.ClientSession, batch: str) -> BatchStatus:
        """See `BatchService`."""
        found = await self._ask(litellm.aretrieve_batch, batch_id=batch)
        return status_of(found.model_dump())

    async def download(self, _session: aiohttp.ClientSession, file: str) -> bytes:
        """See `BatchService`."""
        found = await self._ask(litellm.afile_content, file_id=file)
        return bytes(found.content)

    async def _ask(self, call: Callable[..., Coroutine[Any, Any, Any]], **more: object) -> Any:  # noqa: ANN401 - LiteLLM's responses
        try:
            return await run_in_background(call(**self._options, **more))
        except Exception as error:  # noqa: BLE001 - boundary to third-party code
            known = translated(error)
            if isinstance(known, UnansweredError):
                raise known.fault.to_error(self._label, self._secrets) from None
            if isinstance(known, BackendError):
                raise known from None
            raise BackendError(f"{self._label}: {error}") from None
