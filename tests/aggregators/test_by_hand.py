"""Reducers and selectors, batched, against slow plain Python written from their definitions."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from deemster.aggregators import (
    Ballot,
    Borda,
    Majority,
    Mean,
    Median,
    PerJudge,
    Reducer,
    Reliable,
    Selector,
    Softmax,
    Sum,
    TopK,
    Weighted,
    judge_weights,
    reliability_weights,
)
from deemster.aggregators.base import Floats
from deemster.aggregators.relative import levels
from deemster.schemas import Judgment

NAN = math.nan
JUDGES = ("a", "b", "c")
Row = list[float]


def batch(seed: int, *, n: int, k: int) -> Ballot:
    """Three ballots of one shape with ties, gaps, lost votes and weights that add up exactly."""
    rng = random.Random(f"{seed}-{n}-{k}")
    shape = (3, k, n)
    draws = np.array([rng.choice([NAN, 1, 2, 3, 3, 9]) for _ in range(math.prod(shape))])
    by_principle = np.array([rng.choice([NAN, 1, 4, 8]) for _ in range(math.prod(shape))])
    votes = range(3 * k)
    return Ballot(
        scores=draws.reshape(shape),
        weights=np.reshape([rng.choice([0, 0.5, 1, 1, 2]) for _ in votes], shape[:2]),
        meta=np.reshape([rng.choice([NAN, 0.125, 0.5, 0.5, 0.75, 1.0]) for _ in votes], shape[:2]),
        judges=np.reshape([rng.randrange(3) for _ in votes], shape[:2]),
        by_principle=by_principle.reshape(shape),
        judge_names=JUDGES,
        k=rng.choice([None, k, k + 3]),
    )


def column(ballot: Ballot, response: int) -> list[tuple[float, float]]:
    """(score, weight) of the votes that count for a response of one ballot."""
    return [
        (score, weight)
        for score, weight in zip(ballot.scores[:, response], ballot.weights, strict=True)
        if not math.isnan(score) and weight > 0
    ]


def mean(ballot: Ballot, response: int) -> float:
    got = column(ballot, response)
    return sum(s * w for s, w in got) / sum(w for _, w in got) if got else NAN


def asked(ballot: Ballot) -> int:
    return len(ballot.scores) if ballot.k is None else ballot.k


def median(ballot: Ballot, response: int) -> float:
    got = sorted(column(ballot, response))
    if not got:
        return NAN
    half = sum(Fraction(weight) for _, weight in got) / 2
    below = Fraction(0)
    for at, (score, weight) in enumerate(got):
        below += Fraction(weight)
        if below == half:
            return (score + got[at + 1][0]) / 2
        if below > half:
            return score
    raise AssertionError


def majority(ballot: Ballot, response: int) -> float:
    got = column(ballot, response)
    if not got:
        return NAN
    if ballot.scores.shape[1] == 1:
        support = {score: sum(w for s, w in got if s == score) for score, _ in got}
        return max(support, key=lambda score: (support[score], score))
    won = 0.0
    for row, weight in zip(ballot.scores, ballot.weights, strict=True):
        others = [score for i, score in enumerate(row) if i != response and not math.isnan(score)]
        if not math.isnan(row[response]) and all(row[response] > score for score in others):
            won += weight
    return won * asked(ballot) / sum(ballot.weights)


REDUCERS: list[tuple[Reducer, Callable[[Ballot, int], float]]] = [
    (Mean(), mean),
    (Sum(), lambda ballot, response: mean(ballot, response) * asked(ballot)),
    (Median(), median),
    (Majority(), majority),
]


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize(("reducer", "by_hand"), REDUCERS, ids=[str(one) for one, _ in REDUCERS])
def test_rewards(reducer: Reducer, by_hand: Callable[[Ballot, int], float], k: int, n: int) -> None:
    for seed in range(12):
        ballots = batch(seed, n=n, k=k)
        expected = [[by_hand(ballots.take(np.intp(row)), i) for i in range(n)] for row in range(3)]
        np.testing.assert_allclose(reducer.reduce(ballots), expected, err_msg=f"seed {seed}")


def top_k(ballot: Ballot, k_meta: int | None) -> Row:
    rated = [
        at for at, (w, m) in enumerate(zip(ballot.weights, ballot.meta, strict=True))
        if w > 0 and not math.isnan(m)
    ]  # fmt: skip
    if not rated:
        return list(ballot.weights)
    best = sorted(rated, key=lambda at: -ballot.meta[at])
    kept = best[: math.ceil(len(rated) / 2) if k_meta is None else k_meta]
    return [w if at in kept else 0.0 for at, w in enumerate(ballot.weights)]


def by_meta(ballot: Ballot, factor: Callable[[float], float]) -> Row:
    weights = [
        0.0 if math.isnan(m) else w * factor(m)
        for w, m in zip(ballot.weights, ballot.meta, strict=True)
    ]
    return weights if sum(weights) > 0 else list(ballot.weights)


def log_odds(meta: float) -> float:
    return 4.0 if meta == 1 else min(4.0, max(0.0, math.log(meta / (1 - meta))))


SELECTORS: list[tuple[Selector, Callable[[Ballot], Row]]] = [
    (TopK(), lambda ballot: top_k(ballot, None)),
    (TopK(1), lambda ballot: top_k(ballot, 1)),
    (TopK(3), lambda ballot: top_k(ballot, 3)),
    (Weighted("meta"), lambda ballot: by_meta(ballot, float)),
    (Weighted("meta", scale="logit"), lambda ballot: by_meta(ballot, log_odds)),
    (
        Weighted("judge", judges=(("a", 0.0), ("c", 3.0))),
        lambda ballot: [
            w * (0.0, 1.0, 3.0)[judge]
            for w, judge in zip(ballot.weights, ballot.judges, strict=True)
        ],
    ),
]


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize(("selector", "by_hand"), SELECTORS, ids=[str(one) for one, _ in SELECTORS])
def test_weights(selector: Selector, by_hand: Callable[[Ballot], Row], k: int) -> None:
    for seed in range(12):
        ballots = batch(seed, n=2, k=k)
        chosen = selector.select(ballots)
        expected = [by_hand(ballots.take(np.intp(row))) for row in range(3)]
        np.testing.assert_allclose(chosen.weights, expected, err_msg=f"seed {seed}")
        np.testing.assert_array_equal(chosen.scores, ballots.scores)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_scores_by_principle(k: int) -> None:
    for seed in range(12):
        ballots = batch(seed, n=2, k=k)
        chosen = Weighted("principles").select(ballots)
        for row in range(3):
            given, whole = chosen.take(np.intp(row)), ballots.take(np.intp(row))
            none = np.isnan(whole.by_principle).all()
            scores = whole.scores if none else whole.by_principle
            np.testing.assert_array_equal(given.scores, scores)
            heard = np.where(np.isnan(scores).all(axis=1), 0.0, whole.weights)
            np.testing.assert_array_equal(given.weights, heard)


@pytest.mark.parametrize("scale", [1e-13, 1.0, 1e9])
def test_the_scale_of_weights_moves_no_median(scale: float) -> None:
    """0.1 + 0.2 is not 0.3, and yet they are half of 0.1 + 0.2 + 0.3."""
    weights = np.array([0.1, 0.2, 0.3]) * scale
    one = Ballot(np.array([[1.0], [2.0], [4.0]]), weights, np.full(3, NAN), np.zeros(3, np.intp),
                 np.full((3, 1), NAN))  # fmt: skip
    assert Median().reduce(one).tolist() == [3.0]


def test_ballots_do_not_depend_on_the_batch_axes() -> None:
    ballots = batch(1, n=3, k=5)
    for reducer, _ in REDUCERS:
        rows = [reducer.reduce(ballots.take(np.intp(row))) for row in range(3)]
        np.testing.assert_array_equal(reducer.reduce(ballots), rows)
        assert all(a.shape == b.shape == (3,) for a, b in pairwise(rows))


def heard(ballot: Ballot) -> Ballot:
    """The ballots with a weight of 0 for votes that score nothing, as `from_votes` gives them."""
    silent = np.isnan(ballot.scores).all(axis=-1)
    return replace(ballot, weights=np.where(silent, 0.0, ballot.weights))


def softmax(ballot: Ballot, response: int, temperature: float) -> float:
    n = ballot.scores.shape[1]
    if n == 1:
        return mean(ballot, response)
    total, weights = 0.0, 0.0
    for row, weight in zip(ballot.scores, ballot.weights, strict=True):
        if math.isnan(row[response]):
            continue
        parts = [math.exp(score / temperature) for score in row if not math.isnan(score)]
        share = math.exp(row[response] / temperature) / sum(parts)
        total += weight * share * len(parts) / n
        weights += weight
    return total / weights if weights else NAN


def borda(ballot: Ballot, response: int) -> float:
    if ballot.scores.shape[1] == 1:
        return mean(ballot, response)
    total, weights = 0.0, 0.0
    for row, weight in zip(ballot.scores, ballot.weights, strict=True):
        others = [score for i, score in enumerate(row) if i != response and not math.isnan(score)]
        if others and not math.isnan(row[response]):
            lower = sum((score < row[response]) + (score == row[response]) / 2 for score in others)
            total += weight * lower / len(others)
            weights += weight
    return total / weights if weights else NAN


def per_judge(ballot: Ballot, response: int) -> float:
    total, weights = 0.0, 0.0
    for judge, weight in enumerate((2.0, 1.0, 0.5)):
        own = np.where(ballot.judges == judge, ballot.weights, 0.0)
        found = softmax(replace(ballot, weights=own), response, 2.0)
        if not math.isnan(found):
            total += weight * found
            weights += weight
    return total / weights if weights else NAN


def whole(by_hand: Callable[[Ballot, int], float]) -> Callable[[Ballot], list[float]]:
    return lambda ballot: [by_hand(ballot, i) for i in range(ballot.scores.shape[1])]


def least_squares(ballot: Ballot) -> list[float] | None:
    """Levels of the counted votes by a linear solver, or None where they are not determined."""
    k, n = ballot.scores.shape
    counted = [row for row in range(k) if ballot.weights[row] > 0]
    if n == 1 or not counted:
        return [0.0] * k
    cells = [(row, i) for row in counted for i in range(n) if not math.isnan(ballot.scores[row, i])]
    design = np.zeros((len(cells) + 1, k + n))
    scores = np.zeros(len(cells) + 1)
    for at, (row, i) in enumerate(cells):
        root = math.sqrt(ballot.weights[row])
        design[at, [row, k + i]] = root
        scores[at] = root * ballot.scores[row, i]
    design[-1, counted] = 1.0  # their levels add up to zero
    used = np.abs(design).sum(axis=0) > 0
    if np.linalg.matrix_rank(design) < used.sum():
        return None
    found = np.linalg.lstsq(design[:, used], scores, rcond=None)[0]
    every = np.zeros(k + n)
    every[used] = found
    return [float(level) for level in every[:k]]


RELATIVE: list[tuple[Reducer, Callable[[Ballot, int], float]]] = [
    (Softmax(), lambda ballot, i: softmax(ballot, i, 1.0)),
    (Softmax(3.0), lambda ballot, i: softmax(ballot, i, 3.0)),
    (Borda(), borda),
    (PerJudge((("a", 2.0), ("c", 0.5)), temperature=2.0), per_judge),
]


@pytest.mark.parametrize("n", [1, 3])
def test_mean_scores_per_judge(n: int) -> None:
    reducer = PerJudge((("a", 2.0), ("c", 0.5)))
    for seed in range(12):
        ballot = batch(seed, n=n, k=5).take(np.intp(0))
        expected = []
        for i in range(n):
            of = {
                judge: mean(
                    replace(ballot, weights=np.where(ballot.judges == at, ballot.weights, 0.0)), i
                )
                for at, judge in enumerate((2.0, 1.0, 0.5))
            }
            known = {weight: score for weight, score in of.items() if not math.isnan(score)}
            total = sum(weight * score for weight, score in known.items())
            expected.append(total / sum(known) if known else NAN)
        np.testing.assert_allclose(reducer.mean_scores(ballot), expected)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize(("reducer", "by_hand"), RELATIVE, ids=[str(one) for one, _ in RELATIVE])
def test_relative_rewards(
    reducer: Reducer, by_hand: Callable[[Ballot, int], float], k: int, n: int
) -> None:
    for seed in range(12):
        ballots = heard(batch(seed, n=n, k=k))
        expected = [whole(by_hand)(ballots.take(np.intp(row))) for row in range(3)]
        np.testing.assert_allclose(reducer.reduce(ballots), expected, err_msg=f"seed {seed}")


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_levels(k: int, n: int) -> None:
    compared = 0
    for seed in range(30):
        ballots = heard(batch(seed, n=n, k=k))
        found = levels(ballots)
        for row in range(3):
            expected = least_squares(ballots.take(np.intp(row)))
            if expected is not None:
                compared += 1
                np.testing.assert_allclose(found[row], expected, atol=1e-9)
    assert compared >= 30


def stray_factors(ballot: Ballot) -> list[float]:
    """How much `Reliable` multiplies each weight by, from its docstring."""
    k, n = ballot.scores.shape
    scores = ballot.scores - levels(ballot)[:, None]
    far: list[float] = []
    for row in range(k):
        squares = []
        for i in range(n):
            others = [r for r in range(k) if r != row and ballot.weights[r] > 0
                      and not math.isnan(scores[r, i])]  # fmt: skip
            if ballot.weights[row] > 0 and not math.isnan(scores[row, i]) and others:
                weights = [ballot.weights[r] for r in others]
                rest = np.average([scores[r, i] for r in others], weights=weights)
                squares.append((scores[row, i] - rest) ** 2)
        far.append(sum(squares) / len(squares) if squares else NAN)
    known = [d for d in far if not math.isnan(d)]
    middle = sum(known) / len(known) if known else 0.0
    if middle < 1e-9:
        return [1.0] * k
    return [1.0 if math.isnan(d) else 2 / (1 + d / middle) for d in far]


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_votes_that_stray(k: int, n: int) -> None:
    for seed in range(12):
        ballots = heard(batch(seed, n=n, k=k))
        found = Reliable().select(ballots).weights
        for row in range(3):
            one = ballots.take(np.intp(row))
            expected = one.weights * stray_factors(one)
            np.testing.assert_allclose(found[row], expected, rtol=1e-6, err_msg=f"seed {seed}")


def with_correlations(r: np.ndarray[tuple[int, int], np.dtype[np.float64]], items: int) -> Floats:
    """(items, judges): scores whose correlations are exactly `r`."""
    noise = np.random.default_rng(0).normal(size=(items, len(r)))
    apart, _ = np.linalg.qr(noise - noise.mean(axis=0))
    scores: Floats = apart @ np.linalg.cholesky(r).T
    return scores


def test_three_judges_of_whom_each_two_meet_on_three_items() -> None:
    """With gaps a correlation is of the items that both scored, from three on."""
    loadings = np.array([0.9, 0.6, 0.5])
    r = np.outer(loadings, loadings)
    np.fill_diagonal(r, 1.0)
    rows = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        pair = with_correlations(r[np.ix_([a, b], [a, b])], 3)
        block = np.full((3, 3), NAN)
        block[:, [a, b]] = pair * [0.7, 0.2] + 3
        rows.append(block)
    expected = loadings / (1 - loadings**2)
    found = reliability_weights(np.concatenate(rows))
    np.testing.assert_allclose(found, expected * 3 / expected.sum(), rtol=1e-5)
    fewer = np.concatenate([rows[0], rows[1], rows[2][:2]])  # b and c meet twice: no correlation
    without = np.array([[0, 0.54, 0.45], [0.54, 0, 0], [0.45, 0, 0]])
    level = np.full(3, 0.5)
    for _ in range(10_000):
        level = (level + np.clip(without @ level / ((level**2).sum() - level**2), 0, 0.97)) / 2
    expected = level / (1 - level**2)
    np.testing.assert_allclose(reliability_weights(fewer), expected * 3 / expected.sum(), rtol=1e-4)


@pytest.mark.parametrize("n", [2, 3])
def test_weights_of_judges_that_compare(n: int) -> None:
    """Of several responses only what is left less the item's mean counts."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, n)), rng.normal(size=(40, n, 3)) * [0.3, 1.0, 2.0]
    made, rows = [], []
    for merit, noise in zip(*table, strict=True):
        level = rng.normal() * 50  # of the item: the same for all judges
        scores = 0.1 * (merit[:, None] + noise + level)
        votes = [Judgment(scores=tuple(scores[:, j]), judge=name) for j, name in enumerate("abc")]
        # a second vote of one judge is averaged with its first
        more = Judgment(scores=tuple(scores[:, 2] + 1), judge="c")
        # what is not of all responses does not count
        part = Judgment(scores=(999.0, *[None] * (n - 1)), judge="a")
        made += [Ballot.from_votes([*votes, more]), Ballot.from_votes([part])]
        rows += list(scores - scores.mean(axis=0))
    weights = reliability_weights(np.array(rows)) / np.std(rows, axis=0)
    expected = weights * 3 / weights.sum()
    assert judge_weights(made) == pytest.approx(dict(zip("abc", expected, strict=True)))


def test_judges_that_never_differ_weigh_the_same() -> None:
    made = [
        Ballot.from_votes([Judgment(scores=(5.0,), judge=name) for name in "abc"]) for _ in range(4)
    ]
    assert judge_weights(made) == {"a": 1.0, "b": 1.0, "c": 1.0}
    apart = with_correlations(np.eye(3), 20)
    np.testing.assert_allclose(reliability_weights(apart), 1.0, rtol=1e-3)
    opposed = np.array([[1.0, -0.4, -0.4], [-0.4, 1.0, -0.4], [-0.4, -0.4, 1.0]])
    np.testing.assert_allclose(reliability_weights(with_correlations(opposed, 20)), 1.0, rtol=1e-3)
