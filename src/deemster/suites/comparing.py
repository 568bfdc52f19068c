"""Two runs over the same data: is the second worse, and on which items?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deemster.errors import InputError
from deemster.schemas import Count, JudgeInfo, Record
from deemster.suites.metrics import Comparison, Item, compare
from deemster.suites.rescoring import find_judge
from deemster.suites.store import RunStore

Outcome = Literal["right", "wrong", "tied", "unscored"]
"""`tied`: on top, counted as wrong."""


class ItemChange(Record):
    """An item that the two runs judge differently."""

    id: str
    subset: str
    before: Outcome
    after: Outcome


class RunComparison(Record):
    """The second run against the first, over the items of both that have a unique true best."""

    first: str
    """Directory and judge of the run to compare with, `RUN: JUDGE`."""
    second: str
    scored: Comparison
    """Over the items that both scored."""
    overall: Comparison
    """Over all items, an unscored one counting as wrong: losing items is no way to get better."""
    only_in_first: Count
    """Items that the second run does not have, and which are not compared."""
    only_in_second: Count
    changes: tuple[ItemChange, ...]
    """Items whose outcome differs, those that got worse first, then by id."""

    @property
    def change(self) -> float:
        """Accuracy of the second less that of the first, unscored items counting as wrong."""
        difference = self.overall.difference.value
        return 0.0 if difference is None else -difference

    def is_worse(self, *, alpha: float = 0.05, max_drop: float | None = None) -> bool:
        """Whether the second run is worse.

        Args:
            alpha: it is where its accuracy is lower, and McNemar's test gives a p below this.
            max_drop: it also is where its accuracy is lower by more than this, from 0 to 1,
                whatever the test says; None leaves it to the test.
        """
        p = self.overall.p_value
        if max_drop is not None and -self.change > max_drop:
            return True
        return self.change < 0 and p is not None and p < alpha


def compare_runs(
    first: Path, second: Path, *, judges: tuple[str | None, str | None] = (None, None)
) -> RunComparison:
    """Compare two runs, item by item.

    Args:
        first: run directory of what is compared with.
        second: run directory of what is new; it may be the same where the run has two judges.
        judges: which judge of each, where a run has several.

    Raises:
        InputError: there is no such run or judge, or the runs share no item with a unique true
            best.
    """
    one, other = (
        load_judged(run, judge) for run, judge in zip((first, second), judges, strict=True)
    )
    return compare_judged(one, other)


@dataclass(frozen=True)
class JudgedRun:
    """A judge's items of a stored run, by id."""

    name: str
    """Directory and judge, `RUN: JUDGE`."""
    info: JudgeInfo
    items: Mapping[str, Item]


def load_judged(run: Path, judge: str | None) -> JudgedRun:
    """Read a judge's items.

    Raises:
        InputError: there is no such run or judge.
    """
    with RunStore(run) as store:
        position = find_judge(store, judge)
        info = store.judges()[position]
        items = [Item.from_verdict(sample, verdict) for sample, verdict in store.verdicts(position)]
    return JudgedRun(f"{run}: {info.name}", info, {item.id: item for item in items})


def shared_items(first: JudgedRun, second: JudgedRun) -> tuple[list[Item], list[Item]]:
    """The items that both have, in the same order."""
    keys = sorted(first.items.keys() & second.items.keys())
    return [first.items[key] for key in keys], [second.items[key] for key in keys]


def compare_judged(first: JudgedRun, second: JudgedRun) -> RunComparison:
    """`compare_runs` of what has been read already."""
    old, new = shared_items(first, second)
    overall = compare(old, new, unscored_as_wrong=True)
    if not overall.difference.n:
        raise InputError(
            f"{first.name!r} and {second.name!r} share {len(old)} items, none of them with a "
            "unique true best; compare runs over the same data with ground_truth"
        )
    changes = [
        ItemChange(id=a.id, subset=a.subset, before=_outcome(a), after=_outcome(b))
        for a, b in zip(old, new, strict=True)
        if a.true_best is not None and _outcome(a) != _outcome(b)
    ]
    return RunComparison(
        first=first.name,
        second=second.name,
        scored=compare(old, new),
        overall=overall,
        only_in_first=len(first.items) - len(old),
        only_in_second=len(second.items) - len(old),
        changes=tuple(sorted(changes, key=lambda one: (_got(one), one.id))),
    )


def names_of(judges: Sequence[str] | None) -> tuple[str | None, str | None]:
    """`--judge`, given once, or once a run.

    Raises:
        InputError: it is given more often.
    """
    names: list[str | None] = [*judges] if judges else [None]
    if len(names) > 2:
        raise InputError(f"--judge is given {len(names)} times; give it once, or once a run")
    return names[0], names[-1]


def _outcome(item: Item) -> Outcome:
    if not item.scored:
        return "unscored"
    return "right" if item.right else "tied" if item.best is None else "wrong"


def _got(change: ItemChange) -> int:
    """0 for what was right and is no more, 1 for what is right now, 2 for what is wrong anyway."""
    return 0 if change.before == "right" else 1 if change.after == "right" else 2
