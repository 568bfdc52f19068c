"""A Llama with an adapter whose loss is computed without padding, for training on processors.

The judgments of a pass lie one after another, nothing below the adapter's lowest layer is kept,
and of the output layer no more than the loss needs. For Llamas with tied embeddings and without
biases, which the base is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from deemster.backends._local.lora import lora_changes
from deemster.backends.shipped import WEIGHTS
from lab.smol.ship import CONFIG

MASTER = "master.safetensors"
"""The adapter in float32, to go on from."""
_HALF = torch.bfloat16
_LOGITS = 128
"""Tokens whose logits are held at a time."""


@dataclass(frozen=True)
class Row:
    """A prompt, which is read once, and what is to be learned after it."""

    prompt: list[int]
    completions: list[list[int]]
    """Each follows the prompt, and sees nothing of the others."""
    marks: list[float]
    """What is to be learned of each: the weight of its tokens' loss, or a meta RM's label."""

    def __post_init__(self) -> None:
        if not self.prompt or not all(self.completions):
            raise ValueError("a prompt and its completions have one token at least")
        if len(self.marks) != len(self.completions):
            raise ValueError(f"{len(self.marks)} marks of {len(self.completions)} completions")

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of the prompt and of each completion."""
        return len(self.prompt), *map(len, self.completions)

    @property
    def tokens(self) -> int:
        """Of all of it."""
        return sum(self.lengths)

    def places(self) -> Tensor:
        """[tokens] where in a text each token stands."""
        prompt, *completions = self.lengths
        after = [torch.arange(prompt, prompt + length) for length in completions]
        return torch.cat([torch.arange(prompt), *after])

    def before(self) -> list[int]:
        """After which of its tokens each token of the completions comes."""
        found = []
        start = len(self.prompt)
        for one in self.completions:
            found += [len(self.prompt) - 1, *range(start, start + len(one) - 1)]
            start += len(one)
        return found


class _Loss(torch.autograd.Function):
    """Weighted sum of the tokens' negative log-likelihood, with a frozen output layer."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        states: Tensor,
        head: Tensor,
        targets: Tensor,
        weights: Tensor,
    ) -> Tensor:
        total = states.new_zeros((), dtype=torch.float32)
        slopes = torch.empty_like(states)
        for start in range(0, len(states), _LOGITS):
            part, wanted = states[start : start + _LOGITS], targets[start : start + _LOGITS]
            weight = weights[start : start + _LOGITS]
            logits = (part @ head.T).float()
            whole = torch.logsumexp(logits, -1)
            place = torch.arange(len(wanted))
            total += (weight * (whole - logits[place, wanted])).sum()
            logits.sub_(whole[:, None]).exp_()
            logits[place, wanted] -= 1
            logits *= weight[:, None]
            slopes[start : start + _LOGITS] = logits.to(states.dtype) @ head
        ctx.save_for_backward(slopes)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        (slopes,) = ctx.saved_tensors
        return slopes * grads[0].to(slopes.dtype), None, None, None


@dataclass(frozen=True)
class _Shape:
    heads: int
    shared_heads: int
    width: int
    """Of a head."""
    eps: float

    @classmethod
    def of(cls, config: dict[str, Any]) -> _Shape:
        heads = config["num_attention_heads"]
        return cls(
            heads,
            config["num_key_value_heads"],
            config.get("head_dim") or config["hidden_size"] // heads,
            config["rms_norm_eps"],
        )


class Packed:
    """A Llama with an adapter, whose loss is computed without padding.

    Args:
        base: folder of the model.
        adapter: folder of the adapter; `master.safetensors` in it is taken before the rounded one.
        under: an adapter that is part of the frozen weights; None: the base is as it is. It must
            fit the base.
        dtype: of the frozen weights and of the computation.
        compiled: whether elementwise steps are compiled, which needs a C++ compiler.
    """

    def __init__(
        self,
        base: Path,
        adapter: Path,
        *,
        under: Path | None = None,
        dtype: torch.dtype = _HALF,
        compiled: bool = True,
    ) -> None:
        config = json.loads((base / "config.json").read_text(encoding="utf-8"))
        self._shape = _Shape.of(config)
        self._dtype = dtype
        exact = load_file(base / "model.safetensors")
        for name, change in () if under is None else lora_changes(under):
            exact[name] = exact[name] + change
        weights = {name: one.to(dtype) for name, one in exact.items()}
        self._embedding = weights["model.embed_tokens.weight"]
        self._last_norm = weights["model.norm.weight"]
        self._layers = [_layer(weights, i) for i in range(config["num_hidden_layers"])]
        self.config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
        master = adapter / MASTER
        found = load_file(master if master.is_file() else adapter / WEIGHTS)
        scale = 1.0 if master.is_file() else self.config["lora_alpha"] / self.config["r"]
        self.config["lora_alpha"] = self.config["r"]
        self.lora = {
            name: (one.float() * (scale if ".lora_B." in name else 1.0)).requires_grad_()
            for name, one in found.items()
        }
        self._trained = sorted(self.config["layers_to_transform"])
        theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
        self._turn = 1.0 / theta ** (torch.arange(0, self._shape.width, 2) / self._shape.width)
        self._masks: dict[tuple[int, int], Tensor] = {}
        self._norm, self._gated, self._rotated = _norm, _gated, _rotated
        if compiled:
            self._norm = torch.compile(_norm, dynamic=True)
            self._gated = torch.compile(_gated, dynamic=True)
            self._rotated = torch.compile(_rotated, dynamic=True)

    @property
    def width(self) -> int:
        """Of what the output layer reads."""
        return self._embedding.shape[1]

    def loss(self, rows: Sequence[Row]) -> Tensor:
        """The summed loss of the completions' tokens, each times its completion's mark."""
        before: list[int] = []
        start = 0
        for row in rows:
            before += [start + place for place in row.before()]
            start += row.tokens
        completions = [one for row in rows for one in row.completions]
        weights = torch.tensor([one for row in rows for one in row.marks])
        loss: Tensor = _Loss.apply(  # type: ignore[no-untyped-call]
            self.states(rows)[torch.tensor(before)],
            self._embedding,
            torch.tensor([token for one in completions for token in one]),
            weights.repeat_interleave(torch.tensor([len(one) for one in completions])),
        )
        return loss

    def states(self, rows: Sequence[Row]) -> Tensor:
        """[tokens of all rows, width] what the output layer reads."""
        ids = [token for row in rows for part in (row.prompt, *row.completions) for token in part]
        states = nn.functional.embedding(torch.tensor(ids), self._embedding)
        places = torch.cat([row.places() for row in rows])
        angles = places[:, None] * self._turn
        turn = tuple(one.to(self._dtype)[:, None] for one in (angles.cos(), angles.sin()))
        with torch.no_grad():
            for i in range(self._trained[0]):
                states = self._block(states, i, rows, turn)
        for i in range(self._trained[0], len(self._layers)):
            states = self._block(states, i, rows, turn)
        return self._norm(states, self._last_norm, self._shape.eps)

    def _block(
        self, states: Tensor, i: int, rows: Sequence[Row], turn: tuple[Tensor, ...]
    ) -> Tensor:
        layer, shape = self._layers[i], self._shape
        heads, kept = shape.heads, shape.shared_heads
        normed = self._norm(states, layer["before attention"], shape.eps)
        qkv = self._linear(normed, layer["qkv"], i, "self_attn", ("q_proj", "k_proj", "v_proj"))
        qkv = qkv.view(len(states), heads + 2 * kept, shape.width)
        asked = self._rotated(qkv[:, : heads + kept], *turn)
        attended = self._attended(rows, asked[:, :heads], asked[:, heads:], qkv[:, heads + kept :])
        states = states + self._linear(attended, layer["o"], i, "self_attn", ("o_proj",))
        normed = self._norm(states, layer["before mlp"], shape.eps)
        gated = self._gated(self._linear(normed, layer["up"], i, "mlp", ("gate_proj", "up_proj")))
        return states + self._linear(gated, layer["down"], i, "mlp", ("down_proj",))

    def _attended(self, rows: Sequence[Row], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention within each prompt, and of each completion to its prompt and itself."""
        found = []
        start = 0
        for row in rows:
            head = slice(start, start + len(row.prompt))
            found.append(self._seen(query[head], key[head], value[head]))
            start = head.stop
            for one in row.completions:
                part = slice(start, start + len(one))
                keys, values = (torch.cat((own[head], own[part])) for own in (key, value))
                found.append(self._seen(query[part], keys, values))
                start = part.stop
        return torch.cat(found)

    def _seen(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Causal attention of the last tokens of a text to all of it; [queries, heads x width]."""
        asked, heads, width = query.shape
        kept = key.shape[1]
        mask = self._mask(asked, len(key))
        query = query.transpose(0, 1).reshape(kept, heads // kept * asked, width)
        scores = torch.baddbmm(mask, query, key.permute(1, 2, 0), alpha=width**-0.5)
        seen = torch.softmax(scores, -1) @ value.transpose(0, 1)
        return seen.view(heads, asked, width).transpose(0, 1).reshape(asked, heads * width)

    def _mask(self, asked: int, keys: int) -> Tensor:
        """[1, queries of a shared head, keys]: -inf for what comes later."""
        if (asked, keys) not in self._masks:
            mask = torch.full((asked, keys), -torch.inf, dtype=self._dtype)
            groups = self._shape.heads // self._shape.shared_heads
            self._masks[asked, keys] = mask.triu(keys - asked + 1).repeat(groups, 1)[None]
        return self._masks[asked, keys]

    def _linear(
        self, states: Tensor, weight: Tensor, i: int, part: str, names: Sequence[str]
    ) -> Tensor:
        """Several linear layers of the same input in one product, and the adapter's share."""
        found = states @ weight.T
        stem = f"base_model.model.model.layers.{i}.{part}."
        if f"{stem}{names[0]}.lora_A.weight" not in self.lora:
            return found
        down = torch.cat([self.lora[f"{stem}{name}.lora_A.weight"] for name in names])
        ups = [self.lora[f"{stem}{name}.lora_B.weight"] for name in names]
        up: Tensor = torch.block_diag(*ups)  # type: ignore[no-untyped-call]
        return torch.addmm(found, states @ down.to(self._dtype).T, up.to(self._dtype).T)

    def save(self, out: Path) -> None:
        """Write the adapter, rounded to bfloat16, and beside it what `--adapter` goes on from."""
        out.mkdir(parents=True, exist_ok=True)
        exact = {name: one.detach().contiguous() for name, one in self.lora.items()}
        rounded = {name: one.bfloat16() for name, one in exact.items()}
        save_file(rounded, out / WEIGHTS, metadata={"format": "pt"})
        save_file(exact, out / MASTER, metadata={"format": "pt"})
        (out / CONFIG).write_text(json.dumps(self.config, indent=2) + "\n", encoding="utf-8")


def _layer(weights: dict[str, Tensor], i: int) -> dict[str, Tensor]:
    """Weights of a block; those of one input stacked."""

    def stacked(*names: str) -> Tensor:
        return torch.cat([weights[f"model.layers.{i}.{name}.weight"] for name in names])

    return {
        "before attention": stacked("input_layernorm"),
        "before mlp": stacked("post_attention_layernorm"),
        "qkv": stacked("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "o": stacked("self_attn.o_proj"),
        "up": stacked("mlp.gate_proj", "mlp.up_proj"),
        "down": stacked("mlp.down_proj"),
    }


def _norm(states: Tensor, weight: Tensor, eps: float) -> Tensor:
    exact = states.float()
    exact = exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + eps)
    return exact.to(states.dtype) * weight


def _gated(states: Tensor) -> Tensor:
    gate, up = states.chunk(2, -1)
    return nn.functional.silu(gate) * up


def _rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = states.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)
