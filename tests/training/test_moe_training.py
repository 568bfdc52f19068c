"""Mixtures of experts are fine-tuned and trained by RL: balance loss, load, biases, adapters."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from tests.support.tiny_grm import save_tiny_grm
from tests.support.tiny_trainers import FAST, NANO, save_base, sft, single, verdict
from tests.support.toy_training import toy_recipe, write_recipe, write_toy
from transformers import AutoModelForCausalLM
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from deemster import Judge
from deemster.errors import InputError
from deemster.training.adapters import lora_config
from deemster.training.balance_loss import sequence_balance_loss
from deemster.training.experts import largest_share, moe_layers
from deemster.training.grpo import train_grpo
from deemster.training.loading import load_recipe
from deemster.training.manifest import read_manifest
from deemster.training.modeling import load_judge, quiet
from deemster.training.plots import read_metrics
from deemster.training.runner import run_recipe
from deemster.training.settings import GrpoSettings, LoraSettings, MetaSettings, SftSettings
from deemster.training.sft import sft_rows, train_sft

EXAMPLES = [verdict(single(i), "1") for i in range(8)]
LIBRARY = ("granite-moe", "mixtral", "qwen2-moe", "qwen3-moe", "gpt-oss")
"""Their classes in transformers have a balance loss."""
slow = pytest.mark.slow
KINDS = [
    "deepseek-v2",
    *(pytest.param(k, marks=slow) for k in ("deepseek-v3", "llama4", *LIBRARY)),
]


def base(folder: Path, kind: str, **fields: Any) -> Path:
    """Two layers, at the spread of a model that can be trained."""
    given = {"num_hidden_layers": 2, "initializer_range": 0.05}
    return save_tiny_grm(folder / "base", kind, **{**given, **fields})


def trained(folder: Path, model: Path, **settings: Any) -> tuple[dict[str, Any], list[Any]]:
    """Figures and what was logged of a step."""
    lines: list[Any] = []
    figures = train_sft(
        EXAMPLES,
        model=model,
        out=folder,
        settings=sft(**{"max_steps": 1, **settings}),
        log=lambda **line: lines.append(line),
    )
    return figures, lines


def test_the_loss_of_a_sequence_is_the_librarys_but_for_its_scale() -> None:
    """One sequence, one layer: theirs is 1 · k where all is even, DeepSeek's is 1."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(24, 6, generator=rng) * 2
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[1, 7:] = 0
    chosen = logits.topk(2, dim=-1).indices
    each = [
        load_balancing_loss_func((logits[12 * i : 12 * i + 12],), 6, 2, mask[i : i + 1]) / 2
        for i in range(2)
    ]
    number = torch.arange(2).repeat_interleave(12)
    valid = mask.flatten().bool()
    ours = sequence_balance_loss(logits, chosen, sequence=number, valid=valid)
    assert torch.allclose(ours, torch.stack(each).mean())
    both = sequence_balance_loss(logits, chosen, sequence=torch.zeros_like(number), valid=valid)
    whole = load_balancing_loss_func((logits,), 6, 2, mask) / 2
    assert torch.allclose(both, whole)
    assert not torch.allclose(ours, both)


@pytest.mark.parametrize("sigmoid", [False, True], ids=["softmax", "sigmoid"])
def test_an_even_load_has_loss_one(sigmoid: bool) -> None:
    logits = 9 * torch.eye(4)  # each token has an expert of its own
    tokens = {"sequence": torch.zeros(4).long(), "valid": torch.ones(4).bool()}
    even = sequence_balance_loss(logits, torch.arange(4)[:, None], sigmoid=sigmoid, **tokens)
    one = sequence_balance_loss(
        logits[:1].expand(4, 4), torch.zeros(4, 1).long(), sigmoid=sigmoid, **tokens
    )
    assert float(even) == pytest.approx(1, rel=1e-5)
    assert float(one) > 1.5
    if not sigmoid:  # some routers give the shares in the logits' place
        shares = logits[:1].softmax(-1).expand(4, 4)
        same = sequence_balance_loss(shares, torch.zeros(4, 1).long(), sigmoid=False, **tokens)
        assert float(same) == pytest.approx(float(one))
    assert largest_share(torch.tensor([[3.0, 1.0], [2.0, 2.0]])) == 1.5
    assert largest_share(torch.zeros(2, 2)) is None


@pytest.mark.parametrize("kind", ["phi-moe", *KINDS])
def test_a_step_has_the_balance_loss_and_logs_the_load(kind: str, tmp_path: Path) -> None:
    model = base(tmp_path, kind)
    figures, lines = trained(tmp_path, model, moe={"router_aux_loss_coef": 0.5})
    _, plain = trained(tmp_path / "0", model, moe={"router_aux_loss_coef": 0.0})
    assert "aux_loss" not in plain[0]
    assert lines[0]["loss"] - plain[0]["loss"] == pytest.approx(
        0.5 * lines[0]["aux_loss"], rel=0.01
    )
    expected = balance(model, library=kind in (*LIBRARY, "phi-moe"))
    assert lines[0]["aux_loss"] == pytest.approx(expected, rel=1e-3)
    experts = figures["experts"]
    assert lines[0]["expert_load"] == pytest.approx(experts["largest_share"])
    assert 1 <= experts["largest_share"] <= 4
    for shares in experts["load"].values():
        assert sum(shares) == pytest.approx(1, abs=1e-3)


def balance(folder: Path, *, library: bool) -> float:
    """The balance loss of `EXAMPLES` in one batch, from the router logits that the model gives."""
    tokenizer, model = load_judge(folder, sft())
    rows, _ = sft_rows(tokenizer, EXAMPLES, 256)
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.tensor([row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows])
    mask = torch.tensor([[i < len(row["input_ids"]) for i in range(longest)] for row in rows])
    with torch.inference_mode():
        out = model(input_ids=ids, attention_mask=mask.long(), output_router_logits=True)
    if library:
        return float(out.aux_loss)
    config, losses = model.config, []
    for logits in out.router_logits:
        affinity = logits.softmax(-1)
        if "V3" in type(model).__name__:
            affinity = logits.sigmoid() / logits.sigmoid().sum(-1, keepdim=True)
        affinity = affinity.view(*mask.shape, -1)
        k, n = config.num_experts_per_tok, affinity.shape[-1]
        each = []
        for row, seen in zip(affinity, mask, strict=True):
            picked = torch.zeros(n)
            for expert in row[seen].topk(k, dim=-1).indices.flatten():
                picked[expert] += n / (k * int(seen.sum()))
            each.append(float((picked * row[seen].mean(0)).sum()))
        losses.append(sum(each) / len(each))
    return sum(losses)


def test_deepseek_takes_the_weight_from_its_configuration(tmp_path: Path) -> None:
    _, lines = trained(tmp_path, base(tmp_path, "deepseek-v2", aux_loss_alpha=0.25))
    _, without = trained(tmp_path / "0", base(tmp_path / "0", "deepseek-v2"))
    assert lines[0]["loss"] - without[0]["loss"] == pytest.approx(
        0.25 * lines[0]["aux_loss"], rel=0.02
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_rl_and_a_judgment_by_its_model(kind: str, tmp_path: Path) -> None:
    """Random text gets no reward, so that only the balance loss moves the routers."""
    lines: list[Any] = []
    settings = GrpoSettings(**{
        **FAST, "max_steps": 1, "max_completion_length": 8, "beta": 0.0, "learning_rate": 1e-2,
        "moe": {"router_aux_loss_coef": 0.5},
    })  # fmt: skip
    model = base(tmp_path, kind, says=True) if kind == "deepseek-v2" else base(tmp_path, kind)
    figures: dict[str, Any] = train_grpo(
        [single(i) for i in range(4)],
        model=model,
        dialect=NANO,
        out=tmp_path,
        settings=settings,
        log=lambda **line: lines.append(line),
    )
    assert lines[0]["aux_loss"] > 0
    assert lines[0]["expert_load"] == pytest.approx(figures["experts"]["largest_share"])
    assert routers(tmp_path / "model") != routers(model)
    judge = Judge(f"hf:{tmp_path / 'model'}", dialect=NANO, k=2, max_tokens=4)
    found = asyncio.run(judge.score("Say 1.", ["1", "2"]))
    assert len(found.votes) == 2
    asyncio.run(judge.aclose())


def routers(folder: Path) -> list[float]:
    weights = load_file(folder / "model.safetensors")
    names = [
        n for n in weights if n.endswith(("gate.weight", "router.weight", "router.layer.weight"))
    ]
    assert names
    return [float(weights[name].double().sum()) for name in sorted(names)]


@pytest.mark.parametrize("kind", ["deepseek-v2", pytest.param("mixtral", marks=slow)])
def test_what_is_frozen_stays(kind: str, tmp_path: Path) -> None:
    model = base(tmp_path, kind)
    trained(tmp_path, model, moe={"freeze": ["experts", "routers"]})
    before, after = (load_file(f / "model.safetensors") for f in (model, tmp_path / "model"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    frozen = {n for n in before if ".experts." in n or n.endswith("gate.weight")}
    assert frozen
    assert not frozen & changed
    assert any("attn" in name for name in changed)


def test_biases_move_towards_an_even_load(tmp_path: Path) -> None:
    """Experts with more than an even load get less bias, by the rate."""
    model = base(tmp_path, "deepseek-v3", num_nextn_predict_layers=0)
    figures, _ = trained(tmp_path, model, moe={"router_bias_rate": 0.25})
    (shares,) = figures["experts"]["load"].values()
    weights = load_file(tmp_path / "model" / "model.safetensors")
    (bias,) = (weight for name, weight in weights.items() if name.endswith("_correction_bias"))
    even = 1 / len(shares)
    expected = [0.25 * ((even > share) - (even < share)) for share in shares]
    assert bias.tolist() == pytest.approx(expected)


def test_what_is_computed_again_for_checkpoints_counts_once(tmp_path: Path) -> None:
    model = base(tmp_path, "deepseek-v2", aux_loss_alpha=0.5)
    once, _ = trained(tmp_path / "a", model)
    again, _ = trained(tmp_path / "b", model, gradient_checkpointing=True)
    assert once["experts"] == again["experts"]
    first, second = (load_file(tmp_path / n / "model" / "model.safetensors") for n in "ab")
    for name, weight in first.items():
        assert torch.allclose(weight, second[name], atol=1e-4), name


@pytest.mark.parametrize("kind", ["deepseek-v2", pytest.param("mixtral", marks=slow)])
def test_adapters_on_experts_merge_into_the_same_model(kind: str, tmp_path: Path) -> None:
    """The saved model computes what the one with adapters did."""
    from peft import PeftModel

    model = base(tmp_path, kind)
    lora = {"rank": 2, "experts": True}
    trained(tmp_path, model, lora=lora, learning_rate=0.05, max_steps=2)
    with quiet():
        adapted = PeftModel.from_pretrained(
            AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), tmp_path / "adapter"
        ).eval()
    assert any("experts" in name and "lora_B" in name for name, _ in adapted.named_parameters())
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    before, after = (load_file(f / "model.safetensors") for f in (model, tmp_path / "model"))
    assert any(".experts." in n and not torch.equal(before[n], after[n]) for n in before)
    ids = torch.arange(10, 30)[None]
    with torch.inference_mode():
        assert torch.allclose(adapted(ids).logits, merged(ids).logits, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_which_weights_get_adapters(kind: str, tmp_path: Path) -> None:
    """PEFT by itself would add routers and experts, and leave out shared experts.

    Routers of some are linear layers of a kind of their own, whose output is no tensor.
    """
    from peft import get_peft_model

    model = AutoModelForCausalLM.from_pretrained(base(tmp_path, kind), dtype=torch.float32)
    count = sum(layer.experts.num_experts == layer.count for layer in moe_layers(model))
    linear = {n for n, m in model.named_modules() if type(m) is torch.nn.Linear} - {"lm_head"}
    with quiet():
        adapted = get_peft_model(model, lora_config(LoraSettings(rank=2), "CAUSAL_LM", model))
    names = {
        name.removeprefix("base_model.model.").partition(".lora_A")[0]
        for name, _ in adapted.named_parameters() if ".lora_A" in name
    }  # fmt: skip
    assert count
    assert names == linear


def test_adapters_of_some_layers(tmp_path: Path) -> None:
    folder = base(tmp_path, "deepseek-v2", num_hidden_layers=3)
    _, model = load_judge(folder, sft())
    assert [layer.count for layer in moe_layers(model)] == [8, 8]
    given = LoraSettings(experts=True, layers=(2,), target_modules=("o_proj", "up_proj"))
    config = lora_config(given, "CAUSAL_LM", model)
    assert config.target_modules == {"model.layers.2.self_attn.o_proj"}
    assert sorted(config.target_parameters) == [
        "model.layers.2.mlp.experts.down_proj",
        "model.layers.2.mlp.experts.gate_up_proj",
        "model.layers.2.mlp.shared_experts.up_proj.weight",
    ]
    for change, says in (
        ({"layers": (0,)}, r"no routed experts in layers \[0\]"),
        ({"experts": False, "target_modules": ("wrong",)}, "has no layers .'wrong',. in layers"),
        ({"experts": False, "dropout": 0.1}, "lora.dropout: adapters on 'model.layers.2"),
        ({"experts": False, "quantize": True}, "lora.quantize: adapters on 'model.layers.2"),
    ):
        with pytest.raises(InputError, match=says):
            lora_config(given.model_copy(update=change), "CAUSAL_LM", model)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"moe": {"router_aux_loss_coef": 0.1}}, "LlamaForCausalLM has no routed experts"),
        ({"moe": {"experts_implementation": "eager"}}, "has no routed experts"),
        ({"lora": {"experts": True}}, "lora.experts: LlamaForCausalLM has no routed experts"),
    ],
    ids=["balance", "implementation", "adapters"],
)
def test_a_dense_model_has_no_experts(settings: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        trained(tmp_path, save_base(tmp_path / "base"), **settings)


def test_a_router_without_a_bias(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="routers of DeepseekV2ForCausalLM have no bias"):
        trained(tmp_path, base(tmp_path, "deepseek-v2"), moe={"router_bias_rate": 0.1})


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        (SftSettings, {"lora": {}, "moe": {"freeze": ["experts"]}}, "moe.freeze is for training"),
        (SftSettings, {"lora": {}, "moe": {"router_bias_rate": 0.1}}, "moe.router_bias_rate is"),
        (SftSettings, {"lora": {"experts": True, "dropout": 0.1}}, "allows no dropout, got 0.1"),
        (MetaSettings, {"moe": {"router_aux_loss_coef": 0.1}}, "without a balance loss"),
    ],
    ids=["freeze", "bias", "dropout", "meta"],
)
def test_settings_that_exclude_each_other(kind: Any, settings: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        kind(**settings)


@slow
def test_the_whole_pipeline_on_deepseek_v2(tmp_path: Path) -> None:
    """Distillation, RFT, RL, meta RM and evaluation; a mixture's figures are in every manifest."""
    recipe = write_toy(tmp_path)
    shutil.rmtree(tmp_path / "base")
    base(tmp_path, "deepseek-v2", aux_loss_alpha=0.01, hidden_size=32)
    options = {"experts_implementation": "eager"}
    model = {"base": "base", "dialect": "nano", "options": options}
    write_recipe(tmp_path, toy_recipe(model=model))
    run_recipe(load_recipe(recipe), tmp_path / "run")
    for stage, part in (("distil", "sft"), ("rft", "sft"), ("rl", "grpo"), ("meta", "meta")):
        manifest = read_manifest(tmp_path / "run" / stage)
        assert manifest is not None
        found: Any = manifest.figures[part]
        assert 1 <= found["experts"]["largest_share"] <= 4
        assert (tmp_path / "run" / stage / "experts.png").is_file()
        lines = [one for one in read_metrics(tmp_path / "run" / stage) if "loss" in one]
        assert all("expert_load" in one for one in lines)
        assert all(("aux_loss" in one) == (stage != "meta") for one in lines)
    lines = read_metrics(tmp_path / "run" / "distil")
    losses = [float(str(one["loss"])) for one in lines if "loss" in one]
    assert losses[-1] < 0.5 * losses[0]
