"""TRL's GRPOTrainer as judges need it: prompts encoded as at inference, rewarded by Eq. 11.

Imports trl; `grpo` imports this when a run starts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trl import GRPOConfig, GRPOTrainer

from deemster.backends._local.grammar import Constraint, Vocabulary
from deemster.backends._local.processor import GrammarProcessor
from deemster.dialects import Dialect
from deemster.schemas import Sampling, as_query
from deemster.training.balanced import Balanced
from deemster.training.fitting import arguments
from deemster.training.modeling import Encode
from deemster.training.reward import reward_text
from deemster.training.settings import GrpoSettings

Text = str | Sequence[dict[str, Any]]
"""A completion as TRL passes it: text, or messages of which the last is the model's."""


class JudgeGRPOTrainer(Balanced, GRPOTrainer):  # type: ignore[misc]  # trl is untyped
    """GRPOTrainer with the project's prompts and reward.

    TRL would let control tokens spelled in candidates take effect in the prompt; `encode` does
    not. Completions of a dialect with a JSON Schema are drawn under its grammar, as at inference.
    With a KL coefficient TRL reads the reference policy from the path that the policy was
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
        self._dialect = dialect
        self._shown: list[int] = []
        self._vocabulary: Vocabulary | None = None
        super().__init__(reward_funcs=reward_function(dialect), **rest)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self._encode(as_query(prompt)) for prompt in prompts], None, {}

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - trl is untyped
        self._shown = [len(row["order"]) for row in inputs]  # what a row's schema depends on
        return super()._generate_and_score_completions(inputs)

    def _generate_single_turn(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - trl is untyped
        schemas = [self._dialect.json_schema(n) for n in self._shown]
        constrained = [schema for schema in schemas if schema is not None]
        if not constrained:
            return super()._generate_single_turn(*args, **options)
        policy = self.accelerator.unwrap_model(self.model_wrapped)
        # TRL calls `generate` without a way to pass a processor through.
        policy.generate = functools.partial(
            policy.generate, logits_processor=[self._grammar(constrained)]
        )
        try:
            return super()._generate_single_turn(*args, **options)
        finally:
            del policy.generate

    def _grammar(self, schemas: Sequence[Mapping[str, Any]]) -> GrammarProcessor:
        """Draws completions as the local backend does under these schemas, one per row."""
        room = self.args.max_completion_length
        if self._vocabulary is None:
            size = self.model.config.get_text_config().vocab_size
            size = min(max(self._tokenizer.get_vocab().values()) + 1, size)
            self._vocabulary = Vocabulary(self._tokenizer, size, self.eos_token_ids)
        vocabulary = self._vocabulary
        return GrammarProcessor(
            [Constraint(vocabulary, vocabulary.matcher(schema), room) for schema in schemas],
            vocabulary,
            Sampling(temperature=self.args.temperature, top_p=self.args.top_p),
        )


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


def grpo_config(
    settings: GrpoSettings, out: Path, *, router_aux_loss_coef: float | None = None
) -> GRPOConfig:
    """TRL's configuration.

    The loss is that of the paper's Eq. 15: a mean over each completion's tokens, then over
    completions; advantages are divided by their group's standard deviation; the KL term is
    Schulman's estimator without importance weights.

    Raises:
        InputError: see `fitting.arguments`.
    """
    vllm: dict[str, Any] = {}
    if settings.vllm is not None:
        vllm = {
            "use_vllm": True,
            "vllm_mode": settings.vllm.mode,
            "vllm_gpu_memory_utilization": settings.vllm.gpu_memory,
            "vllm_tensor_parallel_size": settings.vllm.tensor_parallel,
            "vllm_server_base_url": settings.vllm.url,
            "vllm_max_model_length": settings.max_length,
            "vllm_enable_sleep_mode": settings.vllm.sleep,
        }
    return GRPOConfig(
        **{**arguments(settings, out), "num_train_epochs": 1},  # `grpo_rows` has a row for each
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
        router_aux_loss_coef=router_aux_loss_coef,
        shuffle_dataset=False,  # rows come shuffled, epoch by epoch
        remove_unused_columns=False,
    )


__all__ = ["JudgeGRPOTrainer", "grpo_config", "reward_function"]
