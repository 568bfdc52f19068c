"""What an answer costs: the user's prices, LiteLLM's list, or unknown."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, JsonValue, ValidationError

from deemster.errors import InputError
from deemster.schemas import Record, Usage, first_problem


class Prices(Record):
    """What a model costs, for models that LiteLLM has no price of. US dollars per million."""

    tokens_in: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    tokens_out: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    tokens_cached: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Tokens read from the prompt cache; None charges them like any other."""

    def cost(self, usage: Usage) -> float:
        """US dollars for these tokens."""
        cached = self.tokens_in if self.tokens_cached is None else self.tokens_cached
        fresh = usage.tokens_in - usage.tokens_cached
        total = (
            fresh * self.tokens_in
            + usage.tokens_cached * cached
            + usage.tokens_out * self.tokens_out
        )
        return total / 1e6


class Pricing:
    """Finds the price of an answer. Making one may import LiteLLM, which takes seconds.

    Args:
        model: name without the provider.
        provider: LiteLLM's name of it; None if LiteLLM is not to be asked.
        prices: what the user said it costs.
        batch: the price of a request in a batch.
    """

    def __init__(
        self, model: str, provider: str | None, prices: Prices | None, *, batch: bool = False
    ) -> None:
        self._model = model
        self._provider = provider
        self._prices = prices
        self._batch = batch
        self._plain = prices
        if prices is None and provider is not None and not batch:
            self._plain = plain_prices(model, provider)
        self._known = self._plain is not None or (
            provider is not None and is_listed(model) and self._listed(1, 1) is not None
        )

    def in_batches(self) -> Pricing:
        """The same for requests in batches. Prices that the user gave stay as they are."""
        return Pricing(self._model, self._provider, self._prices, batch=True)

    @property
    def known(self) -> bool:
        """Whether answers have a cost."""
        return self._known

    def cost(self, usage: Usage, reported: JsonValue = None) -> float | None:
        """US dollars of one answer; None if the model's price or its tokens are unknown.

        Args:
            usage: its tokens.
            reported: the usage as the provider gave it, for prices by kind of token.
        """
        if not self._known or usage.tokens_in + usage.tokens_out == 0:
            return None
        if self._plain is not None:
            return self._plain.cost(usage)
        return self._listed(usage.tokens_in, usage.tokens_out, reported)

    def _listed(self, tokens_in: int, tokens_out: int, reported: JsonValue = None) -> float | None:
        from deemster.backends._api.with_litellm import litellm  # noqa: PLC0415

        if self._batch:
            return self._listed_in_batches(tokens_in, tokens_out)
        try:
            cost_in, cost_out = litellm.cost_per_token(
                model=self._model,
                custom_llm_provider=self._provider,
                prompt_tokens=tokens_in,
                completion_tokens=tokens_out,
                usage_object=litellm.Usage(**reported) if isinstance(reported, dict) else None,
            )
        except Exception:  # noqa: BLE001 - it raises plain Exception for a model it does not list
            return None
        return float(cost_in + cost_out)

    def _listed_in_batches(self, tokens_in: int, tokens_out: int) -> float | None:
        from deemster.backends._api.with_litellm import litellm  # noqa: PLC0415

        try:
            info = litellm.get_model_info(self._model, self._provider)
        except Exception:  # noqa: BLE001 - it raises plain Exception for a model it does not list
            return None
        price_in = info.get("input_cost_per_token_batches")
        price_out = info.get("output_cost_per_token_batches")
        if price_in is None or price_out is None:
            return None
        return float(tokens_in * price_in + tokens_out * price_out)


def is_listed(model: str) -> bool:
    """Whether LiteLLM's price list may have the model. Does not import LiteLLM.

    True where the list is not found: then LiteLLM itself is to be asked.
    """
    names = _listed_names()
    return names is None or model in names


@lru_cache(maxsize=64)
def plain_prices(model: str, provider: str) -> Prices | None:
    """The price in LiteLLM's list, where that takes no more than multiplying.

    None where LiteLLM is to be asked: prices by length or hour, by kinds of tokens other than
    those of `Prices`, several entries that may be meant. Does not import LiteLLM.

    Args:
        model: name without the provider.
        provider: LiteLLM's name of it.
    """
    listed = _price_list() or {}
    names = (f"{provider}/{model}", model)
    found = [listed[name] for name in names if name in listed]
    found = [entry for entry in found if entry.get("litellm_provider") == provider]
    costs = [{k: v for k, v in entry.items() if _prices_calls(k)} for entry in found]
    if not costs or any(other != costs[0] for other in costs) or costs[0].keys() - _PLAIN:
        return None
    try:
        cost_in, cost_out = (
            1e6 * costs[0][name] for name in ("input_cost_per_token", "output_cost_per_token")
        )
        cached = costs[0].get("cache_read_input_token_cost")
        return Prices(
            tokens_in=cost_in,
            tokens_out=cost_out,
            tokens_cached=None if cached is None else 1e6 * cached,
        )
    except (KeyError, TypeError, ValidationError):
        return None


_PLAIN = frozenset({"input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"})
# Of service levels and tools that judges do not ask for.
_ELSEWHERE = ("_priority", "_flex", "_batches", "_ultrafast", "search_context_cost_per_query")


def _prices_calls(field: str) -> bool:
    """Whether a field of LiteLLM's list is about what a judge's calls cost."""
    return ("cost" in field or "pric" in field) and not field.endswith(_ELSEWHERE)


@cache
def _listed_names() -> frozenset[str] | None:
    listed = _price_list()
    if listed is None:
        return None
    # Some stand there as `provider/model`, some as `provider/region/model`, some alone.
    return frozenset(name[at:] for name in listed for at in _starts(name))


def _price_list() -> dict[str, dict[str, Any]] | None:
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name("model_prices_and_context_window_backup.json")
    try:
        listed: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return listed


def _starts(name: str) -> list[int]:
    return [0, *(i + 1 for i, character in enumerate(name) if character == "/")]


def read_prices(given: Prices | Mapping[str, float]) -> Prices:
    """Prices from an object or a mapping with its fields.

    Raises:
        InputError: a field is missing, unknown or out of range.
    """
    try:
        return Prices.model_validate(given)
    except ValidationError as error:
        raise InputError(f"prices: {first_problem(error)}") from error
