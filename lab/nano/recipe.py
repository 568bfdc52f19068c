"""The contents of a recipe of the embedded model."""

from __future__ import annotations

from typing import ClassVar

from pydantic import JsonValue

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

    def settings_for(self, stage: str) -> dict[str, JsonValue]:
        """The settings that decide what a stage does, not where it is computed."""
        others = {*STAGES, *_PLACE} - {stage}
        settings = super().settings_for(stage)
        return settings | {"nano": self.nano.model_dump(mode="json", exclude=others)}
