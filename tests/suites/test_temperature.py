"""Temperature scaling: what is found, and that sampling error is not taken for a gain."""

from __future__ import annotations

import numpy as np
import pytest

from deemster.suites.metrics.decisions import Answered
from deemster.suites.metrics.temperature import fit_temperature


def answers(temperature: float, *, n: int = 400, seed: int = 0) -> list[Answered]:
    """Gold answers drawn from probabilities that are stated at another temperature."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        logits = rng.normal(0, 1.5, 3)
        true, stated = (np.exp(x) / np.exp(x).sum() for x in (logits, logits * temperature))
        gold = np.eye(3)[rng.choice(3, p=true)]
        made.append(Answered("choice", tuple(gold.tolist()), tuple(stated.tolist())))
    return made


@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_the_temperature_that_answers_were_stated_at_is_found(temperature: float) -> None:
    found = fit_temperature(answers(temperature))
    assert found is not None
    assert found.temperature == pytest.approx(temperature, rel=0.2)
    assert found.better


def test_calibrated_answers_are_left_alone() -> None:
    found = fit_temperature(answers(1.0))
    assert found is not None
    assert found.temperature == pytest.approx(1.0, rel=0.2)
    assert not found.better


def test_questions_that_were_not_answered_do_not_count() -> None:
    silent = [Answered("choice", (1.0, 0.0), None)] * 50
    assert fit_temperature(silent + answers(1.0, n=19)) is None
    found = fit_temperature(silent + answers(1.0, n=20))
    assert found is not None
    assert found.n == 20
