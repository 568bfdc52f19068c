"""Sampling a recipe's models elsewhere than in the process that trains them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from deemster.schemas import Sample
from deemster.suites.engines import Engine
from deemster.training.drawing import DrawSettings, MakeJudge
from deemster.training.sampling import Tally


class SamplingEngine(Engine, Protocol):
    """Draws trajectories, and judges the suites of the stage `eval`."""

    async def draw(
        self, make: MakeJudge, samples: Sequence[Sample], settings: DrawSettings, tally: Tally, /
    ) -> None:
        """Do what `draw_all` does, by judges that are made elsewhere."""
        ...
