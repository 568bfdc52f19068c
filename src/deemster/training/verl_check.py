"""A dry run of a verl recipe, on any machine: verl itself is not needed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue

from deemster.errors import InputError
from deemster.extras import need
from deemster.schemas import Record
from deemster.suites.yaml_file import read_yaml_file
from deemster.training.settings import Number, Positive
from deemster.training.verl import COLUMNS


class _Section(Record):
    """A part of verl's configuration: what the recipe must contain; it may contain more."""

    model_config = ConfigDict(frozen=True, extra="allow")


class _Data(_Section):
    train_files: str
    val_files: str
    prompt_key: Literal["prompt"]
    train_batch_size: Positive
    max_prompt_length: Positive
    max_response_length: Positive
    truncation: Literal["error"]
    trust_remote_code: Literal[False]


class _Model(_Section):
    path: str
    trust_remote_code: Literal[False]


class _Optimizer(_Section):
    lr: Annotated[Number, Field(gt=0, le=1)]


class _Actor(_Section):
    strategy: Literal["fsdp", "fsdp2"]
    optim: _Optimizer
    ppo_mini_batch_size: Positive
    ppo_micro_batch_size_per_gpu: Positive
    use_kl_loss: Literal[True]
    kl_loss_coef: Annotated[Number, Field(ge=0)]
    kl_loss_type: Literal["low_var_kl"]
    clip_ratio: Annotated[Number, Field(gt=0, lt=1)]
    loss_agg_mode: Literal["seq-mean-token-mean"]


class _Rollout(_Section):
    name: Literal["vllm", "sglang"]
    n: Annotated[int, Field(strict=True, ge=2)]
    temperature: Annotated[Number, Field(gt=0, le=2)]
    tensor_model_parallel_size: Positive
    log_prob_micro_batch_size_per_gpu: Positive


class _Reference(_Section):
    log_prob_micro_batch_size_per_gpu: Positive


class _Policy(_Section):
    model: _Model
    actor: _Actor
    rollout: _Rollout
    ref: _Reference


class _Algorithm(_Section):
    adv_estimator: Literal["grpo"]
    norm_adv_by_std_in_grpo: Literal[True]
    use_kl_in_reward: Literal[False]


class _Function(_Section):
    path: str
    name: str


class _Reward(_Section):
    custom_reward_function: _Function


class _Trainer(_Section):
    nnodes: Positive
    n_gpus_per_node: Positive
    total_epochs: Positive
    save_freq: Positive
    resume_mode: Literal["auto"]


class VerlRecipe(_Section):
    """What `recipes/verl/grpo.yaml` must say for the paper's GRPO, in verl's own names."""

    defaults: list[JsonValue]
    data: _Data
    actor_rollout_ref: _Policy
    algorithm: _Algorithm
    reward: _Reward
    trainer: _Trainer


def dry_run(path: str | Path, *, folder: str | Path | None = None) -> dict[str, JsonValue]:
    """Check a verl recipe without verl: its fields, its files, its reward on its first prompt.

    Args:
        path: the YAML file.
        folder: where relative paths in it start; None is the working directory, as for verl.

    Returns:
        `rows` in the training file, `steps` of an epoch, and `rewards` that an empty completion
        and a right one get.

    Raises:
        InputError: a field is missing or not what the recipe needs, batches do not divide, a file
            is missing or has other columns, or the reward function does not work.
    """
    keys = "defaults, data, actor_rollout_ref, algorithm, reward and trainer"
    recipe = read_yaml_file(Path(path), what="verl recipe", keys=keys).read_as(VerlRecipe)
    base = Path(folder or ".")
    _check_sizes(recipe)
    tables = [_table(base / name) for name in (recipe.data.train_files, recipe.data.val_files)]
    model = recipe.actor_rollout_ref.model.path
    if not (base / model).is_dir() and (model.startswith((".", "/", "~")) or model.count("/") != 1):
        raise InputError(
            f"actor_rollout_ref.model.path {model!r} is neither a folder nor OWNER/REPOSITORY"
        )
    function = _load(base / recipe.reward.custom_reward_function.path, recipe)
    first = tables[0].iloc[0]
    truth = first["reward_model"]["ground_truth"]
    rewards = [
        float(function(first["data_source"], text, truth, extra_info=first["extra_info"])["score"])
        for text in ("", _right_answer(truth))
    ]
    if rewards != [-1.0, 1.0]:
        raise InputError(
            f"{recipe.reward.custom_reward_function.path!r} gives {rewards[0]:g} for an empty "
            f"completion and {rewards[1]:g} for a right one; it must give -1 and +1"
        )
    return {
        "rows": len(tables[0]),
        "steps": len(tables[0]) // recipe.data.train_batch_size,
        "rewards": list(rewards),
    }


def _check_sizes(recipe: VerlRecipe) -> None:
    actor, gpus = (
        recipe.actor_rollout_ref.actor,
        recipe.trainer.nnodes * (recipe.trainer.n_gpus_per_node),
    )
    parallel = recipe.actor_rollout_ref.rollout.tensor_model_parallel_size
    checks = (
        ("data.train_batch_size", recipe.data.train_batch_size, actor.ppo_mini_batch_size),
        (
            "actor.ppo_mini_batch_size times rollout.n",
            actor.ppo_mini_batch_size * recipe.actor_rollout_ref.rollout.n,
            gpus * actor.ppo_micro_batch_size_per_gpu,
        ),
        ("the number of GPUs", gpus, parallel),
    )
    for what, size, divisor in checks:
        if size % divisor:
            raise InputError(f"{what}, {size}, is not a multiple of {divisor}; change one of them")


def _table(path: Path) -> Any:  # noqa: ANN401 - pandas is untyped
    need("parquet", f"reading {str(path)!r}")
    import pandas as pd  # noqa: PLC0415 - slow to import

    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read {str(path)!r}: {str(error).partition(chr(10))[0]}; "
            "write it with deemster.training.verl.export_prompts"
        ) from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing or table.empty:
        raise InputError(
            f"{str(path)!r} has {f'no column {missing[0]!r}' if missing else 'no rows'}; "
            "write it with deemster.training.verl.export_prompts"
        )
    return table


def _load(path: Path, recipe: VerlRecipe) -> Callable[..., dict[str, float]]:
    """The reward function, from its file as verl loads it."""
    name = recipe.reward.custom_reward_function.name
    spec = importlib.util.spec_from_file_location("verl_reward", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"reward.custom_reward_function.path {str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"{str(path)!r} has no function {name!r}")
    return function  # type: ignore[no-any-return]  # checked by calling it


def _right_answer(ground_truth: str) -> str:
    """A completion with the scores that the label requires."""
    known = json.loads(ground_truth)
    truth, order = known["truth"], known["order"]
    best = max(truth)
    scores = [int(best)] if len(truth) == 1 else [8 if truth[i] == best else 2 for i in order]
    return f"Scores: \\boxed{{{', '.join(map(str, scores))}}}"


__all__ = ["VerlRecipe", "dry_run"]
