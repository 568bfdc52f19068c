"""Temperature scaling of stated probabilities, and whether it helps on other questions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deemster.schemas import Count, Finite, Record
from deemster.suites.metrics.decisions import FLOOR, Answered
from deemster.suites.metrics.estimate import DEFAULT, Bootstrap, Estimate, Floats

_LEAST = 20
"""Fewest answered questions that a temperature is fitted on."""
_LOWEST, _HIGHEST = 0.05, 20.0
_FOLDS = 5


class TemperatureFit(Record):
    """A temperature, and the log loss with it on questions that it was not fitted on."""

    n: Count
    """Questions answered."""
    temperature: Finite
    """What log-probabilities are divided by, 0.05 to 20: over 1 makes answers less sure."""
    before: Estimate
    """Log loss as stated, nats."""
    after: Estimate
    """Log loss at the temperature, cross-fitted, nats."""
    gain: Estimate
    """After less before, in pairs; below 0 is better."""

    @property
    def better(self) -> bool:
        """Whether the interval of the gain lies below 0."""
        return self.gain.high is not None and self.gain.high < 0


def fit_temperature(
    answers: Sequence[Answered], *, seed: int = 0, bootstrap: Bootstrap = DEFAULT
) -> TemperatureFit | None:
    """The temperature with the lowest log loss; None for fewer than 20 answered questions.

    Args:
        answers: questions with gold and stated probabilities.
        seed: deals the questions into 5 folds.
        bootstrap: how intervals are drawn, over questions.
    """
    known = [(one.gold, one.stated) for one in answers if one.stated is not None]
    if len(known) < _LEAST:
        return None
    gold = [np.array(one) for one, _ in known]
    logs = [np.log(np.maximum(one, FLOOR)) for _, one in known]
    fold = np.random.default_rng(seed).permutation(len(known)) % _FOLDS
    after = np.zeros(len(known))
    for part in range(_FOLDS):
        train, test = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        found = _best([gold[i] for i in train], [logs[i] for i in train])
        after[test] = _losses([gold[i] for i in test], [logs[i] for i in test], found)
    before = _losses(gold, logs, 1.0)
    return TemperatureFit(
        n=len(known),
        temperature=_best(gold, logs),
        before=bootstrap.mean(before, within=(0.0, np.inf)),
        after=bootstrap.mean(after, within=(0.0, np.inf)),
        gain=bootstrap.difference(after, before),
    )


def _best(gold: Sequence[Floats], logs: Sequence[Floats]) -> float:
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - slow to import

    found = minimize_scalar(
        lambda x: float(_losses(gold, logs, float(np.exp(x))).mean()),
        bounds=(np.log(_LOWEST), np.log(_HIGHEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def _losses(gold: Sequence[Floats], logs: Sequence[Floats], temperature: float) -> Floats:
    """(n,): cross-entropy of each question with its gold probabilities."""
    losses = []
    for truth, log in zip(gold, logs, strict=True):
        scaled = log / temperature
        losses.append(np.logaddexp.reduce(scaled) - float(truth @ scaled))
    return np.array(losses)
