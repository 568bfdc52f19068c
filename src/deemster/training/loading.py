"""Reading a recipe file: its engine says what it may contain. Errors name line and field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, ValidationInfo

from deemster.suites.yaml_file import read_yaml_file
from deemster.training.engine import Engine, open_engine
from deemster.training.recipe import DEFAULT_ENGINE, Recipe


def load_recipe(
    path: str | Path, *, environment: Mapping[str, str] | None = None, trust: bool = False
) -> Recipe:
    """Read and check a recipe file. `${NAME}` in a value is an environment variable.

    The engine it names is imported: load only recipes that you would also run.

    Args:
        path: the YAML file.
        environment: where `${NAME}` is looked up; None is the process's environment.
        trust: servers that it names may have your keys, see `load_suite`.

    Returns:
        A recipe of the engine's own class.

    Raises:
        InputError: it cannot be read or something in it is not allowed. The text names file,
            line, field, value and what is allowed.
    """
    path = Path(path)
    file = read_yaml_file(path, what="recipe", keys="name, engine and what the engine reads")
    head = file.read_as(_Head, environment=environment, context=path.parent)
    recipe: Recipe = file.read_as(head.engine.recipe, environment=environment)
    return recipe.in_folder(path.parent, trust=trust)


def _open(name: Any, info: ValidationInfo[Path]) -> Any:  # noqa: ANN401 - validators see raw input
    if not isinstance(name, str):
        raise ValueError("give the name of an engine or the path of a Python file")  # noqa: TRY004
    return open_engine(name, folder=info.context)


class _Head(BaseModel):
    """The one line that decides how the others are read."""

    model_config = ConfigDict(validate_default=True)

    engine: Annotated[InstanceOf[Engine[Any]], BeforeValidator(_open)] = DEFAULT_ENGINE  # type: ignore[assignment]  # validated
