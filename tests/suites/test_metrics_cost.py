"""What an item costs."""

from __future__ import annotations

import pytest

from deemster.aggregators import Ballot
from deemster.schemas import Usage
from deemster.suites.metrics import Item, item_cost


def item(name: str, usage: Usage) -> Item:
    return Item(
        id=name, ballot=Ballot.from_votes((), n=2), spent=tuple(value for _, value in usage)
    )


def test_means_over_all_items() -> None:
    found = item_cost(
        [
            item("a", Usage(calls=3, tokens_in=100, tokens_out=10, cost=0.3, seconds=1.5)),
            item("b", Usage(calls=0, cost=0.0)),
        ]
    )
    assert found is not None
    assert found.model_dump() == pytest.approx(
        {"calls": 1.5, "tokens_in": 50, "tokens_out": 5, "cost": 0.15, "seconds": 0.75}
    )


def test_an_unknown_price_is_no_price() -> None:
    found = item_cost([item("a", Usage(calls=1, cost=None)), item("b", Usage(calls=1, cost=1))])
    assert found is not None
    assert found.cost is None


@pytest.mark.parametrize("usages", [[], [Usage()]], ids=["no items", "no calls on record"])
def test_nothing_on_record_is_none_and_not_free(usages: list[Usage]) -> None:
    assert item_cost([item(str(i), usage) for i, usage in enumerate(usages)]) is None
