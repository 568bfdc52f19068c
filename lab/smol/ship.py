"""Make one small adapter of all that training changed: what ships beside the base model.

    python -m lab.smol.ship --base ~/.cache/deemster/models/smollm2 --model build/smol/rl/model

Each stage trains an adapter on the merged model of the last. The differences of the final weights
to the base's add up to a matrix of low rank, which is factorised once (truncated singular values).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct"
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_LINEAR = re.compile(r"model\.layers\.(?P<layer>\d+)\.\w+\.(?P<module>\w+)\.weight")


def ship(base: Path, model: Path, out: Path, *, rank: int, repository: str = REPOSITORY) -> float:
    """Write a PEFT adapter in bfloat16 that turns the base into the trained model.

    Args:
        base: folder of the base model.
        model: folder of the trained one, whole.
        out: folder of the adapter.
        rank: of every changed matrix.
        repository: what the adapter says it belongs to.

    Returns:
        The share of the change that the rank keeps: squared singular values, over all matrices.

    Raises:
        ValueError: nothing changed, or something changed that an adapter cannot hold.
    """
    before, after = (load_file(folder / "model.safetensors") for folder in (base, model))
    tensors: dict[str, Tensor] = {}
    layers: set[int] = set()
    modules: set[str] = set()
    kept = whole = 0.0
    for name, change in _changes(before, after).items():
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
    (out / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return kept / whole


def _changes(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The differences of the weights that are not the same, by name, in float32."""
    changes = {
        name: after[name].float() - weight.float()
        for name, weight in before.items()
        if name in after
    }
    return {name: change for name, change in changes.items() if change.any()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("build/smol-adapter"))
    parser.add_argument("--rank", type=int, default=24)
    given = parser.parse_args()
    base, model = given.base.expanduser(), given.model.expanduser()
    kept = ship(base, model, given.out, rank=given.rank)
    size = (given.out / WEIGHTS).stat().st_size / 1e6
    sys.stdout.write(f"{given.out}: {size:.1f} MB, keeps {kept:.2%} of the change\n")


if __name__ == "__main__":
    main()
