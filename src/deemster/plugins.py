"""Named extensions: built-in ones by import path, third-party ones by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from deemster.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names mapped to `module:attribute`, imported when first asked for.

    Args:
        kind: what the names stand for; used in error texts.
        group: entry-point group in which other packages register theirs.
        builtin: name to import path. A built-in name cannot be taken over by a plug-in.
    """

    def __init__(self, kind: str, *, group: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self.group = group
        self._builtin = dict(builtin)

    def builtin_names(self) -> list[str]:
        """Names of the built-in ones, sorted."""
        return sorted(self._builtin)

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self._builtin, *(point.name for point in self._plugins())})

    def __contains__(self, name: str) -> bool:
        return name in self._builtin or any(point.name == name for point in self._plugins())

    def get(self, name: str) -> T:
        """Import what `name` stands for.

        Raises:
            InputError: the name is unknown; the text lists the known ones.
        """
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            found: T = getattr(import_module(module), attribute)
            return found
        for point in self._plugins():
            if point.name == name:
                loaded: T = point.load()
                return loaded
        raise InputError(f"unknown {self.kind} {name!r}; known: {', '.join(self.names())}")

    def _plugins(self) -> list[EntryPoint]:
        return list(entry_points(group=self.group))
