"""Multi-token prediction learnt beside supervised training.

The loss is DeepSeek-V3's (arXiv 2412.19437, section 2.2): λ times the mean over the blocks of how
badly each predicts its token. The blocks are in `backends/_local/mtp`; what they are good for is
drafting (`speculate: mtp` of the `hf:` backend).

Imports torch; stages import this when they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from pydantic import JsonValue
from safetensors.torch import load_file
from torch import Tensor

from deemster.backends._local.mtp import MTP_FILE, MtpBlocks, blocks_of, new_blocks
from deemster.backends._local.sources import source_of
from deemster.errors import InputError
from deemster.training.processes import check_alone
from deemster.training.settings import MtpSettings

_NAME = "mtp"
"""Of the blocks among the model's parts while they are trained."""


class Prediction:
    """The blocks of a model that is trained, and what they are given to learn.

    Args:
        blocks: of the model.
        model: before adapters are added.
        settings: of the loss.
    """

    def __init__(self, blocks: MtpBlocks, model: Any, settings: MtpSettings) -> None:  # noqa: ANN401
        self.blocks = blocks.float()
        self.blocks.alone = settings.detach
        self._settings = settings
        self._open = False
        self._seen: tuple[dict[str, Any], Tensor] | None = None
        self._losses: list[float] = []
        self._accuracies: list[float] = []
        model.get_decoder().register_forward_hook(self._see, with_kwargs=True)

    @classmethod
    def of(
        cls,
        model: Any,  # noqa: ANN401
        path: str | Path,
        settings: MtpSettings,
        *,
        seed: int,
    ) -> Prediction:
        """With the blocks that the model has, else with new ones.

        Args:
            model: see `Prediction`.
            path: what it was loaded from.
            settings: of the loss.
            seed: of new blocks.

        Raises:
            InputError: it has another number of blocks, or can have none; or several processes
                train.
        """
        check_alone()
        source = source_of(str(path))
        known = [place for place in (source.adapter, source.base) if place is not None]
        blocks = blocks_of(model, known)
        if blocks is None:
            return cls(new_blocks(model, settings.depth, seed=seed), model, settings)
        if len(blocks.layers) != settings.depth:
            raise InputError(
                f"mtp.depth is {settings.depth}, but model {str(path)!r} has {len(blocks.layers)} "
                f"blocks; give depth: {len(blocks.layers)}"
            )
        return cls(blocks, model, settings)

    def _see(self, _: Any, given: Any, options: dict[str, Any], output: Any) -> None:  # noqa: ANN401
        if self._open and torch.is_grad_enabled():
            if given:
                options = {**options, "input_ids": given[0]}
            self._seen = options, output[0]

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While the model's own loss is computed."""
        self._open, self._seen = True, None
        try:
            yield
        finally:
            self._open = False

    def loss(self, labels: Tensor, tokens: Tensor | int | None) -> Tensor | None:
        """What is to be added to the model's loss; None where nothing was learnt or predicted.

        Args:
            labels: [B, T] of the batch that was recorded.
            tokens: with loss in the optimizer step; None takes the mean over this batch.
        """
        if self._seen is None:
            return None
        options, states = self._seen
        self._seen = None
        found = self.blocks.loss(
            states,
            options["input_ids"],
            labels,
            mask=options.get("attention_mask"),
            positions=options.get("position_ids"),
        )
        if found is None:
            return None
        self._losses.append(found.total.item() / found.tokens)
        self._accuracies.append(found.correct / found.tokens)
        return self._settings.weight * found.total / (found.tokens if tokens is None else tokens)

    def last(self) -> dict[str, float]:
        """`mtp_loss` and `mtp_accuracy` of the batch whose loss was computed last."""
        return {"mtp_loss": self._losses[-1], "mtp_accuracy": self._accuracies[-1]}

    def figures(self) -> dict[str, JsonValue]:
        """`mtp` for a manifest: settings, size, and means over the last tenth of the batches.

        `loss` is per token, in nats, the mean over blocks; `accuracy` the share of tokens that the
        first block holds for likeliest.
        """
        part = max(1, len(self._losses) // 10)
        return {
            "mtp": {
                **self._settings.model_dump(mode="json"),
                "parameters": sum(one.numel() for one in self.blocks.parameters()),
                "loss": fmean(self._losses[-part:]) if self._losses else None,
                "accuracy": fmean(self._accuracies[-part:]) if self._accuracies else None,
            }
        }


class Predicting:
    """A mixin, named before the trainer: blocks learn beside the model, and are saved beside it.

    Args:
        prediction: None leaves the trainer as it is.
        **rest: see the trainer.
    """

    model: Any
    args: Any

    def __init__(self, *, prediction: Prediction | None = None, **rest: Any) -> None:  # noqa: ANN401
        super().__init__(**rest)
        self.prediction = prediction
        if prediction is not None:
            self.model.add_module(_NAME, prediction.blocks.to(self.args.device))

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401 - transformers is untyped
        inputs: Any,  # noqa: ANN401
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 - the signature is transformers'
        """The trainer's loss and that of the blocks times its weight."""
        trainer: Any = super()
        if self.prediction is None:
            return trainer.compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"]
        with self.prediction.recording():
            found = trainer.compute_loss(model, inputs, return_outputs, num_items_in_batch)
        more = self.prediction.loss(labels, num_items_in_batch)
        if more is None:
            return found
        this: Any = self
        for name, value in self.prediction.last().items():
            this._metrics["train"][name].append(value)  # noqa: SLF001 - TRL's
        return (found[0] + more, found[1]) if return_outputs else found + more

    @contextmanager
    def _without_blocks(self) -> Iterator[None]:
        """Files of the model are those of its architecture."""
        if self.prediction is None:
            yield
            return
        blocks = self.model._modules.pop(_NAME)  # noqa: SLF001 - torch has no other way
        try:
            yield
        finally:
            self.model.add_module(_NAME, blocks)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ANN401
        trainer: Any = super()
        with self._without_blocks():
            trainer._save(output_dir, state_dict)  # noqa: SLF001 - of the class that it is mixed into
        if self.prediction is not None:
            self.prediction.blocks.save(Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ANN401
        trainer: Any = super()
        with self._without_blocks():
            trainer._load_from_checkpoint(resume_from_checkpoint, model)  # noqa: SLF001 - as above
        if self.prediction is not None:
            held = load_file(Path(resume_from_checkpoint) / MTP_FILE)
            self.prediction.blocks.load_state_dict(held)


__all__ = ["Predicting", "Prediction"]
