"""Reward heads that are published as code of a model's repository, written out here as formulas.

A head is a few tensors over the last hidden states of a transformer. What is read are the tensors
by the names of the released checkpoints (sizes come from their shapes), and the states at a few
places of the text; so no code of a repository runs. Heads are computed in float32, whatever the
type of the transformer. Dropout does nothing outside training and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

Weights = Mapping[str, torch.Tensor]
Config = Mapping[str, Any]
"""The fields of config.json."""
Activation = Callable[[torch.Tensor], torch.Tensor]
Places = Callable[[Sequence[int], Any, Config], tuple[int, ...]]
"""From the ids of a text, the tokenizer and the configuration to the places whose states are read.

Raises:
    ValueError: the text has no such place.
"""
Score = Callable[[Weights, torch.Tensor, Config], torch.Tensor]
"""From a head's tensors, the states (batch, places, width) and the configuration to the rewards
(batch,)."""

_TURN = {
    "llama": "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma2": "<end_of_turn>\n<start_of_turn>model\n",
}
"""By type of model: what stands between the user's turn and the response. The gate reads the
state at its first token, which ends the user's turn."""
_NORM_EPS = 1e-5
_LEVELS = 10
"""Of each objective of LDL."""


def last_place(ids: Sequence[int], _tokenizer: Any, _config: Config) -> tuple[int, ...]:  # noqa: ANN401 - transformers is untyped
    """The last token."""
    return (len(ids) - 1,)


def turn_and_last(ids: Sequence[int], tokenizer: Any, config: Config) -> tuple[int, ...]:  # noqa: ANN401 - as above
    """The end of the last user's turn, and the last token."""
    turn = _TURN.get(str(config.get("model_type")))
    if turn is None:
        raise ValueError(
            f"a gate over a model of type {config.get('model_type')!r} is not known; "
            f"known: {', '.join(_TURN)}"
        )
    mark = tokenizer.encode(turn, add_special_tokens=False)
    for start in range(len(ids) - len(mark), -1, -1):
        if list(ids[start : start + len(mark)]) == mark:
            return start, len(ids) - 1
    raise ValueError(f"no {turn!r} before the response: the gate has nothing to read")


def three_marks(ids: Sequence[int], _tokenizer: Any, config: Config) -> tuple[int, ...]:  # noqa: ANN401 - as above
    """The tokens that mark the source and the two candidates."""
    fields = [f"{name}_prefix_id" for name in ("source", "cand1", "cand2")]
    if missing := [name for name in fields if not isinstance(config.get(name), int)]:
        raise ValueError(f"config.json does not say {', '.join(missing)}")
    marks = [config[name] for name in fields]
    if any(list(ids).count(mark) != 1 for mark in marks):
        raise ValueError("the marks of the source and the candidates are not there once each")
    return tuple(list(ids).index(mark) for mark in marks)


def _linear(weights: Weights, name: str, states: torch.Tensor) -> torch.Tensor:
    return F.linear(states, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def _layers(
    weights: Weights, prefix: str, states: torch.Tensor, activation: Activation
) -> torch.Tensor:
    """Layers in the order of their numbers, `activation` after every linear one but the last.

    Layers with running means are batch norms.
    """
    numbers = {
        int(name.removeprefix(f"{prefix}.").partition(".")[0])
        for name in weights
        if name.startswith(f"{prefix}.")
    }
    norms = {number for number in numbers if f"{prefix}.{number}.running_mean" in weights}
    for number in sorted(numbers):
        name = f"{prefix}.{number}"
        if number in norms:
            states = F.batch_norm(
                states,
                weights[f"{name}.running_mean"],
                weights[f"{name}.running_var"],
                weights[f"{name}.weight"],
                weights[f"{name}.bias"],
                eps=_NORM_EPS,
            )
            continue
        states = _linear(weights, name, states)
        if number != max(numbers - norms):
            states = activation(states)
    return states


def gated(weights: Weights, states: torch.Tensor, config: Config) -> torch.Tensor:
    """Objectives weighed by a gate that reads the prompt (ArmoRM, QRM).

    With p the state at the end of the prompt and h the last: the gate is
    s · softmax(MLP(p) / T); an objective's value is the mean of its quantiles in W h (ArmoRM has
    one), all of them times a matrix where the checkpoint has one; the reward is their weighted
    sum.

    Sources: arXiv 2406.12845 and 2409.10164, and the models' own code.
    """
    mixing = weights.get("reward_transform_matrix")
    temperature = config.get("gating_temperature")
    if temperature is None:
        if mixing is None:
            raise ValueError("config.json does not say gating_temperature")
        temperature = 10  # what the code of the models with such a matrix takes
    prompt, last = states[:, 0], states[:, 1]
    logits = _layers(weights, "gating.layers", prompt, F.relu)
    gate = (logits / temperature).softmax(-1) * weights["gating.logit_scale"]
    values = _linear(weights, "regression_layer", last)
    values = values.reshape(len(values), gate.shape[-1], -1).mean(-1)
    if mixing is not None:
        values = values @ mixing
    return (gate * values).sum(-1)


def distribution(weights: Weights, states: torch.Tensor, config: Config) -> torch.Tensor:
    """The mean of a mixture of distributions over 10 levels from 0 to 1 (LDL-Reward).

    Every objective has a softmax over the levels; a second network weighs the objectives, its
    weights used as they are, or as a softmax where config.json has `softmax: true`.
    """
    last = states[:, 0]
    levels = _layers(weights, "regression_layer.network", last, F.leaky_relu)
    shares = levels.reshape(len(levels), -1, _LEVELS).softmax(-1)
    gate = _layers(weights, "gating_layer.network", last, F.leaky_relu)
    if config.get("softmax", False):
        gate = (gate / config.get("temperature", 1.0)).softmax(-1)
    mixture = (gate.unsqueeze(1) @ shares).squeeze(1)
    reward: torch.Tensor = (mixture * torch.linspace(0, 1, _LEVELS, device=last.device)).sum(-1)
    return reward


def layered(
    weights: Weights, states: torch.Tensor, _config: Config, *, prefix: str
) -> torch.Tensor:
    """Linear layers with ReLU between them (INF-ORM and WorldPM: two; Ray2333's value head)."""
    if f"{prefix}.weight" in weights:
        return _linear(weights, prefix, states[:, 0])[:, 0]
    return _layers(weights, prefix, states[:, 0], F.relu)[:, 0]


def dense_tanh(weights: Weights, states: torch.Tensor, _config: Config) -> torch.Tensor:
    """A dense layer, tanh, and a linear one (the official CLoud; arXiv 2408.11791)."""
    dense = torch.tanh(_linear(weights, "reward_head.dense", states[:, 0]))
    return _linear(weights, "reward_head.out_proj", dense)[:, 0]


def compared(weights: Weights, states: torch.Tensor, _config: Config) -> torch.Tensor:
    """How much the first candidate is better than the second (PairRM; arXiv 2306.02561).

    Each candidate's state goes beside the source's through a dense layer, tanh and a linear one;
    the output is the mean difference over the tasks.
    """
    source, first, second = states.unbind(1)

    def value(candidate: torch.Tensor) -> torch.Tensor:
        beside = torch.cat([source, candidate], -1)
        dense = torch.tanh(_linear(weights, "head_layer.1", beside))
        return _linear(weights, "head_layer.4", dense)

    return (value(first) - value(second)).mean(-1)


@dataclass(frozen=True)
class Head:
    """A published head."""

    title: str
    """What messages call it."""
    keys: tuple[str, ...]
    """Tensors that a checkpoint with this head has, all of them."""
    prefixes: tuple[str, ...]
    """How the names of its tensors begin."""
    score: Score
    places: Places = last_place
    reads: int = 1
    """At how many places."""
    trunk: str = ""
    """What the names of the transformer's tensors begin with, where that is not the usual."""
    compares: bool = False
    """Whether it reads two responses at once (judge type `pairwise`), marked by tokens."""
    context: int | None = None
    """Most tokens of a text, where that is not the transformer's limit."""


HEADS: Mapping[str, Head] = {
    "gated": Head(
        "gated objectives (ArmoRM, QRM)",
        ("regression_layer.weight", "gating.logit_scale"),
        ("regression_layer.", "gating.", "reward_transform_matrix"),
        gated,
        turn_and_last,
        reads=2,
    ),
    "distribution": Head(
        "distribution over levels (LDL-Reward)",
        ("regression_layer.network.0.weight", "gating_layer.network.0.weight"),
        ("regression_layer.", "gating_layer."),
        distribution,
    ),
    "layers": Head(
        "two layers (INF-ORM, WorldPM)",
        ("score.0.weight", "score.2.weight"),
        ("score.",),
        partial(layered, prefix="score"),
    ),
    "value": Head(
        "value head (Ray2333's GRM)",
        ("v_head.summary.weight",),
        ("v_head.",),
        partial(layered, prefix="v_head.summary"),
    ),
    "value-layers": Head(
        "value head of several layers (Ray2333's GRM)",
        ("v_head.summary.0.weight",),
        ("v_head.",),
        partial(layered, prefix="v_head.summary"),
    ),
    "cloud": Head(
        "dense layer and tanh (CLoud)",
        ("reward_head.dense.weight", "reward_head.out_proj.weight"),
        ("reward_head.",),
        dense_tanh,
        trunk="reward_base_model.model.",
    ),
    "pair": Head(
        "pair of candidates (PairRM)",
        ("head_layer.1.weight", "head_layer.4.weight"),
        ("head_layer.",),
        compared,
        three_marks,
        reads=3,
        trunk="pretrained_model.",
        compares=True,
        context=2048,  # 1224 for the source and 412 for each candidate, as it was trained
    ),
}
"""By name; the first whose keys a checkpoint has is its head."""


def find_head(names: Mapping[str, Any]) -> Head | None:
    """The published head that a checkpoint with tensors of these names has, or None."""
    return next((head for head in HEADS.values() if names.keys() >= set(head.keys)), None)
