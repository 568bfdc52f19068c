"""Clients that misbehave all at once: the server answers the others, and its memory stays flat.

The ten-minute form: `python -m benchmarks.serving --abuse 600`.
"""

from __future__ import annotations

import pytest
from benchmarks.serving import EXPECTED, abuse


@pytest.mark.slow
def test_mixed_abuse_leaves_memory_flat_and_the_others_served() -> None:
    found = abuse(45)
    unexpected = [
        outcome
        for outcome in found["outcomes"]
        if outcome.split(" ")[1] not in EXPECTED[outcome.split(" ")[0]]
    ]
    assert unexpected == []
    assert found["outcomes"]["honest 200"] > 20
    assert found["flat"], found["memory_mb"]
