"""`recipes/small.yaml`, and the device that the engine trains on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import JsonValue
from tests.support.tiny_nano import needs_model

from deemster.backends.nano import assets
from deemster.errors import InputError
from deemster.training.loading import load_recipe
from deemster.training.stage import StageContext
from lab.nano.batching import Example, pad
from lab.nano.checkpoint import Checkpoint
from lab.nano.device import chosen_device, device_of
from lab.nano.model import Optimizer, load_judge, new_model, save_judge
from lab.nano.precision import matrix_type, mixed_precision
from lab.nano.recipe import NanoRecipe
from lab.nano.sampler import Sampler
from lab.nano.settings import ModelSettings
from lab.nano.stages import STAGES
from lab.nano.supervised import completion_loss
from lab.nano.tokenizer import train_tokenizer

ROOT = Path(__file__).parents[3]
SMALL = ROOT / "recipes" / "small.yaml"
ENGINE = ROOT / "lab" / "nano" / "engine.py"
TINY: dict[str, dict[str, JsonValue]] = {
    "model": {"hidden": 48, "feed_forward": 64, "layers": 2, "vocabulary": 400},
    "distil": {"warm_items": 20, "items": 60},
    "rft": {"items": 12, "epochs": 1},
    "rl": {"steps": 1, "prompts": 4, "group": 4},
    "meta": {"items": 5, "checks": 1},
    "eval": {"items": 2, "samples": 2},
}
CPU = torch.device("cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")


def _recipe() -> NanoRecipe:
    recipe = load_recipe(SMALL)
    assert isinstance(recipe, NanoRecipe)
    return recipe


def _tiny(device: str) -> NanoRecipe:
    """The recipe's settings with everything that takes time made small."""
    recipe = _recipe()
    small = {
        name: getattr(recipe.nano, name).model_copy(update=changed)
        for name, changed in TINY.items()
    }
    nano = recipe.nano.model_copy(update={**small, "device": device})
    return recipe.model_copy(update={"nano": nano})


def _run(recipe: NanoRecipe, out: Path) -> dict[str, Mapping[str, JsonValue]]:
    """The figures of all stages, after `distil` with the embedded model as base.

    A toy writes nothing that can be parsed.
    """
    figures: dict[str, Mapping[str, JsonValue]] = {}
    for name in recipe.stages:
        (out / name).mkdir(parents=True)
        earlier = {stage: out / stage for stage in recipe.before(name)}
        figures[name] = STAGES[name](StageContext(name, out / name, earlier, recipe, resume=False))
        if name == "distil":
            shutil.rmtree(out / name / "model")
            shutil.copytree(assets() / "judge", out / name / "model")
    return figures


def _check(figures: Mapping[str, Mapping[str, JsonValue]], out: Path) -> None:
    assert figures["distil"]["examples"] == 80
    assert figures["rft"]["kept"]
    assert -1 <= float(str(figures["rl"]["reward"])) <= 1
    assert figures["meta"]["trajectories"] == 45
    assert json.loads((out / "eval" / "figures.json").read_text()) == figures["eval"]
    assert (out / "eval" / "nano" / "judge" / "model.safetensors").is_file()


@pytest.fixture(scope="module")
def toy() -> tuple[Any, Any]:
    """A random model that draws on the CPU, and its tokenizer."""
    tokenizer = train_tokenizer(["What is 2 + 3?"], vocabulary=300)
    settings = ModelSettings(hidden=32, feed_forward=64, layers=2, heads=2, kv_heads=1)
    torch.manual_seed(0)
    return new_model(settings, tokenizer).eval(), tokenizer


def test_the_small_models_parameters_are_those_the_recipe_says() -> None:
    class Tokenizer:
        pad_token_id, bos_token_id, eos_token_id = 0, 1, 3

        def __init__(self, size: int) -> None:
            self._size = size

        def __len__(self) -> int:
            return self._size

    settings = _recipe().nano
    with torch.device("meta"):
        model = new_model(settings.model, Tokenizer(settings.model.vocabulary))
    count = model.num_parameters()
    assert 10e6 <= count <= 30e6
    assert f"{count:,} parameters" in SMALL.read_text(encoding="utf-8")


@needs_model
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_recipe_runs_at_toy_size_on_the_cpu(tmp_path: Path) -> None:
    _check(_run(_tiny("cpu"), tmp_path), tmp_path)


@needs_model
@needs_gpu
@pytest.mark.gpu
def test_the_recipe_runs_at_toy_size_on_the_gpu(tmp_path: Path) -> None:
    _check(_run(_tiny("cuda"), tmp_path), tmp_path)
    assert torch.cuda.max_memory_allocated() > 0


@needs_gpu
@pytest.mark.gpu
def test_the_gpu_computes_what_the_cpu_does(toy: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = toy
    save_judge(tmp_path / "m", model, tokenizer)
    same, _ = load_judge(tmp_path / "m", chosen_device("cuda"))
    batch = [Example((5, 6), (7, 8, 3)), Example((5,), (9, 3))]
    losses = [
        completion_loss(one, pad(batch, pad_id=0, device=device_of(one))).item()
        for one in (model, same)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    # Of several steps: one draw that falls on an edge changes all that follow it.
    drawn = [
        Sampler(one, eos=-1, pad=0, max_tokens=20, rows=8, exact=True).sample(
            [[1, 5, 6], [1, 7]],
            each=3,
            temperature=1.0,
            generator=torch.Generator().manual_seed(0),
        )
        for one in (model, same.eval())
    ]
    assert drawn[0] == drawn[1]


@needs_gpu
@pytest.mark.gpu
def test_a_checkpoint_goes_on_on_another_device(toy: tuple[Any, Any], tmp_path: Path) -> None:
    _, tokenizer = toy
    settings = ModelSettings(hidden=32, feed_forward=64, layers=1, heads=2, kv_heads=1)
    places = chosen_device("cuda"), CPU, chosen_device("cuda")
    checkpoint = Checkpoint(tmp_path / "c.pt")
    for number, place in enumerate(places):
        model = new_model(settings, tokenizer, place)
        optimizer = Optimizer(model, lr=1e-3, steps=9)
        assert checkpoint.restore(model, optimizer) == bool(number)
        assert optimizer.step_number == number
        batch = pad([Example((5, 6), (7, 3))], pad_id=0, device=place)
        torch.autograd.backward(completion_loss(model, batch))
        optimizer.step()
        checkpoint.save(model, optimizer, last=True)


def test_a_gpu_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    context = StageContext("distil", tmp_path, {}, _tiny("cuda"), resume=False)
    with pytest.raises(InputError, match=r"nano\.device: 'cuda' needs a GPU.*give 'cpu'") as told:
        STAGES["distil"](context)
    assert "\n" not in str(told.value)
    assert chosen_device("auto") == chosen_device("cpu") == CPU


def test_auto_is_the_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen_device("auto").type == chosen_device("cuda").type == "cuda"
    assert chosen_device("cpu") == CPU


def test_number_types_are_the_devices_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for fast, kind in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, fast=fast, **_: fast)
        assert matrix_type(torch.device("cuda")) == kind
    assert mixed_precision(CPU).device == "cpu"


def test_a_recipe_that_names_no_such_device_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(f"name: a\nengine: {ENGINE}\nnano: {{device: tpu}}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"nano\.device: .*'auto', 'cpu' or 'cuda'"):
        load_recipe(path)
