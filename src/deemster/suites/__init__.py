"""YAML-defined evaluation suites, the run store, metrics, and what uses stored runs.

Names are imported when first used, so that the command line starts without them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deemster.suites.frames import RunFrames, export_run, load_run
    from deemster.suites.importing import import_run
    from deemster.suites.loading import Suite, load_suite
    from deemster.suites.metrics import Summary
    from deemster.suites.rescoring import rescore_run
    from deemster.suites.runner import RunResult, run_suite
    from deemster.suites.spec import SuiteSpec
    from deemster.suites.store import RunStore

_MODULE = {
    "RunFrames": "frames",
    "RunResult": "runner",
    "RunStore": "store",
    "Suite": "loading",
    "SuiteSpec": "spec",
    "Summary": "metrics",
    "export_run": "frames",
    "import_run": "importing",
    "load_run": "frames",
    "load_suite": "loading",
    "rescore_run": "rescoring",
    "run_suite": "runner",
}

__all__ = [
    "RunFrames",
    "RunResult",
    "RunStore",
    "Suite",
    "SuiteSpec",
    "Summary",
    "export_run",
    "import_run",
    "load_run",
    "load_suite",
    "rescore_run",
    "run_suite",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the exports
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
