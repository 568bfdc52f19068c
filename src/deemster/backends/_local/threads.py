"""How many CPU threads a step runs on, found out while steps run.

The threads of a matrix product wait for the last of them. Where other processes want the CPUs too,
the last one is late, and fewer threads are faster; how many changes with what else runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_FIRST, _EVERY = 8, 256
"""Steps before the first trial, and before each further one."""
_TIMES = 2
"""Steps with each number of threads in a trial; the fastest counts."""
_CLEARLY = 0.9
"""What another number must take, of the present one's time, to be taken instead."""


class Threads:
    """Goes on with as many threads as were fastest.

    A trial compares the present number with its half and its double.

    Args:
        most: threads at the most, and to begin with.
        use: told the number when it changes, and at the beginning.
        clock: seconds.
    """

    def __init__(
        self,
        most: int,
        *,
        use: Callable[[int], None] = torch.set_num_threads,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.count = most
        """Threads outside of trials."""
        self._most, self._use, self._clock = most, use, clock
        self._used = most
        self._until = _FIRST
        self._trial: list[int] = []
        self._best: dict[int, float] = {}
        use(most)

    @contextmanager
    def step(self) -> Iterator[None]:
        """While it is open, a step runs."""
        if self._most == 1:
            yield
            return
        if not self._trial and not self._until:
            near = {self.count, max(1, self.count // 2), min(self._most, 2 * self.count)}
            self._trial, self._best = sorted(near) * _TIMES, {}
        self._set(self._trial[0] if self._trial else self.count)
        begun = self._clock()
        yield
        if self._trial:
            self._took(self._trial.pop(0), self._clock() - begun)
        else:
            self._until -= 1

    def _took(self, count: int, seconds: float) -> None:
        self._best[count] = min(seconds, self._best.get(count, seconds))
        if not self._trial:
            fastest = min(self._best, key=lambda one: self._best[one])
            if self._best[fastest] < _CLEARLY * self._best[self.count]:
                self.count = fastest
            self._until = _EVERY

    def _set(self, count: int) -> None:
        if count != self._used:
            self._use(count)
            self._used = count
