"""A folder with all that a training run needs, small enough for a test."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import yaml
from tests.support.tiny_model import save_tiny_model

TEACHER = "Analysis: the first.\nScores: \\boxed{7, 3}"
"""It always prefers the response shown first: right in one of a pair's two orders."""


def pairs(count: int, name: str) -> list[dict[str, Any]]:
    """Rows of pairs; of the first the second is better, of the second the first, and so on."""
    rng = random.Random(name)
    return [
        {
            "id": f"{name}{i}",
            "query": f"{name} {rng.randint(0, 99)} + {rng.randint(0, 99)}?",
            "responses": [f"it is {rng.randint(0, 99)}", f"maybe {rng.randint(0, 99)}"],
            "ground_truth": [1, 0] if i % 2 else [0, 1],
            "subset": "ab"[i % 2],
        }
        for i in range(count)
    ]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """As JSON lines."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def trainer(steps: int, **fields: Any) -> dict[str, Any]:
    """Settings of a trainer that is done in seconds."""
    return {
        "learning_rate": 1e-2,
        "batch_size": 8,
        "micro_batch_size": 8,
        "max_steps": steps,
        "max_length": 128,
        "gradient_checkpointing": False,
        "cpu": True,
        "save_steps": max(1, steps // 3),
        **fields,
    }


def toy_recipe(teacher: str = TEACHER, **sections: Any) -> dict[str, Any]:
    """The whole pipeline on a model that learns by heart what its teacher always says."""
    sampling = {"n": 2, "temperature": 0.3, "max_tokens": 32}
    rl = trainer(3, learning_rate=1e-5, group_size=4, max_completion_length=32)
    return {
        "name": "toy",
        "data": {
            "train": {"path": "train.jsonl"},
            "instructions": {"path": "instructions.jsonl"},
            "evaluation": {"path": "evaluation.jsonl"},
        },
        "model": {"base": "base", "dialect": "nano"},
        "distil": {
            "judges": {"model": f"fake:{teacher}", "dialect": "nano", "temperature": 1.0},
            "n": 2,
            "train": trainer(80, instruction_share=0.05),
        },
        "rft": {**sampling, "hinted": False, "train": trainer(4, learning_rate=1e-3)},
        "rl": {"train": rl},
        "meta": {**sampling, "train": trainer(4, learning_rate=1e-3, max_length=256)},
        "eval": {"k": 4, "max_tokens": 32, "temperature": 0.3},
        **sections,
    }


def write_recipe(folder: Path, recipe: dict[str, Any], name: str = "recipe.yaml") -> Path:
    """Write it to the folder; returns its path."""
    path = folder / name
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def write_toy(folder: Path, **sections: Any) -> Path:
    """Base model, data and recipe in a folder; returns the recipe's path."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tiny_model(folder / "base", hidden=32, spread=0.05)
    write_rows(folder / "train.jsonl", pairs(16, "train"))
    write_rows(folder / "evaluation.jsonl", pairs(6, "evaluation"))
    rows = [{"prompt": f"say {i}", "completion": f"ok {i}"} for i in range(4)]
    write_rows(folder / "instructions.jsonl", rows)
    return write_recipe(folder, toy_recipe(**sections))
