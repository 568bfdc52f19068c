"""Engines: by name, by path, from other packages; what is told about one that is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from deemster.errors import InputError
from deemster.training.engine import Engine, open_engine
from deemster.training.loading import load_recipe
from deemster.training.recipe import Recipe
from deemster.training.runner import run_recipe
from deemster.training.trl_engine import ENGINE as TRL

ROOT = Path(__file__).parents[2]
OWN = '''
"""An engine with a section and one stage, in a package of its own."""
from typing import ClassVar
from deemster.training.engine import Engine
from deemster.training.recipe import Recipe
from {package}.numbers import ADDED

class OwnRecipe(Recipe):
    known_stages: ClassVar[tuple[str, ...]] = ("count", "never")
    start: int = 0

def count(context):
    context.progress("counting", 1, 1)
    return {{"counted": context.recipe.start + ADDED}}

def check(recipe, stages):
    return {{"starts at": recipe.start}}

ENGINE = Engine(recipe=OwnRecipe, stages=lambda: {{"count": count}}, check=check)
OTHER = Engine(recipe=Recipe, stages=dict)
NUMBER = 3
'''


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """Puts back what importing a file leaves behind."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        if name.startswith("own_"):
            del sys.modules[name]


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with `recipes/` and, beside it, a package with an engine."""
    package = tmp_path / "own_engines"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "engine.py").write_text(OWN.format(package="own_engines"), encoding="utf-8")
    (package / "numbers.py").write_text("ADDED = 2\n", encoding="utf-8")
    (tmp_path / "recipes").mkdir()
    return tmp_path


def write(project: Path, engine: str, more: str = "") -> Path:
    path = project / "recipes" / "r.yaml"
    path.write_text(f"name: own\nengine: {engine}\n{more}", encoding="utf-8")
    return path


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`deemster`, with nothing of the checkout on the import path but the package."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "deemster", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=170,
    )  # fmt: skip


def test_a_name() -> None:
    assert open_engine("trl", folder=Path()) is TRL


@pytest.mark.parametrize("engine", ["../own_engines/engine.py", "../own_engines/engine.py:ENGINE"])
def test_a_path_starts_at_the_recipe(project: Path, engine: str) -> None:
    recipe = load_recipe(write(project, engine, "start: 5\n"))
    assert type(recipe).__name__ == "OwnRecipe"
    assert recipe.folder == project / "recipes"
    assert recipe.settings_for("count") == {"engine": engine, "seed": 0, "start": 5}
    done = run_recipe(recipe, project / "run", stages=["count"])
    assert done["count"].figures == {"counted": 7}
    assert done["count"].engine == engine


def test_another_engine_of_the_file(project: Path) -> None:
    recipe = load_recipe(write(project, "../own_engines/engine.py:OTHER"))
    assert type(recipe) is Recipe
    assert recipe.stages == ()


def test_the_same_file_is_imported_once(project: Path) -> None:
    write(project, "")
    paths = ("../own_engines/engine.py", str(project / "own_engines" / "engine.py"))
    one, two = (open_engine(path, folder=project / "recipes") for path in paths)
    assert one is two


def test_a_file_that_is_in_no_package(project: Path) -> None:
    text = OWN.format(package="own_engines").replace("from own_engines.numbers import ADDED", "")
    (project / "recipes" / "own_file.py").write_text(text, encoding="utf-8")
    assert isinstance(open_engine("own_file.py", folder=project / "recipes"), Engine)


def test_the_engine_says_what_a_recipe_may_say(project: Path) -> None:
    path = write(project, "../own_engines/engine.py", "begin: 5\n")
    with pytest.raises(InputError, match=r"r\.yaml:3: unknown key 'begin'; allowed: name, .*start"):
        load_recipe(path)


def test_a_stage_without_a_function(project: Path) -> None:
    recipe = load_recipe(write(project, "../own_engines/engine.py"))
    with pytest.raises(InputError, match="has no function of stage 'never'"):
        run_recipe(recipe, project / "run")
    with pytest.raises(InputError, match="unknown stage 'rft'; known: count, never"):
        run_recipe(recipe, project / "run", stages=["rft"])


def test_an_engine_that_samples_in_its_own_way_is_not_sent_elsewhere(project: Path) -> None:
    recipe = load_recipe(write(project, "../own_engines/engine.py"))
    with pytest.raises(InputError, match="samples in the process that trains; leave --sample-on"):
        run_recipe(recipe, project / "run", stages=["count"], sampling=RayLike())
    assert not (project / "run").exists()


class RayLike:
    """Never asked."""

    async def draw(self, *_: object) -> None:
        raise AssertionError

    async def judge_all(self, _: object) -> bool:
        raise AssertionError


def test_an_entry_point(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("own", "own_engines.engine:ENGINE", "deemster.engines"),
        EntryPoint("lost", "own_engines.nowhere:ENGINE", "deemster.engines"),
        EntryPoint("wrong", "own_engines.engine:NUMBER", "deemster.engines"),
    ]
    monkeypatch.setattr(
        "deemster.plugins.entry_points", lambda *, group: [p for p in points if p.group == group]
    )
    monkeypatch.syspath_prepend(str(project))
    assert load_recipe(write(project, "own", "start: 1\n")).stages == ("count", "never")
    for name, message in (
        ("lost", "cannot import engine 'lost': ModuleNotFoundError: No module named"),
        ("wrong", "'wrong' is not an engine: it is of type int"),
        ("jax", "unknown engine 'jax'; known: lost, own, trl, wrong; or give PATH.py"),
    ):
        with pytest.raises(InputError, match=r"r\.yaml:2: engine: ") as told:
            load_recipe(write(project, name))
        assert message in str(told.value)


@pytest.mark.parametrize(
    ("engine", "source", "message"),
    [
        pytest.param("jax", None, "unknown engine 'jax'; known: trl; or give PATH.py", id="name"),
        pytest.param("3", None, "give the name of an engine or the path of a", id="number"),
        pytest.param("", None, "give the name of an engine or the path of a", id="nothing"),
        pytest.param("../lost/engine.py", None, "lost/engine.py' does not exist", id="no-file"),
        pytest.param("../lost.py:ENGINE", None, "lost.py' does not exist", id="no-file-name"),
        pytest.param("../own_engines", None, "unknown engine '../own_engines'", id="folder"),
        pytest.param("../own_dir.py", None, "own_dir.py' does not exist", id="folder.py"),
        pytest.param("own_f.py", "X = 1", "'own_f.py' has no 'ENGINE'; give PATH.py", id="no-name"),
        pytest.param("own_f.py:Y", "X = 1", "'own_f.py' has no 'Y'; give PATH.py:NAME", id="y"),
        pytest.param("own_f.py:X", "X = 1", "is not an engine: it is of type int", id="type"),
        pytest.param("own_f.py:X.y", "X = 1", "unknown engine 'own_f.py:X.y'", id="dotted"),
        pytest.param("own_f.py", "def (", "own_f.py': SyntaxError: invalid", id="syntax"),
        pytest.param("own_f.py", "import own_no", "ModuleNotFoundError: No module", id="import"),
        pytest.param("own_f.py", "1 / 0", "own_f.py': ZeroDivisionError: division", id="raises"),
        pytest.param("own_f.py", "raise SystemExit('a\\nb')", "SystemExit: a", id="exits"),
        pytest.param("json.py", "ENGINE = 1", "there is another module 'json' (", id="taken"),
        pytest.param("sys.py", "ENGINE = 1", "another module 'sys' (built in)", id="built-in"),
    ],
)
def test_what_is_no_engine(project: Path, engine: str, source: str | None, message: str) -> None:
    path = write(project, engine)
    (project / "own_dir.py").mkdir()
    if source is not None:
        (path.parent / engine.partition(":")[0]).write_text(source, encoding="utf-8")
    with pytest.raises(InputError) as told:
        load_recipe(path)
    assert message in str(told.value)
    assert str(told.value).startswith(f"{path}:2: engine: ")
    assert "\n" not in str(told.value)


def test_the_command_with_an_engine_by_path(project: Path) -> None:
    write(project, "../own_engines/engine.py", "start: 1\n")
    planned = command("train", "recipes/r.yaml", "--stage", "count", "--dry-run", cwd=project)
    assert planned.returncode == 0, planned.stderr
    assert "starts at" in planned.stdout
    done = command("train", "recipes/r.yaml", "--stage", "count", "--json", cwd=project)
    assert json.loads(done.stdout)["stages"] == {"count": {"counted": 3}}, done.stderr
    (project / "own_engines" / "engine.py").unlink()
    lost = command("train", "recipes/r.yaml", cwd=project)
    assert lost.returncode == 2
    assert len(lost.stderr.splitlines()) == 1
    assert "does not exist; a path starts at the recipe's folder" in lost.stderr
