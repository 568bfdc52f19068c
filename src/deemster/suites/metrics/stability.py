"""Errors that more votes cannot repair, because the judge would make them again."""

from __future__ import annotations

from collections.abc import Sequence

from deemster.aggregators import Reducer, Sum, confidence
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate
from deemster.suites.metrics.items import Item

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
    rule = reducer or Sum()
    found = []
    for item in items:
        if item.right is not False or item.best is None:
            continue
        share = confidence(rule, item.ballot, item.best, seed=0)
        if share is not None:
            found.append(float(share >= STABLE))
    return bootstrap.mean(found) if found else None
