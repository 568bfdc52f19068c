"""Coefficients and clustered errors are those of statsmodels' OLS by singular values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from statsmodels.regression.linear_model import OLS

from deemster.reports import least_squares
from deemster.reports.least_squares import clustered_least_squares
from deemster.suites.metrics.estimate import Floats, Ints

Case = tuple[Floats, Floats, Ints]


def votes(seed: int, *, n: int = 400, groups: int = 12, noise: float = 1.0) -> Case:
    """Three groups of principles a vote, with weights that add up to 1; four votes an item."""
    rng = np.random.default_rng(seed)
    weight = np.zeros((n, groups))
    for row in weight:
        row[rng.choice(groups, 3, replace=False)] = rng.dirichlet((1, 1, 1))
    gap = weight @ rng.normal(size=groups) + noise * rng.normal(size=n)
    return weight, gap, np.arange(n, dtype=np.intp) // 4


def alike(weight: Floats) -> Floats:
    """A last column that nearly follows from two others."""
    weight = weight.copy()
    weight[:, -1] = weight[:, 0] + weight[:, 1] + 1e-5 * weight[:, 2]
    return weight


def expected(case: Case) -> tuple[Floats, Floats]:
    weight, gap, item = case
    fit = OLS(gap, weight).fit(cov_type="cluster", cov_kwds={"groups": item})
    return np.asarray(fit.params), np.asarray(fit.bse)


@pytest.mark.parametrize(
    ("scale", "noise"),
    [
        pytest.param(1.0, 1.0, id="weights"),
        pytest.param(1.0, 1e-3, id="little-noise"),
        pytest.param(np.logspace(-2, 2, 12), 1.0, id="columns-of-many-sizes"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_the_same_figures(scale: float | Floats, noise: float, seed: int) -> None:
    weight, gap, item = votes(seed, noise=noise)
    case = (weight * scale, gap, item)
    found = clustered_least_squares(sparse.csr_array(case[0]), gap, item)
    for ours, theirs in zip(found, expected(case), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_well_behaved_votes_are_not_decomposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(least_squares, "_by_svd")
    weight, gap, item = votes(0)
    clustered_least_squares(sparse.csr_array(weight), gap, item)
    with pytest.raises(NameError):
        clustered_least_squares(sparse.csr_array(alike(weight)), gap, item)


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(alike, id="nearly-dependent"),
        pytest.param(lambda w: np.column_stack([w, w[:, 0] + w[:, 1]]), id="dependent"),
        pytest.param(lambda w: np.column_stack([w, np.zeros(len(w))]), id="empty"),
    ],
)
def test_dependent_columns_give_the_shortest_solution(change: object) -> None:
    assert callable(change)
    weight, gap, item = votes(3)
    case = (np.asarray(change(weight)), gap, item)
    found = clustered_least_squares(sparse.csr_array(case[0]), gap, item)
    for ours, theirs in zip(found, expected(case), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-12)


def test_clusters_need_not_be_numbered_in_order() -> None:
    weight, gap, item = votes(1)
    order = np.random.default_rng(0).permutation(len(gap))
    first = clustered_least_squares(sparse.csr_array(weight), gap, item)
    names = (7 * item + 3)[order]
    second = clustered_least_squares(sparse.csr_array(weight[order]), gap[order], names)
    for one, two in zip(first, second, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10)
