"""Prices that need no import of LiteLLM are those that it gives itself."""

from __future__ import annotations

from typing import Any

import pytest

from deemster.backends._api import prices
from deemster.backends._api.prices import plain_prices
from deemster.backends._api.providers import LEAN
from deemster.backends._api.with_litellm import litellm
from deemster.schemas import Usage


@pytest.mark.parametrize(
    "details",
    [
        pytest.param({}, id="plain"),
        pytest.param({"prompt_tokens_details": {"cached_tokens": 600}}, id="cached"),
        pytest.param(
            {
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0},
            },
            id="reasoning",
        ),
    ],
)
def test_plain_prices_are_those_of_litellm(
    details: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = prices._price_list()
    assert listed is not None
    monkeypatch.setattr(prices, "_price_list", lambda: listed)  # read once for all models
    cached = details.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    reported = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050, **details}
    compared = 0
    for name, entry in listed.items():
        provider = str(entry.get("litellm_provider"))
        if provider not in LEAN or not LEAN[provider].listed or entry.get("mode") != "chat":
            continue
        model = name.removeprefix(f"{provider}/")
        found = plain_prices(model, provider)
        if found is None or model.startswith(f"{provider}/"):  # which old releases do not find
            continue
        if cached and "cache_read_input_token_cost" not in entry:  # free in old releases
            said = {**reported, "prompt_tokens_details": None}
        else:
            said = reported
        expected = sum(
            litellm.cost_per_token(
                model=model,
                custom_llm_provider=provider,
                prompt_tokens=1000,
                completion_tokens=50,
                usage_object=litellm.Usage(**said),
            )
        )
        usage = Usage(tokens_in=1000, tokens_out=50, tokens_cached=cached)
        assert found.cost(usage) == pytest.approx(expected), name
        compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    ("costs", "plain"),
    [
        pytest.param({}, True, id="plain"),
        pytest.param({"input_cost_per_token_priority": 9e-6}, True, id="another-service-level"),
        pytest.param({"input_cost_per_token_above_272k_tokens": 9e-6}, False, id="by-length"),
        pytest.param({"off_peak_pricing": {"input": 1e-6}}, False, id="by-hour"),
        pytest.param({"output_cost_per_reasoning_token": 9e-6}, False, id="by-kind"),
        pytest.param({"output_cost_per_token": None}, False, id="unknown"),
    ],
)
def test_litellm_is_asked_where_multiplying_is_not_enough(
    costs: dict[str, Any], plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, **costs}
    listed = {"made-up": {"litellm_provider": "openai", **entry}}
    monkeypatch.setattr(prices, "_price_list", lambda: listed)
    plain_prices.cache_clear()
    assert (plain_prices("made-up", "openai") is not None) is plain
    assert plain_prices("made-up", "groq") is None
    plain_prices.cache_clear()
