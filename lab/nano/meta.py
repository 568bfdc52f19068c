"""The embedded model's meta RM: a judge with one output, trained by binary cross-entropy.

It reads the same text as every trained meta RM of the framework (`judges.meta_hf.meta_text`), so
`HfMetaRM` can serve it. Only the training loop differs, for speed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from deemster.training.meta_rm import Auc, auc
from lab.nano.batching import Example, alike, batches
from lab.nano.checkpoint import Checkpoint
from lab.nano.data import Encoder
from lab.nano.device import device_of
from lab.nano.judging import Trajectory
from lab.nano.model import Optimizer
from lab.nano.precision import mixed_precision
from lab.nano.settings import MetaSettings

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, LlamaForSequenceClassification


def meta_prompt(one: Trajectory) -> str:
    """`meta_text` of a trajectory of the world, without the work of records (a test compares)."""
    sample = one.sample
    parts = ["# Request", sample.query[-1].text]
    for number, index in enumerate(one.order, 1):
        parts += [f"# Response {number}", sample.responses[index].text]
    return "\n".join([*parts, "# Judgment", one.text])


def new_meta(judge: LlamaForCausalLM) -> LlamaForSequenceClassification:
    """A classifier with one output that starts from a judge's weights, on the judge's device."""
    from transformers import LlamaForSequenceClassification  # noqa: PLC0415 - heavy

    config = type(judge.config).from_dict({**judge.config.to_dict(), "num_labels": 1})
    meta = LlamaForSequenceClassification(config).to(device_of(judge))
    meta.model.load_state_dict(judge.model.state_dict())
    torch.nn.init.zeros_(meta.score.weight)
    return meta


def train(
    meta: LlamaForSequenceClassification,
    trajectories: Sequence[Trajectory],
    encoder: Encoder,
    settings: MetaSettings,
    *,
    seed: int,
    checkpoint: Checkpoint,
    log: Callable[[dict[str, float]], None],
) -> None:
    """Train `meta` in place to tell right trajectories from wrong ones, both equally weighted.

    Raises:
        ValueError: all trajectories are right, or all wrong.
    """
    labels = [one.correct for one in trajectories]
    right = sum(labels)
    if right in {0, len(labels)}:
        raise ValueError(f"{right} of {len(labels)} trajectories are right: nothing to tell apart")
    device = device_of(meta)
    weight = torch.tensor((len(labels) - right) / right, device=device)
    ids = encoder.plain([meta_prompt(one) for one in trajectories])
    # The label is passed as the only token of a completion, by its index.
    examples = [
        Example(tuple(text), (int(label),)) for text, label in zip(ids, labels, strict=True)
    ]
    rng = random.Random(seed)  # noqa: S311 - not secret
    steps = [
        batch
        for _ in range(settings.epochs)
        for batch in batches(examples, tokens=settings.batch_tokens, rng=rng)
    ]
    optimizer = Optimizer(meta, lr=settings.lr, steps=len(steps))
    checkpoint.restore(meta, optimizer)
    meta.train()
    recent: list[float] = []
    for number in range(optimizer.step_number, len(steps)):
        batch = steps[number]
        logits = _logits(meta, [example.prompt for example in batch], encoder.pad)
        wanted = torch.tensor([float(example.completion[0]) for example in batch], device=device)
        loss = functional.binary_cross_entropy_with_logits(logits, wanted, pos_weight=weight)
        torch.autograd.backward(loss)
        optimizer.step()
        recent.append(loss.item())
        if number % 20 == 19 or number + 1 == len(steps):
            last = recent[-20:]
            log({"step": number + 1, "steps": len(steps), "loss": sum(last) / len(last)})
        checkpoint.save(meta, optimizer, last=number + 1 == len(steps))
    meta.eval()


@torch.inference_mode()
def rate(
    meta: LlamaForSequenceClassification,
    trajectories: Sequence[Trajectory],
    encoder: Encoder,
    *,
    batch_tokens: int | None = None,
) -> list[float]:
    """Probabilities in 0..1 that trajectories are right, in their order.

    Args:
        meta: the meta RM.
        trajectories: what it rates.
        encoder: its tokenizer.
        batch_tokens: most tokens of a batch with padding; None is a size that suits the device: on
            a CPU, what fits its caches.
    """
    most = batch_tokens or (2048 if device_of(meta).type == "cpu" else 2**18)
    ids = encoder.plain([meta_prompt(one) for one in trajectories])
    rewards = [0.0] * len(ids)
    for some in alike([*map(len, ids)], tokens=most):
        logits = _logits(meta, [ids[i] for i in some], encoder.pad)
        for i, reward in zip(some, logits.sigmoid().tolist(), strict=True):
            rewards[i] = reward
    return rewards


def quality(trajectories: Sequence[Trajectory], rewards: Sequence[float]) -> Auc:
    """Area under the ROC curve, overall and within items."""
    return auc(
        [one.correct for one in trajectories], rewards, [one.sample.id for one in trajectories]
    )


def _logits(
    meta: LlamaForSequenceClassification, texts: Sequence[Sequence[int]], pad_id: int
) -> torch.Tensor:
    """One per text: the score at its last token."""
    longest = max(map(len, texts))
    ids = torch.full((len(texts), longest), pad_id)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text)
    ends = torch.tensor([len(text) - 1 for text in texts])
    device = device_of(meta)
    with mixed_precision(device):
        states = meta.model(input_ids=ids.to(device)).last_hidden_state
        hidden = states[torch.arange(len(texts), device=device), ends.to(device)]
        logits: torch.Tensor = meta.score(hidden)[:, 0]
    return logits.float()
