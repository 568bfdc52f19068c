from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deemster.aggregators import Mean
from deemster.errors import InputError
from deemster.judges import PanelWeights, decide, fit_weights
from deemster.judges.panel_weights import choice_accuracy, dawid_skene
from deemster.schemas import Failure, JudgeInfo, Judgment, Verdict, Vote

ACCURACY = {"sharp": 0.9, "fair": 0.7, "poor": 0.55, "blind": 0.5}


def planted(
    items: int, *, n: int = 2, seed: int = 0, missing: float = 0.0
) -> tuple[list[Verdict], list[int]]:
    """Panel verdicts of judges with known accuracies that err independently, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n, items)
    verdicts = []
    for best in truth:
        votes: list[Vote] = []
        for draw, (name, accuracy) in enumerate(ACCURACY.items()):
            if rng.random() < missing:
                votes.append(Failure(status="timeout", message="late", draw=draw, judge=name))
                continue
            right = rng.random() < accuracy
            pick = best if right else (best + rng.integers(1, n)) % n
            scores = np.zeros(n)
            scores[pick] = 1.0
            scores = (scores - scores.mean()) / scores.std()
            votes.append(Judgment(scores=tuple(map(float, scores)), draw=draw, judge=name))
        info = JudgeInfo(name="panel", model="panel")
        rewards = Mean()(votes)
        verdicts.append(
            Verdict(
                rewards=rewards,
                best=None,
                ranking=None if rewards is None else tuple(range(n)),
                votes=tuple(votes),
                k=len(votes),
                n_valid=sum(isinstance(vote, Judgment) for vote in votes),
                judge=info,
            )
        )
    return verdicts, [int(best) for best in truth]


@pytest.mark.parametrize(
    ("n", "items", "error"),
    [
        pytest.param(4, 1200, 0.06, id="quick"),
        pytest.param(2, 4000, 0.05, id="pairs", marks=pytest.mark.slow),
        pytest.param(4, 4000, 0.03, id="fours", marks=pytest.mark.slow),
    ],
)
def test_dawid_skene_finds_accuracies_without_labels(n: int, items: int, error: float) -> None:
    verdicts, _ = planted(items, n=n, missing=0.1)
    found = fit_weights(verdicts)
    assert found.method == "dawid-skene"
    for name, accuracy in ACCURACY.items():
        assert found.accuracy[name] == pytest.approx(accuracy, abs=error)
    weights = found.weights
    assert weights["sharp"] > weights["fair"] > weights["poor"]
    assert np.mean(list(weights.values())) == pytest.approx(1.0)


def test_log_odds_are_the_weights() -> None:
    verdicts, _ = planted(800)
    found = fit_weights(verdicts)
    odds = {name: np.log(p / (1 - p)) for name, p in found.accuracy.items()}
    assert found.weights["sharp"] / found.weights["fair"] == pytest.approx(
        odds["sharp"] / odds["fair"]
    )


def test_labels_give_the_right_weights_too() -> None:
    verdicts, truth = planted(3000, seed=1)
    found = fit_weights(verdicts, truth)
    assert found.method == "logistic"
    odds = {name: np.log(p / (1 - p)) for name, p in ACCURACY.items()}
    # a logistic model of independent judges has the log-odds as its weights
    assert found.weights["sharp"] / found.weights["fair"] == pytest.approx(
        odds["sharp"] / odds["fair"], rel=0.2
    )
    assert found.weights["blind"] < 0.15
    assert all(weight >= 0 for weight in found.weights.values())


def test_learned_weights_beat_equal_ones_on_new_items() -> None:
    verdicts, truth = planted(600, seed=2)
    test, answers = planted(1000, seed=3)

    def accuracy(weights: dict[str, float]) -> float:
        right = 0.0
        for verdict, answer in zip(test, answers, strict=True):
            total = sum(
                weights[vote.judge] * np.array(vote.scores, dtype=float)
                for vote in verdict.judgments
            )
            top = np.flatnonzero(total >= np.max(total) - 1e-9)
            right += float(answer in top) / len(top)
        return right / len(test)

    equal = accuracy(dict.fromkeys(ACCURACY, 1.0))
    for found in (fit_weights(verdicts), fit_weights(verdicts, truth)):
        assert accuracy(found.weights) > equal + 0.05, found.method


def test_few_labels_stay_near_equal_weights() -> None:
    verdicts, truth = planted(3000, seed=4)
    labels = [best if i < 5 else None for i, best in enumerate(truth)]
    few = fit_weights(verdicts, labels, penalty=100.0)
    assert few.items == 5
    assert all(weight == pytest.approx(1.0, abs=0.5) for weight in few.weights.values())


def test_the_factor_model_is_there_too() -> None:
    verdicts, _ = planted(2000, seed=5)
    found = fit_weights(verdicts, method="reliability")
    assert found.weights["sharp"] > found.weights["fair"] > found.weights["blind"]


def test_saved_and_loaded(tmp_path: Path) -> None:
    found = fit_weights(planted(50)[0])
    found.save(tmp_path / "w.json")
    assert PanelWeights.load(tmp_path / "w.json") == found


def test_a_judge_that_never_voted_weighs_as_little_is_known() -> None:
    verdicts, _ = planted(300, seed=6)
    silent = [
        verdict.model_copy(
            update={
                "votes": (
                    *verdict.votes,
                    Failure(status="timeout", message="late", judge="silent", draw=4),
                )
            }
        )
        for verdict in verdicts
    ]
    found = fit_weights(silent)
    assert found.accuracy["silent"] == 0.5
    assert found.weights["silent"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"method": "magic"}, "allowed: logistic, dawid-skene", id="method"),
        pytest.param({"method": "logistic"}, "one label for each of 3 verdicts, got none", id="no"),
        pytest.param({"labels": [0]}, "one label for each of 3 verdicts, got 1", id="few"),
        pytest.param({"labels": [0, 1, 2]}, "label 2 is no response of 2", id="range"),
        pytest.param({"labels": [None] * 3}, "nothing to learn", id="unlabelled"),
        pytest.param({"labels": [0, 1, 0], "penalty": -1.0}, "penalty must be", id="penalty"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_weights(planted(3)[0], **arguments)


def test_nothing_to_learn_from() -> None:
    info = JudgeInfo(name="panel", model="panel")
    single = decide([Judgment(scores=(5.0,))], n=1, k=1, reducer=Mean(), info=info)
    for method in ("dawid-skene", "reliability"):
        with pytest.raises(InputError, match="nothing to learn"):
            fit_weights([], method=method)
    with pytest.raises(InputError, match="compares 2 or more"):
        fit_weights([single])


# --- the model itself ---------------------------------------------------------------------------


def test_dawid_skene_on_its_authors_kind_of_data() -> None:
    """Three classes, judges with biases of their own: truth and confusion come back."""
    rng = np.random.default_rng(0)
    prior = np.array([0.6, 0.3, 0.1])
    confusion = np.array(
        [
            [[0.9, 0.08, 0.02], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]],
            [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]],
            [[0.5, 0.4, 0.1], [0.05, 0.85, 0.1], [0.1, 0.4, 0.5]],  # leans to the middle
            [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8]],
        ]
    )
    truth = rng.choice(3, 5000, p=prior)
    labels = np.array(
        [[rng.choice(3, p=confusion[judge, best]) for judge in range(4)] for best in truth]
    )
    labels[rng.random(labels.shape) < 0.1] = -1
    found = dawid_skene(labels, 3)
    assert np.abs(found.prior - prior).max() < 0.04
    assert np.abs(found.confusion - confusion).max() < 0.1
    plurality = np.array([np.bincount(row[row >= 0], minlength=3).argmax() for row in labels])
    right = (found.posterior.argmax(axis=1) == truth).mean()
    assert right > (plurality == truth).mean() + 0.005


@given(
    labels=st.lists(
        st.lists(st.integers(-1, 2), min_size=3, max_size=3), min_size=2, max_size=30
    ).filter(lambda rows: any(x >= 0 for row in rows for x in row))
)
@settings(max_examples=50)
def test_posteriors_are_probabilities(labels: list[list[int]]) -> None:
    found = dawid_skene(labels, 3, iterations=50)
    assert np.isfinite(found.posterior).all()
    assert np.allclose(found.posterior.sum(axis=1), 1.0)
    assert np.allclose(found.confusion.sum(axis=-1), 1.0)
    assert found.iterations <= 50


def test_unanimous_judges_are_believed() -> None:
    found = dawid_skene([[0, 0, 0], [1, 1, 1]] * 20, 2)
    assert found.posterior[0, 0] > 0.99
    assert found.posterior[1, 1] > 0.99
    right, posterior = choice_accuracy([[0, 0, 0], [1, 1, 1]] * 20, [2] * 40)
    assert (right > 0.9).all()
    assert posterior[0, 0] > 0.99


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        pytest.param([[0, 3]], 3, id="too-high"),
        pytest.param([[-2, 0]], 3, id="too-low"),
        pytest.param([[-1, -1]], 3, id="none"),
        pytest.param([0, 1], 3, id="flat"),
        pytest.param([[0, 0]], 1, id="one-class"),
    ],
)
def test_bad_labels(labels: Any, classes: int) -> None:
    with pytest.raises(InputError):
        dawid_skene(labels, classes)
