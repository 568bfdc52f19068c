"""Running a trainer of transformers or TRL: arguments, resuming, stopping, full disks.

Imports transformers; stages import this when they run.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from accelerate import PartialState
from pydantic import JsonValue
from transformers import (
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from deemster.errors import InputError
from deemster.training.checkpoints import drop_torn, last_complete, mark_complete
from deemster.training.disk import disk_explained
from deemster.training.experts import Routing
from deemster.training.float8 import why_not_fp8
from deemster.training.manifest import CHECKPOINTS
from deemster.training.modeling import load_judge, load_scalar, quiet, save_merged
from deemster.training.monitor import Stop, TrainingCollapsedError, TrainingMonitor
from deemster.training.optimizers import check_optimizer
from deemster.training.processes import check_batch
from deemster.training.settings import TrainerSettings

Log = Callable[..., None]
"""Takes the figures of one optimizer step as keywords."""

Row = TypeVar("Row", bound=Mapping[str, Any])

MODEL = "model"
"""Folder of the trained model in a stage's folder."""
_ADAPTER = "adapter"


def arguments(settings: TrainerSettings, out: Path) -> dict[str, Any]:
    """What all trainers' configurations share.

    Raises:
        InputError: the batch does not divide into micro batches on these devices, or the
            optimizer does not work here.
    """
    import torch  # noqa: PLC0415 - slow to import

    check_optimizer(settings)
    check_batch(settings.batch_size, settings.micro_batch_size)
    state = PartialState(cpu=settings.cpu)
    micro = min(settings.micro_batch_size, settings.batch_size)
    gpu = state.device.type == "cuda"
    bf16 = settings.bf16 if settings.bf16 is not None else gpu and torch.cuda.is_bf16_supported()
    return {
        "output_dir": str(out / CHECKPOINTS),
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": settings.batch_size // (micro * state.num_processes),
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "warmup_steps": settings.warmup,  # below 1 it is a share
        "lr_scheduler_type": settings.schedule,
        "lr_scheduler_kwargs": _decay(settings),
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        **({} if settings.optimizer is None else {"optim": settings.optimizer}),
        "train_sampling_strategy": "sequential" if settings.group_by_length else "random",
        _checkpointing(): settings.gradient_checkpointing,
        "bf16": bf16,
        "use_cpu": settings.cpu,
        "seed": settings.seed,
        "save_strategy": "steps",
        "save_steps": settings.save_steps,
        "save_total_limit": settings.keep_checkpoints,
        "logging_steps": 1,  # each step is watched
        "logging_nan_inf_filter": False,  # it would hide what the monitor looks for
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": gpu,
        "ddp_find_unused_parameters": False,
    }


def _checkpointing() -> str:
    """What `TrainingArguments` calls gradient checkpointing: transformers renamed it in 5.23."""
    names = {field.name for field in fields(TrainingArguments)}
    return min(names & {"activation_checkpointing", "gradient_checkpointing"})


def like_lengths_together(rows: list[Row], size: int, *, seed: int) -> list[Row]:
    """Rows in an order in which each batch has sequences of like length, and the next another.

    transformers' own grouping goes from long to short, again and again: what is learnt would
    swing with it.

    Args:
        rows: with `input_ids`, in random order.
        size: rows in a batch that goes through the model at once.
        seed: of the order of the batches.
    """
    pool = 50 * size
    batches = []
    for start in range(0, len(rows), pool):
        alike = sorted(rows[start : start + pool], key=lambda row: len(row["input_ids"]))
        batches += [alike[i : i + size] for i in range(0, len(alike), size)]
    last = batches.pop() if batches and len(batches[-1]) < size else []
    random.Random(seed).shuffle(batches)  # noqa: S311 - no secret
    return [row for batch in [*batches, last] for row in batch]


def _decay(settings: TrainerSettings) -> dict[str, Any]:
    """When a rate that stays at its peak begins to fall; nothing for other schedules."""
    if settings.schedule != "warmup_stable_decay" or settings.max_steps is None:
        return {}
    return {"num_decay_steps": max(1, settings.max_steps // 5), "decay_type": "linear"}


@quiet()
def fit(
    trainer: Any,  # noqa: ANN401 - transformers is untyped
    out: Path,
    *,
    settings: TrainerSettings,
    monitor: TrainingMonitor,
    resume: bool,
    log: Log | None,
) -> dict[str, JsonValue]:
    """Train, from the last complete checkpoint if `resume`; returns figures.

    Figures: `steps`, `loss` (of the last step), `resumed_from` (a step, or None) and `stopped`
    (why it ended early though nothing was wrong, or None). Of a mixture of experts, which
    the trainer's `routing` follows, `experts` too (`Routing.figures`). Where `settings` ask for
    FP8, `fp8`: whether it was had; if not, a note is logged.

    Raises:
        TrainingCollapsedError: the monitor said to stop.
        InputError: the GPU's memory is full; see also `disk_explained`.
    """
    import torch  # noqa: PLC0415 - slow to import

    checkpoints = out / CHECKPOINTS
    routing: Routing = trainer.routing
    follower = _Follower(monitor, log, checkpoints, routing)
    # Both write to stdout, which is for results.
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(follower)
    trainer.add_callback(_WarmFirstStep())
    state = PartialState()
    without = why_not_fp8(settings)
    if without is not None and log is not None and state.is_main_process:
        log(note=without)
    if state.is_main_process:
        if resume:
            drop_torn(checkpoints)
        else:
            shutil.rmtree(checkpoints, ignore_errors=True)
    state.wait_for_everyone()
    last = last_complete(checkpoints) if resume else None
    try:
        with disk_explained(out):
            done = trainer.train(resume_from_checkpoint=None if last is None else str(last))
    except torch.OutOfMemoryError as error:
        reason = str(error).partition(".")[0]
        raise InputError(
            f"{reason}; give a smaller micro_batch_size or max_length, or lora"
        ) from error
    if follower.stop is not None and follower.stop.collapsed:
        raise TrainingCollapsedError(
            follower.stop.reason, step=done.global_step, last_good=last_complete(checkpoints)
        )
    return {
        "steps": done.global_step,
        "loss": follower.loss,
        **follower.rewards(),
        "resumed_from": None if last is None else int(last.name.rpartition("-")[2]),
        "stopped": None if follower.stop is None else follower.stop.reason,
        **routing.figures(),
        **({"fp8": without is None} if settings.precision else {}),
    }


@quiet()
def save(
    trainer: Any,  # noqa: ANN401 - transformers is untyped
    model: str | Path,
    out: Path,
    settings: TrainerSettings,
    *,
    scalar: bool = False,
) -> Path:
    """Save the trained model and its tokenizer whole; returns the folder.

    Args:
        trainer: after training.
        model: what it was trained from.
        out: the stage's folder; adapters go into it too.
        settings: of the run.
        scalar: whether it is a sequence-classification model.

    Raises:
        InputError: see `disk_explained`.
    """
    folder = out / MODEL
    with disk_explained(out):
        if settings.lora is None:
            trainer.save_model(str(folder))
            (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle
        else:
            trainer.save_model(str(out / _ADAPTER))
            (out / _ADAPTER / "training_args.bin").unlink(missing_ok=True)
            if PartialState().is_main_process:
                load = load_scalar if scalar else load_judge
                save_merged(model, out / _ADAPTER, folder, load, settings)
        PartialState().wait_for_everyone()
    return folder


class _Follower(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Watches each step, passes its figures on, and marks checkpoints as complete.

    While something looks bad no checkpoint is written, so the newest one is from before the
    trouble and is not rotated away; a postponed one is written once all is well again.
    """

    def __init__(
        self,
        monitor: TrainingMonitor,
        log: Log | None,
        checkpoints: Path,
        routing: Routing,
    ) -> None:
        self.monitor = monitor
        self._routing = routing
        self.stop: Stop | None = None
        self.loss: float | None = None
        self._log = log
        self._checkpoints = checkpoints
        self._owed = False
        self._rewards: list[float] = []

    def rewards(self) -> dict[str, float]:
        """Mean `reward` over the last tenth of the logged steps, `reward_first` over the first.

        Of RL only, whose loss says nothing about progress; empty elsewhere.
        """
        if not self._rewards:
            return {}
        part = max(1, len(self._rewards) // 10)
        return {"reward_first": fmean(self._rewards[:part]), "reward": fmean(self._rewards[-part:])}

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the signature is transformers'
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float | None] | None = None,
        **_: object,
    ) -> None:
        if not logs or "loss" not in logs:  # the summary at the end
            return
        load = self._routing.take()
        if self._log is not None and state.is_world_process_zero:
            figures = logs if load is None else {**logs, "expert_load": load}
            self._log(step=state.global_step, **figures)
        self.loss = logs["loss"]
        reward = logs.get("reward")
        if reward is not None:
            self._rewards.append(reward)
        self.stop = self.stop or self.monitor.observe(logs)
        if self.stop is not None:
            control.should_training_stop = True
            control.should_save = False
        elif self.monitor.suspicious:
            self._owed = self._owed or control.should_save
            control.should_save = False
        elif self._owed:
            self._owed = False
            control.should_save = True
        if state.global_step >= state.max_steps:
            # A run resumed at its end would take one step too many; the model is saved anyway.
            control.should_save = False

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the signature is transformers'
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **_: object,
    ) -> None:
        self._routing.update_bias()

    def on_save(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the signature is transformers'
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the signature is transformers'
        **_: object,
    ) -> None:
        PartialState().wait_for_everyone()  # every process writes a part
        if state.is_world_process_zero:
            mark_complete(self._checkpoints / f"checkpoint-{state.global_step}")


class _WarmFirstStep(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Lets the warm-up begin one step ahead: transformers' first step has rate 0 and is wasted."""

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the signature is transformers'
        lr_scheduler: Any = None,  # noqa: ANN401 - torch's, or accelerate's around it
        **_: object,
    ) -> None:
        schedule = getattr(lr_scheduler, "scheduler", lr_scheduler)
        warmup = args.get_warmup_steps(state.max_steps)
        if not warmup or not hasattr(schedule, "lr_lambdas"):
            return
        schedule.lr_lambdas = [_one_ahead(factor, warmup) for factor in schedule.lr_lambdas]
        for group, base, factor in zip(
            schedule.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
        ):
            group["lr"] = base * factor(schedule.last_epoch)
        schedule._last_lr = [  # noqa: SLF001 - what is logged; torch sets it on a step only
            group["lr"] for group in schedule.optimizer.param_groups
        ]


def _one_ahead(factor: Callable[[int], float], warmup: int) -> Callable[[int], float]:
    return lambda step: (step + 1) / warmup if step < warmup else factor(step)


__all__ = ["MODEL", "Log", "arguments", "fit", "like_lengths_together", "save"]
