"""`deemster train`: a recipe's stages, or a meta RM from a stored run."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from deemster.cli.engines import SAMPLING, make_sampling
from deemster.cli.judging_command import with_options
from deemster.cli.options import TrustSuite
from deemster.cli.statuses import STOPPED
from deemster.cli.terminal import tell
from deemster.errors import InputError

if TYPE_CHECKING:
    from pydantic import JsonValue
    from rich.progress import Progress, TaskID

    from deemster.training.elsewhere import SamplingEngine
    from deemster.training.manifest import Manifest
    from deemster.training.plan import StagePlan
    from deemster.training.recipe import Recipe
    from deemster.training.stage import ProgressListener

_SHOWN = ("step", "loss", "reward", "kl", "parse_failures", "auc")
"""Logged figures shown beside a bar."""
_QUIET = 30.0
"""Seconds between two lines if there is no terminal to draw bars on."""


class _RecipeFirst(TyperGroup):
    """Reads anything that is not a command as a recipe: `deemster train recipe.yaml`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's click
        if not args or args[0] not in self.commands:
            args = ["recipe", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_RecipeFirst, help="Train a judge by a recipe.", no_args_is_help=False)

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder of the run. Default: the recipe's `out`."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the final figures as JSON.")]


def recipe_(
    sampling: Mapping[str, Any],
    recipe_file: Annotated[
        Path | None,
        typer.Argument(metavar="RECIPE", help="The recipe, a YAML file.", show_default=False),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Only these stages, comma-separated: distil, rft, rl, meta, eval. "
            "Default: all that the recipe has.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Skip finished stages and continue the unfinished one."),
    ] = False,
    out: Out = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check recipe, data and folder; train nothing.")
    ] = False,
    toy: Annotated[
        bool,
        typer.Option("--toy", help="A quick trial: with the changes of the recipe's section toy."),
    ] = False,
    as_json: Json = False,
    trust_suite: TrustSuite = False,
) -> int:
    """Train a judge by a recipe: distil, rft, rl, meta, eval.

    Stop it at any time: --resume continues where it stopped. A meta RM alone, from a stored run:
    `deemster train meta-rm --help`.
    """
    if recipe_file is None:
        raise InputError("RECIPE is missing; give a YAML file, for example recipes/rft-grpo.yaml")
    from deemster.training.loading import load_recipe

    recipe = load_recipe(recipe_file, trust=trust_suite, toy=toy)
    folder = out or recipe.out_folder
    stages = None if stage is None else [name for name in re.split(r"[,\s]+", stage) if name]
    if stages is not None and not stages:
        raise InputError("--stage names no stage; give for example --stage rft,rl")
    if dry_run:
        _dry_run(recipe, folder, stages, resume=resume)
        return 0
    return _run(
        recipe,
        folder,
        stages,
        resume=resume,
        as_json=as_json,
        sampling=make_sampling(sampling),
    )


app.command("recipe")(with_options(recipe_, {"sampling": SAMPLING}))


@app.command("meta-rm")
def meta_rm(
    source: Annotated[
        Path,
        typer.Option("--from", help="A run directory (of `deemster run`) with labelled samples."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder or repository it is made from. Default: the local model (hf:…) that "
            "judged the run."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write. Default: runs/meta-rm-NAME-OF-THE-RUN."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides held-out items and batches.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in OUT.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Train a meta RM on the labelled judgments of a stored run; use it as hf:OUT/meta/model.

    Other settings (learning rate, LoRA, …) go into a recipe's section `meta`, with `run: DIR`.
    """
    from deemster.training.trl_recipe import TrlRecipe

    recipe = TrlRecipe.model_validate(
        {
            "name": f"meta-rm-{source.resolve().name}",
            "seed": seed,
            "model": {"base": model or _judged_by(source)},
            "meta": {"run": str(source)},
        }
    )
    return _run(recipe, out or recipe.out_folder, None, resume=resume, as_json=as_json)


def _judged_by(run: Path) -> str:
    """The one local model that judged a run."""
    from deemster.suites.store import RunStore

    with RunStore(run) as store:
        names = {info.model for info in store.judges()}
    local = {name.removeprefix("hf:") for name in names if name.startswith("hf:")}
    if len(local) != 1:
        judged_by = f"{len(local)} local models" if local else "no local model"
        raise InputError(f"{judged_by} judged {str(run)!r}; give --model, a folder or a repository")
    return local.pop()


def _run(
    recipe: Recipe,
    out: Path,
    stages: list[str] | None,
    *,
    resume: bool,
    as_json: bool,
    sampling: SamplingEngine | None = None,
) -> int:
    # TRL reports every trainer to the Hugging Face Hub unless told not to, before it is imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from deemster.training import processes
    from deemster.training.runner import run_recipe
    from deemster.training.stage import StageError

    try:
        with _bars() as bars:
            done = run_recipe(
                recipe, out, stages=stages, resume=resume, listener=bars, sampling=sampling
            )
    except KeyboardInterrupt:
        tell(f"deemster: {out} is kept; give --resume to continue it")
        raise
    except StageError as error:
        tell(f"deemster: {error}")
        return STOPPED
    if processes.is_main():
        _show(done, out, as_json=as_json)
        if (command := _next_command(recipe, out)) is not None and not as_json:
            tell(f"judge with it: {command}")
    return 0


def _dry_run(recipe: Recipe, out: Path, stages: list[str] | None, *, resume: bool) -> None:
    from deemster.cli.render import show_facts, show_table
    from deemster.training.engine import open_engine
    from deemster.training.plan import plan_run

    plans = plan_run(recipe, out, stages=stages, resume=resume)
    check = open_engine(recipe.engine, folder=recipe.folder).check
    if check is not None:
        show_facts(check(recipe, [plan.stage for plan in plans]))
    show_table("stages", ("stage", "would", "folder"), [_plan_row(plan) for plan in plans])


def _plan_row(plan: StagePlan) -> tuple[str, str, str]:
    would = {"begin": "begin", "continue": "continue", "finished": "be skipped: finished"}
    return plan.stage, would[plan.state], str(plan.folder)


def _show(done: Mapping[str, Manifest], out: Path, *, as_json: bool) -> None:
    if as_json:
        figures = {stage: manifest.figures for stage, manifest in done.items()}
        typer.echo(json.dumps({"out": str(out), "stages": figures}))
        return
    from deemster.cli.training_summary import show_training

    show_training(done)
    tell(f"run written to {out}")


def _next_command(recipe: Recipe, out: Path) -> str | None:
    """How to judge with what was trained; None if there is no model."""
    from deemster.backends.judge_file import CONFIG_NAME

    models = {
        stage: f"hf:{out / stage / 'model'}"
        for stage in recipe.stages
        if (out / stage / "model").is_dir()
    }
    meta = models.pop("meta", None)
    judge = next(reversed(models.values()), None)
    if judge is None and meta is None:
        return None
    words = ["deemster", "score", "-q", "QUERY", "-r", "RESPONSE", "-r", "RESPONSE"]
    if (out / CONFIG_NAME).is_file():
        return shlex.join([*words, "--model", f"hf:{out}"])
    words += ["-k", "8"]
    if judge is not None:
        words += ["--model", judge]
    dialect = getattr(getattr(recipe, "model", None), "dialect", None)
    if judge is not None and dialect is not None:
        words += ["--dialect", dialect]
    if meta is not None:
        words += ["--meta-rm", meta]
    return shlex.join(words)


class _Bars:
    """A bar per piece of work on a terminal; elsewhere a line now and then."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._told = 0.0

    def progress(self, stage: str, what: str, done: int, total: int) -> None:
        """See `ProgressListener`."""
        if self._bars.disable:
            self._line(f"{stage}: {what}, {done} of {total}", now=done == total)
        else:
            self._bars.update(self._task(stage, what), completed=done, total=total)

    def figures(self, stage: str, figures: Mapping[str, JsonValue]) -> None:
        """See `ProgressListener`."""
        if "note" in figures:
            self._line(f"{stage}: {figures['note']}", now=True)
        shown = [
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in figures.items()
            if name in _SHOWN and value is not None
        ]
        if not shown or "step" not in figures:
            return
        if self._bars.disable:
            self._line(f"{stage}: {', '.join(shown)}", now=False)
        else:
            self._bars.update(self._task(stage, "training"), note=", ".join(shown))

    def _task(self, stage: str, what: str) -> TaskID:
        name = f"{stage}: {what}"
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, note="")
        return self._tasks[name]

    def _line(self, text: str, *, now: bool) -> None:
        if now or time.monotonic() - self._told > _QUIET:
            self._told = time.monotonic()
            tell(text)


@contextmanager
def _bars() -> Iterator[ProgressListener]:
    from deemster.cli.render import bars

    with bars() as shown:
        yield _Bars(shown)
