"""The files that a finished run puts into the package: the folder `assets/nano`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from deemster.training.manifest import read_manifest
from deemster.training.stage import StageContext
from lab.nano.card import model_card
from lab.nano.model import load_judge, save_judge
from lab.nano.recipe import NanoRecipe

MODEL, META = "model", "meta"
"""Folders of a stage that hold a judge or a meta RM."""


def ship(context: StageContext[NanoRecipe], figures: Mapping[str, JsonValue]) -> None:
    """Judge and meta RM in float16 with domain check and card: the folder `assets/nano`."""
    from transformers import LlamaForSequenceClassification  # noqa: PLC0415 - heavy

    folder = context.folder / "nano"
    settings = context.recipe.nano
    model, tokenizer = load_judge(context.inputs["rl"] / MODEL)
    save_judge(folder / "judge", model, tokenizer, half=True)
    scorer = LlamaForSequenceClassification.from_pretrained(context.inputs["meta"] / META)
    save_judge(folder / "meta", scorer, tokenizer, half=True)
    source: Path = context.inputs["distil"] / "domain.json"
    (folder / "domain.json").write_bytes(source.read_bytes())
    card = model_card(
        figures,
        _figures_of(context, "meta"),
        parameters=model.num_parameters(),
        tokens=_figures_of(context, "distil").get("tokens"),
        seed=context.recipe.seed,
        items=settings.eval.items,
        k=settings.eval.samples,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    shipped = {name.removeprefix("rl "): v for name, v in figures.items() if name.startswith("rl ")}
    about = {"items": settings.eval.items, "samples": settings.eval.samples}
    (folder / "figures.json").write_text(
        json.dumps({**about, "seed": context.recipe.seed, "figures": shipped}, indent=1) + "\n",
        encoding="utf-8",
    )


def _figures_of(context: StageContext[NanoRecipe], stage: str) -> Mapping[str, JsonValue]:
    manifest = read_manifest(context.inputs[stage])
    return manifest.figures if manifest is not None else {}
