"""What a recipe of the engine `trl` may contain."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import JsonValue, model_validator

from deemster.backends import EMBEDDED
from deemster.backends._local.model_cache import cache_folder
from deemster.backends.judge_file import JudgeFile
from deemster.backends.model_fetch import FETCHABLE
from deemster.errors import InputError
from deemster.training.recipe import Recipe
from deemster.training.recipe_checks import check_settings
from deemster.training.sections import (
    DataSection,
    DistilSection,
    EvalSettings,
    MetaSection,
    ModelSection,
    RftSection,
    RlSection,
)
from deemster.training.settings import TrainerSettings

STAGES = ("distil", "rft", "rl", "meta", "eval")
"""All stages, in the order they run."""
TRAINED = ("distil", "rft", "rl")
"""Stages that end with a model."""

MODEL = "model"
"""Folder of a stage's model, in that of the stage."""
_PUBLISHED = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_HUB_CACHE = re.compile(r"/models--([^/]+?)--([^/]+)/snapshots/[^/]+$")

S = TypeVar("S", bound=TrainerSettings)
T = TypeVar("T")


class TrlRecipe(Recipe):
    """A training run of a model of transformers, by TRL's trainers."""

    known_stages: ClassVar[tuple[str, ...]] = STAGES

    data: DataSection | None = None
    model: ModelSection | None = None
    distil: DistilSection | None = None
    rft: RftSection | None = None
    rl: RlSection | None = None
    meta: MetaSection | None = None
    eval: EvalSettings | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.stages:
            raise ValueError(f"no stage to run; give at least one of {', '.join(STAGES)}")
        if self.model is None:
            raise ValueError("model is missing; engine trl needs it")
        if self.need_items and (self.data is None or not self.data.train):
            missing = "data" if self.data is None else "data.train"
            raise ValueError(
                f"{missing} is missing; {self.need_items[0]} needs it (only distil.run and "
                "meta.run bring their own)"
            )
        held_out = self.distil is not None and self.distil.holdout > 0
        if self.eval is not None and not held_out and not (self.data and self.data.evaluation):
            raise ValueError("eval needs data.evaluation, or distil.holdout of a distil.run")
        if self.eval is not None:
            self.eval.chosen(self.models)
        check_settings(self)
        return self

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages it has, in the order they run."""
        return tuple(name for name in STAGES if getattr(self, name) is not None)

    @property
    def need_items(self) -> tuple[str, ...]:
        """Its stages that train on `data.train`."""
        own = {
            "distil": self.distil is not None and self.distil.run is not None,
            "meta": self.meta is not None and self.meta.run is not None,
            "eval": True,
        }
        return tuple(stage for stage in self.stages if not own.get(stage))

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models there will be, first to last trained."""
        return ("base", *(stage for stage in self.stages if stage in TRAINED))

    @property
    def on_cpu(self) -> bool:
        """Whether some stage trains on the CPU even if there is a GPU."""
        sections = (self.distil, self.rft, self.rl, self.meta)
        return any(section.train.cpu for section in sections if section is not None)

    def settings_for(self, stage: str) -> dict[str, JsonValue]:
        """See `Recipe.settings_for`: which server draws is where it is computed."""
        found = super().settings_for(stage)
        if isinstance(model := found.get("model"), dict):
            model.pop("sampling", None)
        return found

    def judge_file(self, stage: str) -> JudgeFile | None:
        """See `Recipe.judge_file`: the language that it was taught."""
        if stage not in TRAINED or self.model is None:
            return None
        return JudgeFile(
            dialect=self.model.dialect,
            base=self._published_base(self.model.base),
            template_args=self.model.template_args,
            calculator=True if self.model.options.get("calculator") else None,
        )

    def run_file(self, trained: Collection[str]) -> JudgeFile | None:
        """See `Recipe.run_file`: the last judge, with the meta RM, as the stage `eval` asks it."""
        judges = [stage for stage in self.stages if stage in TRAINED and stage in trained]
        found = self.judge_file(judges[-1]) if judges else None
        if found is None:
            return None
        meta = "meta" in trained
        parts: dict[str, Any] = {"model": f"{judges[-1]}/{MODEL}"}
        if meta:
            parts["meta_rm"] = f"meta/{MODEL}"
        if self.eval is not None:
            parts |= {
                "k": self.eval.k,
                "temperature": self.eval.temperature,
                "max_tokens": self.eval.max_tokens,
                "aggregator": self.eval.aggregator(has_meta=meta),
            }
        return JudgeFile(**{**found.model_dump(exclude_unset=True), **parts})

    def _published_base(self, base: str) -> str | None:
        """The base by a name that others can use; None for a folder of this machine."""
        local = self.local(base)
        if local is None or base == EMBEDDED:
            return base if _PUBLISHED.fullmatch(base) else None
        fetched = local.name in FETCHABLE and local.parent == cache_folder().resolve()
        cached = _HUB_CACHE.search(local.as_posix())
        return local.name if fetched else f"{cached[1]}/{cached[2]}" if cached else None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every local file or folder that training reads, with the field that names it."""
        for part in ("train", "instructions", "evaluation") if self.data is not None else ():
            for number, source in enumerate(getattr(self.data, part)):
                for field in ("path", "run"):
                    if getattr(source, field) is not None:
                        path = self.folder / Path(getattr(source, field)).expanduser()
                        yield f"data.{part}.{number}.{field}", path
                if source.dataset is not None and self.local(source.dataset) is not None:
                    yield f"data.{part}.{number}.dataset", self.folder / source.dataset
        for field, run in (
            ("distil.run", self.distil.run if self.distil else None),
            ("meta.run", self.meta.run if self.meta else None),
        ):
            if run is not None:
                yield field, self.folder / Path(run).expanduser()
        for name, model in (
            ("model.base", self.model.base if self.model else None),
            ("meta.base", self.meta.base if self.meta else None),
        ):
            local = None if model is None else self.local(model)
            if local is not None:
                yield name, local


def needed(section: T | None, name: str) -> T:
    """A section of a recipe that a stage cannot do without.

    Raises:
        InputError: the recipe does not have it.
    """
    if section is None:
        raise InputError(f"the recipe has no section {name!r}; add it")
    return section


def seeded(settings: S, recipe: TrlRecipe) -> S:
    """The settings with the recipe's seed, unless they name their own."""
    if "seed" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"seed": recipe.seed})
