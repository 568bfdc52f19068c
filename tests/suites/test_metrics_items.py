"""Items, bootstrap intervals and the public names of the metrics package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from deemster.errors import InputError
from deemster.schemas import Failure, JudgeInfo, Judgment, Sample, Usage, Verdict
from deemster.suites import metrics
from deemster.suites.metrics import (
    Bootstrap,
    Estimate,
    Item,
    auc,
    calibrate,
    cohen_kappa,
    correlation,
)

NAN = float("nan")


def _verdict(**changes: object) -> Verdict:
    values = {
        "rewards": (12.0, 9.0),
        "best": 0,
        "ranking": (0, 1),
        "confidence": 0.9,
        "votes": (
            Judgment(scores=(7, None), order=(0,), meta_reward=0.5, judge="a"),
            Failure(status="timeout", message="slow", order=(1, 0), judge="b"),
            Judgment(scores=(5, 9), order=(1, 0), judge="b"),
        ),
        "k": 3,
        "n_valid": 2,
        "usage": Usage(calls=3, cost=0.5),
        "judge": JudgeInfo(name="j", model="fake"),
    }
    return Verdict.model_validate(values | changes)


def test_from_verdict_keeps_what_metrics_need() -> None:
    sample = Sample(
        id="x", query="q", responses=("a", "b"), ground_truth=(1, 0), subset="s",
        policies=("p", "q"), metadata={"level": "hard"},
    )  # fmt: skip
    item = Item.from_verdict(sample, _verdict())
    np.testing.assert_array_equal(item.scores, [[7, NAN], [NAN, NAN], [5, 9]])
    np.testing.assert_array_equal(item.meta, [0.5, NAN, NAN])
    np.testing.assert_array_equal(item.ballot.weights, [1, 0, 1])
    assert item.statuses == (None, "timeout", None)
    assert item.orders == ((0,), (1, 0), (1, 0))
    assert (item.id, item.subset, item.policies) == ("x", "s", ("p", "q"))
    assert (item.n_votes, item.n_responses, item.true_best, item.best) == (3, 2, 0, 0)
    assert item.right is True
    assert item.metadata == {"level": "hard"}
    assert item.usage.cost == 0.5


def test_from_verdict_refuses_votes_about_other_responses() -> None:
    sample = Sample(id="x", query="q", responses=("a", "b", "c"))
    with pytest.raises(InputError, match="2 responses, others 3"):
        Item.from_verdict(sample, _verdict())
    with pytest.raises(InputError, match="2 rewards for 3 responses"):
        Item.from_verdict(sample, _verdict(votes=()))


@pytest.mark.parametrize(
    ("truth", "scores", "right"),
    [
        pytest.param((1, 0), [[5, 4]], True, id="right"),
        pytest.param((1, 0), [[4, 5]], False, id="wrong"),
        pytest.param((1, 0), [[4, 4]], False, id="tie-is-wrong"),
        pytest.param((0.5, 0.5), [[5, 4]], None, id="true-tie"),
        pytest.param((1, 1, 0), [[5, 4, 3]], None, id="true-tie-on-top"),
        pytest.param(None, [[5, 4]], None, id="no-truth"),
        pytest.param((1,), [[5]], None, id="single"),
        pytest.param((1, 0), [[NAN, NAN]], None, id="unscored"),
        pytest.param((1, 0), [[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]], False, id="tie-up-to-rounding"),
    ],
)
def test_right(truth: tuple[float, ...] | None, scores: object, right: bool | None) -> None:
    item = Item.from_scores("i", np.array(scores, dtype=float), ground_truth=truth)
    assert item.right is right


def test_names_are_public() -> None:
    assert len(set(metrics.__all__)) == len(metrics.__all__)
    assert all(hasattr(metrics, name) for name in metrics.__all__)


class TestBootstrap:
    def test_mean_interval_is_that_of_scipy(self) -> None:
        values = np.random.default_rng(1).normal(3, 2, size=300)
        mine = Bootstrap(resamples=9999).mean(values)
        theirs = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=9999,
            method="percentile",
            random_state=np.random.default_rng(2),
        ).confidence_interval
        assert mine.value == pytest.approx(values.mean())
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)

    @pytest.mark.parametrize("n", [60, 2000], ids=["drawn-by-item", "drawn-by-count"])
    def test_proportion_has_binomial_width(self, n: int) -> None:
        # Both ways of drawing must have the standard error sqrt(p q / n).
        values = np.arange(n) % 5 == 0
        values = values.astype(float)
        if n == 60:
            values = values + np.arange(n) * 1e-9  # all distinct
        found = Bootstrap(resamples=20000).mean(values)
        assert found.low is not None
        assert found.high is not None
        width = 2 * 1.96 * np.sqrt(0.2 * 0.8 / n)
        assert found.high - found.low == pytest.approx(width, rel=0.07)

    def test_ratio_resamples_tops_and_bottoms_together(self) -> None:
        bottoms = np.random.default_rng(0).integers(0, 5, size=200)
        found = Bootstrap().ratio(bottoms * 0.25, bottoms)
        assert found.value == 0.25  # in every resample; the width is what stays unseen
        assert (found.low, found.high) == pytest.approx((0.25, 0.25), abs=0.02)
        assert found.n == (bottoms > 0).sum()

    @pytest.mark.parametrize(
        ("method", "low", "high"),
        [
            # Published by Newcombe (1998), table I: 81 of 263.
            pytest.param("wilson", 0.2553, 0.3662, id="wilson"),
            pytest.param("clopper", 0.2527, 0.3676, id="clopper"),
        ],
    )
    def test_intervals_of_proportions(
        self, method: Literal["wilson", "clopper"], low: float, high: float
    ) -> None:
        found = Bootstrap(proportions=method).mean([1.0] * 81 + [0.0] * 182)
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)

    def test_unanimous_items_get_the_exact_interval(self) -> None:
        found = Bootstrap().mean([1.0] * 10)
        assert found.value == found.high == 1.0
        assert found.low == pytest.approx(0.025**0.1)

    @pytest.mark.parametrize(
        ("found", "value", "low", "high"),
        [
            # Of 10 alike, others may be as frequent as 1 - 0.025 ** (1 / 10) = 0.308.
            pytest.param(lambda b: b.mean([0.5] * 10), 0.5, 0.346, 0.654, id="shared"),
            pytest.param(lambda b: b.mean([-1.0] * 10, within=(-1, 1)), -1, -1, -0.383, id="taus"),
            pytest.param(
                lambda b: b.mean([0.1] * 10, within=(0, np.inf)), 0.1, None, None, id="loss"
            ),
            pytest.param(lambda b: b.mean([7.0] * 10), 7, None, None, id="off-the-scale"),
            pytest.param(lambda b: b.ratio([3] * 10, [3] * 10), 1, 0.692, 1, id="pairs-right"),
            pytest.param(lambda b: b.ratio([0] * 10, [1, 2] * 5), 0, 0, 0.308, id="pairs-wrong"),
            pytest.param(
                lambda b: auc(range(20), [0] * 10 + [1] * 10, bootstrap=b), 1, 0.692, 1,
                id="auc-separated",
            ),
            pytest.param(
                lambda b: auc(range(40), [1] * 10 + [0] * 30, bootstrap=b), 0, 0, 0.308,
                id="auc-reversed",
            ),
            pytest.param(
                lambda b: auc([5] * 20, [0, 1] * 10, bootstrap=b), 0.5, 0.346, 0.654, id="auc-tied"
            ),
            pytest.param(
                lambda b: auc(range(10), [0] * 5 + [1] + [0] * 4, bootstrap=b), 5 / 9, None, None,
                id="auc-one-good",
            ),
            pytest.param(
                lambda b: correlation(range(10), range(10), bootstrap=b), 1, 0.383, 1, id="rho"
            ),
            pytest.param(
                lambda b: correlation(range(10), range(10), "kendall", bootstrap=b), 1, 0.383, 1,
                id="tau",
            ),
            pytest.param(
                lambda b: cohen_kappa("A" * 10, "AB" * 5, bootstrap=b), 0, -0.308, 0.308,
                id="kappa-of-one-label",
            ),
            pytest.param(
                lambda b: calibrate([1.0] * 10, [1] * 10, bootstrap=b).ece, 0, 0, 0.308, id="ece"
            ),
            pytest.param(
                lambda b: calibrate([0.6, 1] * 5, [1] * 10, bootstrap=b).ece, 0.2, 0, 0.508,
                id="ece-all-right",
            ),
            pytest.param(
                lambda b: calibrate([0.9] * 10, [0] * 10, bootstrap=b).brier, 0.81, 0.502, 1,
                id="brier-all-wrong",
            ),
        ],
    )  # fmt: skip
    def test_figures_that_resampling_cannot_change_still_have_a_width(
        self,
        found: Callable[[Bootstrap], Estimate],
        value: float,
        low: float | None,
        high: float | None,
    ) -> None:
        got = found(Bootstrap(resamples=100))
        assert got.value == pytest.approx(value)
        assert (got.low, got.high) == pytest.approx((low, high), abs=1e-3)

    def test_undefined_is_none(self) -> None:
        nothing = Bootstrap().mean([])
        assert (nothing.value, nothing.low, nothing.high, nothing.n) == (None, None, None, 0)
        one = Bootstrap().mean([0.3])
        assert (one.value, one.low, one.high) == (0.3, None, None)

    def test_same_seed_same_interval(self) -> None:
        values = np.random.default_rng(0).normal(size=50)
        assert Bootstrap(seed=3).mean(values) == Bootstrap(seed=3).mean(values[::-1])
        assert Bootstrap(seed=3).mean(values) != Bootstrap(seed=4).mean(values)

    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
    def test_interval_contains_the_value(self, values: list[float]) -> None:
        found = Bootstrap(resamples=50).mean(values, within=(-1e6, 1e6))
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            pytest.param({"resamples": 0}, "resamples must be >= 1, got 0", id="resamples"),
            pytest.param({"level": 95}, "level must be between 0 and 1, got 95", id="level"),
            pytest.param({"proportions": "wald"}, "allowed: bootstrap, wilson", id="method"),
        ],
    )
    def test_wrong_settings(self, change: dict[str, int], told: str) -> None:
        with pytest.raises(InputError, match=told):
            Bootstrap(**change)  # type: ignore[arg-type]
