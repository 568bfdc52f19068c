"""What a training run would do, checked against what its folder already holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from deemster.errors import InputError
from deemster.training.manifest import (
    FILE,
    Manifest,
    changed_output,
    hash_file,
    hash_files,
    hash_json,
    read_manifest,
)
from deemster.training.recipe import Recipe

State = Literal["finished", "continue", "begin"]


@dataclass(frozen=True)
class StagePlan:
    """What has to be done for one stage."""

    stage: str
    state: State
    folder: Path


def plan_run(
    recipe: Recipe, out: Path, *, stages: Sequence[str] | None = None, resume: bool = False
) -> list[StagePlan]:
    """What a run would do, checked against what is in `out`; writes nothing.

    Args:
        recipe: a loaded recipe.
        out: the run's folder.
        stages: which to run, in any order; None for all that the recipe has.
        resume: whether finished stages are skipped and an unfinished one is continued.

    Raises:
        InputError: a file is missing, a stage is unknown or not in the recipe, an earlier stage
            that it needs is not finished, or its folder holds something else than this recipe
            would continue.
    """
    for name, path in recipe.files():
        if not path.exists():
            raise InputError(f"{name}: {str(path)!r} does not exist")
    chosen = _chosen(recipe, stages)
    plans: list[StagePlan] = []
    for stage in chosen:
        for earlier in recipe.before(stage):
            if earlier not in chosen:
                _check_finished(recipe, earlier, out, needed_by=stage)
        state = _state(recipe, stage, out, resume=resume, above=plans)
        plans.append(StagePlan(stage, state, out / stage))
    return plans


def _chosen(recipe: Recipe, stages: Sequence[str] | None) -> tuple[str, ...]:
    if stages is None:
        return recipe.stages
    known = recipe.known_stages
    for stage in stages:
        if stage not in known:
            raise InputError(f"unknown stage {stage!r}; known: {', '.join(known)}")
        if stage not in recipe.stages:
            raise InputError(
                f"stage {stage!r} is not in the recipe, which has {', '.join(recipe.stages)}; "
                f"add a section {stage!r}"
            )
    return tuple(stage for stage in recipe.stages if stage in stages)


def _check_finished(recipe: Recipe, stage: str, out: Path, *, needed_by: str) -> None:
    manifest = read_manifest(out / stage)
    if manifest is None or not manifest.complete:
        state = "was never begun" if manifest is None else "is not finished"
        raise InputError(
            f"stage {needed_by!r} needs stage {stage!r}, which {state} in {str(out)!r}; "
            f"give --stage {stage},{needed_by}"
        )
    _check_same(recipe, manifest, out)


def _state(
    recipe: Recipe, stage: str, out: Path, *, resume: bool, above: Sequence[StagePlan]
) -> State:
    folder = out / stage
    manifest = read_manifest(folder)
    if manifest is None:
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(
                f"{str(folder)!r} is not empty and has no {FILE}; give another --out or remove it"
            )
        return "begin"
    if not resume:
        what = "a finished" if manifest.complete else "an unfinished"
        raise InputError(
            f"{str(folder)!r} holds {what} stage; give --resume to continue the run, "
            "or another --out"
        )
    again = [plan.stage for plan in above if plan.state != "finished"]
    if again and set(manifest.inputs) & set(again):
        raise InputError(
            f"stage {stage!r} in {str(out)!r} was made from a stage {again[0]!r} that is gone; "
            f"remove {str(folder)!r} to train it again"
        )
    _check_same(recipe, manifest, out)
    return "finished" if manifest.complete else "continue"


def _check_same(recipe: Recipe, manifest: Manifest, out: Path) -> None:
    """Refuse a stage that was changed, or made from other settings or inputs than the recipe's."""
    folder = out / manifest.stage
    remedy = f"give another --out, or remove {str(folder)!r} to train the stage again"
    settings = recipe.settings_for(manifest.stage)
    if hash_json(settings) != manifest.recipe:
        key = _first_difference(manifest.settings, settings)
        raise InputError(
            f"stage {manifest.stage!r} in {str(out)!r} was begun with other settings ({key}); "
            f"{remedy}"
        )
    now = stage_inputs(recipe, manifest.stage, out)
    for name in sorted(now.keys() | manifest.inputs.keys()):
        if _of_another(recipe, name, manifest.stage):  # manifests of older versions name it
            continue
        if now.get(name) != manifest.inputs.get(name):
            raise InputError(
                f"{name} has changed since stage {manifest.stage!r} in {str(out)!r} began; {remedy}"
            )
    changed = changed_output(folder, manifest.outputs) if manifest.complete else None
    if changed is not None:
        raise InputError(
            f"{changed} of the finished stage {manifest.stage!r} in {str(out)!r} is missing or was "
            f"changed; {remedy}"
        )


def _first_difference(old: JsonValue, new: JsonValue, path: str = "") -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                return _first_difference(old.get(key), new.get(key), f"{path}.{key}".strip("."))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = (dict(zip(map(str, range(len(new))), one, strict=True)) for one in (old, new))
        return _first_difference(old, new, path)
    return f"{path}: {old!r:.60} then, {new!r:.60} now"


def stage_inputs(recipe: Recipe, stage: str, out: Path) -> dict[str, str]:
    """SHA-256 of everything outside the recipe that the stage depends on."""
    found = {}
    for name, path in recipe.files():
        if _of_another(recipe, name, stage):
            continue
        found[name] = hash_json(dict(hash_files(path))) if path.is_dir() else hash_file(path)
    for earlier in recipe.before(stage):
        found[earlier] = hash_file(out / earlier / FILE)
    return found


def _of_another(recipe: Recipe, file: str, stage: str) -> bool:
    """Whether a file is named in the section of another stage, whose manifest has it."""
    section, dot, _ = file.partition(".")
    return bool(dot) and section in recipe.known_stages and section != stage
