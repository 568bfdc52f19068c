"""LLM judges that write their principles, draw k votes and say how sure they are.

Names are imported when first used, so that `import deemster` stays fast and loads no model code.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deemster._version import __version__

if TYPE_CHECKING:
    from deemster.aggregators import Majority, Mean, Median, Sum, TopK, Weighted
    from deemster.backends import FakeBackend
    from deemster.errors import BackendError, DeemsterError, InputError, ParseError
    from deemster.judges import (
        Cascade,
        CLoud,
        Debate,
        Judge,
        MetaRM,
        PairRM,
        Panel,
        ScalarRM,
        best_of_n,
    )
    from deemster.judges.verifier import Verifier
    from deemster.schemas import (
        Critique,
        Failure,
        Judgment,
        Message,
        Principle,
        Rubric,
        Sample,
        UnscoredError,
        Usage,
        Verdict,
        Vote,
    )
    from deemster.suites import load_run, load_suite, run_suite

_WHERE = {
    "deemster.aggregators": ("Majority", "Mean", "Median", "Sum", "TopK", "Weighted"),
    "deemster.backends": ("FakeBackend",),
    "deemster.judges": (
        "CLoud",
        "Cascade",
        "Debate",
        "Judge",
        "MetaRM",
        "PairRM",
        "Panel",
        "ScalarRM",
        "best_of_n",
    ),
    "deemster.judges.verifier": ("Verifier",),
    "deemster.errors": ("BackendError", "DeemsterError", "InputError", "ParseError"),
    "deemster.suites": ("load_run", "load_suite", "run_suite"),
    "deemster.schemas": (
        "Critique",
        "Failure",
        "Judgment",
        "Message",
        "Principle",
        "Rubric",
        "Sample",
        "UnscoredError",
        "Usage",
        "Verdict",
        "Vote",
    ),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "BackendError",
    "CLoud",
    "Cascade",
    "Critique",
    "Debate",
    "DeemsterError",
    "Failure",
    "FakeBackend",
    "InputError",
    "Judge",
    "Judgment",
    "Majority",
    "Mean",
    "Median",
    "Message",
    "MetaRM",
    "PairRM",
    "Panel",
    "ParseError",
    "Principle",
    "Rubric",
    "Sample",
    "ScalarRM",
    "Sum",
    "TopK",
    "UnscoredError",
    "Usage",
    "Verdict",
    "Verifier",
    "Vote",
    "Weighted",
    "__version__",
    "best_of_n",
    "load_run",
    "load_suite",
    "run_suite",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the exports
    if name not in _MODULE:
        raise AttributeError(f"module 'deemster' has no attribute {name!r}")
    return getattr(import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
