"""Settings of a recipe that do not go together: refused when it is read, whatever the data.

What one section says by itself is checked there (`sections`, `settings`); here are the pairs of
sections. A stage would refuse each of them too, but only after its trajectories were drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.training.dialect_checks import check_drawn_by_vllm, check_trainable
from deemster.training.sections import (
    DataSection,
    DistilSection,
    EvalSettings,
    MetaSection,
    ModelSection,
    RftSection,
    RlSection,
)

_BLOCKS = ("distil", "rft")
"""Stages that can train blocks for multi-token prediction."""


class Sections(Protocol):
    """Those of a `TrlRecipe`."""

    @property
    def data(self) -> DataSection | None: ...
    @property
    def model(self) -> ModelSection | None: ...
    @property
    def distil(self) -> DistilSection | None: ...
    @property
    def rft(self) -> RftSection | None: ...
    @property
    def rl(self) -> RlSection | None: ...
    @property
    def meta(self) -> MetaSection | None: ...
    @property
    def eval(self) -> EvalSettings | None: ...
    @property
    def stages(self) -> tuple[str, ...]: ...
    @property
    def models(self) -> tuple[str, ...]: ...


def check_settings(recipe: Sections) -> None:
    """Refuse sections that contradict each other.

    Raises:
        InputError: the first contradiction; the text names the fields.
    """
    _check_dialect(recipe)
    _check_instructions(recipe)
    _check_drafts(recipe)


def _check_dialect(recipe: Sections) -> None:
    drawn = recipe.meta is not None and recipe.meta.run is None
    if recipe.model is None or not (recipe.distil or recipe.rft or recipe.rl or drawn):
        return
    dialect = open_dialect(recipe.model.dialect)
    check_trainable(dialect, hinted=recipe.rft is not None and recipe.rft.hinted)
    if recipe.rl is not None and recipe.rl.train.vllm is not None:
        check_drawn_by_vllm(dialect)


def _check_instructions(recipe: Sections) -> None:
    there = recipe.data is not None and recipe.data.instructions
    for name, section in (("distil", recipe.distil), ("rft", recipe.rft)):
        if section is not None and section.train.instruction_share and not there:
            raise InputError(
                f"{name}.train.instruction_share is {section.train.instruction_share:g}, but there "
                "are no data.instructions; give some, or leave it out"
            )


def _check_drafts(recipe: Sections) -> None:
    if not drafts_by_blocks(recipe):
        return
    for stage, name in sampled_models(recipe):
        if name == "base":
            continue  # its files tell
        section = getattr(recipe, name)
        if name in _BLOCKS and section.train.mtp is not None:
            continue
        remedy = f"give {name}.train.mtp, or " if name in _BLOCKS else ""
        raise InputError(
            f"model.options.speculate is 'mtp', but {name} leaves a model without a block for it, "
            f"which {stage} samples from; {remedy}give speculate 'lookup'"
        )


def drafts_by_blocks(recipe: Sections) -> bool:
    """Whether models are sampled from with `speculate: mtp`."""
    model = recipe.model
    return model is not None and model.sampling is None and model.options.get("speculate") == "mtp"


def sampled_models(recipe: Sections) -> Iterator[tuple[str, str]]:
    """Stages that sample, each with a model that it samples from: `base` or who trained it."""
    last = "base"
    for stage in recipe.stages:
        draws = {
            "rft": True,
            "rl": recipe.rft is None,
            "meta": recipe.meta is not None and recipe.meta.run is None,
        }
        if draws.get(stage):
            yield stage, last
        last = stage if stage in recipe.models else last
    if recipe.eval is not None:
        yield from (("eval", name) for name in recipe.eval.chosen(recipe.models))


__all__ = ["check_settings", "drafts_by_blocks", "sampled_models"]
