"""Whether an optimizer can be used here."""

from __future__ import annotations

from deemster.errors import InputError
from deemster.extras import need_package
from deemster.training.settings import TrainerSettings, of_bitsandbytes


def check_optimizer(settings: TrainerSettings) -> None:
    """Refuse an optimizer of bitsandbytes where it is not installed, or there is no GPU.

    Raises:
        InputError: it cannot be used; the one line says what can.
    """
    name = settings.optimizer
    if not of_bitsandbytes(name):
        return
    otherwise = "give optimizer 'adafactor' or 'adamw_torch'"
    need_package("bitsandbytes", f"optimizer {name!r}", otherwise=otherwise)
    import torch  # noqa: PLC0415 - heavy

    if settings.cpu or not torch.cuda.is_available():
        raise InputError(f"optimizer {name!r} needs a GPU, and training is on the CPU; {otherwise}")
