"""Reads hostile files, one after another, and says of each what happened: run as a process.

It takes a JSON list of [name, kind, path] on stdin and writes a JSON object for each.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deemster.data import read_rows
from deemster.data.samples import samples_of
from deemster.errors import InputError
from deemster.principles import load_rubric
from deemster.suites.loading import load_suite
from deemster.suites.planning import plan_suite
from deemster.training import load_recipe


def read_suite(path: Path) -> None:
    suite = load_suite(path)
    list(suite.samples())
    plan_suite(suite)


def read_data(path: Path) -> None:
    for _ in samples_of(read_rows(path)):
        pass


with contextlib.suppress(ImportError):  # its size is no file's fault
    import pyarrow.parquet  # noqa: F401

READERS: dict[str, Callable[[Path], Any]] = {
    "suite": read_suite,
    "rubric": load_rubric,
    "recipe": load_recipe,
    "data": read_data,
}


def resident(field: str) -> int:
    """Bytes, from the process's status."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def attempt(kind: str, path: Path) -> dict[str, Any]:
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    # The processor's time: a busy machine may make ten seconds of one.
    before, start = resident("VmRSS"), time.process_time()
    try:
        READERS[kind](path)
    except Exception as error:  # noqa: BLE001 - which one it is, the test asks
        kept, text = type(error).__name__, str(error)
        right = isinstance(error, InputError)
    else:
        kept, text, right = "", "", False
    seconds = time.process_time() - start
    return {
        "error": kept,
        "text": text,
        "right": right,
        "seconds": seconds,
        "peak": resident("VmHWM") - before,
    }


def main() -> None:
    gc.collect()
    gc.freeze()  # else each collection looks at everything imported
    for name, kind, path in json.load(sys.stdin):
        print(json.dumps({"name": name, **attempt(kind, Path(path))}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
