"""The engine `trl`: TRL's trainers, for models of transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deemster.training.engine import Engine
from deemster.training.stage import StageFunction
from deemster.training.trl_recipe import TrlRecipe


def _stages() -> Mapping[str, StageFunction[TrlRecipe]]:
    from deemster.training.trl_stages import STAGES  # noqa: PLC0415 - loads torch

    return STAGES


def _check(recipe: TrlRecipe, stages: Sequence[str]) -> Mapping[str, object]:
    from deemster.training.checks import check_run  # noqa: PLC0415 - loads data

    return check_run(recipe, stages)


ENGINE = Engine(recipe=TrlRecipe, stages=_stages, check=_check, samples_elsewhere=True)
