"""Training in several processes, as `accelerate launch` starts them: one per device.

All of them train; everything else (sampling, rejection, evaluation, manifests) the first does
while the others wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

_LONGEST = timedelta(days=7)
"""How long the others wait while the first samples; the libraries' default is minutes."""


def is_main() -> bool:
    """Whether this is the first process, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def join(*, cpu: bool) -> None:
    """Join the other processes; does nothing if there are none.

    Args:
        cpu: train on the CPU even if there is a GPU.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState  # noqa: PLC0415 - loads torch

        PartialState(cpu=cpu, timeout=_LONGEST)


def first(work: Callable[[], None]) -> None:
    """Do some work in the first process; the others wait until it is done."""
    if is_main():
        work()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState  # noqa: PLC0415 - loads torch

        PartialState().wait_for_everyone()
