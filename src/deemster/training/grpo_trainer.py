"""TRL's GRPOTrainer as judges need it: prompts encoded as at inference, rewarded by Eq. 11.

Imports trl; `grpo` imports this when a run starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trl import GRPOConfig, GRPOTrainer

from deemster.dialects import Dialect
from deemster.errors import InputError
from deemster.schemas import as_query
from deemster.training.fitting import arguments
from deemster.training.modeling import Encode
from deemster.training.reward import reward_text
from deemster.training.settings import GrpoSettings

Text = str | Sequence[dict[str, Any]]
"""A completion as TRL passes it: text, or messages of which the last is the model's."""


class JudgeGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # trl is untyped
    """GRPOTrainer with the project's prompts and reward.

    TRL would let control tokens spelled in candidates take effect in the prompt; `encode` does
    not. With a KL coefficient TRL reads the reference policy from the path that the policy was
    loaded from (`config._name_or_path`), so that must be what `load_judge` has just read: a model
    made in memory has no path, and one changed in memory would get a wrong reference.

    Args:
        encode: from messages to prompt ids (`modeling.prompt_encoder`).
        dialect: the parser.
        **rest: see `GRPOTrainer`.
    """

    _tag_names = ("deemster", "grpo")

    def __init__(self, *, encode: Encode, dialect: Dialect, **rest: Any) -> None:  # noqa: ANN401
        self._encode = encode
        super().__init__(reward_funcs=reward_function(dialect), **rest)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self._encode(as_query(prompt)) for prompt in prompts], None, {}


def reward_function(dialect: Dialect) -> Callable[..., list[float]]:
    """The reward as TRL calls it; needs the columns `order` and `ground_truth`.

    It also reports the share of completions that are right and that are unparseable.
    """

    def rule_reward(
        *,
        completions: Sequence[Text],
        order: Sequence[Sequence[int]],
        ground_truth: Sequence[Sequence[float]],
        log_metric: Callable[[str, float], None] | None = None,
        **_: object,
    ) -> list[float]:
        rewarded = [
            reward_text(_text(completion), dialect=dialect, order=shown, ground_truth=truth)
            for completion, shown, truth in zip(completions, order, ground_truth, strict=True)
        ]
        if log_metric is not None:
            log_metric("accuracy", sum(r.correct is True for r in rewarded) / len(rewarded))
            log_metric("parse_failures", sum(r.correct is None for r in rewarded) / len(rewarded))
        return [r.reward for r in rewarded]

    return rule_reward


def _text(completion: Text) -> str:
    if isinstance(completion, str):
        return completion
    return str(completion[-1].get("content") or "")


def grpo_config(settings: GrpoSettings, out: Path) -> GRPOConfig:
    """TRL's configuration.

    The loss is that of the paper's Eq. 15: a mean over each completion's tokens, then over
    completions; advantages are divided by their group's standard deviation; the KL term is
    Schulman's estimator without importance weights.

    Raises:
        InputError: the batch does not divide into groups, or see `fitting.arguments`.
    """
    if settings.batch_size % settings.group_size:
        raise InputError(
            f"batch_size {settings.batch_size} is not a multiple of group_size "
            f"{settings.group_size}; it counts completions"
        )
    vllm: dict[str, Any] = {}
    if settings.vllm is not None:
        vllm = {
            "use_vllm": True,
            "vllm_mode": settings.vllm.mode,
            "vllm_gpu_memory_utilization": settings.vllm.gpu_memory,
            "vllm_tensor_parallel_size": settings.vllm.tensor_parallel,
            "vllm_server_base_url": settings.vllm.url,
            "vllm_max_model_length": settings.max_length,
        }
    return GRPOConfig(
        **arguments(settings, out),
        **vllm,
        num_generations=settings.group_size,
        max_completion_length=settings.max_completion_length,
        temperature=settings.temperature,
        top_p=settings.top_p,
        beta=settings.beta,
        epsilon=settings.epsilon,
        num_iterations=settings.iterations,
        loss_type="grpo",
        scale_rewards="group",
        use_bias_correction_kl=False,
        shuffle_dataset=False,  # rows come shuffled, epoch by epoch
        remove_unused_columns=False,
    )


__all__ = ["JudgeGRPOTrainer", "grpo_config", "reward_function"]
