"""Supervised fine-tuning on trajectories and instruction data, by TRL's SFTTrainer.

Rejective fine-tuning of the paper (its section 3, stage 1) and distillation use it. The loss is
on completions only.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import JsonValue

from deemster.errors import InputError
from deemster.extras import need
from deemster.schemas import Conversation
from deemster.training.adapters import lora_config
from deemster.training.data.instructions import draw_instructions
from deemster.training.modeling import (
    completion_ids,
    load_judge,
    prompt_encoder,
    quiet,
)
from deemster.training.monitor import TrainingMonitor
from deemster.training.rollouts import Rollout
from deemster.training.settings import SftSettings

if TYPE_CHECKING:
    from deemster.training.fitting import Log
    from deemster.training.mtp import Prediction

_IGNORED = -100
"""Label of tokens without loss, as in torch and transformers."""


class Example(NamedTuple):
    """The completion to learn after a prompt."""

    messages: Conversation
    completion: str


def examples_of(rollouts: Iterable[Rollout]) -> list[Example]:
    """Trajectories as examples, in their order."""
    return [Example(rollout.messages, rollout.completion) for rollout in rollouts]


def train_sft(
    examples: Sequence[Example],
    instructions: Sequence[Example] = (),
    *,
    model: str | Path,
    out: Path,
    settings: SftSettings,
    resume: bool = False,
    log: Log | None = None,
    template_args: Mapping[str, Any] | None = None,
) -> dict[str, JsonValue]:
    """Fine-tune a model; the result is in `out/model`, checkpoints are in `out/checkpoints`.

    Args:
        examples: kept trajectories (`examples_of`).
        instructions: general instruction data, mixed in as `instruction_share` says.
        model: folder or repository to start from.
        out: the stage's folder.
        settings: of the run.
        resume: continue from the last complete checkpoint in `out`.
        log: takes the figures of each step.
        template_args: further variables of the chat template.

    Returns:
        Figures: `examples`, `instructions`, `too_long` (left out), `tokens` (with loss, per
        epoch), those of `fitting.fit`, and with `settings.mtp` those of `Prediction.figures`.

    Raises:
        InputError: there is nothing to train on, there are too few instructions for the share,
            the model cannot be loaded, the disk is full.
        TrainingCollapsedError: the loss is not finite.
    """
    need("train", "training")
    if not examples:
        raise InputError("there are no trajectories to fine-tune on; all were rejected or missing")
    if settings.instruction_share is not None:
        instructions = draw_instructions(
            instructions,
            share=settings.instruction_share,
            others=len(examples),
            seed=settings.seed,
        )
    with quiet():
        tokenizer, loaded = load_judge(model, settings)
        rows, too_long = sft_rows(
            tokenizer, [*examples, *instructions], settings.max_length, template_args
        )
        rows = _in_order(rows, too_long, settings)
        prediction = _prediction(loaded, model, settings)
        trainer = _trainer(loaded, tokenizer, rows, out, settings, prediction=prediction)
        from deemster.training.fitting import fit, save  # noqa: PLC0415 - loads transformers

        monitor = TrainingMonitor()
        figures = fit(trainer, out, settings=settings, monitor=monitor, resume=resume, log=log)
        folder = save(trainer, model, out, settings)
        if prediction is not None:
            prediction.blocks.save(folder)
    return {
        "examples": len(examples),
        "instructions": len(instructions),
        "too_long": too_long,
        "tokens": sum(label != _IGNORED for row in rows for label in row["labels"]),
        **figures,
        **({} if prediction is None else prediction.figures()),
    }


def _in_order(
    rows: list[dict[str, list[int]]], too_long: int, settings: SftSettings
) -> list[dict[str, list[int]]]:
    """Rows in the order in which they are trained on."""
    if not rows:
        raise InputError(
            f"all {too_long} examples are longer than max_length {settings.max_length} tokens; "
            "raise it"
        )
    from deemster.training.fitting import (  # noqa: PLC0415 - loads transformers
        like_lengths_together,
    )

    random.Random(settings.seed).shuffle(rows)  # noqa: S311 - no secret
    if settings.group_by_length:
        return like_lengths_together(rows, settings.micro_batch_size, seed=settings.seed)
    return rows


def _prediction(loaded: Any, model: str | Path, settings: SftSettings) -> Prediction | None:  # noqa: ANN401 - transformers is untyped
    """The blocks that are trained beside the model, if the settings have some."""
    if settings.mtp is None:
        return None
    from deemster.training.mtp import Prediction  # noqa: PLC0415 - loads torch

    return Prediction.of(loaded, model, settings.mtp, seed=settings.seed)


def sft_rows(
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    examples: Iterable[Example],
    max_length: int,
    template_args: Mapping[str, Any] | None = None,
) -> tuple[list[dict[str, list[int]]], int]:
    """Examples as `input_ids` and `labels`, and how many were too long and left out.

    A prompt gets the same ids as at inference, the completion those of its text alone, so that the
    boundary between them is the one that the model meets when it generates.
    """
    encode = prompt_encoder(tokenizer, template_args)
    rows, too_long = [], 0
    for messages, completion in examples:
        prompt, written = encode(messages), completion_ids(tokenizer, completion)
        if len(prompt) + len(written) > max_length:
            too_long += 1
            continue
        rows.append({"input_ids": prompt + written, "labels": [_IGNORED] * len(prompt) + written})
    return rows, too_long


def _trainer(
    model: Any,  # noqa: ANN401 - transformers is untyped
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    rows: list[dict[str, list[int]]],
    out: Path,
    settings: SftSettings,
    *,
    prediction: Prediction | None,
) -> Any:  # noqa: ANN401 - trl is untyped
    from datasets import Dataset  # noqa: PLC0415 - heavy
    from trl import SFTConfig  # noqa: PLC0415 - heavy

    from deemster.training.experts import Routing  # noqa: PLC0415 - loads torch
    from deemster.training.fitting import arguments  # noqa: PLC0415 - loads transformers
    from deemster.training.sft_trainer import (  # noqa: PLC0415 - as above
        BalancedSFTTrainer,
        CompletionTrainer,
    )

    routing = Routing(model, settings.moe)
    config = SFTConfig(
        **arguments(settings, out),
        packing=settings.packing,
        max_length=settings.max_length if settings.packing else None,
        router_aux_loss_coef=routing.trl_coefficient,
    )
    lora = settings.lora
    kind = CompletionTrainer if config.device.type == "cpu" else BalancedSFTTrainer
    return kind(
        prediction=prediction,
        routing=routing,
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=None if lora is None else lora_config(lora, "CAUSAL_LM", model),
    )


__all__ = ["Example", "examples_of", "sft_rows", "train_sft"]
