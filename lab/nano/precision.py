"""The number type of matrix products in the embedded model's training."""

from __future__ import annotations

import torch


def matrix_type(device: torch.device | None = None) -> torch.dtype:
    """Bfloat16 on devices that multiply it, float32 on others; None is the CPU.

    Where a processor has no instructions for it, a product in bfloat16 takes 50 times as long as
    one in float32; where it has, a fifth. GPUs from before 2020 only emulate it.
    """
    if device is not None and device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        # An ARM processor says "bf16", an x86 one has it in one of two extensions.
        fast = any(known.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return torch.bfloat16 if fast else torch.float32


def mixed_precision(device: torch.device) -> torch.autocast:
    """A context in which matrix products on `device` use `matrix_type`."""
    kind = matrix_type(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=kind == torch.bfloat16)
