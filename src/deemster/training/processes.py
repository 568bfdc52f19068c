"""Training in several processes, as `accelerate launch` starts them: one per device.

All of them train, and may sample together (`deemster.training.shared_sampling`); everything
else (rejection, figures, manifests) the first does while the others wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

from deemster.errors import InputError

_LONGEST = timedelta(days=7)
"""How long the others wait while the first samples; the libraries' default is minutes."""


def is_main() -> bool:
    """Whether this is the first process, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def count() -> int:
    """How many there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_alone() -> None:
    """Refuse blocks for multi-token prediction in several processes.

    Raises:
        InputError: there are several.
    """
    if count() > 1:
        raise InputError(
            f"mtp is trained by one process, here are {count()}; leave it out, or start one process"
        )


def check_batch(size: int, micro: int) -> None:
    """Refuse a batch that does not divide into micro batches of all processes.

    Args:
        size: examples of an optimizer step.
        micro: of a pass on one device, at most.

    Raises:
        InputError: as said.
    """
    micro = min(micro, size)
    if size % (micro * count()):
        raise InputError(
            f"batch_size {size} is not a multiple of micro_batch_size {micro} times {count()} "
            "processes; change one of them"
        )


def join(*, cpu: bool) -> None:
    """Join the other processes; does nothing if there are none.

    Args:
        cpu: train on the CPU even if there is a GPU.
    """
    if count() > 1:
        from accelerate import PartialState  # noqa: PLC0415 - loads torch

        PartialState(cpu=cpu, timeout=_LONGEST)


def first(work: Callable[[], None]) -> None:
    """Do some work in the first process; the others help it to sample until it is done.

    If the first one fails, the others wait, and whoever launched them ends them.
    """
    if count() == 1:
        work()
        return
    from accelerate import PartialState  # noqa: PLC0415 - loads torch

    from deemster.training.shared_sampling import Exchange, help_out  # noqa: PLC0415 - as above

    if is_main():
        work()
        Exchange().broadcast(None)
    else:
        help_out(Exchange())
    PartialState().wait_for_everyone()
