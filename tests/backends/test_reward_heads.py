"""Published reward heads on tiny random models, against their formulas written out once more.

The states come from transformers' own transformer, one text at a time and unpadded; the heads are
computed here in NumPy and float64, from the papers and the models' code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.tiny_heads import LAYOUTS, save_tiny_head

from deemster import ScalarRM
from deemster.judges import BaseJudge, PairRM

Array = np.ndarray[Any, np.dtype[np.float64]]
QUERY = "What is 2 + 2?"
RESPONSES = ("It is 4.", "It is five, " + "or so " * 12, "No idea.")
TOLERANCE = 2e-4
"""Transformers run in float32."""


class Reference:
    """States and tensors of a saved model."""

    def __init__(self, folder: Path, prefix: str) -> None:
        import torch
        from safetensors.torch import load_file
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, config=AutoConfig.from_pretrained(_with_type(folder))
        )
        tensors = load_file(folder / "model.safetensors")
        self.model = AutoModel.from_config(AutoConfig.from_pretrained(_with_type(folder))).eval()
        trunk = {
            name[len(prefix) :]: one for name, one in tensors.items() if name.startswith(prefix)
        }
        self.model.load_state_dict(trunk, strict=True)
        self.w: dict[str, Array] = {
            name: one.double().numpy()
            for name, one in tensors.items()
            if not name.startswith(prefix)
        }
        self.config = json.loads((folder / "config.json").read_text())
        self._torch = torch

    def states(self, text: str) -> tuple[list[int], Array]:
        """Ids of a text as it stands, and the last hidden states."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        with self._torch.no_grad():
            given = self.model(input_ids=self._torch.tensor([ids])).last_hidden_state[0]
        return ids, given.double().numpy()

    def chat(self, response: str) -> str:
        turns = [{"role": "user", "content": QUERY}, {"role": "assistant", "content": response}]
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False))

    def linear(self, name: str, x: Array) -> Array:
        return np.asarray(self.w[f"{name}.weight"] @ x + self.w.get(f"{name}.bias", 0.0))


def _with_type(folder: Path) -> Path:
    return folder / "base" if (folder / "base").is_dir() else folder


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum())


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.01 * x)


def before_response(ref: Reference, ids: list[int], mark: str) -> int:
    """Place of the token that ends the user's turn, found in the text from its first such token."""
    (first,) = ref.tokenizer.encode(mark, add_special_tokens=False)
    return ids.index(first)


def armorm(ref: Reference, text: str) -> float:
    ids, h = ref.states(text)
    p = h[before_response(ref, ids, "<|eot_id|>")]
    for i in range(2):
        p = relu(ref.linear(f"gating.layers.{i}", p))
    gate = softmax(ref.linear("gating.layers.2", p) / 10) * ref.w["gating.logit_scale"][0]
    rewards = ref.linear("regression_layer", h[-1]) @ ref.w["reward_transform_matrix"]
    return float(gate @ rewards)


def norm(ref: Reference, name: str, x: Array) -> Array:
    w = ref.w
    centred = (x - w[f"{name}.running_mean"]) / np.sqrt(w[f"{name}.running_var"] + 1e-5)
    return np.asarray(centred * w[f"{name}.weight"] + w[f"{name}.bias"])


def qrm(ref: Reference, text: str, *, mark: str, at: tuple[int, ...]) -> float:
    ids, h = ref.states(text)
    p = h[before_response(ref, ids, mark)]
    one, two, last = at
    p = norm(ref, f"gating.layers.{one + 2}", relu(ref.linear(f"gating.layers.{one}", p)))
    p = norm(ref, f"gating.layers.{two + 2}", relu(ref.linear(f"gating.layers.{two}", p)))
    logits = ref.linear(f"gating.layers.{last}", p) / ref.config["gating_temperature"]
    gate = softmax(logits) * ref.w["gating.logit_scale"][0]
    quantiles = ref.linear("regression_layer", h[-1])
    means = np.array([quantiles[i * 7 : i * 7 + 7].mean() for i in range(5)])
    if "reward_transform_matrix" in ref.w:
        means = means @ ref.w["reward_transform_matrix"]
    return float(gate @ means)


def ldl(ref: Reference, text: str) -> float:
    _, h = ref.states(text)
    x = leaky(ref.linear("regression_layer.network.0", h[-1]))
    x = leaky(ref.linear("regression_layer.network.2", x))
    x = ref.linear("regression_layer.network.4", x)
    g = leaky(ref.linear("gating_layer.network.0", h[-1]))
    g = leaky(ref.linear("gating_layer.network.3", g))
    g = ref.linear("gating_layer.network.6", g)
    total = sum(g[i] * softmax(x[10 * i : 10 * i + 10]) for i in range(4))
    return float(sum(share * level / 9 for level, share in enumerate(np.asarray(total))))


def two_layers(ref: Reference, text: str, *, prefix: str = "score") -> float:
    _, h = ref.states(text)
    return float(ref.linear(f"{prefix}.2", relu(ref.linear(f"{prefix}.0", h[-1])))[0])


def linear_value(ref: Reference, text: str) -> float:
    _, h = ref.states(text)
    return float(ref.linear("v_head.summary", h[-1])[0])


def cloud(ref: Reference, text: str) -> float:
    _, h = ref.states(text)
    dense = np.tanh(ref.linear("reward_head.dense", h[-1]))
    return float(ref.linear("reward_head.out_proj", dense)[0])


FORMULAS: dict[str, Callable[[Reference, str], float]] = {
    "armorm": armorm,
    "qrm-llama": lambda ref, text: qrm(ref, text, mark="<|eot_id|>", at=(0, 3, 6)),
    "qrm-gemma": lambda ref, text: qrm(ref, text, mark="<end_of_turn>", at=(0, 4, 7)),
    "ldl": ldl,
    "inf-orm": two_layers,
    "worldpm": two_layers,
    "grm": lambda ref, text: two_layers(ref, text, prefix="v_head.summary"),
    "grm-linear": linear_value,
    "cloud": cloud,
}


async def rewards(judge: BaseJudge, query: Any = QUERY) -> list[float]:
    verdict = await judge.score(query, RESPONSES)
    await judge.aclose()
    assert verdict.rewards is not None, verdict.failures[0].message
    return list(verdict.rewards)


@pytest.mark.parametrize("kind", FORMULAS)
async def test_the_reward_is_the_published_formula(kind: str, tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path, kind)
    ref = Reference(folder, LAYOUTS[kind].prefix)
    expected = [FORMULAS[kind](ref, ref.chat(response)) for response in RESPONSES]
    given = await rewards(ScalarRM(f"hf:{folder}", batch_size=2))
    assert given == pytest.approx(expected, abs=TOLERANCE)
    assert max(expected) - min(expected) > 20 * TOLERANCE, "the formula must tell them apart"


async def test_pair_rm_is_the_published_formula(tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path, "pairrm")
    ref = Reference(folder, "pretrained_model.")

    def better(i: int, j: int) -> float:
        parts = zip(
            ("<|source|>", "<|candidate1|>", "<|candidate2|>"),
            (QUERY, RESPONSES[i], RESPONSES[j]),
            strict=True,
        )
        text = "".join(f"[CLS]{mark}{part}[SEP]" for mark, part in parts)
        ids, h = ref.states(text)
        at = [ids.index(ref.config[f"{name}_prefix_id"]) for name in ("source", "cand1", "cand2")]
        values = [
            ref.linear(
                "head_layer.4",
                np.tanh(ref.linear("head_layer.1", np.concatenate([h[at[0]], h[c]]))),
            )
            for c in at[1:]
        ]
        return float((values[0] - values[1]).mean())

    expected = [
        sum(1 / (1 + math.exp(better(j, i) - better(i, j))) for j in range(3) if j != i)
        for i in range(3)
    ]
    given = await rewards(PairRM(f"hf:{folder}", batch_size=4))
    assert given == pytest.approx(expected, abs=TOLERANCE)
    assert max(expected) - min(expected) > 20 * TOLERANCE


async def test_ldl_weighs_by_a_softmax_where_the_configuration_says_so(tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path, "ldl")
    plain = await rewards(ScalarRM(f"hf:{folder}"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"softmax": True, "temperature": 2}))
    given = await rewards(ScalarRM(f"hf:{folder}"))
    assert given != pytest.approx(plain, abs=TOLERANCE)
    assert all(0 <= reward <= 1 for reward in given)  # a mean of levels from 0 to 1


async def test_a_gate_without_a_turn_to_read_is_a_failure(tmp_path: Path) -> None:
    folder = save_tiny_head(tmp_path, "armorm")
    (folder / "chat_template.jinja").unlink()
    judge = ScalarRM(f"hf:{folder}")
    verdict = await judge.score(QUERY, RESPONSES)
    await judge.aclose()
    assert verdict.rewards is None
    assert "the gate has nothing to read" in verdict.failures[0].message
