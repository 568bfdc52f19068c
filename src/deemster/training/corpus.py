"""The data of a recipe, loaded and decontaminated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import JsonValue

from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.training.data import (
    Instruction,
    decontaminate,
    load_instructions,
    load_preferences,
)
from deemster.training.trl_recipe import TrlRecipe, needed


@dataclass(frozen=True)
class Corpus:
    """What a recipe trains and evaluates on."""

    train: list[Sample]
    instructions: list[Instruction]
    evaluation: list[Sample]
    counts: dict[str, JsonValue] = field(default_factory=dict)
    """How many there are of each, and how many were left out and why."""


def load_corpus(recipe: TrlRecipe) -> Corpus:
    """Read a recipe's data, and leave out of training what evaluation holds.

    Raises:
        InputError: a source cannot be read, a row is bad, or nothing is left to train on.
    """
    data = needed(recipe.data, "data")
    problems: list[str] = []
    where: dict[str, Any] = {"base": recipe.folder, "seed": recipe.seed, "problems": problems}
    train = load_preferences(data.train, **where)
    instructions = [
        one for source in data.instructions for one in load_instructions(source, **where)
    ]
    evaluation = load_preferences(data.evaluation, **where)
    counts: dict[str, JsonValue] = {"bad_rows": len(problems)}
    if data.decontaminate is not None and evaluation:
        clean = decontaminate(train, evaluation, n=data.decontaminate)
        clean_instructions = decontaminate(instructions, evaluation, n=data.decontaminate)
        counts["contaminated"] = len(clean.removed)
        counts["contaminated_instructions"] = len(clean_instructions.removed)
        if not clean.kept:
            raise InputError(
                f"all {len(train)} training items share {data.decontaminate} words in a row with "
                "data.evaluation; train on other data, or set data.decontaminate"
            )
        train, instructions = clean.kept, clean_instructions.kept
    counts |= {
        "train": len(train),
        "instructions": len(instructions),
        "evaluation": len(evaluation),
    }
    return Corpus(train, instructions, evaluation, counts)


def drawn(samples: Sequence[Sample], limit: int | None, *, seed: int) -> list[Sample]:
    """At most `limit` of the samples, drawn at random, in their order."""
    if limit is None or limit >= len(samples):
        return list(samples)
    chosen = np.random.default_rng([seed, len(samples)]).choice(len(samples), limit, replace=False)
    return [samples[i] for i in sorted(chosen)]
