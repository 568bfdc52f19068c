"""Python's search for cyclic garbage, in commands that make many records."""

from __future__ import annotations

import gc

_OBJECTS = 20_000
"""Objects made between two searches. Python's own 700 are those of a few dozen votes, which are all
still there: at several votes a request the search then takes a seventh of the processor time."""


def search_rarely() -> None:
    """Search for garbage less often, from here to the end of the process.

    Not for commands that train: a cycle may hold tensors, which should go soon.
    """
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
