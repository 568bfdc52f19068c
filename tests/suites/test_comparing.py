"""Two runs item by item: what changed, and whether it got worse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from deemster.errors import InputError
from deemster.schemas import JudgeInfo, Sample, Verdict
from deemster.suites.comparing import (
    RunComparison,
    compare_judged,
    compare_runs,
    load_judged,
)
from deemster.suites.store import RunStore

REWARDS = {"r": (1.0, 0.0), "w": (0.0, 1.0), "t": (1.0, 1.0), "u": None}
"""Right, wrong, tied and unscored."""


def write(directory: Path, outcomes: str, *, truth: tuple[int, ...] = (1, 0)) -> Path:
    """A run whose items come out as the letters say, one letter an item."""
    info = JudgeInfo(name="j", model="m")
    with RunStore(directory, write=True) as store:
        store.set_judges([info])
        for position, letter in enumerate(outcomes):
            rewards = REWARDS[letter]
            sample = Sample(
                id=f"{position:03d}", query="q", responses=("a", "b"), ground_truth=truth
            )
            store.add_samples([sample])
            verdict = Verdict(
                rewards=rewards, k=1, n_valid=int(rewards is not None), judge=info, votes=(),
                best={"r": 0, "w": 1}.get(letter), ranking=None if rewards is None else (0, 1),
            )  # fmt: skip
            store.put(0, position, verdict)
    return directory


def compared(tmp_path: Path, first: str, second: str) -> RunComparison:
    return compare_runs(write(tmp_path / "a", first), write(tmp_path / "b", second))


def test_what_changed_item_by_item(tmp_path: Path) -> None:
    found = compared(tmp_path, "rrwwtu", "rurtwr")
    assert [(one.id, one.before, one.after) for one in found.changes] == [
        ("001", "right", "unscored"),
        ("002", "wrong", "right"),
        ("005", "unscored", "right"),
        ("003", "wrong", "tied"),
        ("004", "tied", "wrong"),
    ]
    assert found.change == pytest.approx(1 / 6)
    assert (found.overall.only_first, found.overall.only_second) == (1, 2)
    assert (found.scored.difference.n, found.scored.unscored) == (4, 2)


@pytest.mark.parametrize(
    ("first", "second", "drop", "worse"),
    [
        pytest.param("r" * 20, "r" * 20, None, False, id="equal"),
        pytest.param("r" * 20, "r" * 10 + "w" * 10, None, True, id="lower"),
        pytest.param("r" * 20, "r" * 10 + "u" * 10, None, True, id="items-lost"),
        pytest.param("w" * 20, "r" * 20, 0.0, False, id="higher"),
        pytest.param("r" * 20, "r" * 18 + "ww", None, False, id="by-chance"),
        pytest.param("r" * 20, "r" * 18 + "ww", 0.05, True, id="more-than-allowed"),
        pytest.param("r" * 20, "r" * 18 + "ww", 0.1, False, id="just-allowed"),
    ],
)
def test_worse(first: str, second: str, drop: float | None, *, worse: bool, tmp_path: Path) -> None:
    assert compared(tmp_path, first, second).is_worse(max_drop=drop) is worse


def test_items_of_one_run_only_are_counted(tmp_path: Path) -> None:
    found = compared(tmp_path, "rrr", "rr")
    assert (found.only_in_first, found.only_in_second) == (1, 0)
    assert found.overall.difference.n == 2


def test_runs_without_truth_are_refused(tmp_path: Path) -> None:
    runs = [write(tmp_path / name, "rr", truth=(1, 1)) for name in "ab"]
    with pytest.raises(InputError, match="share 2 items, none of them with a unique true best"):
        compare_runs(*runs)


def _run(
    directory: Path, items: dict[str, str], truths: Mapping[str, tuple[float, ...] | None]
) -> Path:
    """A run of items in this order, judged as the letters say; `-` is not judged."""
    info = JudgeInfo(name="j", model="m")
    with RunStore(directory, write=True) as store:
        store.set_judges([info])
        for position, (name, letter) in enumerate(items.items()):
            truth = truths.get(name, (1.0, 0.0))
            store.add_samples(
                [
                    Sample(
                        id=name, query="q", responses=("a", "b"), ground_truth=truth, subset=name[0]
                    )
                ]
            )
            if letter != "-":
                rewards = REWARDS[letter]
                verdict = Verdict(
                    rewards=rewards, k=1, n_valid=0, judge=info, best=None, ranking=None
                )
                store.put(0, position, verdict)
    return directory


def test_runs_in_another_order_are_compared_as_their_items_in_memory_are(tmp_path: Path) -> None:
    truths = {"ü": (0.0, 1.0), "tie": (1.0, 1.0), "unknown": None, "😀": (-0.0, 1.0)}
    first = _run(
        tmp_path / "a",
        {
            "b": "r",
            "ü": "w",
            "a": "u",
            "tie": "r",
            "unknown": "w",
            "😀": "r",
            "only": "r",
            "c": "-",
        },
        truths,
    )
    second = _run(
        tmp_path / "b",
        {"c": "r", "😀": "w", "a": "r", "unknown": "r", "ü": "t", "tie": "w", "b": "w", "z": "t"},
        truths | {"😀": (0.0, 1.0)},
    )
    found = compare_runs(first, second)
    assert found == compare_judged(load_judged(first, None), load_judged(second, None))
    assert [(one.id, one.subset, one.before, one.after) for one in found.changes] == [
        ("b", "b", "right", "wrong"),
        ("ü", "ü", "right", "tied"),
        ("a", "a", "unscored", "right"),
        ("😀", "😀", "wrong", "right"),
    ]
    assert (found.overall.difference.n, found.only_in_first, found.only_in_second) == (4, 1, 2)


def test_an_item_with_another_truth_is_refused_by_name(tmp_path: Path) -> None:
    first = _run(tmp_path / "a", {"x": "r", "y": "r"}, {"y": (1.0, 0.0)})
    second = _run(tmp_path / "b", {"y": "r", "x": "r"}, {"y": (0.0, 1.0)})
    with pytest.raises(InputError, match=r"'y' has ground truth \(1.0, 0.0\) in one run and \(0"):
        compare_runs(first, second)
