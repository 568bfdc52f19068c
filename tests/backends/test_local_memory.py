"""What draws take in memory: told before, and measured."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.tiny_grm import RELEASED, WINDOW, save_tiny_grm
from tests.support.tiny_model import save_tiny_model

from deemster.backends._local.loading import load
from deemster.backends._local.memory import memory_of
from deemster.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "deepseek-grm.md"


def held() -> int:
    """Bytes of all tensors."""
    gc.collect()
    storages = {
        one.untyped_storage().data_ptr(): one.untyped_storage().nbytes()
        for one in gc.get_objects()
        if issubclass(type(one), torch.Tensor)  # some objects warn when they are asked
    }
    return sum(storages.values())


@pytest.mark.parametrize("kind", ["gemma2", "deepseek-v2"])
def test_draws_hold_what_was_told(kind: str, tmp_path: Path) -> None:
    """Every tensor counts; in Gemma-2 prompt and draws are longer than the window."""
    k, prompt, tokens = 32, 400, 3 * WINDOW
    folder = save_tiny_grm(tmp_path, kind)
    told = memory_of(str(folder), k=k, prompt=prompt, tokens=tokens, dtype="float32")
    runner = load(
        str(folder), device="cpu", dtype=None, max_context=None, sanitize=True, template_args={}
    ).runner
    before = held()
    with torch.inference_mode():
        read = runner.prefill([7] * prompt)
        prompts = held() - before
        rows = runner.rows(read, k, tokens)
        for _ in range(tokens):
            rows.step([9] * k)
    draws = held() - before - prompts
    assert prompts == pytest.approx(told.prompts, rel=0.15)
    assert draws == pytest.approx(told.draws, rel=0.15)
    assert told.copied > 1.7 * (told.prompts + told.draws)
    runner.close()


MEASURE = """
import sys, torch
from pathlib import Path
from deemster.backends._local.loading import load

def resident():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) * 1024

runner = load(sys.argv[1], device="cpu", dtype=None, max_context=None, sanitize=True,
              template_args={}, threads=1).runner
with torch.inference_mode():
    prompt = runner.prefill([7] * 500)
    runner.rows(prompt, 32, 8).step([9] * 32)
    before = resident()
    rows = runner.rows(prompt, 32, 600)
    for _ in range(600):
        rows.step([9] * 32)
print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("kind", ["gemma2", "deepseek-v2"])
def test_the_process_grows_by_what_was_told(kind: str, tmp_path: Path) -> None:
    wide: Any = (
        {"head_dim": 64, "sliding_window": 512} if kind == "gemma2" else {"kv_lora_rank": 248}
    )
    folder = save_tiny_grm(tmp_path, kind, num_hidden_layers=2, **wide)
    told = memory_of(str(folder), k=32, prompt=500, tokens=600, dtype="float32")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[-1]) == pytest.approx(told.draws, rel=0.3)


@pytest.mark.parametrize("name", RELEASED)
def test_the_page_has_the_figures_of_the_released_models(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(RELEASED[name]))
    told = memory_of(str(tmp_path), k=32, prompt=2000, tokens=2000, orders=2)
    billions = {"DeepSeek-GRM-16B": 15.7, "DeepSeek-GRM-27B": 27.2}
    assert told.parameters / 1e9 == pytest.approx(billions[name], abs=0.05)
    (row,) = re.findall(rf"^\| {name} \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    shown = [float(cell) for cell in row.split("|")]
    figures = (told.weights, told.prompts, told.draws, told.total, told.copied)
    assert shown == [round(figure / 1e9, 2) for figure in figures]


def test_memory_of_a_plain_model_is_counted_by_hand(tmp_path: Path) -> None:
    """2 layers, 2 key-value heads of 16: 128 numbers of 2 bytes a token."""
    told = memory_of(str(save_tiny_model(tmp_path)), k=3, prompt=10, tokens=5, orders=2)
    assert (told.prompts, told.draws, told.copied) == (2 * 10 * 256, 3 * 5 * 256, 3 * 15 * 256)


def test_what_cannot_be_told_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(InputError, match="cannot read the configuration of"):
        memory_of(str(tmp_path), k=1, prompt=1, tokens=1)
    (tmp_path / "x.gguf").touch()
    with pytest.raises(InputError, match="is a GGUF file; give the model"):
        memory_of(f"{tmp_path}#x.gguf", k=1, prompt=1, tokens=1)
