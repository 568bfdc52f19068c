"""Weights of eight bits in the `hf:` backend: made while loading, and found in checkpoints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from tests.support.stub_vllm import stub_vllm
from tests.support.tiny_model import save_tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer, TorchAoConfig

from deemster.backends import open_backend
from deemster.backends._local.loading import LocalModel, load
from deemster.backends._local.quantization import config_of, lacks_fp8, quiet_torchao
from deemster.backends.vllm import VLLMBackend
from deemster.errors import InputError
from deemster.extras import missing
from deemster.training.modeling import quiet
from deemster.training.sections import ModelSection

needs_torchao = pytest.mark.skipif(
    bool(missing("quantization")), reason="needs torchao and compressed-tensors"
)
PROMPT = list(range(10, 50))
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("quantised") / "base", spread=0.1)


def opened(path: Path, **options: Any) -> LocalModel:
    return load(
        str(path), device=options.pop("device", "cpu"), dtype=options.pop("dtype", "float32"),
        max_context=None, sanitize=True, template_args={}, **options,
    )  # fmt: skip


def votes(model: LocalModel) -> torch.Tensor:
    """Logits of two votes that share a prompt, at each of six tokens."""
    with torch.inference_mode():
        before = model.runner.prefill(PROMPT)
        rows = model.runner.rows(before, 2, 8)
        found = [rows.step([5 + step, 90 - step]).clone() for step in range(6)]
    assert model.runner.shares_prefix
    model.runner.close()
    return torch.stack(found)


def int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rounded to 256 even steps in each row, and the step [rows, 1]."""
    scale = weight.abs().amax(1, keepdim=True) / 127.5
    return (weight / scale).round().clamp(-128, 127).to(torch.int8), scale


def fp8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same in E4M3, whose largest number is 448."""
    scale = weight.abs().amax(1, keepdim=True) / 448
    return (weight / scale).to(torch.float8_e4m3fn), scale


Rounding = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def rewritten(
    base: Path, folder: Path, change: Callable[[str, torch.Tensor], Weights], **config: Any
) -> Path:
    """The base with the weights of its linear layers changed, and fields of its configuration."""
    weights: Weights = {}
    for name, weight in load_file(base / "model.safetensors").items():
        weights |= change(name, weight) if name.endswith("proj.weight") else {name: weight}
    folder.mkdir()
    for file in base.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    written = json.loads((base / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**written, **config}), "utf-8")
    return folder


def rounded(base: Path, folder: Path, rounding: Rounding) -> Path:
    """In full precision, each weight what its eight bits stand for."""

    def change(name: str, weight: torch.Tensor) -> Weights:
        value, scale = rounding(weight)
        return {name: value.float() * scale}

    return rewritten(base, folder, change)


def compressed(base: Path, folder: Path, rounding: Rounding) -> Path:
    """In the format of compressed-tensors, with activations in eight bits, too."""
    kind = "float" if rounding is fp8 else "int"
    shared = {"num_bits": 8, "type": kind, "symmetric": True}
    group = {
        "targets": ["Linear"],
        "weights": {**shared, "strategy": "channel", "dynamic": False},
        "input_activations": {**shared, "strategy": "token", "dynamic": True},
    }
    stored = {
        "quant_method": "compressed-tensors",
        "format": f"{kind}-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }

    def change(name: str, weight: torch.Tensor) -> Weights:
        value, scale = rounding(weight)
        return {name: value, f"{name}_scale": scale}

    return rewritten(base, folder, change, quantization_config=stored)


def in_full(model: LocalModel, source: Path) -> Weights:
    """Of each linear layer, what its eight bits stand for: within half a step of the source's."""
    whole = load_file(source / "model.safetensors")
    found: Weights = {}
    for name, weight in model.runner.model.named_parameters():
        if name.endswith("proj.weight"):
            found[name] = weight.qdata.float() * weight.scale
            assert weight.qdata.dtype == torch.int8
            assert ((found[name] - whole[name]).abs() <= 0.501 * weight.scale).all()
        else:
            assert weight.dtype == torch.float32
    assert len(found) == 14  # seven in each of two layers
    return found


@needs_torchao
def test_int8_is_rounding_of_the_linear_layers(base: Path, tmp_path: Path) -> None:
    model = opened(base, quantization="int8")
    layer = model.runner.model.model.layers[0].mlp.up_proj
    held = sum(part.nbytes for part in (layer.weight.qdata, layer.weight.scale))
    assert held < 0.27 * layer.weight.numel() * 4  # int8 and a scale per row, of float32
    stands_for = in_full(model, base)
    plain = rewritten(base, tmp_path / "plain", lambda name, _: {name: stands_for[name]})
    found = votes(model)
    assert torch.allclose(found, votes(opened(plain)), atol=1e-4)
    assert not torch.allclose(found, votes(opened(base)), atol=1e-2)


@needs_torchao
@quiet()
def test_an_adapter_is_merged_before_weights_are_rounded(base: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    whole = AutoModelForCausalLM.from_pretrained(base)
    adapted = get_peft_model(whole, LoraConfig(r=2, target_modules=["up_proj"]))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.ones_(weight)
    adapted.save_pretrained(adapter)
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    with pytest.raises(AssertionError):
        in_full(opened(adapter, quantization="int8"), base)
    in_full(opened(adapter, quantization="int8"), tmp_path / "merged")


@needs_torchao
@pytest.mark.parametrize("rounding", [int8, fp8])
def test_a_checkpoint_of_compressed_tensors_is_read_as_what_it_stands_for(
    rounding: Rounding, base: Path, tmp_path: Path
) -> None:
    path = compressed(base, tmp_path / "stored", rounding)
    expected = votes(opened(rounded(base, tmp_path / "r", rounding)))
    assert torch.allclose(votes(opened(path)), expected, atol=1e-4)
    in_full(opened(path, quantization="int8"), tmp_path / "r")


@needs_torchao
def test_a_checkpoint_of_torchao_keeps_its_eight_bits(base: Path, tmp_path: Path) -> None:
    with quiet_torchao():
        config = TorchAoConfig(config_of("int8"))
        made = AutoModelForCausalLM.from_pretrained(base, quantization_config=config)
        made.save_pretrained(tmp_path / "stored")
        AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "stored")
    model = opened(tmp_path / "stored")
    in_full(model, base)
    assert torch.equal(votes(model), votes(opened(base, quantization="int8")))
    with pytest.raises(InputError, match=r"int8': the checkpoint is quantised already \('torchao'"):
        opened(tmp_path / "stored", quantization="int8")


@needs_torchao
@pytest.mark.slow
def test_nothing_is_said_of_kernels_that_are_not_there(base: Path) -> None:
    code = (
        "from deemster.backends._local.loading import load\n"
        f"load({str(base)!r}, device='cpu', dtype=None, max_context=None, sanitize=True, "
        "template_args={}, quantization='int8')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, text=True, timeout=300
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_torchao
def test_fp8_rounds_by_rows_and_tokens_and_leaves_torch_alone() -> None:
    precision = torch.get_float32_matmul_precision()
    config = config_of("fp8")
    assert [type(one).__name__ for one in config.granularity] == ["PerRow", "PerRow"]
    assert config.weight_dtype == config.activation_dtype == torch.float8_e4m3fn
    assert not config.set_inductor_config
    assert torch.get_float32_matmul_precision() == precision


@needs_torchao
@pytest.mark.gpu
def test_fp8_multiplies_in_eight_bits_on_a_gpu(base: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    device = torch.device("cuda", 0)
    if (reason := lacks_fp8(device)) is not None:
        pytest.skip(reason)
    model = opened(base, device="cuda", dtype="bfloat16", quantization="fp8")
    assert model.runner.model.model.layers[0].mlp.up_proj.weight.qdata.dtype == torch.float8_e4m3fn
    found, whole = votes(model), votes(opened(base, device="cuda", dtype="bfloat16"))
    assert (found - whole).norm() < 0.2 * whole.norm()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"quantization": "int4"}, r"'int4'; allowed: int8, fp8", id="kind"),
        pytest.param(
            {"quantization": "int8"},
            r"quantization 'int8' needs torchao: pip install 'deemster\[quantization\]', or leave",
            id="package",
        ),
    ],
)
def test_an_option_that_cannot_be_had_is_refused_before_anything_is_loaded(
    options: dict[str, Any], message: str, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    monkeypatch.setitem(sys.modules, "compressed_tensors", sys)
    with pytest.raises(InputError, match=message):
        open_backend(f"hf:{base}", **options)


def test_a_recipe_is_told_of_a_kind_that_is_none() -> None:
    given = {"base": "some/model", "options": {"quantization": "int8"}}
    assert ModelSection(**given).backend_options["quantization"] == "int8"
    with pytest.raises(ValidationError, match=r"quantization: .* 'int8' or 'fp8', got 'fp16'"):
        ModelSection(base="some/model", options={"quantization": "fp16"})


def test_fp8_names_the_device_that_has_none(base: Path) -> None:
    with pytest.raises(InputError, match=r"'fp8': it needs a GPU that .* 'cpu'; give quantization"):
        opened(base, quantization="fp8")


def test_an_older_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A capability and a name are all that a GPU is asked for."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "NVIDIA A100")
    assert lacks_fp8(torch.device("cuda")) == (
        "it needs a GPU of compute capability 8.9 or more, 'NVIDIA A100' has 8.0"
    )
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (9, 0))
    assert lacks_fp8(torch.device("cuda")) is None


def test_a_quantised_checkpoint_names_what_it_needs(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compressed(base, tmp_path / "stored", int8)
    monkeypatch.setitem(sys.modules, "compressed_tensors", None)
    monkeypatch.setitem(sys.modules, "torchao", sys)
    with pytest.raises(InputError, match=r"'compressed-tensors' needs compressed_tensors: pip i"):
        opened(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"quantization": "int8"}, r"'int8': vLLM has no .* in int8", id="int8"),
        pytest.param({"quantization": "int4"}, r"unknown quantization 'int4'", id="kind"),
        pytest.param(
            {"quantization": "fp8", "engine_args": {"quantization": "fp8"}}, "twice", id="twice"
        ),
    ],
)
def test_vllm_is_asked_for_what_it_has(options: dict[str, Any], message: str, base: Path) -> None:
    with stub_vllm():
        with pytest.raises(InputError, match=message):
            open_backend(f"vllm:{base}", **options)
        made = open_backend(f"vllm:{base}", quantization="fp8")
    assert isinstance(made, VLLMBackend)
    assert made._options["engine_args"] == {"quantization": "fp8"}
