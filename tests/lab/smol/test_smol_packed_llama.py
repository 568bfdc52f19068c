"""A loss computed without padding, and its slopes, are those of transformers, PEFT and torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from deemster.training.modeling import quiet
from lab.smol.packed_llama import Packed, Row

ROWS = [
    Row([5, 9, 21], [[33, 40, 2]], [1.0]),
    Row([7], [[11, 12, 13, 14]], [1.0]),
    Row([3, 4, 5, 6, 7, 8], [[9]], [1.0]),
]


SHARED = [
    Row([5, 9, 21], [[33, 40, 2], [34], [33, 40, 41, 42, 43]], [0.5, -1.0, 2.0]),
    Row([7], [[11, 12], [11, 12, 13]], [1.0, -0.25]),
]


def expected(
    base: Path, adapter: Path, rows: Sequence[Row]
) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and slopes of transformers and PEFT, one completion at a time."""
    with quiet():
        whole: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        model: Any = PeftModel.from_pretrained(whole, adapter, is_trainable=True)
    total = torch.zeros(())
    texts = [
        (row.prompt, one, weight)
        for row in rows
        for one, weight in zip(row.completions, row.marks, strict=True)
    ]
    for prompt, completion, weight in texts:
        labels = torch.tensor([[-100] * len(prompt) + completion])
        logits = model(input_ids=torch.tensor([prompt + completion])).logits
        total = total + weight * torch.nn.functional.cross_entropy(
            logits[0, :-1], labels[0, 1:], ignore_index=-100, reduction="sum"
        )
    torch.autograd.backward(total)
    slopes = {
        name.replace(".default", ""): one.grad
        for name, one in model.named_parameters()
        if one.grad is not None
    }
    return float(total.detach()), slopes


@pytest.mark.parametrize("rows", [ROWS, SHARED, [*ROWS, *SHARED]])
def test_loss_and_slopes_are_those_of_transformers_and_peft(
    base: Path, adapter: Path, rows: list[Row]
) -> None:
    model = Packed(base, adapter, dtype=torch.float32, compiled=False)
    loss = model.loss(rows)
    torch.autograd.backward(loss)
    total, slopes = expected(base, adapter, rows)
    assert float(loss.detach()) == pytest.approx(total, rel=1e-5)
    assert set(slopes) == set(model.lora)
    for name, one in model.lora.items():
        assert one.grad is not None
        # Here the factor alpha / r = 3 is in the upper matrix, there outside of both.
        factor = 3.0 if ".lora_B." in name else 1.0
        assert torch.allclose(one.grad * factor, slopes[name], rtol=1e-3, atol=1e-5), name


def test_what_was_saved_is_an_adapter_that_peft_reads(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    model = Packed(base, adapter, dtype=torch.float32, compiled=False)
    model.save(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["lora_alpha"] == config["r"] == 2
    assert expected(base, tmp_path / "saved", ROWS)[0] == pytest.approx(
        float(model.loss(ROWS).detach()), 0.02
    )


@pytest.mark.parametrize(
    ("prompt", "completions", "marks", "wrong"),
    [
        ([], [[1]], [1.0], "one token at least"),
        ([1], [[]], [1.0], "one token at least"),
        ([1], [[1], []], [1.0, 1.0], "one token at least"),
        ([1], [[1], [2]], [1.0], "1 marks of 2 completions"),
    ],
)
def test_what_is_no_row(
    prompt: list[int], completions: list[list[int]], marks: list[float], wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        Row(prompt, completions, marks)
