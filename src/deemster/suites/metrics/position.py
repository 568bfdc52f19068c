"""Position consistency: whether a pair's winner depends on which response is shown first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deemster.schemas import Record
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate, Floats
from deemster.suites.metrics.items import Item, groups, signs, stack_ballots


class PositionConsistency(Record):
    """Over pairs with valid votes in both orders. The same outcome may also be a tie twice."""

    by_item: Estimate
    """Share of pairs where the mean scores of either order have the same outcome."""
    by_vote: Estimate
    """Chance that two votes of different order have the same outcome; mean over pairs."""
    same_order: Estimate
    """The same for two votes of one order: what sampling noise alone allows. `by_vote` below it
    is position bias. Only pairs with two valid votes in one order."""
    first_wins: Estimate
    """Share of decided votes for the response shown first, both orders weighing the same; 0.5
    shows no bias. Only pairs with a decided vote in each order."""


def position_consistency(
    items: Sequence[Item], *, bootstrap: Bootstrap = DEFAULT
) -> PositionConsistency:
    """Compare the votes of the two orders of each pair. Items need no truth."""
    pairs = [item for item in items if item.n_responses == 2 and item.orders]
    parts: list[Floats] = [np.zeros((0, 4))]
    for where in groups(pairs, lambda item: (item.n_votes,)):
        chosen = [pairs[i] for i in where]
        scores = stack_ballots(chosen).scores.reshape(len(chosen), -1, 2)
        parts.append(_measure(scores, _shown_first(chosen)))
    table = np.concatenate(parts)
    columns = [column[np.isfinite(column)] for column in table.T]
    by_item, by_vote, same_order, first_wins = (bootstrap.mean(column) for column in columns)
    return PositionConsistency(
        by_item=by_item, by_vote=by_vote, same_order=same_order, first_wins=first_wins
    )


def _shown_first(items: Sequence[Item]) -> Floats:
    """(I, K): the response shown first; NaN if the vote did not see both or does not say."""
    return np.array(
        [[order[0] if len(order) == 2 else np.nan for order in item.orders] for item in items],
        dtype=float,
    )


def _measure(scores: Floats, first: Floats) -> Floats:
    """(I, 4) the item's values of the four fields; NaN where it says nothing.

    Args:
        scores: (I, K, 2).
        first: (I, K), 0 or 1, NaN unknown.
    """
    valid = np.asarray(np.isfinite(scores).all(axis=2))
    outcome = signs(np.where(valid[..., None], scores, 0.0))[:, :, 0, 1]  # 1: response 0 wins
    in_order = valid[:, None] & (first[:, None] == np.arange(2)[:, None])  # (I, 2, K)
    votes = in_order.sum(axis=2).astype(float)
    both = (votes > 0).all(axis=1)
    # (I, 2 orders, 3 outcomes): how many votes
    cells = in_order[..., None] & (outcome[:, None, :, None] == np.array([1, 0, -1]))
    table = cells.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(in_order[..., None], scores[:, None], 0.0).sum(axis=2) / votes[..., None]
        sides = signs(np.nan_to_num(means))[:, :, 0, 1]
        by_vote = (table[:, 0] * table[:, 1]).sum(axis=1) / votes.prod(axis=1)
        couples = (votes * (votes - 1)).sum(axis=1)
        alike = (table * (table - 1)).sum(axis=(1, 2)) / couples
        # Shown first, response 0 wins with outcome 1, response 1 with outcome -1.
        hits = np.stack([table[:, 0, 0], table[:, 1, 2]], axis=1)
        share = (hits / (table[:, :, 0] + table[:, :, 2])).mean(axis=1)
    values = np.stack([(sides[:, 0] == sides[:, 1]).astype(float), by_vote, alike, share], axis=1)
    return np.where(both[:, None], values, np.nan)
