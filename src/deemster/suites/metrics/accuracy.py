"""How often the judge finds the better response: strictly, by pairs, in best-of-n."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from deemster.errors import InputError
from deemster.schemas import Count, Record
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate
from deemster.suites.metrics.items import Item, groups, signs, stack_pairs, top_set

FEW = 20
"""Below this many items an accuracy says little: its 95 % interval is up to 45 points wide."""


class Accuracy(Record):
    """Strict accuracy, with unscored items left out or counted as wrong, and the ties.

    It covers the items with 2 or more responses and a unique true best (`single_accuracy`:
    single responses with truth).
    """

    scored: Estimate
    """Share of the scored items whose true best has strictly the highest reward."""
    overall: Estimate
    """The same over all items, an unscored one counting as wrong. A lower bound."""
    shuffled: Estimate
    """Scored items, ties on top broken at random, in expectation (the paper's rule, section 2)."""
    n: Count
    """Items with a unique true best."""
    right: Count
    ties: Count
    """Scored items with a tie on top. They count as wrong."""
    unscored: Count


def accuracy(items: Sequence[Item], *, bootstrap: Bootstrap = DEFAULT) -> Accuracy:
    """Share of items whose true best got strictly the highest reward."""
    asked = [item for item in items if item.true_best is not None]
    tops = [(item.true_best, top_set(item.rewards)) for item in asked if item.rewards is not None]
    right = np.array([top == (best,) for best, top in tops], dtype=float)
    lot = np.array([1 / len(top) if best in top else 0.0 for best, top in tops], dtype=float)
    unscored = len(asked) - len(tops)
    return Accuracy(
        scored=bootstrap.mean(right),
        overall=bootstrap.mean(np.append(right, np.zeros(unscored))),
        shuffled=bootstrap.mean(lot),
        n=len(asked),
        right=int(right.sum()),
        ties=sum(len(top) > 1 for _, top in tops),
        unscored=unscored,
    )


def is_binary(items: Sequence[Item]) -> bool:
    """Whether truths and rewards are yes or no: single responses, and nothing but 0 and 1.

    It is a property of a run with some scored item: a reward of 1 may also be the lowest rating
    of a scale.
    """
    known = [item for item in items if item.ground_truth is not None]
    scored = [item.rewards for item in known if item.rewards is not None]
    return (
        bool(scored)
        and all(item.n_responses == 1 for item in known)
        and all(item.ground_truth in ((0,), (1,)) for item in known)
        and all(rewards in ((0,), (1,)) for rewards in scored)
    )


def single_accuracy(items: Sequence[Item], *, bootstrap: Bootstrap = DEFAULT) -> Accuracy:
    """Share of single responses whose reward is their truth, for runs that are `is_binary`.

    It covers the items with truth. Nothing can tie, so `shuffled` is `scored`.
    """
    known = [item for item in items if item.ground_truth is not None]
    scored = [item for item in known if item.scored]
    right = np.array([item.rewards == item.ground_truth for item in scored], dtype=float)
    unscored = len(known) - len(scored)
    rate = bootstrap.mean(right)
    return Accuracy(
        scored=rate,
        overall=bootstrap.mean(np.append(right, np.zeros(unscored))),
        shuffled=rate,
        n=len(known),
        right=int(right.sum()),
        ties=0,
        unscored=unscored,
    )


def agreement_with_ties(
    items: Sequence[Item], *, margin: float = 0.0, bootstrap: Bootstrap = DEFAULT
) -> Estimate:
    """Share of scored items where judge and truth agree on the best response, true ties included.

    The judge agrees when the set of its top responses is the truth's: on a true tie it must tie
    the same responses, and a tie where one is truly best is wrong. Without true ties this is
    strict accuracy.

    Args:
        items: those without truth, unscored, or with a single response are left out.
        margin: rewards within this distance of the highest count as tied with it, >= 0. Only a
            judge that scores on a coarse scale ties without one.
        bootstrap: how the interval is drawn.
    """
    if not margin >= 0:
        raise InputError(f"margin must be >= 0, got {margin!r}")
    hits = []
    for item in items:
        if item.rewards is None or item.ground_truth is None or item.n_responses < 2:
            continue
        top = max(item.rewards)
        near = top_set([min(0.0, reward - top + margin) for reward in item.rewards])
        hits.append(near == top_set(item.ground_truth))
    return bootstrap.mean(np.array(hits, dtype=float))


def pairwise_accuracy(items: Sequence[Item], *, bootstrap: Bootstrap = DEFAULT) -> Estimate:
    """Share of all response pairs of differing truth, within items, that rewards order the same.

    Tied rewards are wrong. Every pair counts the same; items are resampled whole. `n` is the
    number of items with such a pair.
    """
    usable = [item for item in items if item.rewards is not None and item.ground_truth is not None]
    right, pairs = np.zeros(len(usable)), np.zeros(len(usable))
    for where in groups(usable, lambda item: (item.n_responses,)):
        rewards, truths = stack_pairs([usable[i] for i in where])
        better = signs(truths) > 0
        right[where] = (better & (signs(rewards) > 0)).sum(axis=(1, 2))
        pairs[where] = better.sum(axis=(1, 2))
    return bootstrap.ratio(right, pairs)


class BestOfN(Record):
    """Best-of-n from pairs: the best must beat every loser (RMB, Table 11 of the paper)."""

    scored: Estimate
    """Over groups with a decision: every pair right, or some pair wrong."""
    overall: Estimate
    """Over all groups; one without a decision was not answered right."""
    undecided: Count
    """Groups whose scored pairs are all right, but some pair is unscored."""


def best_of_n_pairs(
    items: Sequence[Item], group: str = "bon_uid", *, bootstrap: Bootstrap = DEFAULT
) -> BestOfN:
    """Best-of-n by pair input; list input, all n responses in one prompt, is `accuracy`.

    Args:
        items: pairs of the best and a loser.
        group: the metadata that names the list a pair is of.
        bootstrap: how intervals are drawn; lists are resampled.

    Raises:
        InputError: an item has no such metadata.
    """
    found: dict[str, list[bool | None]] = defaultdict(list)
    for item in items:
        if item.true_best is not None:
            if group not in item.metadata:
                raise InputError(
                    f"item {item.id!r} has no metadata {group!r} to tell which list it is of; "
                    f"it has {sorted(item.metadata)}"
                )
            found[str(item.metadata[group])].append(item.right)
    decided = [float(all(pairs)) for pairs in found.values() if False in pairs or None not in pairs]
    undecided = len(found) - len(decided)
    return BestOfN(
        scored=bootstrap.mean(decided),
        overall=bootstrap.mean([*decided, *[0.0] * undecided]),
        undecided=undecided,
    )


def win_value(item: Item, policy: str, *, truly: bool = False) -> float | None:
    """1 if the policy's response is strictly best, 0 if beaten, 1/m in an m-way tie.

    None if the item is unscored (or without truth), single, or not about that policy.

    Args:
        item: the judged item.
        policy: whose response.
        truly: by the ground truth instead of the judge's rewards.
    """
    values = item.ground_truth if truly else item.rewards
    if values is None or item.n_responses < 2 or policy not in (item.policies or ()):
        return None
    tops = top_set(values)
    mine = sum((item.policies or ())[i] == policy for i in tops)
    return mine / len(tops)


def win_rate(items: Sequence[Item], policy: str, *, bootstrap: Bootstrap = DEFAULT) -> Estimate:
    """How often the judge finds a policy's response best; ties are shared."""
    values = [win_value(item, policy) for item in items]
    return bootstrap.mean([value for value in values if value is not None])
