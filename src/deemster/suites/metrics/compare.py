"""Two judges on the same items: is one better, and in which subsets?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from deemster.errors import InputError
from deemster.schemas import Count, Record, Sample
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate, Floats, tidy
from deemster.suites.metrics.items import Item


class Comparison(Record):
    """Paired comparison over the items with a unique best that both judges scored.

    With `unscored_as_wrong`, over all items with a unique best.
    """

    first: Estimate
    """Strict accuracy of the first judge on the shared items."""
    second: Estimate
    difference: Estimate
    """First minus second; items are resampled in pairs."""
    only_first: Count
    """Items that only the first judge got right."""
    only_second: Count
    p_value: float | None
    """McNemar's exact test of equal accuracy; None without shared items."""
    p_adjusted: float | None = None
    """Corrected for the number of subsets tested, where there are several."""
    unscored: Count
    """Shared items left out because a judge did not score them."""


def compare(
    first: Sequence[Item],
    second: Sequence[Item],
    *,
    unscored_as_wrong: bool = False,
    bootstrap: Bootstrap = DEFAULT,
) -> Comparison:
    """Compare two runs on the items they share, matched by id.

    Args:
        first: the first judge's run.
        second: the second's.
        unscored_as_wrong: count an item that a judge did not score as one it got wrong, instead
            of leaving it out.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: an id occurs twice in a run, or an item's truth differs between the runs.
    """
    rights = [(a.right, b.right) for a, b in _matched(first, second)]
    one, two = np.array(rights, dtype=float).reshape(-1, 2).T
    return compare_rights(one, two, unscored_as_wrong=unscored_as_wrong, bootstrap=bootstrap)


def compare_rights(
    first: Floats,
    second: Floats,
    *,
    unscored_as_wrong: bool = False,
    bootstrap: Bootstrap = DEFAULT,
) -> Comparison:
    """`compare` of what two judges got right of the same items.

    Args:
        first: (I,): 1 where the first judge was right, 0 where it was wrong, NaN for unscored.
        second: (I,): of the second.
        unscored_as_wrong: as in `compare`.
        bootstrap: how intervals are drawn.
    """
    table = np.stack([first, second], axis=1)
    if unscored_as_wrong:
        table = np.nan_to_num(table)
    table = table[~np.isnan(table).any(axis=1)]
    one, two = table.T
    only_first, only_second = int((one > two).sum()), int((two > one).sum())
    p_value = None
    if len(table):
        from statsmodels.stats.contingency_tables import mcnemar  # noqa: PLC0415 - slow to import

        both, neither = int((one * two).sum()), int(((1 - one) * (1 - two)).sum())
        tested = mcnemar([[both, only_first], [only_second, neither]], exact=True)
        p_value = tidy(min(1.0, float(tested.pvalue)))
    return Comparison(
        first=bootstrap.mean(one),
        second=bootstrap.mean(two),
        difference=bootstrap.difference(one, two),
        only_first=only_first,
        only_second=only_second,
        p_value=p_value,
        unscored=len(first) - len(table),
    )


def compare_by_subset(
    first: Sequence[Item],
    second: Sequence[Item],
    *,
    correction: Literal["holm", "bh"] = "holm",
    unscored_as_wrong: bool = False,
    bootstrap: Bootstrap = DEFAULT,
) -> dict[str, Comparison]:
    """`compare` within each subset, p-values corrected for looking at them all.

    Args:
        first: the first judge's run.
        second: the second's.
        correction: `holm` bounds the chance of any false finding; `bh` (Benjamini-Hochberg) the
            share of false ones among the findings.
        unscored_as_wrong: as in `compare`.
        bootstrap: how intervals are drawn.
    """
    if correction not in ("holm", "bh"):
        raise InputError(f"correction {correction!r}; allowed: holm, bh")
    pairs = _matched(first, second)
    found = {}
    for name in sorted({a.subset for a, _ in pairs}):
        mine = [(a, b) for a, b in pairs if a.subset == name]
        found[name] = compare(
            [a for a, _ in mine],
            [b for _, b in mine],
            unscored_as_wrong=unscored_as_wrong,
            bootstrap=bootstrap,
        )
    tested = [name for name, one in found.items() if one.p_value is not None]
    if not tested:
        return found
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415 - slow to import

    method = "holm" if correction == "holm" else "fdr_bh"
    adjusted = multipletests([found[name].p_value for name in tested], method=method)[1]
    for name, p_adjusted in zip(tested, adjusted, strict=True):
        found[name] = found[name].model_copy(update={"p_adjusted": tidy(float(p_adjusted))})
    return found


def _matched(first: Sequence[Item], second: Sequence[Item]) -> list[tuple[Item, Item]]:
    """The items both runs have and that can be right or wrong, sorted by id."""
    by_id = []
    for run in (first, second):
        known = {item.id: item for item in run}
        if len(known) != len(run):
            twice = next(i for i in known if sum(item.id == i for item in run) > 1)
            raise InputError(f"item {twice!r} occurs twice in a run; ids must be unique to compare")
        by_id.append(known)
    shared = sorted(by_id[0].keys() & by_id[1].keys())
    pairs = [(by_id[0][key], by_id[1][key]) for key in shared]
    for a, b in pairs:
        if a.ground_truth != b.ground_truth:
            raise truths_differ(a, b)
    return [(a, b) for a, b in pairs if a.true_best is not None]


def truths_differ(first: Item | Sample, second: Item | Sample) -> InputError:
    """Two runs have an item with another truth each."""
    return InputError(
        f"item {first.id!r} has ground truth {first.ground_truth} in one run and "
        f"{second.ground_truth} in the other; compare runs over the same data"
    )
