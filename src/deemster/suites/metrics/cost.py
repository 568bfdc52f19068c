"""What judging an item takes, so that judges of different kinds can be set side by side."""

from __future__ import annotations

from collections.abc import Sequence

from deemster.schemas import Finite, Record, Usage
from deemster.suites.metrics.estimate import tidy
from deemster.suites.metrics.items import Item


class ItemCost(Record):
    """Means over the items of a run, as if the judge had run alone."""

    calls: Finite
    """Requests to models; of a local classifier, the texts it read."""
    tokens_in: Finite
    tokens_out: Finite
    cost: Finite | None
    """US dollars; None where the price of some call is not known. Local models cost 0: their price
    is the time."""
    seconds: Finite
    """A local model: seconds that it worked, whatever ran beside it. An API: seconds waited for."""


def item_cost(items: Sequence[Item]) -> ItemCost | None:
    """Calls, tokens, money and time for each item; None where no call is on record."""
    total = Usage.total(item.usage for item in items)
    if not total.calls:
        return None
    n = len(items)
    return ItemCost(
        calls=total.calls / n,
        tokens_in=total.tokens_in / n,
        tokens_out=total.tokens_out / n,
        cost=None if total.cost is None else tidy(total.cost / n),
        seconds=total.seconds / n,
    )
