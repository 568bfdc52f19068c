"""Settings of the trainers, with the paper's values beside the defaults (its section 3).

The defaults suit a model of 1 to 8 billion parameters on one machine. The paper trained 16 to 27
billion on 128 GPUs with batches of 512 and 1024; its learning rates are kept, its batches are not.
Nothing here imports torch: recipes are checked without it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from deemster.schemas import Finite, Record


def _number(value: Any) -> Any:  # noqa: ANN401 - validators see raw input
    """YAML reads `5e-6`, without a dot, as text."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


Number = Annotated[Finite, BeforeValidator(_number)]
Positive = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[Number, Field(ge=0, le=1)]


_LATER = frozenset({"optimizer", "weights", "precision", "moe", "mtp", "experts", "sleep"})
"""Fields that are younger than runs there are; see `_Grown`."""

Optimizer = Literal[
    "adamw_torch",
    "adamw_torch_fused",
    "adafactor",
    "adamw_8bit",
    "paged_adamw_8bit",
    "paged_adamw_32bit",
    "lion_8bit",
    "paged_lion_8bit",
]
"""By the names of transformers' `optim`. Those in 8 bits or paged are of bitsandbytes."""
Weights = Literal["float32", "bfloat16"]
Experts = Literal["eager", "batched_mm", "grouped_mm"]
"""How transformers computes the experts of a mixture."""
Schedule = Literal["constant_with_warmup", "linear", "cosine", "warmup_stable_decay"]


def of_bitsandbytes(optimizer: Optimizer | None) -> bool:
    """Whether an optimizer is of bitsandbytes, which needs a GPU."""
    return optimizer is not None and ("8bit" in optimizer or "paged" in optimizer)


class _Grown(Record):
    """Settings whose younger fields are written only where they differ from their default.

    A stage is known by the hash of what is written: one that was begun before there was a field is
    the same stage, and resumes.
    """

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        known = type(self).model_fields
        return {
            key: value
            for key, value in write(self).items()
            if key not in _LATER or getattr(self, key) != known[key].default
        }


class LoraSettings(_Grown):
    """Low-rank adapters (PEFT) instead of training all weights.

    Give a learning rate 10 to 20 times the full one, 1e-4 for SFT say.
    """

    rank: Positive = 16
    alpha: Annotated[Number, Field(gt=0)] = 32.0
    """Adapters are scaled by alpha / rank."""
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Names of the layers that get adapters; all linear ones except the output layer."""
    layers: tuple[Annotated[int, Field(strict=True, ge=0)], ...] | None = None
    """Numbers of the blocks that get adapters; None for all. Where only the upper ones do, no
    gradient is computed below them, which saves up to a third of the time. Needs the names in
    `target_modules`."""
    quantize: bool = False
    """QLoRA: the frozen weights in 4 bits (NF4, double quantization); needs bitsandbytes."""
    experts: bool = False
    """Adapters on the routed experts, too, whose weights are no layers of their own: `rank` of
    them per expert. Allows no dropout."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.experts and self.dropout:
            raise ValueError(
                f"experts allows no dropout, got {self.dropout!r}; leave one of the two out"
            )
        if self.layers is not None and isinstance(self.target_modules, str):
            raise ValueError(
                f"layers needs names in target_modules, got {self.target_modules!r}; give for "
                "example [q_proj, v_proj]"
            )
        return self


class MoeSettings(Record):
    """Of a mixture of experts (MoE), whose routers send each token to a few of many experts."""

    router_aux_loss_coef: Annotated[Number, Field(ge=0)] | None = None
    """Weight of the loss that keeps the experts' load even, in `distil`, `rft` and `rl`; None is
    the model's own (`router_aux_loss_coef` of its config.json, DeepSeek's `aux_loss_alpha`)."""
    router_bias_rate: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """How far a step moves the routers' biases towards an even load, where they have them:
    balancing without a loss, of DeepSeek-V3 (0.001 in its training). Not with adapters."""
    freeze: tuple[Literal["experts", "routers"], ...] = ()
    """What is left as it is when all weights are trained. Under adapters both are: see
    `lora.experts`."""
    experts_implementation: Experts | None = None
    """How transformers computes experts: one by one, by a product that copies each token's
    weights, by one over the sorted tokens; None is transformers' choice."""


class MtpSettings(Record):
    """Multi-token prediction: blocks beside the model learn to predict the token after next.

    A model that has such blocks goes on with them (`mtp.safetensors` beside its weights, or in the
    checkpoint where transformers knows them there); another gets new ones.
    """

    weight: Annotated[Number, Field(gt=0)] = 0.3
    """Of the loss, the mean over the blocks; DeepSeek-V3 had 0.3 and in the end 0.1."""
    depth: Positive = 1
    """Blocks; each predicts one token further. The first is what drafts."""
    detach: bool = False
    """The blocks alone learn from this loss, so that the model learns what it would without, but
    for `max_grad_norm`, which is of all gradients together."""


class TrainerSettings(_Grown):
    """What all trainers share."""

    learning_rate: Annotated[Number, Field(gt=0, le=1)]
    """Peak value."""
    batch_size: Positive = 64
    """Sequences per optimizer step, over all devices."""
    micro_batch_size: Positive = 4
    """Sequences per device that go through the model at once; the rest is accumulated."""
    epochs: Positive = 1
    max_steps: Positive | None = None
    """Optimizer steps; if given, `epochs` is not used."""
    max_length: Positive = 4096
    """Most tokens of prompt and completion together. Longer ones are left out, never cut."""
    warmup: Share = 0.03
    """Share of the steps in which the learning rate rises to its peak; the first is not 0."""
    schedule: Schedule = "cosine"
    """`warmup_stable_decay` stays at the peak and falls linearly in the last fifth of `max_steps`:
    a run that is cut has learnt at the full rate until then."""
    weight_decay: Annotated[Number, Field(ge=0, le=1)] = 0.0
    max_grad_norm: Annotated[Number, Field(gt=0)] = 1.0
    group_by_length: bool = False
    """Sequences of like length go through the model together, so that less padding is computed. Of
    `distil`, `rft` and `meta`; `rl` keeps its groups."""
    gradient_checkpointing: bool = True
    """Less memory for about a third more time."""
    bf16: bool | None = None
    """Mixed precision; None uses it where the device has it."""
    weights: Weights | None = None
    """Type that weights are held and saved in. None is float32 where all are trained, and under
    adapters bfloat16 on a GPU. Trained in bfloat16 they take half the memory, and their gradients
    and the optimizer's states too, but an update below 1/256 of a weight is lost in rounding: give
    a larger learning rate than the paper's."""
    optimizer: Optimizer | None = None
    """None is transformers' own, AdamW in the weights' type. In 8 bits its states take a quarter;
    paged ones move to main memory where the GPU's is full; `adafactor` keeps almost none."""
    precision: Literal["fp8"] | None = None
    """`fp8`: linear layers multiply in FP8 within mixed precision, on a GPU that does (compute
    capability 8.9 or more); elsewhere a note says that they do not. What is saved is a plain
    model. Needs the extra `quantization`; not in `rl`."""
    save_steps: Positive = 50
    """Optimizer steps between checkpoints."""
    keep_checkpoints: Annotated[int, Field(strict=True, ge=2)] = 2
    """At least 2, because a kill can leave the newest one unfinished."""
    cpu: bool = False
    """Train on the CPU even if there is a GPU."""
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = 0
    lora: LoraSettings | None = None
    """None trains all weights."""
    moe: MoeSettings = MoeSettings()
    """Of a mixture of experts."""

    @model_validator(mode="after")
    def _trained(self) -> Self:
        if self.lora is not None and (self.moe.freeze or self.moe.router_bias_rate):
            given = "freeze" if self.moe.freeze else "router_bias_rate"
            raise ValueError(
                f"moe.{given} is for training all weights, under lora only adapters are trained; "
                "leave one of the two out (lora.experts puts adapters on the experts)"
            )
        return self

    @model_validator(mode="after")
    def _fp8_fits(self) -> Self:
        if self.precision == "fp8" and self.bf16 is False:
            raise ValueError(
                "precision fp8 is within mixed precision, got bf16 false; leave one out"
            )
        if self.precision == "fp8" and self.lora is not None and self.lora.quantize:
            raise ValueError(
                "precision fp8 needs weights in full, got lora.quantize (4 bits); leave one out"
            )
        return self

    @model_validator(mode="after")
    def _divides(self) -> Self:
        micro = min(self.micro_batch_size, self.batch_size)
        if self.batch_size % micro:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {micro}; "
                "change one of them"
            )
        return self

    @model_validator(mode="after")
    def _optimizer_runs(self) -> Self:
        if self.cpu and of_bitsandbytes(self.optimizer):
            raise ValueError(
                f"optimizer {self.optimizer!r} needs a GPU, got cpu true; give optimizer "
                "'adafactor' or 'adamw_torch'"
            )
        return self

    @model_validator(mode="after")
    def _steps_known(self) -> Self:
        if self.schedule == "warmup_stable_decay" and self.max_steps is None:
            raise ValueError("schedule 'warmup_stable_decay' needs max_steps; give it")
        return self


class SftSettings(TrainerSettings):
    """Fine-tuning on kept trajectories and general instruction data (rejective fine-tuning).

    Paper: learning rate 5e-6, batch 1024, 900 steps, 186K trajectories and 1,070K instructions.
    """

    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 5e-6
    packing: bool = False
    """Several examples in one sequence of `max_length` (`batch_size` counts those), kept apart by
    their position ids; no padding is computed. Fast with flash attention."""
    instruction_share: Annotated[Number, Field(ge=0, lt=1)] | None = None
    """Share of instruction data among the examples; None uses all of it (paper: 0.85)."""
    mtp: MtpSettings | None = None
    """Train blocks for multi-token prediction, too, with which `speculate: mtp` drafts."""

    @model_validator(mode="after")
    def _trainable_blocks(self) -> Self:
        if self.mtp is not None and self.lora is not None and self.lora.quantize:
            raise ValueError(
                "mtp goes without lora.quantize: its blocks are copies of layers, and 4-bit ones "
                "cannot be trained; leave one of the two out"
            )
        return self


class CollapseSettings(Record):
    """When an RL run counts as collapsed."""

    patience: Positive = 20
    """Optimizer steps in a row that must look bad."""
    max_parse_failures: Share = 0.5
    """Largest share of completions that cannot be parsed."""
    max_kl: Annotated[Number, Field(gt=0)] = 2.0
    """Largest mean KL divergence to the reference policy, nats per token (needs `beta` > 0)."""


class VllmSettings(_Grown):
    """Rollouts by vLLM instead of transformers."""

    mode: Literal["colocate", "server"] = "colocate"
    """In the training process and on its GPUs, or in a server of its own (`trl vllm-serve`)."""
    gpu_memory: Annotated[Number, Field(gt=0, lt=1)] = 0.3
    """Share of each GPU's memory for vLLM (colocate)."""
    tensor_parallel: Positive = 1
    """GPUs per copy of the model (colocate)."""
    url: str | None = None
    """Where the server is; None is port 8000 of this machine."""
    sleep: bool = False
    """Colocate: vLLM leaves the GPU's memory to each optimizer step (its sleep mode), for some
    seconds a step; `gpu_memory` may then be larger."""

    @model_validator(mode="after")
    def _sleeps_here(self) -> Self:
        if self.sleep and self.mode == "server":
            raise ValueError("sleep is for mode 'colocate', a server has GPUs of its own")
        return self


class GrpoSettings(TrainerSettings):
    """Rule-based online RL: GRPO (paper Eq. 15) with the reward of Eq. 11.

    Paper: learning rate 4e-7, batch 512, 900 steps, 237K items. `batch_size` counts completions,
    so `batch_size / group_size` prompts go into a step.
    """

    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 4e-7
    schedule: Schedule = "constant_with_warmup"
    group_size: Annotated[int, Field(strict=True, ge=2)] = 4
    """G, completions per prompt."""
    beta: Annotated[Number, Field(ge=0)] = 0.08
    """KL coefficient (paper: 0.08 for 27B of the grid 0, .01, .02, .08; 0.002 for 16B). A large
    one preserves the format, which is not rewarded."""
    epsilon: Annotated[Number, Field(gt=0, lt=1)] = 0.2
    """Clip range of the probability ratio."""
    iterations: Positive = 1
    """Updates on one batch of completions."""
    temperature: Annotated[Number, Field(gt=0, le=2)] = 1.0
    top_p: Annotated[Number, Field(gt=0, le=1)] = 1.0
    max_completion_length: Positive = 1024
    """Most tokens of a completion; `max_length` minus this is left for the prompt."""
    drop_too_easy: bool = True
    """Leave out items that all earlier rollouts got right (paper: 3 of 3)."""
    drop_too_hard: bool = True
    """Leave out items that no earlier rollout got right: their groups have no spread either."""
    vllm: VllmSettings | None = None
    collapse: CollapseSettings = CollapseSettings()

    @model_validator(mode="after")
    def _in_groups(self) -> Self:
        if self.batch_size % self.group_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of group_size "
                f"{self.group_size}; it counts completions"
            )
        return self

    @model_validator(mode="after")
    def _room_for_prompts(self) -> Self:
        if self.max_completion_length >= self.max_length:
            raise ValueError(
                f"max_completion_length {self.max_completion_length} leaves no room for a prompt "
                f"in max_length {self.max_length}; raise max_length"
            )
        return self

    @model_validator(mode="after")
    def _rollouts_in_full(self) -> Self:
        if self.precision == "fp8":
            raise ValueError(
                "precision fp8 is for distil, rft and meta: torchao's layers cannot draw rollouts "
                "(no inference mode); leave it out"
            )
        return self


class ScalarSettings(TrainerSettings):
    """What trainers of models with one output share."""

    @model_validator(mode="after")
    def _without_balance(self) -> Self:
        if self.moe.router_aux_loss_coef:
            raise ValueError(
                f"moe.router_aux_loss_coef is {self.moe.router_aux_loss_coef!r}; models with one "
                "output are trained without a balance loss, leave it out"
            )
        return self


class MetaSettings(ScalarSettings):
    """The meta RM: a scalar model trained by binary cross-entropy on whether judgments are right.

    Paper: learning rate 1e-5, batch 512.
    """

    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 1e-5
    balance: bool = True
    """Weigh right judgments so that both classes count the same. The order of the meta rewards
    is what matters; weighing shifts them as probabilities."""
    holdout: Annotated[Number, Field(gt=0, lt=1)] = 0.1
    """Share of the items (with all their judgments) kept for the reported AUC."""


__all__ = [
    "CollapseSettings",
    "GrpoSettings",
    "LoraSettings",
    "MetaSettings",
    "MoeSettings",
    "MtpSettings",
    "ScalarSettings",
    "SftSettings",
    "TrainerSettings",
    "VllmSettings",
]
