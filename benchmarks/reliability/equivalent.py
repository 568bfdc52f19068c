"""Mutants that mean the same as the code: no test can tell them. Why, by `Mutant.key`."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {
    "aggregators/reliability.py: for _ in range(500):: 500 → 501": (
        "the weights have settled long before"
    ),
    "aggregators/stopping.py: return np.where(np.isnan(chance) | (size <= 0), 1.0, "
    "np.maximum(chance, 1e-12)): 1.0 → 2.0": "one less this is clipped to 0 either way",
    "aggregators/relative.py: _SWEEPS = 200: 200 → 201": "the levels have settled before",
    "dialects/marked.py: start = 0: 0 → 1": "set again before it is read",
    "sqlite_file.py: if not _is_locked(error) or time.monotonic() > deadline:: Gt → GtE": (
        "the clock does not meet the deadline exactly"
    ),
}
