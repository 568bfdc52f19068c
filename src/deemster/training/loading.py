"""Reading a recipe file: its engine says what it may contain. Errors name line and field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, ValidationInfo

from deemster.errors import InputError
from deemster.suites.yaml_file import YamlFile, read_yaml_file
from deemster.training.engine import Engine, open_engine
from deemster.training.recipe import DEFAULT_ENGINE, Recipe


def load_recipe(
    path: str | Path,
    *,
    environment: Mapping[str, str] | None = None,
    trust: bool = False,
    toy: bool = False,
) -> Recipe:
    """Read and check a recipe file. `${NAME}` in a value is an environment variable.

    The engine it names is imported: load only recipes that you would also run.

    Args:
        path: the YAML file.
        environment: where `${NAME}` is looked up; None is the process's environment.
        trust: servers that it names may have your keys, see `load_suite`.
        toy: apply the changes of its section `toy`, which make a trial of it that is done in
            minutes.

    Returns:
        A recipe of the engine's own class.

    Raises:
        InputError: it cannot be read or something in it is not allowed. The text names file,
            line, field, value and what is allowed.
    """
    path = Path(path)
    file = read_yaml_file(path, what="recipe", keys="name, engine and what the engine reads")
    file = _with_toy(file) if toy else _without_toy(file)
    head = file.read_as(_Head, environment=environment, context=path.parent)
    recipe: Recipe = file.read_as(head.engine.recipe, environment=environment)
    return recipe.in_folder(path.parent, trust=trust)


_TOY = "toy"


def _without_toy(file: YamlFile) -> YamlFile:
    written = {key: value for key, value in file.written.items() if key != _TOY}
    return replace(file, written=written)


def _with_toy(file: YamlFile) -> YamlFile:
    changes = file.written.get(_TOY)
    if not isinstance(changes, Mapping):
        raise InputError(
            f"recipe {str(file.path)!r} has no section {_TOY!r}, a mapping of what a quick trial "
            "does otherwise; add it, or leave out --toy"
        )
    whole = _without_toy(file)
    return replace(whole, written=_changed(whole.written, changes))


def _changed(value: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with some values replaced, within mappings in it too."""
    found = dict(value)
    for key, new in changes.items():
        old = found.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found[key] = _changed(old, new)
        else:
            found[key] = new
    return found


def _open(name: Any, info: ValidationInfo[Path]) -> Any:  # noqa: ANN401 - validators see raw input
    if not isinstance(name, str):
        raise ValueError("give the name of an engine or the path of a Python file")  # noqa: TRY004
    return open_engine(name, folder=info.context)


class _Head(BaseModel):
    """The one line that decides how the others are read."""

    model_config = ConfigDict(validate_default=True)

    engine: Annotated[InstanceOf[Engine[Any]], BeforeValidator(_open)] = DEFAULT_ENGINE  # type: ignore[assignment]  # validated
