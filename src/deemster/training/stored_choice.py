"""Which stored judgments a judge is fine-tuned on: those that their labels do not contradict."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deemster.aggregators import strict_best
from deemster.errors import InputError
from deemster.schemas import Conversation
from deemster.training.rollouts import Rollout

REJECTED = ("incorrect", "unchecked", "inconsistent", "duplicates", "beyond_n")
"""Why a trajectory is left out, in the order in which it is looked at."""


@dataclass(frozen=True)
class Choice:
    """What to train on, and how many of the others there are for each reason."""

    kept: tuple[Rollout, ...]
    rejected: dict[str, int]

    @property
    def counts(self) -> dict[str, int]:
        """For a manifest. `kept_unlabelled`: those that no label could check."""
        return {
            "trajectories": len(self.kept) + sum(self.rejected.values()),
            "kept": len(self.kept),
            "kept_items": len({one.sample_id for one in self.kept}),
            "kept_unlabelled": sum(one.correct is None for one in self.kept),
            "kept_both_orders": _in_several_orders(self.kept),
            **self.rejected,
        }


def choose(
    rollouts: Iterable[Rollout],
    *,
    n: int | None = None,
    keep_unlabelled: bool = True,
    consistent: bool = False,
) -> Choice:
    """Choose among stored judgments.

    Args:
        rollouts: of one or several judges, `correct` None where no label can tell.
        n: at most so many per item and judge, taken from its orders in turn; None for all.
        keep_unlabelled: whether those that no label can check are kept.
        consistent: keep a judge's judgments of an item only if none is wrong and all agree on
            what is strictly best: in both orders, where it was shown both.

    Raises:
        InputError: nothing is left.
    """
    rejected = Counter(dict.fromkeys(REJECTED, 0))
    groups: dict[tuple[str, str], list[Rollout]] = defaultdict(list)
    for rollout in rollouts:
        groups[rollout.stage, rollout.sample_id].append(rollout)
    kept: list[Rollout] = []
    seen: set[tuple[Conversation, str]] = set()  # what a log holds twice may have two ids
    for group in groups.values():
        steady = not consistent or _is_consistent(group)
        good: list[Rollout] = []
        for one in group:
            same = (one.messages, one.completion)
            if why := _problem(one, keep_unlabelled=keep_unlabelled, steady=steady):
                rejected[why] += 1
            elif same in seen:
                rejected["duplicates"] += 1
            else:
                seen.add(same)
                good.append(one)
        chosen = _orders_in_turn(good)[:n]
        rejected["beyond_n"] += len(good) - len(chosen)
        kept += chosen
    found = Choice(tuple(kept), dict(rejected))
    if not kept:
        raise InputError(_nothing_left(found))
    return found


def _problem(rollout: Rollout, *, keep_unlabelled: bool, steady: bool) -> str | None:
    if rollout.correct is False:
        return "incorrect"
    if rollout.correct is None and not keep_unlabelled:
        return "unchecked"
    return None if steady else "inconsistent"


def _is_consistent(group: Sequence[Rollout]) -> bool:
    if any(one.correct is False for one in group):
        return False
    scores = [one.scores or () for one in group]
    if all(len(one) == 1 for one in scores):
        return len(set(scores)) == 1
    bests = {strict_best([float("-inf") if s is None else s for s in one]) for one in scores}
    return len(bests) == 1 and None not in bests


def _orders_in_turn(group: Sequence[Rollout]) -> list[Rollout]:
    """The first of each order, then the second of each, and so on."""
    seen: Counter[tuple[int, ...]] = Counter()
    turns = []
    for one in group:
        turns.append(seen[one.order])
        seen[one.order] += 1
    return [one for _, one in sorted(zip(turns, group, strict=True), key=lambda pair: pair[0])]


def _in_several_orders(kept: Sequence[Rollout]) -> int:
    orders: dict[str, set[tuple[int, ...]]] = defaultdict(set)
    for one in kept:
        orders[one.sample_id].add(one.order)
    return sum(len(found) > 1 for found in orders.values())


def _nothing_left(found: Choice) -> str:
    reasons = ", ".join(f"{count} {why}" for why, count in found.rejected.items() if count)
    if not reasons:
        return "the run holds no judgment that the judge to train could write"
    remedy = "learn from a better judge"
    if found.rejected["unchecked"]:
        remedy = "label the items, or set distil.unlabelled to keep"
    elif found.rejected["inconsistent"]:
        remedy = "set distil.consistent to false, or learn from a steadier judge"
    return f"rejection left nothing of the stored judgments: {reasons}; {remedy}"


__all__ = ["REJECTED", "Choice", "choose"]
