"""Metrics that look at single votes: accuracy@k curves and position consistency."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deemster.aggregators import Majority, Mean, Median, Reducer, Sum
from deemster.errors import InputError
from deemster.suites.metrics import (
    Bootstrap,
    Draws,
    Item,
    accuracy,
    curve,
    default_ks,
    meta_curve,
    position_consistency,
)

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
QUICK = Bootstrap(resamples=50)
NAN = float("nan")


def random_items(seed: int, n: int = 12, *, missing: float = 0.1, k: int = 5) -> list[Item]:
    rng = np.random.default_rng(seed)
    items = []
    for number in range(n):
        responses = int(rng.integers(2, 5))
        scores = rng.integers(1, 6, (k, responses)).astype(float)
        scores[rng.random(k) < missing] = np.nan
        truth = np.zeros(responses)
        truth[rng.integers(responses)] = 1
        items.append(
            Item.from_scores(str(number), scores, ground_truth=truth.tolist(), meta=rng.random(k))
        )
    return items


class TestCurve:
    def test_all_subsets_by_hand(self) -> None:
        # Votes (3,1), (1,2), (2,2): one vote is right 1 of 3 times, ties 1 of 3. Two votes:
        # (4,3) right, (5,3) right, (3,4) wrong.
        items = [Item.from_scores("i", [[3, 1], [1, 2], [2, 2]], ground_truth=(1, 0))]
        one, two, three = curve(items, [1, 2, 3])
        assert one.accuracy.value == pytest.approx(1 / 3)
        assert one.ties == pytest.approx(1 / 3)
        assert two.accuracy.value == pytest.approx(2 / 3)
        assert two.ties == 0.0
        assert three.accuracy.value == 1.0

    @settings(max_examples=25)
    @given(st.integers(0, 10_000), st.sampled_from([Sum(), Mean(), Majority(), Median()]))
    def test_k_equal_to_all_votes_is_accuracy(self, seed: int, reducer: Reducer) -> None:
        items = [
            Item.from_scores(i.id, i.scores, ground_truth=i.ground_truth, reducer=reducer)
            for i in random_items(seed, missing=0.4, k=3)
        ]
        (point,) = curve(items, [3], reducer, bootstrap=QUICK)
        whole = accuracy(items, bootstrap=QUICK)
        assert point.accuracy == whole.scored
        assert point.unscored == pytest.approx(whole.unscored / whole.n)
        assert point.ties == pytest.approx(whole.ties / whole.n)

    @settings(max_examples=10)
    @given(st.integers(0, 10_000), st.integers(1, 5))
    def test_against_a_loop_over_subsets(self, seed: int, k: int) -> None:
        items = random_items(seed, n=5)
        right = scored = 0
        for item in items:
            for drawn in itertools.combinations(range(5), k):
                again = Item.from_scores(
                    "x", item.scores[list(drawn)], ground_truth=item.ground_truth
                )
                right += again.right is True
                scored += again.right is not None
        (point,) = curve(items, [k], bootstrap=QUICK)
        assert point.accuracy.value == pytest.approx(right / scored)

    def test_random_subsets_estimate_the_same(self) -> None:
        items = random_items(0, n=300, k=12)
        for k in (1, 3, 6, 11):
            (exact,) = curve(items, [k], draws=Draws(most=1000), bootstrap=QUICK)
            (drawn,) = curve(items, [k], draws=Draws(most=8), bootstrap=QUICK)
            assert drawn.accuracy.value == pytest.approx(exact.accuracy.value, abs=0.03)
            assert curve(items, [k], draws=Draws(most=8), bootstrap=QUICK) == (drawn,)
        (other,) = curve(items, [3], draws=Draws(most=8, seed=1), bootstrap=QUICK)
        assert other.accuracy != curve(items, [3], draws=Draws(most=8), bootstrap=QUICK)[0].accuracy

    def test_blocks_do_not_change_the_figure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        items = random_items(1, n=50)
        whole = curve(items, [2, 3], bootstrap=QUICK)
        monkeypatch.setattr("deemster.suites.metrics.curves._SCORES_AT_ONCE", 50)
        assert curve(items, [2, 3], bootstrap=QUICK) == whole

    def test_prefix_takes_the_first_votes(self) -> None:
        items = [Item.from_scores("i", [[1, 2], [3, 1]], ground_truth=(1, 0))]
        points = curve(items, [1, 2], draws=Draws(prefix=True))
        assert [point.accuracy.value for point in points] == [0.0, 1.0]

    def test_items_with_fewer_votes_give_all_they_have(self) -> None:
        items = [
            Item.from_scores("a", [[2, 1]], ground_truth=(1, 0)),
            Item.from_scores("b", [[2, 1], [1, 3]], ground_truth=(1, 0)),
        ]
        assert default_ks(items) == (1, 2)
        assert curve(items, [2])[0].accuracy.value == 0.5

    def test_failures_are_drawn_and_left_unscored(self) -> None:
        items = [Item.from_scores("a", [[2.0, 1], [NAN, NAN]], ground_truth=(1, 0))]
        one, two = curve(items, [1, 2])
        assert (one.accuracy.value, one.unscored) == (1.0, 0.5)
        assert two.unscored == 0.0
        (strict,) = curve(items, [2], min_valid=2)
        assert (strict.accuracy.value, strict.unscored) == (None, 1.0)

    def test_meta_keeps_the_best_rated_votes(self) -> None:
        items = [
            Item.from_scores(
                "i", [[1, 9], [5, 4], [1, 9]], ground_truth=(1, 0), meta=[0.1, 0.9, 0.2]
            )
        ]
        assert curve(items, [3])[0].accuracy.value == 0.0
        assert meta_curve(items, [3], k_meta=1)[0].accuracy.value == 1.0
        assert meta_curve(items, [2], k_meta=1)[0].accuracy.value == pytest.approx(2 / 3)
        # Half of three, rounded up, keeps (5,4) and one (1,9).
        assert meta_curve(items, [3])[0].accuracy.value == 0.0
        assert meta_curve([Item.from_scores("i", [[1, 2]], ground_truth=(1, 0))]) == ()

    def test_nothing_to_ask(self) -> None:
        assert curve([]) == ()
        single = [Item.from_scores("i", [[5]], ground_truth=(1,))]
        assert curve(single, [1])[0].accuracy.value is None
        with pytest.raises(InputError, match="ks must be"):
            curve([], [0])

    def test_replays_published_ratings(self) -> None:
        """RewardBench 2, k = 8 ratings of seven judges: accuracy over the first 1, 3, 8."""
        folder = DATA / "rb2_k8_scores"
        if not folder.exists():
            pytest.skip("no rb2_k8_scores beside this checkout")
        for file, judges in json.loads((folder / "replay.json").read_text()).items():
            with gzip.open(folder / f"{file}.gz", "rt") as lines:
                rows = [json.loads(line) for line in lines]
            for judge, published in judges.items():
                if judge not in ("full", "mini", "nano"):
                    continue
                items = _rated(rows, judge)
                points = curve(items, [1, 3, 8], Mean(), draws=Draws(prefix=True), bootstrap=QUICK)
                for point in points:
                    known = published[f"k{point.k}"]
                    assert point.accuracy.n == known["n"]
                    assert point.accuracy.value == pytest.approx(known["accuracy"], abs=1e-9)
                    assert point.ties * len(items) == pytest.approx(known["n_tied"], abs=1e-6)
                (last,) = curve(items, [8], Mean(), bootstrap=QUICK)
                assert last == points[-1]


def _rated(rows: list[dict[str, Any]], judge: str) -> list[Item]:
    return [
        Item.from_scores(
            row["id"],
            np.array(row[f"{judge}_scores"], dtype=float).T,
            ground_truth=(1,) + (0,) * (len(row[f"{judge}_scores"]) - 1),
            reducer=Mean(),
            subset=row["subset"],
        )
        for row in rows
        if not row["refused"]
    ]


A, B, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)
FIRST, SECOND = (0, 1), (1, 0)


class TestPosition:
    def test_by_hand(self) -> None:
        def pair(*votes: tuple[tuple[float, float], tuple[int, int]]) -> Item:
            return Item.from_scores("i", [v[0] for v in votes], orders=[v[1] for v in votes])

        items = [
            pair((A, FIRST), (A, SECOND)),  # consistent
            pair((A, FIRST), (B, SECOND)),  # always the first shown
            pair((TIE, FIRST), (TIE, SECOND)),  # consistent
            pair((A, FIRST), (A, FIRST), (B, FIRST), (A, SECOND)),  # majority agrees
            pair((A, FIRST), (A, FIRST)),  # one order only
            pair((A, FIRST), ((NAN, NAN), SECOND)),  # the other one failed
        ]
        found = position_consistency(items)
        assert (found.by_item.value, found.by_item.n) == (0.75, 4)
        assert found.by_vote.value == pytest.approx((1 + 0 + 1 + 2 / 3) / 4)
        assert found.same_order.value == pytest.approx(1 / 3)
        assert found.same_order.n == 1
        # The third pair is undecided; in the fourth 2 of 3 and 0 of 1 win when shown first.
        assert found.first_wins.value == pytest.approx((0.5 + 1 + 1 / 3) / 3)

    def test_orders_unknown_or_lists(self) -> None:
        items = [
            Item.from_scores("a", [A, B]),
            Item.from_scores("b", [[1, 2, 3]], orders=[(0, 1, 2)]),
            Item.from_scores("c", [[1, NAN]], orders=[(0,)]),
        ]
        assert position_consistency(items).by_item.value is None
        assert position_consistency([]).first_wins.n == 0

    def test_swapping_the_responses_changes_nothing(self) -> None:
        rng = np.random.default_rng(0)
        before, after = [], []
        for number in range(40):
            scores = rng.integers(0, 3, (4, 2)).astype(float)
            orders = [(0, 1), (1, 0), (0, 1), (1, 0)]
            before.append(Item.from_scores(str(number), scores, orders=orders))
            swapped = [order[::-1] for order in orders]
            after.append(Item.from_scores(str(number), scores[:, ::-1], orders=swapped))
        assert position_consistency(before) == position_consistency(after)

    def test_inconsistency_as_published(self) -> None:
        """Six judges of MT-bench pairs: the inconsistent share of a reproduction's table 5."""
        path = DATA / "mt_bench" / "kook222_en_pairwise.jsonl.gz"
        if not path.exists():
            pytest.skip(f"no {path.name} beside this checkout")
        shown = {"A": A, "B": B, "tie": TIE, "error": (NAN, NAN)}
        runs: dict[str, list[Item]] = defaultdict(list)
        with gzip.open(path, "rt") as lines:
            for row in map(json.loads, lines):
                votes = [shown[row["winner_ab"]], shown[row["winner_ba"]][::-1]]
                item = Item.from_scores("i", votes, orders=[FIRST, SECOND])
                runs[row["judge"].partition("/")[2]].append(item)
        published = {
            "judge_7B": (951, 1200),
            "judge_14B": (541, 1200),
            "judge_gpt4omini": (399, 1193),
            "judge_12B": (234, 1180),
        }
        for judge, (inconsistent, valid) in published.items():
            found = position_consistency(runs[judge], bootstrap=QUICK).by_item
            assert found.n == valid
            assert found.value == pytest.approx(1 - inconsistent / valid)
