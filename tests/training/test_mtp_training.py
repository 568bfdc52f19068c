"""Blocks for multi-token prediction are trained, saved, resumed, and draft what they learnt."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.tiny_grm import save_tiny_grm
from tests.support.tiny_trainers import save_base, sft, single, verdict
from transformers import AutoModelForCausalLM

from deemster import Judge
from deemster.backends._local.mtp import MTP_FILE, new_blocks
from deemster.backends.transformers import TransformersBackend
from deemster.training.sft import train_sft

EXAMPLES = [verdict(single(i), str(i % 2)) for i in range(8)]


def trained(
    folder: Path, base: Path, *, resume: bool = False, **settings: Any
) -> tuple[dict[str, Any], list[Any]]:
    """Figures and what was logged of each step."""
    lines: list[Any] = []
    figures = train_sft(
        EXAMPLES,
        model=base,
        out=folder,
        settings=sft(**settings),
        resume=resume,
        log=lambda **line: lines.append(line),
    )
    return figures, lines


@pytest.mark.parametrize("kind", ["llama", pytest.param("deepseek-v3", marks=pytest.mark.slow)])
def test_the_loss_is_that_of_plain_arithmetic(kind: str, tmp_path: Path) -> None:
    """Two blocks, by the formulas, for one text without padding, and padded beside another."""
    base = save_base(tmp_path) if kind == "llama" else save_tiny_grm(tmp_path, kind)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    blocks = new_blocks(model, 2).eval()
    ids = torch.randint(10, 900, (1, 12), generator=torch.Generator().manual_seed(0))
    labels = ids.clone()
    labels[:, :5] = -100
    with torch.inference_mode():
        states = model.get_decoder()(input_ids=ids).last_hidden_state
        found = blocks.loss(states, ids, labels)
        total, before = 0.0, states
        for k in (1, 2):
            positions = torch.arange(k, 12)[None]
            causal = torch.ones(12 - k, 12 - k, dtype=torch.bool).tril()[None, None]
            before = blocks(k - 1, ids[:, k:], before[:, : 12 - k], positions, mask=causal)
            logs = torch.log_softmax(model.lm_head(before)[0], dim=-1)
            total -= sum(logs[i, ids[0, i + k + 1]].item() for i in range(4 - k, 11 - k))
        padded = torch.cat([ids, torch.full((1, 3), 9)], dim=1)
        mask = torch.tensor([[1] * 12 + [0] * 3])
        states = model.get_decoder()(input_ids=padded, attention_mask=mask).last_hidden_state
        wider = torch.cat([labels, torch.full((1, 3), -100)], dim=1)
        beside = blocks.loss(states, padded, wider, mask=mask)
    assert found is not None
    assert beside is not None
    assert found.total.item() == pytest.approx(total / 2, rel=1e-4)
    assert found.tokens == 7
    assert beside.total.item() == pytest.approx(total / 2, rel=1e-4)


async def test_a_trained_block_drafts_what_the_judge_says(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    figures, lines = trained(tmp_path / "run", base, max_steps=60, mtp={"weight": 0.3})
    assert lines[0]["mtp_loss"] > 5
    assert lines[-1]["mtp_loss"] < 0.5
    assert lines[-1]["mtp_accuracy"] > 0.9
    assert figures["mtp"]["accuracy"] > 0.9
    assert figures["mtp"]["depth"] == 1
    model = tmp_path / "run" / "model"
    assert not any(name.startswith("mtp") for name in load_file(model / "model.safetensors"))
    backend = TransformersBackend(str(model), device="cpu", speculate="mtp")
    judge = Judge(backend, dialect="nano", max_tokens=24)
    sample = single(3)
    verdict_ = await judge.score(sample.query, sample.responses)
    assert backend.tally is not None
    assert (backend.tally.acceptance or 0) > 0.8
    await judge.aclose()
    async with Judge(f"hf:{model}", dialect="nano", max_tokens=24, device="cpu") as plain:
        assert verdict_.rewards == (await plain.score(sample.query, sample.responses)).rewards


async def test_adapters_and_blocks_are_trained_resumed_and_saved(tmp_path: Path) -> None:
    """What is continued goes on with the blocks of the checkpoint, not with new ones."""
    base = save_base(tmp_path / "base")
    settings: dict[str, Any] = {
        "lora": {"rank": 2},
        "mtp": {"depth": 2},
        "save_steps": 2,
        "learning_rate": 1e-3,
    }
    trained(tmp_path / "whole", base, max_steps=4, **settings)
    trained(tmp_path / "cut", base, max_steps=4, **settings)
    shutil.rmtree(tmp_path / "cut" / "model")
    figures, _ = trained(tmp_path / "cut", base, resume=True, max_steps=4, **settings)
    assert figures["resumed_from"] == 2
    files = [load_file(tmp_path / name / "model" / MTP_FILE) for name in ("whole", "cut")]
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])
    assert {name.split(".")[1] for name in files[0]} == {"0", "1"}
    assert (tmp_path / "whole" / "adapter" / MTP_FILE).is_file()


def test_without_detach_the_model_learns_from_it_too(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    found = {}
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "detached": {"mtp": {"detach": True}},
        "joined": {"mtp": {}},
    }
    for name, settings in kinds.items():
        trained(tmp_path / name, base, max_steps=2, max_grad_norm=1e9, **settings)
        weights = load_file(tmp_path / name / "model" / "model.safetensors")
        found[name] = weights["model.layers.0.mlp.up_proj.weight"]
    assert torch.equal(found["plain"], found["detached"])
    assert not torch.equal(found["plain"], found["joined"])
