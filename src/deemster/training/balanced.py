"""What a trainer of TRL or transformers adds for a mixture of experts.

Imports torch; stages import this when they run.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import Trainer

from deemster.training.experts import Routing


class Balanced:
    """A mixin, named before the trainer: it follows the experts' load and adds their balance loss.

    Args:
        routing: of the model that is trained, made before adapters are added.
        **rest: see the trainer.
    """

    def __init__(self, *, routing: Routing, **rest: Any) -> None:  # noqa: ANN401 - trl is untyped
        self.routing = routing
        super().__init__(**rest)

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401 - transformers is untyped
        inputs: Any,  # noqa: ANN401
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 - the signature is transformers'
        """The trainer's loss and, where it is not in it, the balance loss times its weight."""
        trainer: Any = super()
        with self.routing.recording():
            found = trainer.compute_loss(model, inputs, return_outputs, num_items_in_batch)
        balance = self.routing.loss()
        if balance is None:
            return found
        this: Any = self
        metrics = getattr(this, "_metrics", None)
        if metrics is not None:  # TRL's
            metrics["train" if model.training else "eval"]["aux_loss"].append(balance.item())
        # As TRL does: a mean over the micro batches, which transformers takes itself if told to.
        scaled = this.loss_is_scaled_for_ga  # of TRL's trainers; None: by what is passed
        scaled = num_items_in_batch is not None if scaled is None else scaled
        parts = this.current_gradient_accumulation_steps if scaled and model.training else 1
        weighed = self.routing.coefficient * balance / parts
        if return_outputs:
            loss, outputs = found
            return loss + weighed, outputs
        return found + weighed


class FollowedTrainer(Balanced, Trainer):  # type: ignore[misc]  # transformers is untyped
    """transformers' own, with the experts' load followed."""


__all__ = ["Balanced", "FollowedTrainer"]
