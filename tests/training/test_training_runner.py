"""The runner: order, resuming, refusals, plots, disk full. With stages that take no time."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from pydantic import JsonValue

from deemster.errors import InputError
from deemster.training.manifest import read_manifest
from deemster.training.plots import read_metrics
from deemster.training.runner import run_recipe
from deemster.training.stage import StageContext, StageError, StageFunction
from deemster.training.trl_recipe import STAGES, TrlRecipe

PNG = b"\x89PNG"
RECIPE: dict[str, Any] = {
    "name": "fast",
    "data": {"train": {"path": "train.jsonl"}, "evaluation": {"path": "train.jsonl"}},
    "model": {"base": "nobody/nothing"},
    "distil": {"judges": {"model": "fake:x"}},
    "rft": {},
    "rl": {},
    "meta": {},
    "eval": {},
}


class Stages:
    """Stage functions that note their calls and write one file each."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.contexts: dict[str, StageContext[Any]] = {}
        self.on: dict[str, Callable[[StageContext[Any]], None]] = {}

    def __call__(self, context: StageContext[Any]) -> Mapping[str, JsonValue]:
        self.calls.append(context.name)
        self.contexts[context.name] = context
        for step in range(3) if context.name == "rl" else ():  # drawing takes most of the time
            context.log(step=step, loss=1 / (step + 1), kl=float("nan"))
        if context.name in self.on:
            self.on[context.name](context)
        (context.folder / "model").write_text(context.name, encoding="utf-8")
        return {"calls": len(self.calls)}

    @property
    def functions(self) -> dict[str, StageFunction[Any]]:
        return dict.fromkeys(STAGES, self)


@pytest.fixture
def stages() -> Stages:
    return Stages()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working directory with the recipe's data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.jsonl").write_text("{}\n", encoding="utf-8")
    return tmp_path


def recipe(**changes: Any) -> TrlRecipe:
    return TrlRecipe.model_validate({**RECIPE, **changes})


def run(doers: Stages, out: Path = Path("run"), **options: Any) -> dict[str, Any]:
    given = options.pop("recipe", recipe())
    return run_recipe(given, out, functions=doers.functions, **options)


def interrupt(_: StageContext[Any]) -> None:
    raise KeyboardInterrupt


def test_stages_run_in_order_with_what_came_before(home: Path, stages: Stages) -> None:
    done = run(stages)
    assert stages.calls == list(done) == list(STAGES)
    assert list(stages.contexts["meta"].inputs) == ["distil", "rft", "rl"]
    rl = done["rl"]
    assert rl.complete
    assert rl.figures == {"calls": 3}
    assert set(rl.inputs) == {"data.train.0.path", "data.evaluation.0.path", "distil", "rft"}
    assert rl.versions["deemster"]
    assert rl.attempts == 1
    assert Path("run/rl/metrics.png").read_bytes().startswith(PNG)
    assert "<svg" in Path("run/rl/metrics.svg").read_text("utf-8")
    assert set(rl.outputs) == {"model", "metrics.jsonl", "metrics.png", "metrics.svg"}


def test_resume_skips_what_is_finished_and_continues_the_rest(home: Path, stages: Stages) -> None:
    stages.on["rl"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(stages)
    unfinished = read_manifest(Path("run/rl"))
    assert unfinished is not None
    assert not unfinished.complete
    again = Stages()
    done = run(again, resume=True)
    assert again.calls == ["rl", "meta", "eval"]
    assert again.contexts["rl"].resume
    assert not again.contexts["meta"].resume
    assert done["rl"].attempts == 2
    assert done["rl"].started == unfinished.started
    # The kill's steps and the repeated ones are one curve.
    assert [line["step"] for line in read_metrics(Path("run/rl"))] == [0, 1, 2]
    last = Stages()
    assert all(manifest.complete for manifest in run(last, resume=True).values())
    assert last.calls == []


def test_chosen_stages_need_the_earlier_ones(home: Path, stages: Stages) -> None:
    with pytest.raises(InputError, match=r"'rl' needs stage 'distil', which was never begun"):
        run(stages, stages=["rl"])
    assert list(run(stages, stages=["rft", "distil"])) == ["distil", "rft"]
    assert list(run(stages, stages=["rl"])) == ["rl"]
    stages.on["meta"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(stages, stages=["meta"])
    with pytest.raises(InputError, match=r"'eval' needs stage 'meta', which is not finished"):
        run(stages, stages=["eval"])
    with pytest.raises(InputError, match=r"unknown stage 'sft'; known: distil, rft"):
        run(stages, stages=["sft"])
    short = recipe().model_copy(update={"rl": None})
    with pytest.raises(InputError, match=r"stage 'rl' is not in the recipe, which has distil, rft"):
        run(stages, recipe=short, stages=["rl"])


def change_data() -> None:
    Path("train.jsonl").write_text("{}\n{}\n", encoding="utf-8")


def change_output() -> None:
    Path("run/distil/model").write_text("another", encoding="utf-8")


def remove_output() -> None:
    Path("run/distil/model").unlink()


def damage_manifest() -> None:
    Path("run/rft/manifest.json").write_text("{", encoding="utf-8")


def lose_manifest() -> None:
    Path("run/rft/manifest.json").unlink()


@pytest.mark.parametrize(
    ("change", "changes", "message"),
    [
        pytest.param(
            change_data,
            {},
            r"data\.\w+\.0.* has changed since stage 'distil' in 'run' began",
            id="data",
        ),
        pytest.param(
            change_output, {}, r"model of the finished stage 'distil' .* was changed", id="changed"
        ),
        pytest.param(
            remove_output, {}, r"model of the finished stage 'distil' .* is missing", id="missing"
        ),
        pytest.param(damage_manifest, {}, r"cannot read 'run/rft/manifest.json'", id="damaged"),
        pytest.param(lose_manifest, {}, r"'run/rft' is not empty and has no manifest", id="lost"),
        pytest.param(
            None, {"rft": {"n": 5}}, r"'rft' .* other settings \(rft\.n: 3 then, 5 now\)", id="n"
        ),
        pytest.param(
            None,
            {"distil": {"judges": [{"model": "fake:y"}]}},
            r"settings \(distil\.judges\.0\.model: 'fake:x' then, 'fake:y' now\)",
            id="one-of-a-list",
        ),
        pytest.param(None, {"seed": 7}, r"other settings \(seed: 0 then, 7 now\)", id="seed"),
    ],
)
def test_nothing_is_continued_from_something_else(
    home: Path,
    stages: Stages,
    change: Callable[[], None] | None,
    changes: dict[str, Any],
    message: str,
) -> None:
    stages.on["rl"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(stages)
    if change is not None:
        change()
    again = Stages()
    with pytest.raises(InputError, match=message) as told:
        run(again, recipe=recipe(**changes), resume=True)
    assert "\n" not in str(told.value)
    assert again.calls == []


def test_other_stages_settings_do_not_matter(home: Path, stages: Stages) -> None:
    run(stages, stages=["distil", "rft"])
    done = run(Stages(), recipe=recipe(rl={"n": 4}, eval={"k": 2}), resume=True)
    assert list(done) == list(STAGES)


@pytest.mark.parametrize("field", ["base", "run"])
@pytest.mark.parametrize("before", [False, True], ids=["given-later", "changed-later"])
def test_other_stages_files_do_not_matter(
    home: Path, stages: Stages, field: str, before: bool
) -> None:
    Path("one").mkdir()
    mine = recipe(meta={field: "one"})
    run(stages, recipe=mine if before else recipe(), stages=["distil", "rft"])
    Path("one/model").write_text("another", encoding="utf-8")
    assert list(run(Stages(), recipe=mine, resume=True)) == list(STAGES)
    Path("one/model").write_text("a third", encoding="utf-8")
    with pytest.raises(InputError, match=rf"meta\.{field} has changed since stage 'meta'"):
        run(Stages(), recipe=mine, resume=True)


def test_manifests_that_name_other_stages_files_are_still_good(home: Path, stages: Stages) -> None:
    run(stages, stages=["distil"])
    manifest = read_manifest(Path("run/distil"))
    assert manifest is not None
    older = {**manifest.inputs, "meta.base": "0" * 64}
    manifest.model_copy(update={"inputs": older}).write(Path("run/distil"))
    assert list(run(Stages(), resume=True)) == list(STAGES)


def test_a_stage_trained_again_leaves_later_ones_behind(home: Path, stages: Stages) -> None:
    import shutil

    run(stages)
    shutil.rmtree("run/rft")
    with pytest.raises(InputError, match=r"'rl' in 'run' was made from a stage 'rft' that is gone"):
        run(Stages(), resume=True)


def test_without_resume_nothing_is_touched(home: Path, stages: Stages) -> None:
    run(stages, stages=["distil"])
    with pytest.raises(InputError, match="holds a finished stage; give --resume"):
        run(stages)
    assert stages.calls == ["distil"]


def test_one_run_at_a_time(home: Path, stages: Stages) -> None:
    Path("run").mkdir()
    with (
        FileLock("run/.lock", is_singleton=False),
        pytest.raises(InputError, match="another process is training in 'run'"),
    ):
        run(stages)
    run(stages)


FULL_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL = r"the disk is full \(\d+ MiB free\) while writing 'run/rft'; make room and resume"


def wrapped(code: int) -> Exception:
    """What a library makes of the operating system's error."""
    error = RuntimeError("cannot serialize")
    error.__cause__ = OSError(code, os.strerror(code))
    return error


def remove(error: Exception) -> Exception:
    shutil.rmtree("run/rft")
    return error


@pytest.mark.parametrize(
    ("fail", "told"),
    [
        *((lambda code=code: OSError(code, "no"), FULL) for code in FULL_DISKS),
        *((lambda code=code: wrapped(code), FULL) for code in FULL_DISKS),
        (lambda: ValueError("I/O error: No space left on device (os error 28)"), FULL),
        (lambda: RuntimeError(f"save: {os.strerror(errno.EDQUOT)}"), FULL),
        (lambda: RuntimeError("PytorchStreamWriter failed writing file data/3"), FULL),
        (lambda: PermissionError(errno.EACCES, "no", "run/rft/model"), "'run/rft/model': Perm"),
        (lambda: wrapped(errno.EROFS), "'run/rft': Read-only file system; mend it and resume"),
        (lambda: ValueError("Input/output error (os error 5)"), "'run/rft': Input/output error"),
        (lambda: remove(RuntimeError("Parent directory x does not exist.")), "'run/rft' was rem"),
        (lambda: remove(FileNotFoundError(errno.ENOENT, "no", "run/rft/x")), "'run/rft' was rem"),
    ],
)
def test_what_the_disk_does_is_one_line(
    home: Path, stages: Stages, fail: Callable[[], Exception], told: str
) -> None:
    def lose(_: StageContext[Any]) -> None:
        raise fail()

    stages.on["rft"] = lose
    with pytest.raises(InputError, match=told):
        run(stages, stages=["distil", "rft"])


@pytest.mark.parametrize("removed", [False, True])
def test_when_the_disk_is_well_again_the_run_goes_on(
    home: Path, stages: Stages, removed: bool
) -> None:
    def lose(_: StageContext[Any]) -> None:
        error = OSError(errno.ENOSPC, "no")
        raise remove(error) if removed else error

    stages.on["rft"] = lose
    with pytest.raises(InputError):
        run(stages)
    assert run(Stages(), resume=True)["rft"].attempts == (1 if removed else 2)


def test_other_errors_are_not_the_disks(home: Path, stages: Stages) -> None:
    def fail(_: StageContext[Any]) -> None:
        raise RuntimeError("a bug")

    stages.on["rft"] = fail
    with pytest.raises(RuntimeError, match="a bug"):
        run(stages)


@pytest.mark.parametrize("stage", ["distil", "rl", "meta", "eval"])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB."), "CUDA", id="gpu"),
        pytest.param(MemoryError(), "out of memory", id="main"),
    ],
)
def test_no_memory_is_one_line_wherever_it_ends(
    home: Path, stages: Stages, stage: str, error: Exception, told: str
) -> None:
    def fill(_: StageContext[Any]) -> None:
        raise error

    stages.on[stage] = fill
    with pytest.raises(
        InputError, match=f"stage '{stage}': {told}.*; give a smaller .*, and --resume$"
    ) as caught:
        run(stages)
    assert "\n" not in str(caught.value)
    assert run(Stages(), resume=True)[stage].complete


def test_other_errors_pass(home: Path, stages: Stages) -> None:
    def fail(_: StageContext[Any]) -> None:
        raise StageError("every reward is -1")

    stages.on["rl"] = fail
    with pytest.raises(StageError, match="every reward is -1"):
        run(stages)


def test_a_folder_that_cannot_be_made(home: Path, stages: Stages) -> None:
    Path("file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot write to 'file/run'"):
        run(stages, out=Path("file/run"))


def test_missing_data_is_told_before_anything_runs(home: Path, stages: Stages) -> None:
    Path("train.jsonl").unlink()
    with pytest.raises(InputError, match=r"data\.train\.0\.path: 'train\.jsonl' does not exist"):
        run(stages)
    assert stages.calls == []


def test_metrics_survive_a_torn_line(home: Path, stages: Stages) -> None:
    stages.on["rl"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(stages)
    context = stages.contexts["rl"]
    metrics = context.folder / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-8])
    context.log(step=2, loss=0.1, kl=None)
    found = read_metrics(context.folder)
    assert [(line["step"], line["loss"]) for line in found] == [(0, 1.0), (1, 0.5), (2, 0.1)]
    assert json.loads(metrics.read_text("utf-8").splitlines()[0])["kl"] is None


def test_a_stages_model_is_freed_before_the_next_stage(home: Path) -> None:
    """Trainer and model refer to each other: nothing else frees them before the next is loaded."""

    class Model:
        def __init__(self) -> None:
            self.trainer = self

    models: list[weakref.ref[Model]] = []
    alive: list[int] = []

    def train(context: StageContext[Any]) -> dict[str, Any]:
        alive.append(sum(model() is not None for model in models))
        models.append(weakref.ref(Model()))
        return {}

    given = recipe()
    gc.disable()
    try:
        run_recipe(given, home / "out", functions=dict.fromkeys(given.stages, train))
    finally:
        gc.enable()
    assert alive == [0] * len(given.stages)
    assert len(alive) > 1
