"""A plugin of pytest that loads one module from a changed source; the files stay as they are."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

_CHANGED = Path(os.environ["MUTANT"]).resolve()
_SOURCE = Path(os.environ["MUTANT_SOURCE"])


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - of the interface
        _SOURCE.with_suffix(".loaded").touch()
        return compile(_SOURCE.read_text("utf-8"), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith("deemster"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None or Path(spec.origin).resolve() != _CHANGED:
            return None
        spec.loader = _Loader(name, spec.origin)
        return spec


if any(getattr(one, "__file__", "") == str(_CHANGED) for one in list(sys.modules.values())):
    raise RuntimeError(f"{_CHANGED} was imported before it could be changed")
sys.meta_path.insert(0, _Finder())
