"""The adapter that ships: all changes of training in one, of low rank."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from deemster.backends import shipped
from deemster.backends._local.lora import lora_changes
from deemster.backends._local.sources import whole
from deemster.backends.domain import Domain
from deemster.backends.judge_file import judge_file_in
from deemster.backends.shipped import WEIGHTS
from deemster.errors import InputError
from deemster.judges.meta_hf import HfMetaRM, meta_text
from deemster.judges.meta_rm import open_meta_rm
from deemster.schemas import Judgment, as_query, as_responses
from deemster.training.meta_data import MetaExample
from deemster.training.meta_rm import train_meta_rm
from deemster.training.settings import LoraSettings, MetaSettings
from lab.smol.figures import Figures
from lab.smol.ship import round_meta, ship, surround

CHANGED = ("model.layers.1.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight")


def trained(base: Path, out: Path, names: tuple[str, ...], *, rank: int = 3) -> Path:
    """The base with a change of that rank in some weights."""
    shutil.copytree(base, out)
    values = load_file(out / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    for name in names:
        rows, *columns = values[name].shape
        left = torch.randn(rows, rank, generator=generator)
        right = torch.randn(rank, *columns, generator=generator)
        values[name] = values[name] + 0.02 * left @ right
    save_file(values, out / "model.safetensors", metadata={"format": "pt"})
    return out


def test_base_and_adapter_are_the_trained_model(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEMSTER_CACHE", str(tmp_path / "cache"))
    model = trained(base, tmp_path / "model", CHANGED)
    kept = ship(base, model, tmp_path / "adapter", rank=3, repository=str(base))
    assert kept == pytest.approx(1, abs=1e-6)
    merged = load_file(Path(whole(str(tmp_path / "adapter"))) / "model.safetensors")
    wanted = load_file(model / "model.safetensors")
    for name in CHANGED:
        assert torch.allclose(merged[name].float(), wanted[name], atol=2e-3), name


def test_a_lower_rank_keeps_a_share(base: Path, tmp_path: Path) -> None:
    model = trained(base, tmp_path / "model", CHANGED, rank=6)
    shares = [ship(base, model, tmp_path / "adapter", rank=rank) for rank in (1, 3, 6)]
    assert 0 < shares[0] < shares[1] < 0.99 < shares[2]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param((), "nothing was trained", id="the-base-itself"),
        pytest.param(("model.embed_tokens.weight",), "embed_tokens.weight", id="embeddings"),
    ],
)
def test_what_cannot_ship(names: tuple[str, ...], message: str, base: Path, tmp_path: Path) -> None:
    model = trained(base, tmp_path / "model", names)
    with pytest.raises(ValueError, match=message):
        ship(base, model, tmp_path / "adapter", rank=2)


def test_a_checkpoint_that_is_an_adapter_ships_as_it_is(base: Path, tmp_path: Path) -> None:
    model = trained(base, tmp_path / "model", CHANGED)
    first, second = tmp_path / "first", tmp_path / "second"
    ship(base, model, first, rank=3, repository=str(base))
    assert ship(base, first, second, rank=3, repository="other") == 1
    assert (first / WEIGHTS).read_bytes() == (second / WEIGHTS).read_bytes()
    config = json.loads((second / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == "other"
    third = tmp_path / "third"
    assert ship(base, first, third, rank=4, repository=str(base)) == pytest.approx(1, abs=1e-4)
    for (name, change), (_, again) in zip(lora_changes(first), lora_changes(third), strict=True):
        assert torch.allclose(change, again, atol=2e-3), name


def _shipped(base: Path, tmp_path: Path) -> Path:
    model = trained(base, tmp_path / "model", CHANGED)
    ship(base, model, tmp_path / "adapter", rank=3, repository=str(base))
    return tmp_path / "adapter"


def test_an_adapter_that_changes_nothing_does_not_ship(base: Path, tmp_path: Path) -> None:
    adapter = _shipped(base, tmp_path)
    weights = load_file(adapter / WEIGHTS)
    still = {name: one * (0 if "lora_B" in name else 1) for name, one in weights.items()}
    save_file(still, adapter / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="nothing was trained"):
        ship(base, adapter, tmp_path / "out", rank=3)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("variant", [{"use_dora": True}, {"rank_pattern": {"q_proj": 1}}], ids=str)
def test_a_variant_of_lora_does_not_ship(
    variant: dict[str, object], base: Path, tmp_path: Path
) -> None:
    adapter = _shipped(base, tmp_path)
    config = adapter / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text("utf-8")), **variant}), "utf-8")
    with pytest.raises(InputError, match=next(iter(variant))):
        ship(base, adapter, tmp_path / "out", rank=3)


def test_what_goes_with_the_adapter(base: Path, tmp_path: Path) -> None:
    model, out = trained(base, tmp_path / "model", CHANGED), tmp_path / "adapter"
    kept = ship(base, model, out, rank=3)
    old = {"heldout/smol": {"model": "smol@00000000"}, "heldout/nano": {"model": "nano@11111111"}}
    Figures(old).write(out)
    made = {"rank": 3, "stage": "distil", "steps": 7, "seed": 0, "recipe": "recipes/smol.yaml",
            "recipe sha256": "0" * 64, "share of the change kept": kept}  # fmt: skip
    surround(out, base, made, items=200)
    digest = hashlib.sha256((out / WEIGHTS).read_bytes()).hexdigest()
    assert json.loads((out / "made.json").read_text("utf-8"))["sha256"] == {WEIGHTS: digest}
    file = judge_file_in(out)
    assert file is not None
    assert (file.dialect, file.base) == ("smol", "smollm2")
    assert set(Figures.read(out).parts) == {"heldout/nano"}
    assert Domain.load(out / "domain.json").longest
    card = (out / "README.md").read_text("utf-8")
    assert "rank 3, bfloat16" in card
    assert "up to the stage distil, 7 steps" in card
    assert digest in card


def test_a_meta_rm_lies_over_smol_and_rates_its_votes(
    tiny_smol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "smol"
    shutil.copytree(tiny_smol, folder)
    monkeypatch.setattr(shipped, "smol_folder", lambda: folder)
    lora = LoraSettings(rank=2, alpha=2, target_modules=["q_proj"], layers=[1])
    settings = MetaSettings(lora=lora, cpu=True, max_steps=2, batch_size=2, micro_batch_size=2)
    wanted = Judgment(scores=(0.0, 7.0), order=(0, 1), raw="a")
    query, responses = as_query("7 + 7?"), as_responses(["13", "14"])
    examples = [
        MetaExample(item=str(i), correct=i % 2 == 0, text=meta_text(query, responses, wanted))
        for i in range(6)
    ]
    train_meta_rm(examples, model=folder, out=tmp_path / "run", settings=settings)
    round_meta(tmp_path / "run" / "adapter", folder / "meta")
    meta = open_meta_rm("smol")
    assert meta is not None
    (found,) = asyncio.run(meta.rate(query, responses, [wanted]))
    whole_model = HfMetaRM(str(tmp_path / "run" / "model"))
    (expected,) = asyncio.run(whole_model.rate(query, responses, [wanted]))
    assert found == pytest.approx(expected, abs=2e-3)
    assert found != 0.5
