"""A warm process that tries mutants: it has imported the large libraries and forks for each.

Reads a job as JSON from each line of its input and writes what became of it. A job has `path` and
`source` (of the changed module), `tests`, `cpu_s`, and `warm`: whether what its tests imported is
kept for the next ones.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import json
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

_WARM = ("numpy", "pydantic", "pydantic_core", "hypothesis", "jinja2", "yaml", "httpx", "openai")
"""What takes long to import and may be shared: nothing of it touches an event loop."""
OPTIONS = (
    *("-q", "-x", "-p", "no:cacheprovider", "--no-header", "--assert=plain", "--timeout=120"),
    *("-m", "not slow and not gpu"),
)
_WALL = 12
"""Seconds of the clock for each second of processor time: the machine is shared."""


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        sys.modules["deemster"].__dict__["_mutant_loaded"] = fullname
        return compile(self._source, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Loads one module from a changed source; the files stay as they are."""

    def __init__(self, path: str, source: str) -> None:
        self._path = Path(path).resolve()
        self._source = source

    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith("deemster"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None or Path(spec.origin).resolve() != self._path:
            return None
        spec.loader = _Loader(name, spec.origin, self._source)
        return spec


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_try(json.loads(line))) + "\n")
        sys.stdout.flush()


def _try(job: dict[str, Any]) -> dict[str, Any]:
    """Fork, run the tests, and say how they ended, in seconds of processor time."""
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if not child:
            code = 99
            try:
                code = _child(job, Path(folder))
            except BaseException:  # noqa: BLE001 - told to whoever asked
                error = traceback.format_exc()
                (Path(folder) / "notes.json").write_text(json.dumps({"error": error}), "utf-8")
            finally:
                os._exit(code)
        status, seconds = wait(child, job["cpu_s"])
        notes = Path(folder) / "notes.json"
        found = json.loads(notes.read_text("utf-8")) if notes.exists() else {}
        said = Path(folder) / "output.txt"
        found["said"] = said.read_text("utf-8", "replace")[-2000:] if said.exists() else ""
    if job["warm"]:
        for name in found.get("modules", ()):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    return {"status": status, "seconds": seconds, **found, "modules": []}


def _child(job: dict[str, Any], folder: Path) -> int:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(output, stream)
    limit = job["cpu_s"]
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    sys.meta_path.insert(0, _Finder(job["path"], job["source"]))
    code = pytest.main([*OPTIONS, f"--basetemp={folder}/pytest", *job["tests"]])
    notes = {
        "loaded": hasattr(sys.modules.get("deemster"), "_mutant_loaded"),
        "modules": sorted(name for name in sys.modules if name.partition(".")[0] in _WARM)
        if job["warm"]
        else [],
    }
    (folder / "notes.json").write_text(json.dumps(notes), "utf-8")
    return int(code)


def wait(child: int, cpu_s: int) -> tuple[str, float]:
    """How a child ended: `0` and so on, or `endless`."""
    end = time.monotonic() + cpu_s * _WALL
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > end:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, 9)
            _, _, used = os.wait4(child, 0)
            return "endless", used.ru_utime + used.ru_stime
        time.sleep(0.02)
    seconds = used.ru_utime + used.ru_stime
    return ("endless" if os.WIFSIGNALED(status) else str(os.WEXITSTATUS(status))), seconds


if __name__ == "__main__":
    main()
