"""From samples to pairs of a better and a worse response, and fitting a model with one output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import JsonValue

from deemster.errors import BackendError, InputError
from deemster.extras import need
from deemster.schemas import Sample
from deemster.training.adapters import lora_config
from deemster.training.baselines.settings import RewardSettings
from deemster.training.modeling import load_scalar
from deemster.training.monitor import TrainingMonitor
from deemster.training.outcome import truth_of

if TYPE_CHECKING:
    from deemster.training.fitting import Log


class Preference(NamedTuple):
    """Two responses of a sample, by index, of which one is better."""

    sample: Sample
    better: int
    worse: int


class IdPair(NamedTuple):
    """Token ids of two texts; the model's output should be higher for the first."""

    chosen: list[int]
    rejected: list[int]


EncodePairs = Callable[[Any, Any], Iterable[IdPair]]
"""From a tokenizer and its `SafeEncoder` to the pairs to train on."""


def preferences_of(samples: Iterable[Sample]) -> list[Preference]:
    """Every pair of responses of a sample whose true rewards differ, sample by sample.

    Samples with one response have none and are skipped.

    Raises:
        InputError: a sample has no label, or not one strictly best response; or there are no
            pairs at all.
    """
    found = []
    for sample in samples:
        truth = truth_of(sample)
        found += [
            Preference(sample, i, j)
            for i, j in permutations(range(len(truth)), 2)
            if truth[i] > truth[j]
        ]
    if not found:
        raise InputError(
            "there are no pairs to train on; give samples with 2 or more responses and ground_truth"
        )
    return found


def fit_preferences(
    encode: EncodePairs,
    *,
    model: str | Path,
    out: Path,
    settings: RewardSettings,
    resume: bool = False,
    log: Log | None = None,
) -> dict[str, JsonValue]:
    """Train a model with one output by the Bradley-Terry loss, with TRL's RewardTrainer.

    The loss is -log sigmoid(output of chosen - output of rejected). The result is in `out/model`.

    Args:
        encode: makes the pairs; it shares its code with inference.
        model: folder or repository to start from, a causal language model or one that has a head
            with one output already.
        out: folder of the run; checkpoints go into it too.
        settings: of the run.
        resume: continue from the last complete checkpoint in `out`.
        log: takes the figures of each step, `accuracy` on its pairs among them.

    Returns:
        Figures: `pairs`, `too_long` (left out) and those of `fitting.fit`.

    Raises:
        InputError: no pair is short enough or can be encoded, the model cannot be loaded, the
            disk is full.
        TrainingCollapsedError: the loss is not finite.
    """
    need("train", "training")
    from deemster.backends._local.encoding import SafeEncoder  # noqa: PLC0415 - loads torch
    from deemster.training.fitting import fit, save  # noqa: PLC0415 - loads transformers

    tokenizer, loaded = load_scalar(model, settings)
    if tokenizer.pad_token_id is None:
        # TRL would choose another one than `load_scalar` did.
        pad = loaded.config.get_text_config().pad_token_id
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad)
    try:
        pairs = list(encode(tokenizer, SafeEncoder(tokenizer)))
    except BackendError as error:
        raise InputError(f"cannot train on a response: {error}") from error
    kept = [pair for pair in pairs if max(map(len, pair)) <= settings.max_length]
    if not kept:
        raise InputError(
            f"all {len(pairs)} pairs are longer than max_length {settings.max_length} tokens; "
            "raise it"
        )
    trainer = _trainer(loaded, tokenizer, kept, out, settings)
    figures = fit(
        trainer, out, settings=settings, monitor=TrainingMonitor(), resume=resume, log=log
    )
    save(trainer, model, out, settings, scalar=True)
    return {"pairs": len(kept), "too_long": len(pairs) - len(kept), **figures}


def _trainer(
    model: Any,  # noqa: ANN401 - transformers is untyped
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    pairs: list[IdPair],
    out: Path,
    settings: RewardSettings,
) -> Any:  # noqa: ANN401 - trl is untyped
    from datasets import Dataset  # noqa: PLC0415 - heavy
    from trl import RewardConfig  # noqa: PLC0415 - heavy

    from deemster.training.baselines.reward_trainer import (  # noqa: PLC0415 - loads TRL
        FollowedRewardTrainer,
    )
    from deemster.training.experts import Routing  # noqa: PLC0415 - loads torch
    from deemster.training.fitting import arguments  # noqa: PLC0415 - loads transformers

    return FollowedRewardTrainer(
        routing=Routing(model, settings.moe, balance=False),
        model=model,
        args=RewardConfig(
            **arguments(settings, out),
            max_length=None,
            center_rewards_coefficient=settings.center_rewards,
        ),
        train_dataset=Dataset.from_list(
            [{"chosen_ids": pair.chosen, "rejected_ids": pair.rejected} for pair in pairs]
        ),
        processing_class=tokenizer,
        peft_config=None if settings.lora is None else lora_config(settings.lora, "SEQ_CLS", model),
    )


__all__ = ["EncodePairs", "IdPair", "Preference", "fit_preferences", "preferences_of"]
