"""Models trained without one part of the pipeline, for the scaling study.

    python -m lab.nano.ablations --run build/nano --out build/ablations

Each is a run of its own that shares the earlier stages with the finished run it is compared with,
so only what differs is trained again. Finished ones are not trained again.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import JsonValue

from deemster.errors import InputError
from deemster.training.loading import load_recipe
from deemster.training.manifest import CHECKPOINTS
from deemster.training.runner import run_recipe
from lab.nano.recipe import NanoRecipe
from lab.nano.settings import DeviceName

_STAGES = ("distil", "rft", "rl")


@dataclass(frozen=True)
class Ablation:
    """What is left out, as settings of one stage; that stage and later ones are trained anew."""

    stage: str
    settings: Mapping[str, JsonValue]
    last: str = "rl"

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that are trained."""
        return _STAGES[_STAGES.index(self.stage) : _STAGES.index(self.last) + 1]


ABLATIONS: Mapping[str, Ablation] = {
    "no-kl": Ablation("rl", {"beta": 0}),
    "no-rejection": Ablation("rft", {"reject": False}),
    "no-hints": Ablation("rft", {"hinted": False}, last="rft"),
    "no-instruction": Ablation("rft", {"instruction": 0}, last="rft"),
    "no-principles": Ablation("distil", {"principles": False}),
}
"""By name; as in the paper's Table 4, rejection and principles are judged after RL, hints and
instruction data after RFT."""


def ablated(recipe: NanoRecipe, name: str) -> NanoRecipe:
    """The recipe without one part.

    Raises:
        InputError: the ablation is unknown.
    """
    if name not in ABLATIONS:
        raise InputError(f"unknown ablation {name!r}; known: {', '.join(ABLATIONS)}")
    one = ABLATIONS[name]
    section = getattr(recipe.nano, one.stage).model_copy(update=one.settings)
    nano = recipe.nano.model_copy(update={one.stage: section})
    return recipe.model_copy(update={"name": f"{recipe.name}-{name}", "nano": nano, "out": None})


def train_ablation(recipe: NanoRecipe, name: str, *, run: Path, out: Path) -> Path:
    """Train what an ablation changes, from the stages of a finished run before it.

    Args:
        recipe: of the finished run.
        name: out of `ABLATIONS`.
        run: its folder.
        out: folder of all ablations; this one's is made in it.

    Returns:
        The folder of this ablation's run.

    Raises:
        InputError: a stage of `run` that is needed is not finished, or see `run_recipe`.
    """
    without = ablated(recipe, name)
    stages = ABLATIONS[name].stages
    folder = out / name
    for earlier in _STAGES[: _STAGES.index(stages[0])]:
        if not (folder / earlier).exists():
            if not (run / earlier).is_dir():
                raise InputError(f"{run / earlier} does not exist; train {recipe.name!r} first")
            # Completely or not at all, so that a killed copy is not taken for a stage.
            part = folder / f"{earlier}.part"
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(run / earlier, part, ignore=shutil.ignore_patterns(CHECKPOINTS)).rename(
                folder / earlier
            )
    run_recipe(without, folder, stages=stages, resume=True)
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", type=Path, default=Path("recipes/nano.yaml"))
    parser.add_argument("--run", type=Path, default=Path("build/nano"), help="a finished run of it")
    parser.add_argument("--out", type=Path, default=Path("build/ablations"))
    parser.add_argument("--device", choices=get_args(DeviceName), default="auto")
    parser.add_argument("--names", nargs="+", choices=tuple(ABLATIONS), default=list(ABLATIONS))
    given = parser.parse_args(arguments)
    recipe = load_recipe(given.recipe)
    if not isinstance(recipe, NanoRecipe):
        parser.error(f"{given.recipe} is not a recipe of the embedded model's engine")
    nano = recipe.nano.model_copy(update={"device": given.device})
    recipe = recipe.model_copy(update={"nano": nano})
    for name in given.names:
        print(f"{name}: {given.out / name}", flush=True)  # noqa: T201 - a command's progress
        train_ablation(recipe, name, run=given.run, out=given.out)


if __name__ == "__main__":
    main()
