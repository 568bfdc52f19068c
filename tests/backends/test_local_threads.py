from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deemster.backends._local.threads import Threads


class Machine:
    """Counts the seconds that steps take, by what they cost with a number of threads."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.used: list[int] = []

    def run(self, threads: Threads, steps: int) -> None:
        for _ in range(steps):
            with threads.step():
                self.now += self.seconds[self.used[-1]]


QUIET = {1: 8.0, 2: 4.1, 4: 2.2, 8: 1.3}
BUSY = {1: 1.0, 2: 3.0, 4: 9.0, 8: 20.0}


@pytest.mark.parametrize(
    ("seconds", "most", "chosen"),
    [
        pytest.param(QUIET, 8, 8, id="all-where-they-help"),
        pytest.param(BUSY, 8, 1, id="one-beside-a-busy-process"),
        pytest.param({1: 4.0, 2: 2.0, 4: 3.0, 8: 5.0}, 8, 2, id="in-between"),
        pytest.param({1: 1.0, 2: 1.5, 3: 2.0}, 3, 1, id="odd-number"),
        pytest.param({1: 1.0, 2: 1.05}, 2, 2, id="not-for-little"),
    ],
)
def test_the_fastest_number_of_threads_is_found(
    seconds: dict[int, float], most: int, chosen: int
) -> None:
    machine = Machine(seconds)
    threads = Threads(most, use=machine.used.append, clock=lambda: machine.now)
    assert machine.used == [most]
    machine.run(threads, 1200)
    assert threads.count == chosen


def test_it_follows_the_machine_and_tries_seldom() -> None:
    machine = Machine(dict(BUSY))
    threads = Threads(8, use=machine.used.append, clock=lambda: machine.now)
    machine.run(threads, 1200)
    assert threads.count == 1
    machine.seconds = QUIET
    machine.run(threads, 1200)
    assert threads.count == 8
    counted: list[int] = []
    for _ in range(600):
        with threads.step():
            counted.append(machine.used[-1])
            machine.now += QUIET[machine.used[-1]]
    assert counted.count(8) > 590


def test_one_thread_stays_one() -> None:
    used: list[int] = []
    threads = Threads(1, use=used.append, clock=lambda: pytest.fail("nothing to measure"))
    for _ in range(20):
        with threads.step():
            pass
    assert used == [1]


def test_waiting_threads_sleep() -> None:
    ours = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    code = (
        "import deemster.backends.transformers, os, sys;"
        "print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ours, capture_output=True, text=True, check=True,
        timeout=170,
    )  # fmt: skip
    assert done.stdout.split() == ["PASSIVE", "False"]
