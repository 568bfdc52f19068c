"""Means, paired differences and intervals over items; AUC of meta rewards."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.lab.study.test_study_voting import scored

from deemster.errors import InputError
from deemster.suites.metrics import Bootstrap
from deemster.suites.metrics.estimate import Floats
from lab.study.files import Scored
from lab.study.meta_auc import labels, overall, within_items
from lab.study.table import Rows, figures, pooled

BOOTSTRAP = Bootstrap(resamples=500)


def rows_of(count: int, *, seeds: int = 1) -> Rows:
    one = scored(np.ones((count, 1, 2)))
    return Rows("fresh", [(seed, f"seed{seed}", one) for seed in range(seeds)])


def test_the_interval_is_that_of_a_mean() -> None:
    column = np.random.default_rng(0).random(800)
    found, draws = figures(rows_of(800), {"a": column}, BOOTSTRAP, shares=())
    figure = found["a"]
    assert figure.value == pytest.approx(column.mean())
    assert figure.n == 800
    half = 1.96 * column.std() / np.sqrt(800)
    assert figure.low == pytest.approx(column.mean() - half, abs=0.2 * half)
    assert figure.high == pytest.approx(column.mean() + half, abs=0.2 * half)
    assert len(draws["a"]) == 500


def test_an_item_seen_by_several_seeds_counts_once() -> None:
    column = np.random.default_rng(0).random(300)
    once, _ = figures(rows_of(300), {"a": column}, BOOTSTRAP, shares=())
    thrice, _ = figures(rows_of(300, seeds=3), {"a": np.tile(column, 3)}, BOOTSTRAP, shares=())
    assert thrice["a"].n == 300
    assert thrice["a"].low == pytest.approx(once["a"].low)
    assert thrice["a"].high == pytest.approx(once["a"].high)
    assert thrice["a"].by_seed.keys() == {"0", "1", "2"}


def test_seeds_with_items_of_their_own_are_all_counted() -> None:
    one = scored(np.ones((50, 1, 2)))
    other = Scored(**{**vars(one), "items": np.array([f"other{i}" for i in range(50)])})
    rows = Rows("fresh", [(0, "a", one), (1, "b", other)])
    assert rows.n_items == 100
    assert rows.where(1, other).tolist() == list(range(50, 100))


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random(1000)
    low, high = hard, hard + 0.01 + 0.001 * rng.standard_normal(1000)
    columns = {"low": low, "high": high, "gap": high - low}
    found, _ = figures(rows_of(1000), columns, BOOTSTRAP, shares=())
    assert found["gap"].low is not None
    assert found["gap"].low > 0.009  # though the two intervals overlap
    assert found["high"].low is not None
    assert found["low"].high is not None
    assert found["high"].low < found["low"].high


def test_intervals_of_no_difference_cover_zero_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    rows, covered = rows_of(200), 0
    nothing: dict[int, Floats] = {
        i: (rng.random(200) < 0.6).astype(float) - (rng.random(200) < 0.6) for i in range(300)
    }
    found, _ = figures(rows, nothing, BOOTSTRAP, shares=())
    for figure in found.values():
        assert figure.low is not None
        assert figure.high is not None
        covered += figure.low <= 0 <= figure.high
    assert 0.91 < covered / 300 < 0.98


def test_rows_without_a_figure_are_left_out() -> None:
    column = np.array([1.0, 0.0, np.nan, np.nan, 1.0])
    found, _ = figures(rows_of(5), {"a": column, "none": np.full(5, np.nan)}, BOOTSTRAP, shares=())
    assert found["a"].value == pytest.approx(2 / 3)
    assert found["a"].n == 3
    assert "none" not in found


def test_only_shares_that_never_vary_take_the_exact_interval() -> None:
    same = {"right": np.ones(100), "gap": np.zeros(100)}
    found, draws = figures(rows_of(100), same, BOOTSTRAP, shares={"right"})
    assert found["right"].low == pytest.approx(0.025 ** (1 / 100), abs=1e-6)
    assert (found["gap"].low, found["gap"].high) == (0, 0)
    whole, _ = pooled([(found["right"], draws["right"])] * 2, BOOTSTRAP)
    assert whole.low == found["right"].low


def test_the_mean_of_splits_has_a_narrower_interval() -> None:
    rng = np.random.default_rng(3)
    parts = []
    for seed in range(3):
        own = Bootstrap(resamples=500, seed=seed)
        found, draws = figures(rows_of(300), {"a": rng.random(300) + seed}, own, shares=())
        parts.append((found["a"], draws["a"]))
    whole, _ = pooled(parts, BOOTSTRAP)
    assert whole.by_seed == {"0": pytest.approx(whole.value)}
    assert whole.value == pytest.approx(1.5, abs=0.05)
    assert whole.n == 900
    widths = [f.high - f.low for f, _ in parts if f.high is not None and f.low is not None]
    assert whole.high is not None
    assert whole.low is not None
    assert (whole.high - whole.low) * 3**0.5 == pytest.approx(np.mean(widths), rel=0.15)


def test_an_id_that_means_two_items_is_an_error() -> None:
    one, other = scored(np.ones((3, 1, 2))), scored(np.ones((3, 1, 2)), best=[0, 1, 0])
    with pytest.raises(InputError, match=r"'b': item 'i1'.* one item in all files"):
        Rows("fresh", [(0, "a", one), (0, "b", other)])


def planted(distance: float, *, count: int = 400, votes: int = 16) -> Scored:
    """Meta rewards of right votes lie `distance` standard deviations above those of wrong ones."""
    rng = np.random.default_rng(4)
    right = rng.random((count, votes)) < 0.6
    scores = np.stack([np.where(right, 7, 4), np.full(right.shape, 5)], axis=-1)
    meta = 1 / (1 + np.exp(-(rng.standard_normal(right.shape) + distance * right)))
    return scored(scores, meta=meta)


def auc_of(given: Scored) -> tuple[float, float, float, Floats]:
    found = overall([(given, np.arange(len(given.n)))], len(given.n), BOOTSTRAP)
    assert found is not None
    estimate, draws = found
    assert None not in (estimate.value, estimate.low, estimate.high)
    return estimate.value or 0.0, estimate.low or 0.0, estimate.high or 0.0, draws


def test_planted_auc_is_found() -> None:
    given = planted(1.5)
    truth = NormalDist().cdf(1.5 / 2**0.5)
    value, low, high, draws = auc_of(given)
    right, rated = labels(given)
    assert rated.all()
    assert value == pytest.approx(roc_auc_score(right.ravel(), given.meta.ravel()))
    assert low < truth < high
    assert high - low < 0.03
    assert draws.mean() == pytest.approx(value, abs=0.002)  # bins cost nearly nothing
    assert np.nanmean(within_items(given)) == pytest.approx(truth, abs=0.015)


def test_meta_rewards_without_skill_have_an_auc_of_one_half() -> None:
    _, low, high, _ = auc_of(planted(0.0))
    assert low < 0.5 < high


def test_a_tie_is_a_wrong_judgment_and_an_unparsed_one_has_no_label() -> None:
    given = scored(
        [[[9, 1], [5, 5], [1, 9], [np.nan, np.nan], [9, 1]]], meta=[[0.9, 0.5, 0.9, np.nan, 0.2]]
    )
    right, rated = labels(given)
    assert right.tolist() == [[True, False, False, False, True]]
    assert rated.tolist() == [[True, True, True, False, True]]
    # right 0.9 beats 0.5, ties 0.9; right 0.2 beats none
    assert within_items(given).tolist() == [pytest.approx(1.5 / 4)]


def test_auc_needs_right_and_wrong_judgments() -> None:
    given = scored([[[9, 1], [9, 1]]], meta=[[0.5, 0.6]])
    assert overall([(given, np.arange(1))], 1, BOOTSTRAP) is None
    assert np.isnan(within_items(given)).all()
