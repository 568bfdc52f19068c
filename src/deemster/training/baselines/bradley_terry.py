"""The scalar reward model: one number per response, trained on pairs (Bradley-Terry).

Use it as `ScalarRM("hf:OUT/model")`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from deemster.judges.scalar_rm import chat_ids
from deemster.schemas import Sample
from deemster.training.baselines.preferences import IdPair, fit_preferences, preferences_of
from deemster.training.baselines.settings import RewardSettings

if TYPE_CHECKING:
    from deemster.training.fitting import Log


def train_bradley_terry(
    samples: Iterable[Sample],
    *,
    model: str | Path,
    out: Path,
    settings: RewardSettings,
    resume: bool = False,
    log: Log | None = None,
) -> dict[str, JsonValue]:
    """Train a scalar reward model on preference data; it reads what `ScalarRM` reads.

    Args, figures and errors are those of `fit_preferences` and `preferences_of`. References and
    principles of samples are not shown.
    """
    found = preferences_of(samples)

    def encode(tokenizer: object, encoder: object) -> Iterable[IdPair]:
        for sample, better, worse in found:
            yield IdPair(
                *(
                    chat_ids(tokenizer, encoder, (*sample.query, sample.responses[i]))
                    for i in (better, worse)
                )
            )

    return fit_preferences(encode, model=model, out=out, settings=settings, resume=resume, log=log)


__all__ = ["train_bradley_terry"]
