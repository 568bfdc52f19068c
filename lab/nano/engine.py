"""The engine of `recipes/nano.yaml`: a loop of its own that trains a very small judge from scratch.

For a model of a million parameters on few cores it is several times faster than TRL's trainers.
"""

from __future__ import annotations

from collections.abc import Mapping

from deemster.training.engine import Engine
from deemster.training.stage import StageFunction
from lab.nano.recipe import NanoRecipe


def _stages() -> Mapping[str, StageFunction[NanoRecipe]]:
    from lab.nano.stages import STAGES  # noqa: PLC0415 - loads torch

    return STAGES


ENGINE = Engine(recipe=NanoRecipe, stages=_stages)
