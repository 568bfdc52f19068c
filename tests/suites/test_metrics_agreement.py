"""Alpha and kappa against published examples and scikit-learn; the matrix of judges."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from deemster.errors import InputError
from deemster.suites.metrics import (
    Bootstrap,
    Item,
    cohen_kappa,
    judge_agreement,
    krippendorff_alpha,
)

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
QUICK = Bootstrap(resamples=50)
Level = Literal["nominal", "ordinal", "interval"]
_ = float("nan")
# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), part C: 4 observers, 12 units.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_as_published(level: Level, alpha: float) -> None:
    found = krippendorff_alpha(PUBLISHED, level)
    assert found.value == pytest.approx(alpha, abs=5e-4)
    assert found.n == 11  # the last unit has one rating


@given(st.integers(0, 10_000), st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_is_that_of_the_reference_package(seed: int, level: Level) -> None:
    krippendorff = pytest.importorskip("krippendorff", reason="the reference implementation")
    rng = np.random.default_rng(seed)
    ratings = rng.choice([1.0, 2.0, 4.0, 7.5], (4, 15))
    ratings[rng.random(ratings.shape) < 0.2] = np.nan
    expected = krippendorff.alpha(ratings, level_of_measurement=level)
    found = krippendorff_alpha(ratings, level, bootstrap=QUICK)
    assert found.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_of_perfect_and_of_random_raters(level: Level) -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 4, 3000).astype(float)
    assert krippendorff_alpha([one, one, one], level).value == pytest.approx(1.0)
    random = krippendorff_alpha(rng.integers(0, 4, (5, 3000)), level)
    assert random.value == pytest.approx(0, abs=0.02)
    assert random.low is not None
    assert random.low < 0 < (random.high or 0)


def test_alpha_is_undefined_without_variety() -> None:
    assert krippendorff_alpha([[1, 1], [1, 1]]).value is None
    assert krippendorff_alpha([[1, _], [_, 2]]).value is None
    assert krippendorff_alpha(np.zeros((0, 5))).value is None
    with pytest.raises(InputError, match="allowed: nominal"):
        krippendorff_alpha([[1, 2], [1, 2]], "ratio")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="raters, units"):
        krippendorff_alpha([1, 2])


def test_alpha_interval_is_the_unit_bootstrap() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 150)
    ratings = np.where(rng.random((4, 150)) < 0.7, truth, rng.integers(0, 3, (4, 150)))
    found = krippendorff_alpha(ratings, "ordinal", bootstrap=Bootstrap(resamples=4000))
    alone = Bootstrap(resamples=1)
    draws = [
        krippendorff_alpha(ratings[:, rng.integers(0, 150, 150)], "ordinal", bootstrap=alone).value
        for _ in range(1000)
    ]
    low, high = np.quantile(np.array(draws, dtype=float), (0.025, 0.975))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.015)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_kappa_is_scikit_learns(weights: Literal["linear", "quadratic"] | None) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 200)
    b = np.where(rng.random(200) < 0.6, a, rng.integers(0, 4, 200))
    found = cohen_kappa(
        a.tolist(), b.tolist(), weights=weights, bootstrap=Bootstrap(resamples=4000)
    )
    assert found.value == pytest.approx(cohen_kappa_score(a, b, weights=weights))
    draws = []
    for _ in range(1000):
        drawn = rng.integers(0, 200, 200)
        draws.append(cohen_kappa_score(a[drawn], b[drawn], weights=weights))
    low, high = np.quantile(draws, (0.025, 0.975))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_kappa_by_hand_and_missing_labels() -> None:
    # 3 of 4 agree; chance is 3/4 * 2/4 + 1/4 * 2/4 = 1/2.
    found = cohen_kappa(["x", "x", "x", "y", None], ["x", "x", "y", "y", "y"])
    assert found.value == pytest.approx((0.75 - 0.5) / 0.5)
    assert found.n == 4
    assert cohen_kappa(["x", "x"], ["x", "x"]).value is None
    assert cohen_kappa([], []).value is None


def test_judge_agreement() -> None:
    def run(winners: str) -> list[Item]:
        scores = {"0": [2.0, 1], "1": [1.0, 2], "=": [1.0, 1], "?": [_, _]}
        return [
            Item.from_scores(str(i), [scores[w]], ground_truth=(1, 0) if i % 2 else (0, 1))
            for i, w in enumerate(winners)
        ]

    found = judge_agreement({"a": run("101010=1"), "b": run("1010?011")})
    assert found.raters == ("a", "b", "human")
    first, second, human = range(3)
    assert found.kappa[first][first].value == pytest.approx(1.0)
    assert found.kappa[first][second] == found.kappa[second][first]
    assert found.kappa[first][second].n == 7
    # Labels of a and the truth: 1,0,1,0,1,0,=,1 and 1,0,1,0,1,0,1,0.
    assert found.kappa[first][human].value == pytest.approx(
        cohen_kappa_score(list("101010=1"), list("10101010"))
    )
    alone = judge_agreement({"a": run("1010"), "b": run("1010")}, human=False)
    assert alone.raters == ("a", "b")
    assert alone.alpha.value == pytest.approx(1.0)


def test_alpha_of_33_judges_of_relevance() -> None:
    path = DATA / "llmjudge_trec" / "labels_by_system.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no {path.name} beside this checkout")
    krippendorff = pytest.importorskip("krippendorff", reason="the reference implementation")
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line)["labels"] for line in lines]
    ratings = np.array([[float(row[name]) for row in rows] for name in sorted(rows[0])])
    assert ratings.shape == (33, 4423)
    for level in ("nominal", "ordinal", "interval"):
        found = krippendorff_alpha(ratings, level, bootstrap=QUICK)
        expected = krippendorff.alpha(ratings, level_of_measurement=level)
        assert found.value == pytest.approx(expected, abs=1e-9)
        assert found.n == 4423


@pytest.mark.parametrize(
    "labels", [[0, 1] * 2, [0, 1, 2, 3], [0, 1] * 50], ids=["4", "kinds", "100"]
)
def test_raters_who_all_agree_are_not_certain_to(labels: list[int]) -> None:
    n = len(labels)
    found = [cohen_kappa(labels, labels, weights=how) for how in (None, "linear", "quadratic")]
    found += [krippendorff_alpha([labels, labels], level) for level in ("nominal", "interval")]
    room = 1 - 0.025 ** (1 / n)  # exact
    chance = 1 - 1 / len(set(labels))
    for one in found:
        assert one.value == one.high == 1
        assert one.low == pytest.approx(1 - room / chance)
