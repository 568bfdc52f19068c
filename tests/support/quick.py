"""Which cases of a test are left to `make test-slow`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def rest_slow(cases: Iterable[Any], *, quick: int) -> list[Any]:
    """The first `quick` cases always run, the others with the slow tests."""
    made = []
    for number, case in enumerate(cases):
        values = case if isinstance(case, tuple) else (case,)
        made.append(case if number < quick else pytest.param(*values, marks=pytest.mark.slow))
    return made
