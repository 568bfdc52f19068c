"""The pointwise scalar meta RM (paper section 3, stage 3), by transformers' Trainer.

A sequence-classification model with one output, trained by binary cross-entropy to tell whether a
judgment's scores are right. TRL's RewardTrainer is pairwise and does not fit. The result is what
`meta_rm="hf:FOLDER"` opens: both read the same texts, encoded the same way.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import JsonValue

from deemster.errors import InputError
from deemster.extras import need
from deemster.judges.orders import derive_seed
from deemster.training.adapters import lora_config
from deemster.training.meta_data import MetaExample
from deemster.training.modeling import load_scalar, quiet
from deemster.training.monitor import TrainingMonitor
from deemster.training.settings import LoraSettings, MetaSettings

if TYPE_CHECKING:
    import torch

    from deemster.training.fitting import Log

Row = dict[str, Any]


class Auc(NamedTuple):
    """How well meta rewards tell right judgments from wrong ones."""

    overall: float | None
    """Area under the ROC curve over all judgments; None if they are all of one kind."""
    within: float | None
    """Mean of the areas of the items that have judgments of both kinds. Guided voting depends on
    it, as it compares judgments of one item only. None if there is no such item."""
    items: int
    """How many items that are."""


def auc(correct: Sequence[bool], rewards: Sequence[float], items: Sequence[str]) -> Auc:
    """Area under the ROC curve, overall and within items; ties count one half."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - heavy

    by_item: dict[str, list[int]] = defaultdict(list)
    for i, item in enumerate(items):
        by_item[item].append(i)

    def area(chosen: Sequence[int]) -> float | None:
        labels = [correct[i] for i in chosen]
        if len(set(labels)) < 2:
            return None
        return float(roc_auc_score(labels, [rewards[i] for i in chosen]))

    inner = [found for chosen in by_item.values() if (found := area(chosen)) is not None]
    return Auc(area(range(len(correct))), sum(inner) / len(inner) if inner else None, len(inner))


def train_meta_rm(
    examples: Sequence[MetaExample],
    *,
    model: str | Path,
    out: Path,
    settings: MetaSettings,
    resume: bool = False,
    log: Log | None = None,
) -> dict[str, JsonValue]:
    """Train a meta RM; the result is in `out/model`, checkpoints are in `out/checkpoints`.

    Args:
        examples: labelled judgments (`meta_data`): of the non-hinted sampling for fine-tuning,
            and of the trained judge itself, whose judgments it will rate.
        model: folder or repository to start from: the judge, or a smaller model.
        out: the stage's folder.
        settings: of the run.
        resume: continue from the last complete checkpoint in `out`.
        log: takes the figures of each step.

    Returns:
        Figures: `examples` (trained on), `held_out`, `too_long` (left out), `correct` (share of
        right ones), `auc`, `auc_within`, `auc_items` on what was held out, and those of
        `fitting.fit`.

    Raises:
        InputError: the judgments are all right or all wrong, the model cannot be loaded, the disk
            is full.
        TrainingCollapsedError: the loss is not finite.
    """
    need("train", "training")
    train, held_out = parts_of(examples, settings)
    right = sum(example.correct for example in train)
    with quiet():
        from deemster.training.fitting import fit, save  # noqa: PLC0415 - loads transformers

        tokenizer, loaded = load_scalar(model, settings)
        encode = _encoder(tokenizer)
        rows, too_long = _rows(train, encode, settings.max_length)
        if not rows:
            raise InputError(
                f"all {too_long} judgments are longer than max_length {settings.max_length} "
                "tokens with their query and responses; raise it"
            )
        held_rows, held_too_long = _rows(held_out, encode, settings.max_length)
        weight = (len(train) - right) / right if settings.balance else 1.0
        trainer = _trainer(loaded, tokenizer, rows, weight=weight, out=out, settings=settings)
        figures = fit(
            trainer, out, settings=settings, monitor=TrainingMonitor(), resume=resume, log=log
        )
        rewards = _predict(trainer, held_rows)
        save(trainer, model, out, settings, scalar=True)
    found = auc(
        [row["labels"] == 1 for row in held_rows], rewards, [row["item"] for row in held_rows]
    )
    return {
        "examples": len(rows),
        "held_out": len(held_rows),
        "too_long": too_long + held_too_long,
        "correct": sum(example.correct for example in examples) / len(examples),
        "auc": found.overall,
        "auc_within": found.within,
        "auc_items": found.items,
        **figures,
    }


def parts_of(
    examples: Sequence[MetaExample], settings: MetaSettings
) -> tuple[list[MetaExample], list[MetaExample]]:
    """The examples of `split_by_item`, if a meta RM can learn from them.

    Raises:
        InputError: there are fewer than two items, or what is trained on is all right or all wrong.
    """
    train, held_out = split_by_item(examples, settings)
    right = sum(example.correct for example in train)
    if right in (0, len(train)):
        raise InputError(
            f"all {len(train)} judgments to train the meta RM on are "
            f"{'right' if right else 'wrong'}; give judgments of both kinds"
        )
    return train, held_out


def split_by_item(
    examples: Sequence[MetaExample], settings: MetaSettings
) -> tuple[list[MetaExample], list[MetaExample]]:
    """Examples to train on and to hold out; all judgments of an item stay together.

    Raises:
        InputError: there are fewer than two items.
    """
    items = sorted({example.item for example in examples})
    if len(items) < 2:
        raise InputError(
            f"a meta RM needs judgments of 2 or more items, got {len(items)}; give more"
        )
    items.sort(key=lambda item: derive_seed(settings.seed, "holdout", item))
    count = min(max(1, round(settings.holdout * len(items))), len(items) - 1)
    held = set(items[:count])
    return (
        [example for example in examples if example.item not in held],
        [example for example in examples if example.item in held],
    )


def _encoder(tokenizer: Any) -> Callable[[str], list[int]]:  # noqa: ANN401 - transformers is untyped
    """Text to ids as `HfMetaRM` does it: control tokens spelled in it stay text."""
    from deemster.backends._local.encoding import SafeEncoder  # noqa: PLC0415 - loads tokenizers

    encoder = SafeEncoder(tokenizer)
    return lambda text: encoder.encode(encoder.guard(text), special=True)


def _rows(
    examples: Sequence[MetaExample], encode: Callable[[str], list[int]], max_length: int
) -> tuple[list[Row], int]:
    """Encoded examples, and how many were too long and left out."""
    rows: list[Row] = [
        {"input_ids": encode(example.text), "labels": float(example.correct), "item": example.item}
        for example in examples
    ]
    fitting = [row for row in rows if len(row["input_ids"]) <= max_length]
    return fitting, len(rows) - len(fitting)


def _trainer(
    model: Any,  # noqa: ANN401 - transformers is untyped
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    rows: list[Row],
    *,
    weight: float,
    out: Path,
    settings: MetaSettings,
) -> Any:  # noqa: ANN401 - transformers is untyped
    import torch  # noqa: PLC0415 - heavy
    from transformers import TrainingArguments  # noqa: PLC0415 - heavy

    from deemster.training.balanced import FollowedTrainer  # noqa: PLC0415 - loads transformers
    from deemster.training.experts import Routing  # noqa: PLC0415 - loads torch
    from deemster.training.fitting import (  # noqa: PLC0415 - loads transformers
        arguments,
        like_lengths_together,
    )

    routing = Routing(model, settings.moe, balance=False)
    if settings.lora is not None:
        model = _with_adapters(model, settings.lora, checkpointing=settings.gradient_checkpointing)
    pad = model.config.pad_token_id

    def loss(
        outputs: Any,  # noqa: ANN401 - transformers is untyped
        labels: torch.Tensor,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Summed over the micro batch, divided by the size of the whole batch."""
        summed = torch.nn.functional.binary_cross_entropy_with_logits(
            outputs.logits[:, 0].float(),
            labels,
            pos_weight=torch.tensor(weight, device=labels.device),
            reduction="sum",
        )
        return summed / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    random.Random(settings.seed).shuffle(rows)  # noqa: S311 - no secret
    if settings.group_by_length:
        rows = like_lengths_together(rows, settings.micro_batch_size, seed=settings.seed)
    return FollowedTrainer(
        routing=routing,
        model=model,
        args=TrainingArguments(**arguments(settings, out), remove_unused_columns=False),
        train_dataset=rows,
        data_collator=lambda batch: _collate(batch, pad),
        compute_loss_func=loss,
        processing_class=tokenizer,
    )


def _with_adapters(
    model: Any,  # noqa: ANN401 - transformers is untyped
    lora: LoraSettings,
    *,
    checkpointing: bool,
) -> Any:  # noqa: ANN401 - peft is untyped
    from peft import get_peft_model, prepare_model_for_kbit_training  # noqa: PLC0415 - heavy

    if lora.quantize:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=checkpointing)
    model = get_peft_model(model, lora_config(lora, "SEQ_CLS", model))
    if checkpointing:
        model.enable_input_require_grads()  # else no gradient passes frozen embeddings
    return model


def _collate(batch: Sequence[Row], pad: int) -> dict[str, torch.Tensor]:
    """Padded on the right: `input_ids` and `attention_mask` (B, T), `labels` (B,)."""
    import torch  # noqa: PLC0415 - heavy

    ids = [row["input_ids"] for row in batch]
    longest = max(map(len, ids))
    return {
        "input_ids": torch.tensor([row + [pad] * (longest - len(row)) for row in ids]),
        "attention_mask": torch.tensor(
            [[1] * len(row) + [0] * (longest - len(row)) for row in ids]
        ),
        "labels": torch.tensor([row["labels"] for row in batch]),
    }


def _predict(trainer: Any, rows: list[Row]) -> list[float]:  # noqa: ANN401 - transformers is untyped
    """Logits of the rows, in their order."""
    if not rows:
        return []
    logits = trainer.predict(rows).predictions
    found = [float(logit) for logit in logits.reshape(-1)[: len(rows)]]
    if not all(map(math.isfinite, found)):
        raise InputError("the meta RM gives numbers that are not finite; lower the learning rate")
    return found


__all__ = ["Auc", "auc", "parts_of", "split_by_item", "train_meta_rm"]
