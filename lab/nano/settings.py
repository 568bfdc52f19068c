"""A recipe's section `nano` about the embedded model, with one part per stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from deemster.schemas import Record
from deemster.training.settings import Number, Positive

Rate = Annotated[Number, Field(gt=0, le=1)]
Portion = Annotated[Number, Field(ge=0, lt=1)]
Temperature = Annotated[Number, Field(gt=0, le=2)]
DeviceName = Literal["auto", "cpu", "cuda"]


class ModelSettings(Record):
    """Size of the network, a Llama."""

    vocabulary: Annotated[int, Field(strict=True, ge=300)] = 1024
    hidden: Positive = 128
    feed_forward: Positive = 384
    layers: Positive = 5
    heads: Positive = 4
    kv_heads: Positive = 2
    context: Annotated[int, Field(strict=True, ge=128)] = 1024


class DistilSettings(Record):
    """Supervised training from scratch on the noisy teacher's trajectories."""

    warm_items: Annotated[int, Field(strict=True, ge=0)] = 20_000
    """Items with one response that come first: copying is learnt sooner on short texts."""
    items: Positive = 60_000
    """Items with one to four responses; one trajectory each."""
    drills: Annotated[int, Field(strict=True, ge=0)] = 0
    """Exercises in sums, letters, copying and tallies, in a second run over new items."""
    drill_items: Annotated[int, Field(strict=True, ge=0)] = 0
    """Items of that second run, so that judging is not forgotten."""
    drill_lr: Rate = 1.5e-3
    """Its peak learning rate."""
    instruction: Portion = 0.1
    """Share of examples that answer a query instead of judging."""
    hinted: Portion = 0.05
    """Share of examples whose prompt names the best response."""
    principles: bool = True
    """False leaves the principles out of the trajectories (an ablation)."""
    batch_tokens: Positive = 4096
    lr: Rate = 3e-3


class RftSettings(Record):
    """Rejective fine-tuning (paper section 3)."""

    items: Positive = 2500
    samples: Positive = 3
    """N_RFT."""
    temperature: Temperature = 1.0
    reject: bool = True
    """False trains on everything that was drawn (an ablation)."""
    hinted: bool = True
    """One more trajectory per item from a prompt that names the best response."""
    instruction: Portion = 0.15
    epochs: Positive = 2
    batch_tokens: Positive = 4096
    lr: Rate = 5e-4


class RlSettings(Record):
    """GRPO with the rule-based reward (paper section 3), one update per batch."""

    steps: Positive = 80
    prompts: Positive = 64
    group: Annotated[int, Field(strict=True, ge=2)] = 4
    """G."""
    temperature: Temperature = 1.0
    lr: Rate = 4e-4
    beta: Annotated[Number, Field(ge=0)] = 0.01
    """Weight of the KL penalty."""
    batch_tokens: Positive = 4096


class MetaSettings(Record):
    """The meta RM: binary cross-entropy on trajectories of all models."""

    items: Positive = 2500
    """Items that each of base, RFT and RL model judges."""
    samples: Positive = 3
    checks: Positive = 300
    """Items with new numbers, judged 8 times by each model, that its AUC is measured on."""
    epochs: Positive = 1
    batch_tokens: Positive = 4096
    lr: Rate = 1.5e-3
    """Three times that of fine-tuning, as the task is new to the network: 3,120 trajectories then
    gave an AUC within items of .83, not .73."""


class NanoEvalSettings(Record):
    """The check at the end, on each held-out split."""

    items: Positive = 300
    samples: Positive = 8


class NanoSettings(Record):
    """The section `nano` of a recipe."""

    model: ModelSettings = ModelSettings()
    distil: DistilSettings = DistilSettings()
    rft: RftSettings = RftSettings()
    rl: RlSettings = RlSettings()
    meta: MetaSettings = MetaSettings()
    eval: NanoEvalSettings = NanoEvalSettings()
    device: DeviceName = "cpu"
    """Where models train and are sampled; `auto` is the GPU if there is one, else the CPU."""
    threads: Positive | None = None
    """CPU threads of torch; None leaves that to torch."""
