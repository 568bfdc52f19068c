"""The direct road: one POST on a shared aiohttp session, read as what it is."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from deemster.backends._api.answer import WireAnswer, fault_of, read_answer
from deemster.backends._api.faults import Fault
from deemster.backends._api.keys import show
from deemster.backends._api.providers import Access
from deemster.backends._api.request import Turns, as_json
from deemster.backends._api.road import UnansweredError
from deemster.errors import BackendError, InputError
from deemster.json_text import parse_json
from deemster.redaction import note_secret

ANSWER_BYTES = 64 * 2**20
"""Limit of one answer."""
_LARGE = ("messages", "response_format")
"""What of a body is long, and made by this package."""


def open_session() -> aiohttp.ClientSession:
    """A session for the running loop. It keeps connections, bounds nothing and never retries."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,  # the gate limits the calls
            keepalive_timeout=60,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
    )


def proxy_for(url: str) -> str | None:
    """The environment's proxy for a URL, as aiohttp's requests take it; None if there is none.

    aiohttp's `trust_env` would do it, but also send the logins of `~/.netrc` to hosts that a suite
    names, and look for both in a thread at every request.
    """
    where = urlsplit(url)
    proxy = getproxies().get(where.scheme)
    if not proxy or proxy_bypass(where.hostname or ""):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    note_secret(proxy)  # with its login, which the proxy may say again
    return proxy


class LeanRoad:
    """Requests to one OpenAI-compatible endpoint.

    Args:
        model: its name as the server knows it; empty: the server has one, and takes no name.
        access: where the endpoint is, and the key.
        headers: further headers.
    """

    def __init__(self, model: str, access: Access, headers: Mapping[str, str]) -> None:
        self._model = model
        self._access = access
        self._headers = {"Content-Type": "application/json"}
        if access.authorization:
            self._headers["Authorization"] = access.authorization
        self._headers |= headers
        self.proxy = proxy_for(access.url)
        """Through which requests to the server go; None: directly."""

    @property
    def model(self) -> str:
        """The model's name as the server knows it."""
        return self._model

    @property
    def shown(self) -> str:
        """The URL as messages show it."""
        return self._access.shown

    def beside(self, path: str) -> tuple[str, dict[str, str]]:
        """(URL, headers) of another endpoint of the same server, which takes no JSON."""
        url, mark, query = self._access.url.partition("?")
        url = f"{url.removesuffix('/chat/completions')}{path}{mark}{query}"
        return url, {k: v for k, v in self._headers.items() if k.lower() != "content-type"}

    async def send(
        self,
        session: aiohttp.ClientSession,
        body: dict[str, Any],
        _draws: tuple[int, ...] = (),
    ) -> WireAnswer:
        """The answer to one request.

        Raises:
            UnansweredError: the server gave an error.
            BackendError: there is no server, or the connection broke.
        """
        content = await self.post(session, body)
        answer = read_answer(content)
        if answer is None:
            shown = content[:100].decode(errors="replace")
            raise BackendError(f"the answer is not a completion: {shown!r}", retryable=True)
        fault = fault_of(answer)
        if fault is not None:
            raise UnansweredError(fault)
        return answer

    async def post(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> bytes:
        """The body of an answer that is no error; raises as `send` does."""
        data = self._written(body)
        try:
            async with session.post(
                self._access.url,
                data=data,
                headers=self._headers,
                allow_redirects=False,
                proxy=self.proxy,
            ) as reply:
                content, status, headers = await read_all(reply), reply.status, reply.headers
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise connection_error(error, self._access.shown) from None
        if 300 <= status < 400:
            # Neither the key nor the samples go to a place that only the server names.
            raise redirected(self._access.shown, headers.get("Location", ""))
        if status >= 400:
            raise UnansweredError(Fault.read(status, _json(content), headers))
        return content

    def _written(self, body: dict[str, Any]) -> bytes:
        """The body as JSON, with the model's name."""
        named = {"model": self._model} if self._model else {}
        small = {name: value for name, value in body.items() if name not in _LARGE}
        pieces = [json.dumps(named | small).encode()[1:-1]] if named or small else []
        for name in _LARGE:
            if (value := body.get(name)) is not None:
                written = value.written if isinstance(value, Turns) else as_json(value)
                pieces.append(b'"%b": %b' % (name.encode(), written))
        return b"{%b}" % b", ".join(pieces)


def redirected(url: str, to: str) -> BackendError:
    """A redirect, which is not followed."""
    where = f" to {show(to)}" if to else ""
    return BackendError(
        f"{url} redirects{where}, which is not followed; give the final URL as api_base"
    )


def connection_error(error: BaseException, url: str) -> BackendError:
    """What became of the connection, in words."""
    kinds = causes(error)
    if any(isinstance(kind, ConnectionRefusedError) for kind in kinds):
        return BackendError(
            f"cannot connect to {url}: connection refused; is the server running?", retryable=True
        )
    if any(isinstance(kind, socket.gaierror | aiohttp.ClientConnectorDNSError) for kind in kinds):
        return BackendError(
            f"cannot connect to {url}: no such host; check api_base", retryable=True
        )
    if any(
        isinstance(kind, ssl.SSLError | aiohttp.ClientConnectorCertificateError) for kind in kinds
    ):
        return BackendError(f"cannot connect to {url}: {error}")
    what = str(error) or type(error).__name__
    return BackendError(f"the connection to {url} broke: {what}", retryable=True)


def causes(error: BaseException) -> list[BaseException]:
    """An exception, with those that led to it."""
    found = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None:
        found.append(cause)
    return found


async def read_all(reply: aiohttp.ClientResponse, limit: int = ANSWER_BYTES) -> bytes:
    """The body of an answer.

    Raises:
        BackendError: it is larger than `limit` bytes: some servers never stop.
    """
    body = bytearray()
    async for part in reply.content.iter_any():
        body += part
        if len(body) > limit:
            reply.close()
            raise BackendError(f"the answer is larger than {limit >> 20} MiB")
    return bytes(body)


def _json(content: bytes) -> object:
    text = content.decode(errors="replace")
    try:
        return parse_json(text, "an error")
    except InputError:
        return text[:4000]
