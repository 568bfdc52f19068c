"""Classifiers behind HTTP, so that a reward model or a meta RM can stand on another machine.

Model strings are `vllm-classify:URL`, `vllm-pooling:URL`, `vllm-score:URL` and `tei-predict:URL`.
Classifiers write nothing, so they are not among the backends of `Judge`: judges of the types
`scalar` and `pairwise` and the argument `meta_rm` take them.
"""

from __future__ import annotations

from typing import Unpack, cast

from deemster.backends._api.classify_wire import (
    WIRES,
    Layout,
    Outputs,
    Pair,
    Passage,
    Scheme,
    read_reply,
    request_body,
)
from deemster.backends._api.decision_wire import usage_of
from deemster.backends._api.json_service import JsonProfile, JsonService, LeanJson
from deemster.backends._api.keys import show, split
from deemster.backends._api.lean import LeanRoad
from deemster.backends._api.prices import Pricing
from deemster.backends._api.providers import ANY, LEAN, find_access, server_root
from deemster.backends._api.settings import ServiceOptions, ServiceSettings
from deemster.errors import BackendError, InputError
from deemster.schemas import Usage

__all__ = ["ClassifyService", "Layout", "Outputs", "Pair", "Passage"]


class ClassifyService:
    """A classifier behind HTTP.

    Args:
        model: a scheme of `WIRES` and the server's URL, and after `#` the name of the
            model at the server, where it serves several: `vllm-classify:http://gpu-1:8000`.
        layout: what is sent of a query and a response: `chat` (the turns, for the server's chat
            template), `text` or `pair`; None is the scheme's usual one.
        options: api_key, concurrency, rate, timeout, attempt_timeout, retries, budget, prices,
            extra, trust: see `APIBackend`.

    Raises:
        InputError: an argument is out of range, or the URL is none.
    """

    def __init__(
        self,
        model: str,
        *,
        layout: Layout | None = None,
        **options: Unpack[ServiceOptions],
    ) -> None:
        scheme, _, place = model.partition(":")
        if scheme not in WIRES:
            raise InputError(
                f"unknown classifier {model!r}; give hf:PATH, or one of: "
                + ", ".join(f"{name}:URL" for name in WIRES)
            )
        url, _, name = place.partition("#")
        parts = split(url) if url.startswith(("http://", "https://")) else None
        if parts is None or not parts.netloc:
            raise InputError(
                f"model '{scheme}:{show(url)}' has no URL; give for example "
                f"'{scheme}:http://127.0.0.1:8000'"
            )
        wire = WIRES[scheme]
        if layout is not None and layout not in wire.layouts:
            raise InputError(
                f"layout {layout!r} is not one of {scheme}; allowed: {', '.join(wire.layouts)}"
            )
        self.layout: Layout = layout or wire.layouts[0]
        self.layouts = wire.layouts
        self._scheme = cast("Scheme", scheme)
        self.name = f"{scheme}:{show(url)}" + (f"#{name}" if name else "")
        self._model = name
        settings = ServiceSettings(**options)
        self._given = settings.given(self.name, server_root(url))
        self._extra = dict(self._given.extra)
        self._prices = settings.own_prices()
        self._service = JsonService(
            self.name, settings, given=self._given, load=self._load, count=usage_of
        )

    async def classify(self, passage: Passage) -> tuple[Outputs, Usage]:
        """The raw outputs for one text, and what asking cost.

        Raises:
            BackendError: there was no answer, or none that can be used; its `usage` is what the
                attempts cost.
            UnusableModelError: request after request was refused for the same reason, or a budget
                in money is set and there are no prices.
        """
        try:
            body = request_body(self._scheme, passage) | self._extra
        except BackendError as error:
            error.usage = Usage()
            raise
        return await self._service.ask(
            {name: value for name, value in body.items() if value is not None},
            lambda reply: read_reply(self._scheme, reply),
        )

    def price(self, tokens_in: int, tokens_out: int) -> float | None:
        """US dollars for so many tokens; None where the price is not known."""
        pricing = Pricing(self._model, None, self._prices)
        return pricing.cost(Usage(tokens_in=tokens_in, tokens_out=tokens_out))

    async def aclose(self) -> None:
        """Close the connections of all running loops."""
        await self._service.aclose()

    def _load(self) -> JsonProfile:
        provider = LEAN["hosted_vllm"] if self._scheme.startswith("vllm") else ANY
        access = find_access(self._given, provider, path=WIRES[self._scheme].path)
        return JsonProfile(
            road=LeanJson(LeanRoad(self._model, access, self._given.headers)),
            host=access.host,
            key=access.key,
            pricing=Pricing(self._model, None, self._prices),
        )
