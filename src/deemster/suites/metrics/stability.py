"""Errors that more votes cannot repair, because the judge would make them again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deemster.aggregators import Reducer, Sum, confidences
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate
from deemster.suites.metrics.items import Item, groups, stack_ballots

STABLE = 0.9
"""Share of resampled votes from which on a winner counts as stable."""


def stable_errors(
    items: Sequence[Item], reducer: Reducer | None = None, *, bootstrap: Bootstrap = DEFAULT
) -> Estimate | None:
    """Share of the errors that are stable: votes drawn again name the same wrong response.

    An error is an item whose single winner is not the true best; ties on top decide nothing and
    are left out. It is stable if the winner wins at least `STABLE` of the ballots that are drawn
    with replacement from its votes. Neither more votes nor abstaining where votes differ finds
    such an error; another judge or another prompt may.

    Args:
        items: the run.
        reducer: the voting rule; `Sum()` if not given.
        bootstrap: how the interval is drawn.

    Returns:
        The share; `n` counts the errors. None if no error has 2 or more valid votes.
    """
    errors, winners, found = [], [], []
    for item in items:
        if item.right is False and (best := item.best) is not None:
            errors.append(item)
            winners.append(best)
    for where in groups(errors, lambda item: (item.n_votes, item.n_responses)):
        votes = stack_ballots([errors[i] for i in where])
        each = votes.take(np.arange(len(votes.weights)).reshape(len(where), -1))
        leaders = np.array([winners[i] for i in where], dtype=np.intp)
        shares = confidences(reducer or Sum(), each, leaders, seed=0)
        found.append(shares[~np.isnan(shares)] >= STABLE)
    stable = np.concatenate(found) if found else np.zeros(0)
    return bootstrap.mean(stable.astype(float)) if len(stable) else None
