"""Mutants that mean the same as the code: no test can tell them. Why, by `Mutant.key`."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}
