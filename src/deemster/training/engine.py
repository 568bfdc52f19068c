"""Engines, which implement the stages of a recipe: a registered name, or a Python file beside it.

Opening an engine imports it. A recipe that names a file is therefore trusted code, as the file
itself is.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic

from deemster.errors import InputError
from deemster.plugins import Registry
from deemster.training.stage import R, StageFunction

_PATH = re.compile(r"(?P<file>.+\.py)(?::(?P<attribute>[A-Za-z_]\w*))?")
_ATTRIBUTE = "ENGINE"
"""The engine's name in a Python file, unless the recipe names another."""


@dataclass(frozen=True)
class Engine(Generic[R]):
    """What trains a judge: its recipes and its stages."""

    recipe: type[R]
    """The class of its recipes."""
    stages: Callable[[], Mapping[str, StageFunction[R]]]
    """Gives the function of each of the recipe's `known_stages`. Called when training begins, so it
    imports what is slow to import (torch)."""
    check: Callable[[R, Sequence[str]], Mapping[str, object]] | None = None
    """What is checked before a run begins, and by `deemster train --dry-run`, given a recipe and
    the stages that are to run; returns facts to show. It raises `InputError`."""
    samples_elsewhere: bool = False
    """Whether its stages draw where the context's `sampling` wants it."""


ENGINES: Registry[Engine[Any]] = Registry(
    "engine",
    group="deemster.engines",
    builtin={"trl": "deemster.training.trl_engine:ENGINE"},
)
"""Engines by the name that recipes give."""


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
        with _import_explained(f"engine {name!r}"):
            found = ENGINES.get(name)
    else:
        known = ", ".join(ENGINES.names())
        raise InputError(
            f"unknown engine {name!r}; known: {known}; or give PATH.py or PATH.py:NAME, "
            "where PATH starts at the recipe's folder"
        )
    if not isinstance(found, Engine):
        raise InputError(
            f"{name!r} is not an engine: it is of type {type(found).__name__}, not "
            "deemster.training.engine.Engine"
        )
    return found


def _import_file(path: Path) -> ModuleType:
    """Import a Python file under the name it has in its package.

    The folder above the outermost package goes to the end of `sys.path`, so that the file can
    import its own package and hides nothing that is installed.
    """
    file = path.resolve()
    if not file.is_file():
        raise InputError(f"{str(file)!r} does not exist; a path starts at the recipe's folder")
    root, parts = file.parent, [file.stem]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.append(str(root))
    importlib.invalidate_caches()
    name = ".".join(parts)
    with _import_explained(repr(str(file))):
        module = importlib.import_module(name)
    found = getattr(module, "__file__", None)
    if found is None or Path(found).resolve() != file:
        raise InputError(
            f"cannot import {str(file)!r}: there is another module {name!r} "
            f"({found or 'built in'}); rename the file or its outermost package"
        )
    return module


@contextmanager
def _import_explained(what: str) -> Iterator[None]:
    """Turn whatever other people's code raises on import into one line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"cannot import {what}: {type(error).__name__}: {reason}") from error
