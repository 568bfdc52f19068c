"""Judges that score one response, or choose the better of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect
from deemster.errors import InputError
from deemster.schemas import Scale


@dataclass(frozen=True)
class PointOrPair(Dialect):
    """One response on a scale of points, or two that are compared.

    Rule `strict` scores one response and compares two. `points` scores any number one at a time,
    `pair` compares two and refuses to score one.
    """

    rules: ClassVar[tuple[str, ...]] = ("strict", "points", "pair")
    point_rules: ClassVar[tuple[str, ...]] = ("points",)
    pair_scale: ClassVar[Scale] = Scale(low=0, high=1)
    max_responses = 2

    def scale_for(self, n: int) -> Scale:
        """The scale of points for one response, 0 to 1 for each of two."""
        return self.scale if n == 1 or self.judges_one_at_a_time else self.pair_scale

    def check_n(self, n: int) -> None:
        """See `Dialect.check_n`."""
        if self.rule == "pair" and n != 2:
            raise InputError(f"dialect {self.spec!r} judges 2 responses at once, got {n}")
        super().check_n(n)
