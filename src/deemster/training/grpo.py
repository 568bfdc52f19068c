"""Rule-based online RL (paper section 3, stage 2) by TRL's GRPOTrainer.

The reward is the project's own parser and outcome rule, the prompts are those of a `Judge`, and
the responses of an item are shuffled anew for every epoch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import JsonValue

from deemster.dialects import Dialect
from deemster.errors import InputError
from deemster.extras import need, need_package
from deemster.judges.orders import content_seed, order_of
from deemster.schemas import Sample
from deemster.training.adapters import lora_config
from deemster.training.dialect_checks import check_drawn_by_vllm
from deemster.training.modeling import (
    Encode,
    load_judge,
    prompt_encoder,
    quiet,
)
from deemster.training.monitor import TrainingCollapsedError, TrainingMonitor
from deemster.training.outcome import truth_of
from deemster.training.prompts import training_messages
from deemster.training.rollouts import Rollout
from deemster.training.settings import GrpoSettings

if TYPE_CHECKING:
    from deemster.training.fitting import Log

Row = dict[str, Any]


class Filtered(NamedTuple):
    """Items to learn from, and ids of those left out."""

    kept: list[Sample]
    too_easy: list[str]
    too_hard: list[str]


def filter_by_difficulty(
    samples: Iterable[Sample],
    rollouts: Iterable[Rollout],
    *,
    drop_too_easy: bool = True,
    drop_too_hard: bool = True,
) -> Filtered:
    """Leave out items that earlier rollouts all got right, or all wrong.

    Their groups of completions would have no spread, and so no advantage. Hinted and
    unlabelled rollouts do not count; items without any other are kept.
    """
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for rollout in rollouts:
        if not rollout.hinted and rollout.correct is not None:
            outcomes[rollout.sample_id].append(rollout.correct)
    filtered = Filtered([], [], [])
    for sample in samples:
        known = outcomes.get(sample.id)
        if known and drop_too_easy and all(known):
            filtered.too_easy.append(sample.id)
        elif known and drop_too_hard and not any(known):
            filtered.too_hard.append(sample.id)
        else:
            filtered.kept.append(sample)
    return filtered


def train_grpo(
    samples: Sequence[Sample],
    rollouts: Iterable[Rollout] = (),
    *,
    model: str | Path,
    dialect: Dialect,
    out: Path,
    settings: GrpoSettings,
    resume: bool = False,
    log: Log | None = None,
    template_args: Mapping[str, Any] | None = None,
) -> dict[str, JsonValue]:
    """Train a judge by RL; the result is in `out/model`, checkpoints are in `out/checkpoints`.

    Args:
        samples: items with ground truth.
        rollouts: earlier ones of this or a smaller model, for the difficulty filters.
        model: folder or repository of the policy to start from, which is the reference as well.
        dialect: prompt and parser.
        out: the stage's folder.
        settings: of the run.
        resume: continue from the last complete checkpoint in `out`.
        log: takes the figures of each step.
        template_args: further variables of the chat template.

    Returns:
        Figures: `items`, `too_easy`, `too_hard`, `too_long` (left out), and those of
        `fitting.fit`; `stopped` is set where every reward was +1.

    Raises:
        InputError: nothing is left to train on, an item has no usable ground truth, the model
            cannot be loaded, vLLM is wanted and missing, the disk is full.
        TrainingCollapsedError: see `monitor.TrainingMonitor`; it names the last good checkpoint.
    """
    need("train", "training")
    if settings.vllm is not None:
        check_vllm()
        check_drawn_by_vllm(dialect)
    filtered = filter_by_difficulty(
        samples,
        rollouts,
        drop_too_easy=settings.drop_too_easy,
        drop_too_hard=settings.drop_too_hard,
    )
    with quiet():
        tokenizer, policy = load_judge(model, settings)
        encode = prompt_encoder(tokenizer, template_args)
        fitting, too_long = _fitting(filtered.kept, dialect, encode, settings)
        if not fitting:
            raise InputError(
                f"no item is left of {len(samples)}: {len(filtered.too_easy)} too easy, "
                f"{len(filtered.too_hard)} too hard, {too_long} too long; give other data, "
                "turn off drop_too_easy or drop_too_hard, or raise max_length"
            )
        rows = grpo_rows(fitting, dialect, settings)
        from deemster.training.fitting import fit, save  # noqa: PLC0415 - loads transformers

        trainer = _trainer(
            policy, tokenizer, rows, encode=encode, dialect=dialect, out=out, settings=settings
        )
        figures = fit(
            trainer,
            out,
            settings=settings,
            monitor=TrainingMonitor(settings.collapse),
            resume=resume,
            log=log,
        )
        save(trainer, model, out, settings)
    return {
        "items": len(fitting),
        "too_easy": len(filtered.too_easy),
        "too_hard": len(filtered.too_hard),
        "too_long": too_long,
        **figures,
    }


def check_vllm() -> None:
    """Refuse rollouts by vLLM where it is not installed.

    Raises:
        InputError: it is not.
    """
    need_package("vllm", "drawing by vLLM", otherwise="leave the section vllm out")


def grpo_rows(samples: Sequence[Sample], dialect: Dialect, settings: GrpoSettings) -> list[Row]:
    """One row per item and epoch: its prompt with shuffled responses, and the data for rewards.

    Epochs follow each other; in each, items and responses are in a new order that depends on the
    seed alone. There are enough epochs for `max_steps`, and for a step where items are few.
    """
    per_step = settings.batch_size // settings.group_size
    epochs = max(settings.epochs, -(-per_step // len(samples)))
    if settings.max_steps is not None:
        # The sampler drops an incomplete last batch, so one epoch more never hurts.
        epochs = settings.max_steps * per_step // len(samples) + 2
    return shuffled_rows(samples, dialect, epochs=epochs, seed=settings.seed)


def shuffled_rows(
    samples: Sequence[Sample], dialect: Dialect, *, epochs: int, seed: int
) -> list[Row]:
    """`prompt` (messages), `sample_id`, `order` and `ground_truth` of each item and epoch.

    Raises:
        InputError: an item has no usable ground truth.
    """
    rows: list[Row] = []
    for epoch in range(epochs):
        shuffled = np.random.default_rng([seed, epoch]).permutation(len(samples))
        rows += [_row(samples[i], dialect, seed, epoch) for i in shuffled]
    return rows


def _row(sample: Sample, dialect: Dialect, seed: int, epoch: int) -> Row:
    truth = truth_of(sample)
    texts = (message.text for message in (*sample.query, *sample.responses))
    order = order_of(epoch, len(truth), kind="random", seed=content_seed(seed, texts))
    messages = training_messages(sample, dialect, order=order, seed=0)
    return {
        "prompt": [{"role": message.role, "content": message.text} for message in messages],
        "sample_id": sample.id,
        "order": list(order),
        "ground_truth": list(truth),
    }


def _fitting(
    samples: Sequence[Sample], dialect: Dialect, encode: Encode, settings: GrpoSettings
) -> tuple[list[Sample], int]:
    """Items whose prompt leaves room for a completion, and how many others there are."""
    room = settings.max_length - settings.max_completion_length
    kept = []
    for sample in samples:
        order = tuple(range(len(sample.responses)))
        if len(encode(training_messages(sample, dialect, order=order, seed=0))) <= room:
            kept.append(sample)
    return kept, len(samples) - len(kept)


def _trainer(
    policy: Any,  # noqa: ANN401 - transformers is untyped
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    rows: list[Row],
    *,
    encode: Encode,
    dialect: Dialect,
    out: Path,
    settings: GrpoSettings,
) -> Any:  # noqa: ANN401 - trl is untyped
    from datasets import Dataset  # noqa: PLC0415 - heavy

    from deemster.training.experts import Routing  # noqa: PLC0415 - loads torch
    from deemster.training.grpo_trainer import JudgeGRPOTrainer, grpo_config  # noqa: PLC0415

    routing, lora = Routing(policy, settings.moe), settings.lora
    return JudgeGRPOTrainer(
        routing=routing,
        encode=encode,
        dialect=dialect,
        model=policy,
        args=grpo_config(settings, out, router_aux_loss_coef=routing.trl_coefficient),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=None if lora is None else lora_config(lora, "CAUSAL_LM", policy),
    )


__all__ = [
    "Filtered",
    "TrainingCollapsedError",
    "check_vllm",
    "filter_by_difficulty",
    "grpo_rows",
    "shuffled_rows",
    "train_grpo",
]
