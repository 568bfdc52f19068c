"""Accuracy in all views, pairs, best-of-n, subsets and headline figures."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.benchmarks.rm_bench import STYLES
from deemster.errors import InputError
from deemster.suites.metrics import (
    Bootstrap,
    Item,
    accuracy,
    agreement_with_ties,
    best_of_n_pairs,
    by_subset,
    macro_accuracy,
    pairwise_accuracy,
    position_consistency,
    style_matrix,
    win_rate,
)
from deemster.suites.metrics.headline import stratified_mean

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
QUICK = Bootstrap(resamples=100)
NAN = float("nan")


def item(
    rewards: Sequence[float] | npt.NDArray[Any] | None,
    truth: Sequence[float] | npt.NDArray[Any] | None = (1, 0),
    *,
    id: str = "i",  # noqa: A002
    **kwargs: object,
) -> Item:
    true = None if truth is None else [float(value) for value in truth]
    scores = [list(rewards)] if rewards is not None else [[NAN] * len(true or ())]
    return Item.from_scores(id, scores, ground_truth=true, **kwargs)  # type: ignore[arg-type]


def test_accuracy_counts_every_item_once() -> None:
    items = [
        item((3, 2)),
        item((2, 3)),
        item((2, 2)),
        item(None),
        item((9, 1, 9), (1, 0, 0)),
        item((5, 4), (0.5, 0.5)),
        item((5,), (1,)),
        item((5, 4), None),
    ]
    found = accuracy(items)
    assert (found.n, found.right, found.ties, found.unscored) == (5, 1, 2, 1)
    assert found.scored.value == 0.25
    assert found.scored.n == 4
    assert found.overall.value == 0.2
    assert found.overall.n == 5
    # 1 right, 0 wrong, two ties of two that hold the best: 1 + 0.5 + 0.5
    assert found.shuffled.value == 0.5


def test_accuracy_of_nothing_is_none() -> None:
    found = accuracy([item((5,), (1,))])
    assert found.scored.value is None
    assert found.overall.value is None


@given(
    st.lists(
        st.tuples(st.permutations(range(4)), st.lists(st.integers(0, 4), min_size=4, max_size=4)),
        min_size=2,
        max_size=20,
    )
)
def test_permuting_responses_changes_nothing(
    rows: list[tuple[list[int], list[int]]],
) -> None:
    truth = np.array([3.0, 2.0, 1.0, 0.0])
    before = [item(rewards, truth) for _, rewards in rows]
    after = [item(np.array(rewards)[order], truth[order]) for order, rewards in rows]
    assert accuracy(before, bootstrap=QUICK) == accuracy(after, bootstrap=QUICK)
    assert pairwise_accuracy(before, bootstrap=QUICK) == pairwise_accuracy(after, bootstrap=QUICK)


def test_agreement_with_ties() -> None:
    items = [
        item((3, 2)),
        item((2, 2)),
        item((2, 2), (0.5, 0.5)),
        item((2, 1.5), (0.5, 0.5)),
        item((4, 4, 1), (1, 1, 0)),
        item((4, 1, 4), (1, 1, 0)),
    ]
    assert agreement_with_ties(items).value == pytest.approx(3 / 6)
    # With a margin the fourth judge tie agrees too; nothing else changes.
    assert agreement_with_ties(items, margin=0.5).value == pytest.approx(4 / 6)
    with pytest.raises(InputError, match="margin"):
        agreement_with_ties(items, margin=-1)


def test_pairwise_accuracy_by_hand() -> None:
    items = [
        item((3, 2, 1), (2, 1, 0)),  # 3 of 3
        item((1, 3, 3), (2, 1, 1)),  # 0 of 2: the others are a true tie
        item((1, 1), (1, 0)),  # 0 of 1: a tie is wrong
        item((1, 1), (1, 1)),  # nothing to order
    ]
    found = pairwise_accuracy(items)
    assert found.value == 0.5
    assert found.n == 3


@given(st.integers(0, 1000))
def test_pairwise_accuracy_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = [item(rng.integers(0, 4, n), rng.integers(0, 3, n).astype(float)) for n in (2, 3, 5, 3)]
    right = total = 0
    for one in items:
        truth, rewards = one.ground_truth or (), one.rewards or ()
        for i, j in itertools.permutations(range(len(truth)), 2):
            total += truth[i] > truth[j]
            right += truth[i] > truth[j] and rewards[i] > rewards[j]
    found = pairwise_accuracy(items, bootstrap=QUICK).value
    assert found == (pytest.approx(right / total) if total else None)


def test_best_of_n_needs_every_pair() -> None:
    def pair(group: str, rewards: Sequence[float] | None) -> Item:
        return item(rewards, metadata={"bon_uid": group})

    items = [
        pair("all", (2, 1)), pair("all", (3, 1)),
        pair("one-lost", (2, 1)), pair("one-lost", (1, 2)), pair("one-lost", None),
        pair("open", (2, 1)), pair("open", None),
    ]  # fmt: skip
    found = best_of_n_pairs(items)
    assert (found.scored.value, found.scored.n) == (0.5, 2)
    assert found.overall.value == pytest.approx(1 / 3)
    assert found.undecided == 1
    with pytest.raises(InputError, match="no metadata 'bon_uid'"):
        best_of_n_pairs([item((1, 2))])


def test_list_and_pair_input_agree_for_one_scalar_judge() -> None:
    # The same rewards asked as a list or as pairs must give the same best-of-n.
    rng = np.random.default_rng(0)
    lists, pairs = [], []
    for number in range(200):
        rewards = rng.integers(0, 6, size=4).astype(float)
        lists.append(item(rewards, (1, 0, 0, 0)))
        pairs += [
            item((rewards[0], loser), metadata={"bon_uid": str(number)}) for loser in rewards[1:]
        ]
    assert best_of_n_pairs(pairs).scored == accuracy(lists).scored


def test_win_rate_shares_ties() -> None:
    def game(rewards: tuple[float, ...], policies: tuple[str, ...]) -> Item:
        base = item(rewards, None)
        return Item(id="g", rewards=rewards, policies=policies, ballot=base.ballot)

    items = [
        game((2, 1), ("a", "b")),
        game((2, 1), ("b", "a")),
        game((2, 2), ("a", "b")),
        game((3, 1), ("b", "c")),
    ]
    assert win_rate(items, "a").value == 0.5
    assert win_rate(items, "a").n == 3
    assert win_rate(items, "b").value == pytest.approx((0 + 1 + 0.5 + 1) / 4)
    assert win_rate(items, "nobody").value is None


def test_macro_accuracy_weighs_categories_not_items() -> None:
    items = [
        *[item((2, 1), subset="a")] * 8,
        *[item((1, 2), subset="a")] * 2,
        *[item((1, 2), subset="b")] * 2,
        item((2, 1), subset="c"),
        item((2, 1), subset="c"),
    ]
    by = by_subset(items, accuracy)
    assert {name: one.scored.value for name, one in by.items()} == {"a": 0.8, "b": 0.0, "c": 1.0}
    assert macro_accuracy(items).value.value == pytest.approx(0.6)
    grouped = macro_accuracy(items, {"x": ("a", "b"), "y": ("c",)}, weights={"y": 0.5})
    assert grouped.parts["x"].value == pytest.approx(8 / 12)
    assert grouped.value.value == pytest.approx((8 / 12 + 0.5) / 1.5)
    assert grouped.value.low is not None
    assert grouped.value.low < 0.7 < (grouped.value.high or 0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(1.0, None, id="one-stratum-right"),
        pytest.param(0.0, None, id="one-stratum-wrong"),
        pytest.param(1.0, 1.0, id="both-right"),
        pytest.param(1.0, 0.0, id="one-right-one-wrong"),
    ],
)
def test_strata_that_are_alike_still_leave_an_interval(first: float, second: float | None) -> None:
    many = Bootstrap(resamples=20_000)
    strata = {"a": np.full(20, first)} | ({} if second is None else {"b": np.full(20, second)})
    found = stratified_mean(strata, bootstrap=many).value
    assert found.low is not None
    assert found.high is not None
    if second is None:
        alone = many.mean(strata["a"])
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.01)
        return
    assert 0.05 < found.high - found.low < 0.2
    assert found.low <= (first + second) / 2 <= found.high


def test_macro_accuracy_needs_every_category() -> None:
    items = [item((2, 1), subset="a"), item(None, subset="b")]
    assert macro_accuracy(items).value.value is None
    with pytest.raises(InputError, match="unknown category 'z'"):
        macro_accuracy(items, weights={"z": 1})
    with pytest.raises(InputError, match="above 0"):
        macro_accuracy(items, weights={"a": 0})


def test_macro_interval_is_that_of_independent_strata() -> None:
    # Variance of the mean of two independent proportions of 100 items at 0.5: 2 * .25/100 / 4.
    items = [item((2, 1) if i % 2 else (1, 2), subset=s) for s in ("a", "b") for i in range(100)]
    found = macro_accuracy(items, bootstrap=Bootstrap(resamples=20000)).value
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * (0.5 * 0.25 / 100) ** 0.5, rel=0.07)


def _style_pair(domain: str, prompt: int, i: int, j: int, right: bool | None) -> Item:
    rewards = None if right is None else (2, 1) if right else (1, 2)
    metadata = {"domain": domain, "chosen_style": STYLES[i], "rejected_style": STYLES[j]}
    return item(rewards, id=f"{domain}/{prompt}/{i}{j}", metadata=metadata)


def test_style_matrix_by_hand() -> None:
    # A judge that only loves ornament: right on the easy side, wrong on the hard one.
    cells = list(itertools.product(range(3), range(3)))
    items = [_style_pair("chat", 1, i, j, i > j) for i, j in cells]
    items += [_style_pair("code", 1, i, j, True) for i, j in cells]
    found = style_matrix(items)
    assert found.hard.value.value == 0.5
    assert found.normal.parts["chat"].value == 0.0
    assert found.easy.value.value == 1.0
    assert found.average.parts["chat"].value == pytest.approx(1 / 3)
    assert found.average.value.value == pytest.approx((1 / 3 + 1) / 2)
    assert found.matrix == ((0.5, 0.5, 0.5), (1.0, 0.5, 0.5), (1.0, 1.0, 0.5))
    one = style_matrix(items, categories={"all": ("chat", "code")})
    assert one.hard.parts["all"].n == 2
    with pytest.raises(InputError, match="no RM-Bench pair"):
        style_matrix([item((1, 2))])


def test_style_matrix_leaves_unscored_cells_empty() -> None:
    items = [_style_pair("chat", 1, 0, 1, None), _style_pair("chat", 1, 0, 2, True)]
    found = style_matrix(items)
    assert found.hard.value.value == 1.0
    assert found.normal.value.value is None
    assert found.matrix[0] == (None, None, 1.0)


GAMES = {"A>B": (1.0, 0.0), "B>A": (0.0, 1.0), "A=B": (0.5, 0.5)}


def test_judgebench_logs_as_recomputed() -> None:
    """Two games per pair, the second with the responses swapped; right when they sum above 0."""
    folder = DATA / "judgebench"
    if not folder.exists():
        pytest.skip("no judgebench data beside this checkout")
    with gzip.open(folder / "pairs.jsonl.gz", "rt") as lines:
        pairs = {row["pair_id"]: row for row in map(json.loads, lines)}
    expected = json.loads((folder / "expected.json").read_text())
    assert expected
    for log in expected:
        votes: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        with gzip.open(folder / "traces" / log["file"], "rt") as lines:
            for row in map(json.loads, lines):
                seen = GAMES.get(row["decision"], (NAN, NAN))
                votes[row["pair_id"]].append(seen[::-1] if row["game"] else seen)
        items = [
            Item.from_scores(
                key,
                scores,
                ground_truth=GAMES[pairs[key]["label"]],
                orders=((0, 1), (1, 0)),
                subset=pairs[key]["source"],
            )
            for key, scores in votes.items()
        ]
        found = accuracy(items, bootstrap=QUICK)
        assert found.n == log["pairs"]
        # Published over all pairs: one without any verdict is wrong.
        overall = found.overall.value
        assert overall is not None
        assert round(100 * overall, 2) == log["accuracy_two_game"], log["file"]
        if not log["pairs_with_null"]:
            share = position_consistency(items, bootstrap=QUICK).by_item.value
            assert share == pytest.approx(1 - log["pairs_inconsistent"] / log["pairs"])
