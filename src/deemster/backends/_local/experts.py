"""How transformers computes the experts of a mixture."""

from __future__ import annotations

from typing import Any

from deemster.errors import InputError

IMPLEMENTATIONS = ("eager", "batched_mm", "grouped_mm")
"""One expert after another; a product with a copy of each token's weights; one product over the
tokens sorted by expert. The last is transformers' choice where it can be had."""


def experts_option(implementation: str | None) -> dict[str, Any]:
    """What `from_pretrained` is given for it; nothing for None.

    Raises:
        InputError: transformers has none of that name.
    """
    if implementation is None:
        return {}
    if implementation not in IMPLEMENTATIONS:
        raise InputError(
            f"unknown experts_implementation {implementation!r}; allowed: "
            f"{', '.join(IMPLEMENTATIONS)}"
        )
    return {"experts_implementation": implementation}


def check_experts(model: Any, implementation: str | None) -> None:  # noqa: ANN401 - transformers is untyped
    """Refuse an implementation for a model in which nothing would change by it.

    Raises:
        InputError: the model has no experts, or its class computes them in one way only.
    """
    if implementation is not None and not model._can_set_experts_implementation():  # noqa: SLF001 - no public way
        raise InputError(
            f"experts_implementation {implementation!r}: {type(model).__name__} has no experts "
            "that can be computed in more than one way; leave it out"
        )
