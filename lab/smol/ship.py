"""Make what ships of `smol`: one small adapter of all that training changed, and what goes with it.

    python -m lab.smol.ship build/smol/rl/model                  # or a checkpoint of a LoRA run
    python -m lab.smol.ship CHECKPOINT --meta build/smol/meta/adapter

Each stage trains an adapter on the merged model of the last. The differences of the final weights
to the base's add up to a matrix of low rank, which is factorised once (truncated singular values)
and rounded to bfloat16; an adapter that is all of this already is taken as it is. Beside it: the
judge file, the check of the domain, the card, and what it was made from. Figures of other weights
are taken out; `lab.smol.evaluate` measures them anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

from deemster.backends._local.encoding import SafeEncoder
from deemster.backends._local.lora import lora_changes
from deemster.backends._local.sources import source_of
from deemster.backends.base import SMOL
from deemster.backends.judge_file import JudgeFile
from deemster.backends.model_fetch import FETCHABLE, fetched
from deemster.backends.shipped import BASE, WEIGHTS, package_folder
from lab.smol import page
from lab.smol.domain import everyday
from lab.smol.figures import Figures

CONFIG = "adapter_config.json"
MADE = "made.json"
"""What the adapter was made from."""
_LINEAR = re.compile(r"model\.layers\.(?P<layer>\d+)\.\w+\.(?P<module>\w+)\.weight")


def ship(
    base: Path,
    model: Path,
    out: Path,
    *,
    rank: int,
    repository: str = FETCHABLE[BASE].repository,
) -> float:
    """Write a PEFT adapter in bfloat16 that turns the base into the trained model.

    Args:
        base: folder of the base model.
        model: folder of the trained one, whole or an adapter.
        out: folder of the adapter.
        rank: of every changed matrix.
        repository: what the adapter says it belongs to.

    Returns:
        The share of the change that the rank keeps: squared singular values, over all matrices.

    Raises:
        ValueError: nothing changed, or something changed that an adapter cannot hold.
    """
    config = _rounded_config(base, model, rank)
    if config is not None:
        if not any(change.any() for _, change in lora_changes(model)):  # refuses variants of LoRA
            raise ValueError(f"{str(model)!r} changes nothing: nothing was trained")
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model / WEIGHTS, out / WEIGHTS)
        _write_config(out, {**config, "base_model_name_or_path": repository})
        return 1.0
    tensors: dict[str, Tensor] = {}
    layers: set[int] = set()
    modules: set[str] = set()
    kept = whole = 0.0
    for name, change in _changes(base, model).items():
        found = _LINEAR.fullmatch(name)
        if found is None:
            raise ValueError(f"weight {name!r} was trained, too; an adapter holds linear layers")
        left, values, right = torch.linalg.svd(change, full_matrices=False)
        root = values[:rank].sqrt()
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        tensors[f"{stem}.lora_A.weight"] = (root[:, None] * right[:rank]).bfloat16().contiguous()
        tensors[f"{stem}.lora_B.weight"] = (left[:, :rank] * root).bfloat16().contiguous()
        layers.add(int(found["layer"]))
        modules.add(found["module"])
        kept += float(values[:rank].square().sum())
        whole += float(values.square().sum())
    if not tensors:
        raise ValueError(f"{str(model)!r} has the weights of {str(base)!r}: nothing was trained")
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / WEIGHTS, metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": repository,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(modules),
        "layers_to_transform": sorted(layers),
    }
    _write_config(out, config)
    return kept / whole


def _rounded_config(base: Path, model: Path, rank: int) -> dict[str, Any] | None:
    """What an adapter says of itself that is the whole change, of that rank, in bfloat16."""
    if not (model / CONFIG).is_file():
        return None
    config: dict[str, Any] = json.loads((model / CONFIG).read_text(encoding="utf-8"))
    tensors = load_file(model / WEIGHTS).values()
    whole = Path(source_of(str(model)).base).resolve() == base.resolve()
    plain = config["r"] == config["lora_alpha"] == rank and not config.get("modules_to_save")
    return (
        config if whole and plain and all(one.dtype == torch.bfloat16 for one in tensors) else None
    )


def _write_config(out: Path, config: Mapping[str, Any]) -> None:
    (out / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _changes(base: Path, model: Path) -> dict[str, Tensor]:
    """The differences of the weights that are not the same, by name, in float32."""
    source = source_of(str(model))
    before, after = (load_file(Path(one) / "model.safetensors") for one in (base, source.base))
    changes = {
        name: after[name].float() - weight.float()
        for name, weight in before.items()
        if name in after
    }
    changes = {name: change for name, change in changes.items() if change.any()}
    if source.adapter is not None:
        for name, change in lora_changes(Path(source.adapter)):
            changes[name] = changes[name] + change if name in changes else change
    return changes


def round_meta(adapter: Path, out: Path) -> None:
    """Write a meta RM's adapter in bfloat16, over `smol` itself, whose judgments it rates.

    Args:
        adapter: of a LoRA run with a head (`modules_to_save`).
        out: its folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    tensors = {name: one.bfloat16() for name, one in load_file(adapter / WEIGHTS).items()}
    save_file(tensors, out / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    _write_config(out, {**config, "base_model_name_or_path": SMOL})  # as the judge file says
    JudgeFile(name="meta RM of smol", base=SMOL, licence="Apache-2.0").write(out)


def surround(out: Path, base: Path, made: Mapping[str, object], *, items: int = 16_000) -> None:
    """Write what goes with an adapter: judge file, domain, origin, card; drop others' figures.

    Args:
        out: folder of the adapter.
        base: folder of the base, whose tokenizer reads the domain's prompts.
        made: what it was made from.
        items: how many of the training data the domain is counted on.
    """
    encoder = SafeEncoder(AutoTokenizer.from_pretrained(base))
    domain = everyday(lambda text: encoder.encode(encoder.guard(text)), items=items)
    domain.save(out / "domain.json")
    # Not the dialect's own limit of 2048: a text without an end would take minutes.
    JudgeFile(name="smol", dialect="smol", base=BASE, licence="Apache-2.0", max_tokens=256).write(
        out
    )
    sums = {file.relative_to(out).as_posix(): _sha256(file) for file in sorted(out.rglob(WEIGHTS))}
    (out / MADE).write_text(json.dumps({**made, "sha256": sums}, indent=1) + "\n", encoding="utf-8")
    figures = Figures.read(out)
    figures.keep_only(sums[WEIGHTS][:8])
    figures.write(out)
    page.write(out)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _steps(model: Path) -> int | None:
    """Steps of the checkpoint's stage, where it says so."""
    state = model / "trainer_state.json"
    return json.loads(state.read_text("utf-8")).get("global_step") if state.is_file() else None


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="a checkpoint of a LoRA run, or a stage's model")
    parser.add_argument("--base", type=Path, help="default: what `deemster models fetch` has")
    parser.add_argument("--meta", type=Path, help="adapter of the meta RM")
    parser.add_argument("--out", type=Path, default=package_folder("smol"))
    parser.add_argument("--rank", type=int, default=24)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/smol.yaml"))
    parser.add_argument("--seed", type=int, default=0, help="of the data and of the recipe")
    parser.add_argument("--data", default="", help="what it was trained on, if not the recipe's")
    parser.add_argument(
        "--stage", default="distil", help="the last one that the model went through"
    )
    given = parser.parse_args()
    base, model = given.base or fetched(BASE), given.model.expanduser()
    if base is None:
        parser.error(f"the base is not in the cache: deemster models fetch {BASE}, or --base")
    kept = ship(base.expanduser(), model, given.out, rank=given.rank)
    if given.meta is not None:
        round_meta(given.meta, given.out / "meta")
    made = {
        "base": FETCHABLE[BASE].repository,
        "stage": given.stage,
        "steps": _steps(model),
        "rank": given.rank,
        "share of the change kept": round(kept, 6),
        "seed": given.seed,
        "data": given.data,
        "recipe": given.recipe.as_posix(),
        "recipe sha256": _sha256(given.recipe),
    }
    surround(given.out, base.expanduser(), made)
    size = sum(file.stat().st_size for file in given.out.rglob("*") if file.is_file()) / 1e6
    sys.stdout.write(f"{given.out}: {size:.1f} MB, keeps {kept:.2%} of the change\n")


if __name__ == "__main__":
    main()
