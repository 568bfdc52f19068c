"""The data of a recipe, loaded and decontaminated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.training.data import (
    Instruction,
    decontaminate,
    load_instructions,
    load_preferences,
)
from deemster.training.sections import DataSection
from deemster.training.stored_votes import items_of, split_items
from deemster.training.transcribe import is_scaled
from deemster.training.trl_recipe import TrlRecipe, needed


@dataclass(frozen=True)
class Corpus:
    """What a recipe trains and evaluates on."""

    train: list[Sample]
    instructions: list[Instruction]
    evaluation: list[Sample]
    counts: dict[str, JsonValue] = field(default_factory=dict)
    """How many there are of each, and how many were left out and why."""
    stored: list[Sample] = field(default_factory=list)
    """The items of `distil.run` to train on, with or without labels; those held out are in
    `evaluation`."""


def load_corpus(recipe: TrlRecipe) -> Corpus:
    """Read a recipe's data, and leave out of training what evaluation holds.

    Raises:
        InputError: a source cannot be read, a row is bad, or nothing is left to train on.
    """
    data = recipe.data or DataSection()
    problems: list[str] = []
    where: dict[str, Any] = {"base": recipe.folder, "seed": recipe.seed, "problems": problems}
    train = load_preferences(data.train, **where)
    instructions = [
        one for source in data.instructions for one in load_instructions(source, **where)
    ]
    evaluation = load_preferences(data.evaluation, **where)
    counts: dict[str, JsonValue] = {"bad_rows": len(problems)}
    stored, held_out = _stored_items(recipe, counts)
    evaluation = _joined(evaluation, held_out)
    if data.decontaminate is not None and evaluation:
        n = data.decontaminate
        clean_instructions = decontaminate(instructions, evaluation, n=n)
        counts["contaminated"] = 0
        counts["contaminated_instructions"] = len(clean_instructions.removed)
        train, stored = (_clean(part, evaluation, n, counts) for part in (train, stored))
        instructions = clean_instructions.kept
    counts |= {
        "train": len(train) + len(stored),
        "instructions": len(instructions),
        "evaluation": len(evaluation),
    }
    return Corpus(train, instructions, evaluation, counts, stored)


def _stored_items(
    recipe: TrlRecipe, counts: dict[str, JsonValue]
) -> tuple[list[Sample], list[Sample]]:
    """The items of `distil.run`: to train on, and held out."""
    section = recipe.distil
    if section is None or section.run is None:
        return [], []
    dialect = open_dialect(needed(recipe.model, "model").dialect)
    found = items_of(recipe.folder / Path(section.run).expanduser(), dialect)
    out = split_items(found.usable, share=section.holdout, seed=recipe.seed)
    held_out = [one for one in found.usable if one.id in out]
    measured = [one for one in held_out if is_scaled(len(one.responses), dialect)]
    counts["run"] = {
        **found.counts,
        "held_out": len(measured),
        "not_measurable": len(held_out) - len(measured),
    }
    return [one for one in found.usable if one.id not in out], measured


def _joined(evaluation: list[Sample], held_out: list[Sample]) -> list[Sample]:
    """All evaluation items, each text once and with an id of its own: both may count rows."""
    ids = {one.id for one in evaluation}
    known = {(one.query, one.responses) for one in evaluation}
    new = [one for one in held_out if (one.query, one.responses) not in known]
    renamed = [one.model_copy(update={"id": f"run:{one.id}"}) for one in new if one.id in ids]
    return [*evaluation, *(one for one in new if one.id not in ids), *renamed]


def _clean(
    items: list[Sample], evaluation: list[Sample], n: int, counts: dict[str, JsonValue]
) -> list[Sample]:
    """The items that share no n words in a row with an evaluation item; counts the others."""
    found = decontaminate(items, evaluation, n=n)
    if items and not found.kept:
        raise InputError(
            f"all {len(items)} training items share {n} words in a row with the evaluation items; "
            "train on other data, or set data.decontaminate"
        )
    counts["contaminated"] = int(str(counts["contaminated"])) + len(found.removed)
    return found.kept


def drawn(samples: Sequence[Sample], limit: int | None, *, seed: int) -> list[Sample]:
    """At most `limit` of the samples, drawn at random, in their order."""
    if limit is None or limit >= len(samples):
        return list(samples)
    chosen = np.random.default_rng([seed, len(samples)]).choice(len(samples), limit, replace=False)
    return [samples[i] for i in sorted(chosen)]
