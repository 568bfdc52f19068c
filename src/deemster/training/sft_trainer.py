"""TRL's SFTTrainer, with what keeps experts even, and the output layer only where it is needed.

On a GPU TRL's own loss does that. On a CPU it computes the logits of every position, and twice:
with a vocabulary of 50,000 and a model of 135 million parameters that is a third of a step.

Imports TRL; stages import this when they run.
"""

from __future__ import annotations

from typing import Any

import torch
from trl import SFTTrainer

from deemster.training.balanced import Balanced
from deemster.training.mtp import Predicting

_IGNORED = -100


class BalancedSFTTrainer(Predicting, Balanced, SFTTrainer):  # type: ignore[misc]  # trl is untyped
    """TRL's, with the experts' load followed, and blocks that predict further tokens."""


class _CompletionTrainer(SFTTrainer):  # type: ignore[misc]  # trl is untyped
    """Computes logits from the batch's first completion token on; elsewhere it is TRL's."""

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401 - transformers is untyped
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 - the signature is transformers'
        """Mean negative log-likelihood of the labels, over all tokens of the optimizer step."""
        if self.aux_loss_enabled:  # of a mixture of experts
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"][:, 1:]
        kept = (labels != _IGNORED).any(dim=0).nonzero()[:, 0]
        passed = {name: value for name, value in inputs.items() if name != "labels"}
        outputs = model(**passed, logits_to_keep=kept, use_cache=False)
        loss = torch.nn.functional.cross_entropy(
            outputs.logits.float().flatten(0, 1),
            labels[:, kept].flatten(),
            ignore_index=_IGNORED,
            reduction="mean" if num_items_in_batch is None else "sum",
        )
        if num_items_in_batch is not None:
            loss = loss / num_items_in_batch
            if self.args.average_tokens_across_devices:  # the gradients of processes are averaged
                loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss


class CompletionTrainer(Predicting, Balanced, _CompletionTrainer):
    """The same for a CPU, with logits from the batch's first completion token on."""


__all__ = ["BalancedSFTTrainer", "CompletionTrainer"]
