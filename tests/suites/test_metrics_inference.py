"""Calibration, comparison of judges and prediction-powered inference."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from deemster.errors import InputError
from deemster.suites.metrics import (
    Bootstrap,
    Item,
    calibrate,
    calibration,
    compare,
    compare_by_subset,
    ppi,
    ppi_mean,
    win_value,
)

QUICK = Bootstrap(resamples=50)


def run(winners: str, *, subset: str = "", start: int = 0) -> list[Item]:
    """One item per character: `+` right, `-` wrong, `=` tied, `?` unscored."""
    scores = {"+": [2.0, 1], "-": [1.0, 2], "=": [1.0, 1], "?": [float("nan")] * 2}
    return [
        Item.from_scores(str(start + i), [scores[w]], ground_truth=(1, 0), subset=subset)
        for i, w in enumerate(winners)
    ]


class TestCalibration:
    def test_by_hand(self) -> None:
        found = calibrate([0.6, 0.6, 0.6, 0.6, 1.0, 1.0], [1, 1, 0, 0, 1, 1], bins=2)
        assert [(b.low, b.high, b.n) for b in found.curve] == [(0.6, 0.6, 4), (1.0, 1.0, 2)]
        assert [b.accuracy.value for b in found.curve] == [0.5, 1.0]
        assert found.ece.value == pytest.approx(4 / 6 * 0.1)
        assert found.brier.value == pytest.approx((2 * 0.16 + 2 * 0.36) / 6)

    def test_against_scikit_learn(self) -> None:
        rng = np.random.default_rng(0)
        stated = rng.random(1000)
        right = (rng.random(1000) < stated**2).astype(float)
        found = calibrate(stated, right, bins=10)
        accuracies, means = calibration_curve(right, stated, n_bins=10, strategy="quantile")
        assert [b.n for b in found.curve] == [100] * 10
        assert [b.accuracy.value for b in found.curve] == pytest.approx(list(accuracies))
        assert [b.confidence for b in found.curve] == pytest.approx(list(means))
        assert found.brier.value == pytest.approx(brier_score_loss(right, stated))
        assert found.ece.value == pytest.approx(np.abs(accuracies - means).mean())
        assert found.ece.low is not None
        assert found.ece.low <= (found.ece.value or 0) <= (found.ece.high or 0)

    def test_a_calibrated_judge_has_a_small_error(self) -> None:
        rng = np.random.default_rng(1)
        stated = rng.random(20000)
        found = calibrate(stated, rng.random(20000) < stated, bootstrap=QUICK)
        assert found.ece.value is not None
        assert found.ece.value < 0.02

    def test_items_that_say_nothing_are_left_out(self) -> None:
        right, tied, unscored = run("+=?")
        items = [
            Item.from_scores("a", right.scores, ground_truth=right.ground_truth, confidence=0.75),
            Item.from_scores("b", tied.scores, ground_truth=tied.ground_truth, confidence=0.5),
            Item.from_scores("c", right.scores, confidence=0.5),
            right,
            unscored,
        ]
        found = calibration(items)
        assert found is not None
        assert sum(b.n for b in found.curve) == 2
        assert found.brier.value == pytest.approx((0.25**2 + 0.5**2) / 2)
        assert calibration([right]) is None

    def test_wrong_input(self) -> None:
        with pytest.raises(InputError, match="bins"):
            calibrate([0.5], [1], bins=0)
        with pytest.raises(InputError, match="from 0 to 1"):
            calibrate([1.5], [1])


class TestCompare:
    def test_by_hand(self) -> None:
        found = compare(run("+++++++-=?+"), run("+-----+-+++"))
        # Shared and scored: 10; the first alone is right on 5, the second on 1 (the tie).
        assert (found.only_first, found.only_second, found.unscored) == (5, 1, 1)
        assert found.first.value == pytest.approx(0.8)
        assert found.second.value == pytest.approx(0.4)
        assert found.difference.value == pytest.approx(0.4)
        # Exact: two-sided binomial of 1 or fewer of 6: 2 * (1 + 6) / 64.
        assert found.p_value == pytest.approx(14 / 64)

    def test_items_are_matched_by_id(self) -> None:
        found = compare(run("++--"), run("--++", start=2))
        assert found.first.n == 2
        assert found.difference.value == 0.0
        assert found.p_value == 1.0

    def test_nothing_shared(self) -> None:
        found = compare(run("+"), run("+", start=5))
        assert (found.p_value, found.difference.value) == (None, None)

    def test_difference_interval_is_paired(self) -> None:
        # Two judges that agree on all items but 10 of 400: far tighter than unpaired.
        first = run("+-" * 200)
        second = run("+-" * 195 + "--" * 5 + "")
        found = compare(first, second, bootstrap=Bootstrap(resamples=10000)).difference
        assert found.low is not None
        assert found.high is not None
        width = 2 * 1.96 * (0.0125 * 0.9875 / 400) ** 0.5
        assert found.high - found.low == pytest.approx(width, rel=0.15)

    @pytest.mark.parametrize(
        ("first", "second", "value"),
        [
            pytest.param(True, True, 0.0, id="both-right"),
            pytest.param(False, False, 0.0, id="both-wrong"),
            pytest.param(True, False, 1.0, id="only-the-first"),
            pytest.param(False, True, -1.0, id="only-the-second"),
        ],
    )
    def test_pairs_that_are_all_alike_leave_room_on_both_sides(
        self, first: bool, second: bool, value: float
    ) -> None:
        """What was not seen in 100 pairs may still be as frequent as 3.6 %."""
        unseen = 1 - 0.025 ** (1 / 100)
        ones, twos = ([float(hit)] * 100 for hit in (first, second))
        found = Bootstrap().difference(ones, twos)
        room = (1 + abs(value)) * unseen
        assert found.value == value
        assert (found.low, found.high) == pytest.approx(
            (max(-1, value - room), min(1, value + room)), abs=1e-9
        )

    def test_wrong_input(self) -> None:
        with pytest.raises(InputError, match="'0' occurs twice"):
            compare(run("+") * 2, run("+"))
        other = [Item.from_scores("0", [[1, 2]], ground_truth=(0, 1))]
        with pytest.raises(InputError, match="ground truth"):
            compare(run("+"), other)
        with pytest.raises(InputError, match="allowed: holm, bh"):
            compare_by_subset(run("+"), run("+"), correction="none")  # type: ignore[arg-type]

    def test_subsets_are_corrected(self) -> None:
        def runs(one: str, two: str, name: str, start: int) -> tuple[list[Item], list[Item]]:
            return run(one, subset=name, start=start), run(two, subset=name, start=start)

        parts = [
            runs("+" * 10, "-" * 10, "a", 0),
            runs("+" * 6, "-" * 6, "b", 100),
            runs("+-", "-+", "c", 200),
            runs("?", "+", "d", 300),
        ]
        first = [item for one, _ in parts for item in one]
        second = [item for _, two in parts for item in two]
        holm = compare_by_subset(first, second)
        assert [holm[name].p_value for name in "abc"] == pytest.approx([2 / 2**10, 2 / 2**6, 1])
        adjusted = [holm[name].p_adjusted for name in "abc"]
        assert adjusted == pytest.approx([3 * 2 / 2**10, 2 * 2 / 2**6, 1])
        bh = compare_by_subset(first, second, correction="bh")
        assert bh["b"].p_adjusted == pytest.approx(3 / 2 * 2 / 2**6)
        assert (holm["d"].p_value, holm["d"].p_adjusted) == (None, None)


class TestPPI:
    def test_formula(self) -> None:
        labels, judged = np.array([1.0, 0, 1, 1]), np.array([1.0, 1, 1, 0])
        rest = np.array([1.0, 0, 0, 1, 1, 1])
        found = ppi_mean(labels, judged, rest, power=1.0)
        assert found.mean.value == pytest.approx(rest.mean() + (labels - judged).mean())
        variance = np.var(rest, ddof=1) / 6 + np.var(labels - judged, ddof=1) / 4
        half = 3.1824463 * variance**0.5  # Student's t, 3 degrees of freedom
        assert found.mean.low == pytest.approx((found.mean.value or 0) - half)
        assert found.n_effective == pytest.approx(np.var(labels, ddof=1) / variance)
        assert found.judge_only == pytest.approx(0.7)
        ignored = ppi_mean(labels, judged, rest, power=0.0)
        assert ignored.mean.value == ignored.labels_only.value == 0.75
        assert ignored.n_effective == pytest.approx(4)

    @pytest.mark.parametrize("skill", [0.9, 0.7, 0.0], ids=["good", "fair", "useless"])
    def test_coverage_and_width(self, skill: float) -> None:
        """Nominal 95 % over 1500 studies, no wider than labels alone, though the judge is biased.

        The judge knows the truth with the chance `skill` and else says 1, or, useless, guesses.
        """
        rng = np.random.default_rng(7)
        n, m, studies, rate = 200, 1000, 1500, 0.6
        covered, wider, effective = 0, [], []
        for _ in range(studies):
            truth = rng.random(n + m) < rate
            judge = np.where(rng.random(n + m) < skill, truth, True).astype(float)
            if not skill:
                judge = rng.integers(0, 2, n + m).astype(float)
            found = ppi_mean(truth[:n].astype(float), judge[:n], judge[n:])
            assert found.mean.low is not None
            assert found.mean.high is not None
            assert found.labels_only.low is not None
            covered += found.mean.low <= rate <= found.mean.high
            alone = (found.labels_only.high or 0) - found.labels_only.low
            wider.append((found.mean.high - found.mean.low) / alone)
            effective.append(found.n_effective or 0)
        assert covered / studies == pytest.approx(0.95, abs=0.017)
        assert np.mean(wider) < 1.005
        if skill == 0.9:
            assert np.mean(effective) > 2 * n

    def test_a_constant_judge_is_not_relied_on(self) -> None:
        found = ppi_mean([1, 0, 1], [1, 1, 1], [1, 1, 1, 1])
        assert found.power == 0.0
        assert found.mean.value == found.labels_only.value

    def test_without_unlabelled_items_it_is_the_labels_mean(self) -> None:
        found = ppi_mean([1, 0, 1], [1, 1, 0], [])
        assert found.mean == found.labels_only

    @pytest.mark.parametrize(
        ("labels", "judged", "value", "low", "high"),
        [
            # Of 4 alike, others may be as frequent as 1 - 0.025 ** (1 / 4) = 0.602.
            pytest.param([1, 1, 1, 1], [1, 0, 1, 1], 1, 0.398, 1, id="all-won"),
            pytest.param([0, 0, 0, 0], [1, 0, 1, 1], 0, 0, 0.602, id="all-lost"),
            pytest.param([0.5] * 4, [1, 0, 1, 1], 0.5, 0.199, 0.801, id="all-tied"),
            pytest.param([1, 1, 1, 0], [1, 0, 1, 1], 0.75, 0, 1, id="wide"),
            pytest.param([1, 1, 1, 0, 1, 1], [0, 0, 1, 0, 1, 0], 1, 0.925, 1, id="beyond-the-end"),
        ],
    )
    def test_win_rates_stay_between_their_ends_and_have_a_width(
        self, labels: list[float], judged: list[float], value: float, low: float, high: float
    ) -> None:
        rest, power = [1.0] * 20, 1.0 if value == 1 > min(labels) else None
        found = ppi_mean(labels, judged, rest, power=power, within=(0, 1)).mean
        assert (found.value, found.low, found.high) == pytest.approx((value, low, high), abs=1e-3)
        free = ppi_mean(labels, judged, rest, power=power).mean
        if len(set(labels)) == 1:
            assert (free.value, free.low, free.high) == (value, None, None)
        else:
            assert (free.high or 0) > 1

    def test_over_items(self) -> None:
        items = [
            Item(id=one.id, rewards=one.rewards, policies=("p", "q"), ballot=one.ballot)
            for one in run("++-+-?-+")
        ]
        labels = {"0": 1.0, "1": 0.0, "2": 0.0, "5": 1.0}
        found = ppi(items, labels, lambda item: win_value(item, "p"), power=1.0)
        # Labelled and scored: 0, 1, 2 (judge 1, 1, 0); others 3, 4, 6, 7 (1, 0, 0, 1).
        assert found.n_labelled == 3
        assert found.mean.n == 7
        assert found.mean.value == pytest.approx(0.5 - 1 / 3)

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            pytest.param(([1], [1], [1]), "1 labelled items; 2 or more", id="one-label"),
            pytest.param(([1, 0], [1], [1]), "2 labels for 1 judged", id="lengths"),
            pytest.param(([1, np.nan], [1, 0], [1]), "must be finite", id="nan"),
        ],
    )
    def test_wrong_input(self, arguments: tuple[list[float], ...], told: str) -> None:
        with pytest.raises(InputError, match=told):
            ppi_mean(*arguments)

    def test_wrong_settings(self) -> None:
        with pytest.raises(InputError, match="power"):
            ppi_mean([1, 0], [1, 0], [1], power=2)
        with pytest.raises(InputError, match="level"):
            ppi_mean([1, 0], [1, 0], [1], level=95)
