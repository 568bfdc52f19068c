"""What votes say about principles, in columns: a record for each would fill the memory.

Judges name some sixteen principles an item, and a report is of up to 50,000 items and two policies.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from deemster.suites.metrics.estimate import Floats, Ints


def _whole() -> array[int]:
    return array("q")


def _floats() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Loss:
    """What one item's votes say about one principle; positive gaps are against the policy."""

    gap: float = 0.0
    """Weight times gap, summed over votes."""
    weight: float = 0.0
    """Summed over votes."""
    against: int = 0
    """Votes with a gap above 0."""
    worst: float = 0.0
    draw: int = 0
    quote: str = ""
    """The critique of the policy's response in the vote with the largest gap."""

    def add(self, gap: float, weight: float, draw: int, quote: str) -> None:
        """Add what one vote says."""
        self.gap += gap
        self.weight += weight
        self.against += gap > 0
        if gap > self.worst:
            self.worst, self.draw, self.quote = gap, draw, quote


@dataclass(slots=True)
class PrincipleLosses:
    """The fields of `Loss`, a row for each item and principle that its votes name."""

    item: array[int] = field(default_factory=_whole)
    """Its place in `JudgedItems.items`."""
    principle: array[int] = field(default_factory=_whole)
    gap: array[float] = field(default_factory=_floats)
    weight: array[float] = field(default_factory=_floats)
    against: array[int] = field(default_factory=_whole)
    draw: array[int] = field(default_factory=_whole)
    quote: list[str] = field(default_factory=list)

    def add(self, item: int, losses: Mapping[int, Loss]) -> range:
        """Append the losses of an item, by number of the principle; returns their rows."""
        start = len(self.item)
        for principle, loss in losses.items():
            self.item.append(item)
            self.principle.append(principle)
            self.gap.append(loss.gap)
            self.weight.append(loss.weight)
            self.against.append(loss.against)
            self.draw.append(loss.draw)
            self.quote.append(loss.quote)
        return range(start, len(self.item))


@dataclass(slots=True)
class WeightedVotes:
    """Votes (V) without scores per principle: whole gaps, and a cell for each principle named."""

    item: array[int] = field(default_factory=_whole)
    """(V,)."""
    gap: array[float] = field(default_factory=_floats)
    """(V,)."""
    vote: array[int] = field(default_factory=_whole)
    """(C,): whose cell it is."""
    principle: array[int] = field(default_factory=_whole)
    """(C,)."""
    weight: array[float] = field(default_factory=_floats)
    """(C,)."""

    def add(self, item: int, gap: float, weights: Mapping[int, float]) -> None:
        """Append a vote with its weights by number of the principle."""
        vote = len(self.item)
        self.item.append(item)
        self.gap.append(gap)
        for principle, weight in weights.items():
            self.vote.append(vote)
            self.principle.append(principle)
            self.weight.append(weight)


def whole(column: array[int]) -> Ints:
    """A column as an array."""
    return np.array(column, dtype=np.intp)


def floats(column: array[float]) -> Floats:
    """A column as an array."""
    return np.array(column, dtype=np.float64)
