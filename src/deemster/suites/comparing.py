"""Two runs over the same data: is the second worse, and on which items?"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from sys import intern
from typing import Literal

import numpy as np

from deemster.errors import InputError
from deemster.schemas import Count, JudgeInfo, Record, Text
from deemster.suites.metrics import Comparison, Item
from deemster.suites.metrics.compare import compare_rights, truths_differ
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

    first: Text
    """Directory and judge of the run to compare with, `RUN: JUDGE`."""
    second: Text
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
    with ExitStack() as opened:
        one, other = (
            _Outcomes.read(opened.enter_context(RunStore(run)), judge)
            for run, judge in zip((first, second), judges, strict=True)
        )
        return _compared(one, other)


@dataclass(frozen=True)
class JudgedRun:
    """A judge's items of a stored run, by id."""

    name: str
    """Directory and judge, `RUN: JUDGE`."""
    info: JudgeInfo
    items: Mapping[str, Item]


def load_judged(run: Path, judge: str | None) -> JudgedRun:
    """Read a judge's items, in memory.

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


@dataclass(frozen=True)
class _Outcomes:
    """What became of the items of a stored run, without the items: nine bytes each."""

    store: RunStore
    name: str
    codes: bytearray
    """By position: a place in `_CODES`, `_NO_BEST` or `_ABSENT`."""
    truths: array[int]
    """By position: a hash of the ground truth."""

    @classmethod
    def read(cls, store: RunStore, judge: str | None) -> _Outcomes:
        position = find_judge(store, judge)
        size = store.count_samples()
        codes, truths = bytearray([_ABSENT]) * size, array("Q", [0]) * size
        for place, sample, verdict in store.verdicts_alone(position):
            item = Item.from_verdict(sample, verdict)
            codes[place] = _code(item)
            truths[place] = _hashed(item.ground_truth)
        return cls(store, f"{store.directory}: {store.judges()[position].name}", codes, truths)

    @property
    def judged(self) -> int:
        """How many items it has."""
        return len(self.codes) - self.codes.count(_ABSENT)

    def ids(self) -> Iterator[tuple[str, int]]:
        """(id, position) of its items, by id."""
        return (one for one in self.store.ids() if self.codes[one[1]] != _ABSENT)


_CODES: tuple[Outcome, ...] = ("right", "wrong", "tied", "unscored")
_NO_BEST, _ABSENT = 254, 255


def _code(item: Item) -> int:
    return _NO_BEST if item.true_best is None else _CODES.index(_outcome(item))


class _Pairs:
    """What became of the items of two runs, added in the order of their ids."""

    def __init__(self) -> None:
        self._codes = bytearray(), bytearray()
        self._changes: list[ItemChange] = []
        self._shared = 0

    def add(self, before: int, after: int) -> None:
        """An item that both have, by its code in each."""
        self._shared += 1
        if before != _NO_BEST:
            self._codes[0].append(before)
            self._codes[1].append(after)

    def changed(self, id_: str, subset: str) -> None:
        """The item that was added last came out differently."""
        before, after = (_CODES[codes[-1]] for codes in self._codes)
        self._changes.append(ItemChange(id=id_, subset=intern(subset), before=before, after=after))

    def compared(self, first: tuple[str, int], second: tuple[str, int]) -> RunComparison:
        """The comparison of two runs, given their names and how many items each has."""
        if not self._codes[0]:
            raise InputError(
                f"{first[0]!r} and {second[0]!r} share {self._shared} items, none of them with a "
                "unique true best; compare runs over the same data with ground_truth"
            )
        one, two = (_RIGHT[np.frombuffer(codes, dtype=np.uint8)] for codes in self._codes)
        return RunComparison(
            first=first[0],
            second=second[0],
            scored=compare_rights(one, two),
            overall=compare_rights(one, two, unscored_as_wrong=True),
            only_in_first=first[1] - self._shared,
            only_in_second=second[1] - self._shared,
            changes=tuple(sorted(self._changes, key=lambda one: (_got(one), one.id))),
        )


_RIGHT = np.array([1.0, 0.0, 0.0, np.nan])
"""By code."""


def _hashed(truth: tuple[float, ...] | None) -> int:
    values = () if truth is None else (1.0, *(value + 0.0 for value in truth))  # -0.0 equals 0.0
    return int.from_bytes(blake2b(array("d", values).tobytes(), digest_size=8).digest())


def _compared(first: _Outcomes, second: _Outcomes) -> RunComparison:
    pairs = _Pairs()
    for id_, old, new in _shared_ids(first, second):
        if first.truths[old] != second.truths[new]:
            raise truths_differ(first.store.sample(old), second.store.sample(new))
        before, after = first.codes[old], second.codes[new]
        pairs.add(before, after)
        if before != after:
            pairs.changed(id_, first.store.sample(old).subset)
    return pairs.compared((first.name, first.judged), (second.name, second.judged))


def _shared_ids(first: _Outcomes, second: _Outcomes) -> Iterator[tuple[str, int, int]]:
    """(id, position in the first, in the second) of the items of both, by id."""
    theirs = second.ids()
    other = next(theirs, None)
    for id_, position in first.ids():
        while other is not None and other[0] < id_:
            other = next(theirs, None)
        if other is not None and other[0] == id_:
            yield id_, position, other[1]


def compare_judged(first: JudgedRun, second: JudgedRun) -> RunComparison:
    """`compare_runs` of what has been read already."""
    pairs = _Pairs()
    for a, b in zip(*shared_items(first, second), strict=True):
        if a.ground_truth != b.ground_truth:
            raise truths_differ(a, b)
        before, after = _code(a), _code(b)
        pairs.add(before, after)
        if before != after:
            pairs.changed(a.id, a.subset)
    return pairs.compared((first.name, len(first.items)), (second.name, len(second.items)))


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
