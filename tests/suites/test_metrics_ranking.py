"""ROC-AUC and rank correlations against SciPy, scikit-learn and published figures."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from deemster.errors import InputError
from deemster.suites.metrics import (
    Bootstrap,
    Item,
    auc,
    correlation,
    correlation_over_items,
    kendall,
    roc_auc,
    spearman,
)

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
QUICK = Bootstrap(resamples=50)


def item(rewards: Sequence[float] | None, truth: Sequence[float]) -> Item:
    scores = [list(rewards) if rewards is not None else [float("nan")] * len(truth)]
    return Item.from_scores("i", scores, ground_truth=truth)


def test_roc_auc_by_hand() -> None:
    # Good 5, 3; bad 3, 1, one unscored: pairs 5>3, 5>1, 3=3 (half), 3>1.
    items = [item([5], [1]), item([3], [1]), item([3], [0]), item([1], [0]), item(None, [0])]
    found = roc_auc(items)
    assert found.value == pytest.approx(3.5 / 4)
    assert found.n == 4


def test_roc_auc_needs_both_truths_and_single_responses() -> None:
    assert roc_auc([item([5], [1]), item([4], [1])]).value is None
    assert roc_auc([item([5, 4], [1, 0]), item([3], [0.5])]).n == 0


@pytest.mark.parametrize("coarse", [True, False], ids=["few-distinct", "all-distinct"])
def test_auc_interval_is_the_item_bootstrap(coarse: bool) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200).astype(float)
    rewards = labels + rng.normal(0, 1.5, 200)
    rewards = np.round(rewards) if coarse else rewards
    found = auc(rewards, labels, bootstrap=Bootstrap(resamples=4000))
    draws = []
    for _ in range(800):
        drawn = rng.integers(0, 200, 200)
        draws.append(roc_auc_score(labels[drawn], rewards[drawn]))
    low, high = np.quantile(draws, (0.025, 0.975))
    assert found.value == pytest.approx(roc_auc_score(labels, rewards))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.012)


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_rank_agreement_within_items_is_scipys(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(n).astype(float)
    rewards = rng.integers(0, 4, n).astype(float)
    if (rewards == rewards[0]).all():
        rewards[0] += 1
    one = item(rewards.tolist(), truth.tolist())
    tau = stats.kendalltau(rewards, truth).statistic
    rho = stats.spearmanr(rewards, truth).statistic
    assert kendall([one]).value == pytest.approx(tau, abs=1e-9)
    assert spearman([one]).value == pytest.approx(rho, abs=1e-9)


def test_items_that_order_nothing() -> None:
    perfect = item([3, 2, 1], [3, 2, 1])
    judge_ties = item([2, 2, 2], [3, 2, 1])
    truth_ties = item([3, 2, 1], [1, 1, 1])
    unscored = item(None, [3, 2, 1])
    found = kendall([perfect, judge_ties, truth_ties, unscored])
    assert (found.value, found.n) == (0.5, 2)
    assert kendall([truth_ties]).value is None


@pytest.mark.parametrize("method", ["spearman", "kendall"])
def test_correlation_interval_is_the_pair_bootstrap(method: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(1, 6, 120).astype(float)
    y = x + rng.normal(0, 2, 120)
    measure = stats.spearmanr if method == "spearman" else stats.kendalltau
    found = correlation(x, y, method, bootstrap=Bootstrap(resamples=1000))  # type: ignore[arg-type]
    theirs = stats.bootstrap(
        (x, y), lambda a, b: measure(a, b).statistic, paired=True, vectorized=False,
        n_resamples=1000, method="percentile", random_state=rng,
    ).confidence_interval  # fmt: skip
    assert found.value == pytest.approx(measure(x, y).statistic)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_correlation_is_undefined_for_constants() -> None:
    assert correlation([1, 1, 1], [1, 2, 3]).value is None
    assert correlation([], []).value is None
    with pytest.raises(InputError, match="allowed: spearman, kendall"):
        correlation([1, 2], [1, 2], "pearson")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "dimension", "rho"),
    [
        # UniEval (arXiv 2210.07197), Tables 3 and 5: Spearman with the human scores.
        pytest.param("topical_chat", "naturalness", 0.514, id="chat-naturalness"),
        pytest.param("topical_chat", "coherence", 0.613, id="chat-coherence"),
        pytest.param("topical_chat", "engagingness", 0.605, id="chat-engagingness"),
        pytest.param("topical_chat", "groundedness", 0.575, id="chat-groundedness"),
        pytest.param("qags_cnndm", "consistency", 0.662, id="cnndm"),
        pytest.param("qags_xsum", "consistency", 0.488, id="xsum"),
    ],
)
def test_published_correlations(file: str, dimension: str, rho: float) -> None:
    path = DATA / "human_scores" / f"{file}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no {path.name} beside this checkout")
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    items = [item([row["unieval_predict"][dimension]], [row["scores"][dimension]]) for row in rows]
    found = correlation_over_items(items, bootstrap=QUICK)
    assert found.value == pytest.approx(rho, abs=5e-4)
    assert found.n == len(rows)
