"""The HTTP client handed to LiteLLM, and the rest of the road kept short.

`litellm.acompletion` spends about ten times a bare client's CPU per call: a logging object with
cost and metadata for callbacks, a hop to a thread, the OpenAI SDK's transformations, httpx on
top of aiohttp. Its HTTP handler also sends a request again after a connection error, which
would make it a second retry owner. LiteLLM takes a `client`; this one is a single aiohttp
session that answers both to LiteLLM's own providers (which call `post`) and to those it serves
through the OpenAI SDK (which call `chat.completions.with_raw_response.create`).

Importing this module imports LiteLLM; it is imported when the first call is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.request import getproxies

# Without it, the import fetches a price list from the network.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import aiohttp
import httpx
import litellm as litellm  # noqa: PLC0414 - for those who import it from here
from litellm.litellm_core_utils.litellm_logging import Logging
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, get_ssl_configuration
from litellm.llms.openai.common_utils import get_openai_credentials

litellm.telemetry = False
litellm.suppress_debug_info = True  # it prints advice to stdout on every error

_INLINE = frozenset(
    {
        "openai", "hosted_vllm", "anthropic", "cerebras", "deepinfra", "deepseek", "fireworks_ai",
        "gemini", "groq", "lm_studio", "llamafile", "mistral", "nvidia_nim", "openrouter",
        "perplexity", "together_ai", "xai",
    }
)  # fmt: skip
"""Providers whose requests LiteLLM prepares without blocking. Others may fetch a token or ask
the server for the model's data first, so theirs are prepared in a thread, as LiteLLM does."""

_OWN_SDK = frozenset({"azure", "azure_text", "text-completion-openai"})
"""Providers that need a client of their SDK's own class; LiteLLM makes it."""


class ReplyError(httpx.HTTPStatusError):
    """The server's answer is an error, or is no answer.

    The attributes are those that LiteLLM reads to tell errors apart.
    """

    def __init__(self, message: str, response: httpx.Response) -> None:
        super().__init__(message, request=response.request, response=response)
        self.message = message
        self.text = message
        self.status_code = response.status_code
        self.headers = response.headers
        self.body: object | None = None
        with contextlib.suppress(ValueError, AttributeError):
            body = json.loads(message)
            self.body = body.get("error", body)


@dataclass(frozen=True)
class _RawReply:
    """What the OpenAI SDK's `with_raw_response` gives, as far as LiteLLM uses it."""

    headers: Mapping[str, str]
    data: dict[str, Any]

    def parse(self) -> _RawReply:
        return self

    def model_dump(self) -> dict[str, Any]:
        return self.data


class Client(AsyncHTTPHandler):  # type: ignore[misc]  # litellm is untyped
    """One aiohttp session, for one event loop. Never retries; the caller bounds the time."""

    def __init__(self, *, provider: str, api_base: str | None, api_key: str | None) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the gate limits the calls
                ssl=get_ssl_configuration(),
                keepalive_timeout=60,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
            # With it aiohttp looks for proxies and passwords in a thread, for every request.
            trust_env=bool(getproxies()),
        )
        super().__init__(shared_session=self.session)
        self.provider = provider
        if provider == "openai":
            api_base, api_key, _ = get_openai_credentials(api_base, api_key)
        self.api_key = api_key or ""
        self.max_retries = 0
        self.organization: str | None = None
        url = (api_base or "").rstrip("/")
        self._base_url = SimpleNamespace(_uri_reference=url)
        self._completions_url = f"{url}/chat/completions"
        # The path the OpenAI SDK's callers take.
        create = SimpleNamespace(create=self._create)
        self.chat = SimpleNamespace(completions=SimpleNamespace(with_raw_response=create))

    async def post(self, url: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """Send a request as LiteLLM's handler would, once.

        Raises:
            ReplyError: the status is 400 or above.
        """
        if options.get("stream") or options.get("files"):
            response: httpx.Response = await super().post(url, **options)
            return response
        data = options.get("data") if options.get("data") is not None else options.get("content")
        status, received, content = await self._send(
            url,
            options.get("headers") or {},
            data=data,
            json=options.get("json"),
            params=options.get("params"),
        )
        reply = _response(url, status, received, content)
        if status >= 400:
            raise ReplyError(reply.text, reply)
        return reply

    async def _send(
        self,
        url: str,
        headers: Mapping[str, str],
        **body: Any,  # noqa: ANN401
    ) -> tuple[int, Mapping[str, str], bytes]:
        given = {key: value for key, value in body.items() if value is not None}
        async with self.session.post(url, headers=headers, **given) as reply:
            return reply.status, reply.headers, await reply.read()

    async def _create(
        self,
        *,
        timeout: object = None,  # noqa: ARG002, ASYNC109 - LiteLLM passes it; ours bounds the call
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **body: Any,  # noqa: ANN401
    ) -> _RawReply:
        headers = {"Content-Type": "application/json", **(extra_headers or {})}
        if self.api_key:
            headers.setdefault("Authorization", f"Bearer {self.api_key}")
        if self.organization:
            headers.setdefault("OpenAI-Organization", self.organization)
        url = self._completions_url
        data = json.dumps({**body, **(extra_body or {})}).encode()
        status, received, content = await self._send(url, headers, data=data, params=extra_query)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if status < 400 and isinstance(answer, dict) and answer.get("choices"):
            return _RawReply(dict(received), answer)
        reply = _response(url, status, received, content)
        message = reply.text
        if status < 400:
            message = f"the answer is not a completion: {message[:200]!r}"
        raise ReplyError(message, reply)


def _response(url: str, status: int, headers: Mapping[str, str], content: bytes) -> httpx.Response:
    # Decoded already, and whole: these two no longer describe the content.
    dropped = {"content-encoding", "transfer-encoding"}
    kept = [item for item in headers.items() if item[0].lower() not in dropped]
    request = httpx.Request("POST", url)
    return httpx.Response(status, headers=kept, content=content, request=request)


class _Quiet(Logging):  # type: ignore[misc]  # litellm is untyped
    """LiteLLM's record of a call, without the reports to callbacks.

    Their cost, counted per call, was more than that of the request itself.
    """

    def pre_call(self, *_: object, **__: object) -> None:
        """Report nothing."""

    def post_call(self, *_: object, **__: object) -> None:
        """Report nothing."""


def has_openai_access(api_base: str | None, api_key: str | None) -> bool:
    """Whether there is a key for OpenAI, or another server that may need none."""
    found = get_openai_credentials(api_base, api_key)
    return bool(found.api_key) or not found.api_base.startswith("https://api.openai.com")


def takes_prefill(model: str, provider: str) -> bool:
    """Whether the model goes on from an assistant turn that the request begins."""
    try:
        info = litellm.get_model_info(model, provider)
    except Exception:  # noqa: BLE001 - it raises plain Exception for a model it does not list
        return False
    return bool(info.get("supports_assistant_prefill"))


def open_client(model: str, api_base: str | None, api_key: str | None) -> Client:
    """A client for the running loop."""
    _, provider, found_key, found_base = litellm.get_llm_provider(
        model, api_base=api_base, api_key=api_key
    )
    return Client(provider=provider, api_base=api_base or found_base, api_key=api_key or found_key)


async def complete(client: Client, provider: str, options: dict[str, Any]) -> Any:  # noqa: ANN401
    """One call through LiteLLM.

    This is `litellm.acompletion` without its wrapper: `litellm.completion(acompletion=True)`
    is what that calls, and gives the coroutine that sends the request.

    Args:
        client: of the running loop.
        provider: LiteLLM's name of it.
        options: for `litellm.completion`.
    """
    options = {
        **options,
        "acompletion": True,
        "num_retries": 0,
        "max_retries": 0,
        "_skip_mcp_handler": True,  # looking for MCP tools imports a package that may be absent
        "shared_session": client.session,
        "litellm_logging_obj": _Quiet(
            model=options["model"],
            messages=[],
            stream=False,
            call_type="acompletion",
            start_time=dt.datetime.now(tz=dt.UTC),
            litellm_call_id="",
            function_id="",
        ),
    }
    if provider not in _OWN_SDK:
        options["client"] = client
    if provider in _INLINE:
        sent = litellm.completion(**options)
    else:
        sent = await asyncio.to_thread(litellm.completion, **options)
    return await sent if asyncio.iscoroutine(sent) else sent


async def close(client: Client) -> None:
    """Close the session, and drop the clients that LiteLLM cached for it."""
    await client.session.close()
    cache = litellm.in_memory_llm_clients_cache
    # Its keys end in the id of the event loop, which a later loop may be given again.
    here = f"-{id(asyncio.get_running_loop())}"
    for key, cached in list(cache.cache_dict.items()):
        if _session_of(cached) is client.session:
            cache.delete_cache(key)
        elif client.provider in _OWN_SDK and key.endswith(here):
            cache.delete_cache(key)
            await cached.close()


def _session_of(cached: object) -> object:
    """The aiohttp session under a LiteLLM handler or an SDK's client."""
    session = getattr(cached, "shared_session", None)
    if session is not None:
        return session
    http = getattr(cached, "_client", None)
    return getattr(getattr(http, "_transport", None), "client", None)


def abandon(client: Client) -> None:
    """Free what can be freed of a client whose loop was closed under it."""
    connector = client.session.connector
    if connector is not None:
        with contextlib.suppress(RuntimeError):
            connector.close()
