"""The roads to a decision model: straight to its endpoint, or through LiteLLM."""

from __future__ import annotations

from typing import Any

from deemster.backends._api.decision_wire import Wire
from deemster.backends._api.json_service import JsonProfile, LeanJson
from deemster.backends._api.lean import LeanRoad
from deemster.backends._api.prices import Pricing
from deemster.backends._api.profile import Wanted, read_pricing
from deemster.backends._api.providers import ANY, Provider, find_access
from deemster.errors import InputError


def read_decision_profile(wanted: Wanted, wire: Wire) -> JsonProfile:
    """Look a model up. May import LiteLLM, which takes seconds.

    Raises:
        InputError: the provider is unknown, a key or URL is missing, or the installed LiteLLM
            has no decision models.
    """
    if (lean := wanted.lean) is not None:
        return _lean(wanted, wire, *lean)
    from deemster.backends._api import with_litellm  # noqa: PLC0415 - takes seconds

    given = wanted.given
    try:
        _, provider = with_litellm.find_provider(wanted.name, given.api_base)
    except InputError:
        if given.api_base is None or wanted.only_litellm:
            raise
        return _lean(wanted, wire, wanted.name, ANY)  # a server that calls its model so
    given = with_litellm.with_keys_in_place(given, provider)
    options: dict[str, Any] = {
        "api_base": given.api_base, "api_key": given.api_key, "timeout": wanted.timeout,
    }  # fmt: skip
    if given.headers:
        options["extra_headers"] = dict(given.headers)
    return JsonProfile(
        road=with_litellm.LiteLLMDecisions(wire, wanted.name, options),
        host=given.api_base or provider,
        key=given.api_key or "",
        pricing=read_pricing(wanted),
    )


def _lean(wanted: Wanted, wire: Wire, model: str, provider: Provider) -> JsonProfile:
    access = find_access(wanted.given, provider, path=f"/{wire}")
    name = wanted.name.partition("/")[0] if provider.listed else None
    return JsonProfile(
        road=LeanJson(LeanRoad(model, access, wanted.given.headers)),
        host=access.host,
        key=access.key,
        pricing=Pricing(model, name, wanted.prices),
    )
