"""Engines: who does the stages of a recipe. A registered name, or a Python file beside the recipe.

Opening an engine imports it. A recipe that names a file is therefore trusted code, as the file
itself is.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic

from deemster.errors import InputError
from deemster.plugins import Registry
from deemster.training.stage import R, StageFunction

_PATH = re.compile(r"(?P<file>.+\.py)(?::(?P<attribute>[A-Za-z_]\w*))?")
_ATTRIBUTE = "ENGINE"
"""What a file's engine is called unless the recipe says otherwise."""


@dataclass(frozen=True)
class Engine(Generic[R]):
    """What trains a judge: its recipes and its stages."""

    recipe: type[R]
    """What its recipes may say."""
    stages: Callable[[], Mapping[str, StageFunction[R]]]
    """Gives the function of each of the recipe's `known_stages`. Called when training begins: what
    is slow to import (torch) is imported in it."""
    check: Callable[[R, Sequence[str]], Mapping[str, object]] | None = None
    """What `deemster train --dry-run` also checks before it plans, of a recipe and the stages that
    would run; returns facts to show."""


ENGINES: Registry[Engine[Any]] = Registry(
    "engine",
    group="deemster.engines",
    builtin={"trl": "deemster.training.trl_engine:ENGINE"},
)


def open_engine(name: str, *, folder: Path) -> Engine[Any]:
    """The engine that a recipe names.

    Args:
        name: a registered name (`trl`, or of the entry-point group `deemster.engines`);
            `PATH.py`, the `ENGINE` of a Python file; or `PATH.py:NAME`. The file is imported as
            part of the package it is in, if there is an `__init__.py` beside it.
        folder: what a relative path starts from, the recipe's.

    Raises:
        InputError: the name is unknown, there is no such file or attribute, the file cannot be
            imported, or it is not an engine.
    """
    path = _PATH.fullmatch(name)
    if path is not None:
        attribute = path["attribute"] or _ATTRIBUTE
        module = _import_file(folder / Path(path["file"]).expanduser())
        if not hasattr(module, attribute):
            raise InputError(f"{path['file']!r} has no {attribute!r}; give PATH.py:NAME")
        found = getattr(module, attribute)
    elif name in ENGINES:
        found = ENGINES.get(name)
    else:
        known = ", ".join(ENGINES.names())
        raise InputError(
            f"unknown engine {name!r}; known: {known}; or PATH.py or PATH.py:NAME, "
            "a file seen from the recipe's folder"
        )
    if not isinstance(found, Engine):
        raise InputError(
            f"{name!r} is no engine but of type {type(found).__name__}; "
            "make it a deemster.training.engine.Engine"
        )
    return found


def _import_file(path: Path) -> ModuleType:
    """Import a Python file under the name it has in its package.

    The folder above the outermost package goes to the end of `sys.path`, so that the file can
    import its own package and hides nothing that is installed.
    """
    file = path.resolve()
    if not file.is_file():
        raise InputError(f"{str(path)!r} does not exist; give the path from the recipe's folder")
    root, parts = file.parent, [file.stem]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.append(str(root))
    importlib.invalidate_caches()
    name = ".".join(parts)
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # it is anybody's code
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"cannot import {str(path)!r}: {type(error).__name__}: {reason}"
        ) from error
    if module.__file__ is None or Path(module.__file__).resolve() != file:
        raise InputError(
            f"cannot import {str(path)!r}: there is another module {name!r} "
            f"({module.__file__ or 'built in'}); rename the file or its outermost package"
        )
    return module
