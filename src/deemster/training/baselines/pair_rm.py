"""PairRM-style: one model reads the query and two responses and says which is better.

Use it as `PairRM("hf:OUT/model")`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from deemster.judges.pair_rm import pair_ids
from deemster.schemas import Sample
from deemster.training.baselines.preferences import IdPair, fit_preferences, preferences_of
from deemster.training.baselines.settings import RewardSettings

if TYPE_CHECKING:
    from deemster.training.fitting import Log


def train_pair_rm(
    samples: Iterable[Sample],
    *,
    model: str | Path,
    out: Path,
    settings: RewardSettings,
    resume: bool = False,
    log: Log | None = None,
) -> dict[str, JsonValue]:
    """Train a pairwise model on preference data; it reads what `PairRM` reads.

    Each pair is read in both orders, and the loss is -log of the probability that `PairRM` gives
    to the better response winning, sigmoid(f(better, worse) - f(worse, better)). So neither place
    can be preferred. Args, figures and errors are those of `fit_preferences` and `preferences_of`.
    """
    found = preferences_of(samples)

    def encode(_: object, encoder: object) -> Iterable[IdPair]:
        for sample, i, j in found:
            better, worse = sample.responses[i], sample.responses[j]
            yield IdPair(
                pair_ids(encoder, sample.query, (better, worse)),
                pair_ids(encoder, sample.query, (worse, better)),
            )

    return fit_preferences(encode, model=model, out=out, settings=settings, resume=resume, log=log)


__all__ = ["train_pair_rm"]
