"""The contents of a recipe of the embedded model."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from pydantic import JsonValue

from deemster.backends import EMBEDDED
from deemster.backends.judge_file import JudgeFile
from deemster.training.recipe import Recipe
from lab.nano.settings import NanoSettings

STAGES = ("distil", "rft", "rl", "meta", "eval")
"""Those of the engine, in the order they run."""
_PLACE = ("device", "threads")
"""Settings that say where a stage is computed, not what."""


class NanoRecipe(Recipe):
    """A training run of a very small judge on the synthetic world."""

    known_stages: ClassVar[tuple[str, ...]] = STAGES

    nano: NanoSettings = NanoSettings()

    def judge_file(self, stage: str) -> JudgeFile | None:
        """See `Recipe.judge_file`."""
        return JudgeFile(dialect=EMBEDDED) if stage in STAGES[:3] else None

    def run_file(self, trained: Collection[str]) -> JudgeFile | None:
        """See `Recipe.run_file`: the last judge; the meta RM is shipped beside it by `ship`."""
        judges = [stage for stage in STAGES[:3] if stage in trained]
        return JudgeFile(dialect=EMBEDDED, model=f"{judges[-1]}/model") if judges else None

    def settings_for(self, stage: str) -> dict[str, JsonValue]:
        """The settings that decide what a stage does, not where it is computed."""
        others = {*STAGES, *_PLACE} - {stage}
        settings = super().settings_for(stage)
        return settings | {"nano": self.nano.model_dump(mode="json", exclude=others)}
