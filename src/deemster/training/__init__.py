"""Training judges (SPCT): data, trajectories, rejection, fine-tuning, RL, meta RM, recipes.

Paper section 3. Names are imported when first used; torch and the trainers when a stage needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deemster.training.engine import ENGINES, Engine, open_engine
    from deemster.training.loading import load_recipe
    from deemster.training.recipe import Recipe
    from deemster.training.rollouts import Rollout
    from deemster.training.runner import run_recipe
    from deemster.training.stage import StageContext, StageFunction

_MODULE = {
    "ENGINES": "engine",
    "Engine": "engine",
    "Recipe": "recipe",
    "Rollout": "rollouts",
    "StageContext": "stage",
    "StageFunction": "stage",
    "load_recipe": "loading",
    "open_engine": "engine",
    "run_recipe": "runner",
}

__all__ = [
    "ENGINES",
    "Engine",
    "Recipe",
    "Rollout",
    "StageContext",
    "StageFunction",
    "load_recipe",
    "open_engine",
    "run_recipe",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the exports
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
