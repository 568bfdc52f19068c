"""Runs the stages of a recipe in order, so that a killed run can be continued.

Each stage has its folder in the run's; `manifest.json` there says whether it is complete and what
it was made from. A finished stage is never trained again, and a stage is only continued with the
inputs it was begun with.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from deemster.errors import InputError
from deemster.extras import need
from deemster.training import processes
from deemster.training.disk import disk_explained
from deemster.training.elsewhere import SamplingEngine
from deemster.training.engine import open_engine
from deemster.training.manifest import (
    Manifest,
    device,
    hash_files,
    hash_json,
    read_manifest,
    versions,
)
from deemster.training.plan import StagePlan, plan_run, stage_inputs
from deemster.training.recipe import Recipe
from deemster.training.stage import (
    ProgressListener,
    SilentListener,
    StageContext,
    StageError,
    StageFunction,
)

_MODEL = "model"
_NO_MEMORY = ("OutOfMemoryError", "MemoryError")
"""Of torch, which may not be imported, and of Python."""


def stage_functions(recipe: Recipe) -> Mapping[str, StageFunction[Any]]:
    """The functions with which the recipe's engine does its stages."""
    return open_engine(recipe.engine, folder=recipe.folder).stages()


def run_recipe(
    recipe: Recipe,
    out: Path,
    *,
    stages: Sequence[str] | None = None,
    resume: bool = False,
    listener: ProgressListener | None = None,
    functions: Mapping[str, StageFunction[Any]] | None = None,
    sampling: SamplingEngine | None = None,
) -> dict[str, Manifest]:
    """Run the stages that are not finished.

    Args:
        recipe: a loaded recipe.
        out: the run's folder; made if missing.
        stages: see `plan_run`.
        resume: see `plan_run`.
        listener: notified of progress.
        functions: the stages; None takes those of the recipe's engine.
        sampling: draws trajectories and evaluates; None: this process.

    Returns:
        The manifests of the chosen stages, finished ones included.

    Raises:
        InputError: see `plan_run`; also if what the engine needs is not installed, another process
            writes `out`, or the disk is full.
        StageError: a stage cannot continue.
    """
    if functions is None:
        need("train" if recipe.engine == "trl" else "local", f"training {recipe.name!r}")
    if (
        sampling is not None
        and not open_engine(recipe.engine, folder=recipe.folder).samples_elsewhere
    ):
        raise InputError(
            f"engine {recipe.engine!r} samples in the process that trains; leave --sample-on out, "
            "or use engine 'trl'"
        )
    if not out.exists():
        plan_run(recipe, out, stages=stages, resume=resume)  # refuse before a folder is made
    if functions is None and processes.is_main():  # the others wait for it below
        _check(recipe, plan_run(recipe, out, stages=stages, resume=resume))
    processes.join(cpu=recipe.on_cpu)
    with _locked(out) if processes.is_main() else nullcontext():
        plans = plan_run(recipe, out, stages=stages, resume=resume)
        processes.first(lambda: None)  # all processes have planned before anything is written
        functions = stage_functions(recipe) if functions is None else functions
        missing = [plan.stage for plan in plans if plan.stage not in functions]
        if missing:
            raise InputError(f"engine {recipe.engine!r} has no function of stage {missing[0]!r}")
        for plan in plans:
            if plan.state != "finished":
                with disk_explained(out):
                    _run_stage(
                        recipe, plan, out, functions[plan.stage], listener, sampling=sampling
                    )
        manifests = {plan.stage: read_manifest(plan.folder) for plan in plans}
    return {stage: manifest for stage, manifest in manifests.items() if manifest is not None}


def _check(recipe: Recipe, plans: Sequence[StagePlan]) -> None:
    """Refuse what a stage would refuse only after the ones before it, or after its sampling."""
    left = [plan.stage for plan in plans if plan.state != "finished"]
    check = open_engine(recipe.engine, folder=recipe.folder).check
    if left and check is not None:
        check(recipe, left)


def _run_stage(
    recipe: Recipe,
    plan: StagePlan,
    out: Path,
    function: StageFunction[Any],
    listener: ProgressListener | None,
    *,
    sampling: SamplingEngine | None,
) -> None:
    manifest = _begun(recipe, plan, out)
    processes.first(lambda: manifest.write(plan.folder))
    context = StageContext(
        name=plan.stage,
        folder=plan.folder,
        inputs={earlier: out / earlier for earlier in recipe.before(plan.stage)},
        recipe=recipe,
        resume=plan.state == "continue",
        listener=listener or SilentListener(),
        sampling=sampling,
    )
    # Trainers print their logs; stdout is for results.
    with redirect_stdout(sys.stderr):
        try:
            with disk_explained(plan.folder):
                figures = dict(function(context))
        except InputError as error:
            raise InputError(f"stage {plan.stage!r}: {error}") from error
        except StageError as error:
            raise StageError(f"stage {plan.stage!r}: {error}") from error
        except Exception as error:
            if type(error).__name__ not in _NO_MEMORY:
                raise
            raise InputError(
                f"stage {plan.stage!r}: {str(error).partition('.')[0] or 'out of memory'}; give a "
                "smaller micro_batch_size or max_length, lora, or a smaller model, and --resume"
            ) from error
    _free_memory()

    def finish() -> None:
        from deemster.training.plots import (  # noqa: PLC0415 - slow to import
            plot_experts,
            plot_metrics,
        )

        plot_metrics(plan.folder)
        plot_experts(figures, plan.folder)
        says = recipe.judge_file(plan.stage)
        if says is not None and (plan.folder / _MODEL).is_dir():
            says.write(plan.folder / _MODEL)
        done = {
            "complete": True,
            "figures": figures,
            "finished": _now(),
            "outputs": hash_files(plan.folder),
        }
        manifest.model_copy(update=done).write(plan.folder)
        write_run_file(recipe, out)

    processes.first(finish)


def write_run_file(recipe: Recipe, out: Path) -> None:
    """Make the run's folder a judge: `hf:OUT` is the last model, with the meta RM if there is one.

    Stages that are not complete do not count.
    """
    done = [stage for stage in recipe.stages if _has_model(out / stage)]
    says = recipe.run_file(done)
    if says is not None:
        says.write(out)


def _has_model(folder: Path) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and manifest.complete and (folder / _MODEL).is_dir()


def _free_memory() -> None:
    """Free what the stage's model took before the next one is loaded.

    A trainer and its model refer to each other, so nothing else would free them for long.
    """
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _begun(recipe: Recipe, plan: StagePlan, out: Path) -> Manifest:
    """The manifest of a stage that is now begun or continued."""
    manifest = read_manifest(plan.folder)
    if manifest is not None:
        return manifest.model_copy(update={"attempts": manifest.attempts + 1})
    plan.folder.mkdir(parents=True, exist_ok=True)
    settings = recipe.settings_for(plan.stage)
    return Manifest(
        stage=plan.stage,
        engine=recipe.engine,
        seed=recipe.seed,
        settings=settings,
        recipe=hash_json(settings),
        inputs=stage_inputs(recipe, plan.stage, out),
        versions=versions(),
        device=device(),
        started=_now(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    try:
        with disk_explained(out):
            out.mkdir(parents=True, exist_ok=True)
            lock = FileLock(out / ".lock", timeout=0)
            lock.acquire()
    except Timeout as error:
        raise InputError(
            f"another process is training in {str(out)!r}; wait for it, or give another --out"
        ) from error
    except OSError as error:
        raise InputError(f"cannot write to {str(out)!r}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
