"""A trained scalar meta RM: a sequence-classification model that rates judgments.

Paper section 2 (meta RM guided voting): a pointwise scalar model is trained with binary
cross-entropy to tell whether a judgment's scores are right, and its output ranks the votes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deemster.errors import InputError
from deemster.prompts import conversation_text
from deemster.schemas import Conversation, Judgment, Usage

logger = logging.getLogger(__name__)


def meta_text(query: Conversation, responses: Conversation, judgment: Judgment) -> str:
    """What a meta RM reads about one judgment; training and inference share it.

    The query, the responses in the order and under the numbers that the judgment saw (the
    caller's order where it does not say), then the judgment's raw text:

        # Request
        …
        # Response 1
        …
        # Judgment
        …

    Texts from outside are defused as in every prompt; the judgment's text stays as it is.
    """
    order = judgment.order or tuple(range(len(responses)))
    parts = ["# Request", conversation_text(query)]
    for number, index in enumerate(order, 1):
        # As a user turn it is shown bare, without the label of a role.
        shown = responses[index].model_copy(update={"role": "user"})
        parts += [f"# Response {number}", conversation_text((shown,))]
    parts += ["# Judgment", judgment.raw]
    return "\n".join(parts)


@dataclass(frozen=True)
class _Loaded:
    model: Any
    encoder: Any
    pad: int
    context: int | None


class HfMetaRM:
    """Rates judgments with a sequence-classification model of transformers.

    The model has one output; a sigmoid makes it the probability that the judgment is right. It
    is loaded when first used, from safetensors, and runs in a thread of its own. The same
    judgments get the same rewards every time.

    Args:
        path: a folder or a repository.
        device: as torch names it; by default a GPU if there is one.
        dtype: as torch names it; by default bfloat16 on a GPU and float32 on the CPU.
        batch_size: judgments that go through the model together.
        max_context: most tokens of one text; by default the model's.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        path: str,
        *,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 8,
        max_context: int | None = None,
    ) -> None:
        if not path.strip():
            raise InputError("meta_rm has an empty path; give 'hf:FOLDER' or 'hf:OWNER/REPOSITORY'")
        for what, value in (("batch_size", batch_size), ("max_context", max_context)):
            if value is not None and value < 1:
                raise InputError(f"{what} must be 1 or more, got {value!r}")
        self._path = path
        self._device, self._dtype = device, dtype
        self._batch_size, self._max_context = batch_size, max_context
        self._lock = threading.Lock()
        self._worker: ThreadPoolExecutor | None = None
        self._loaded: _Loaded | None = None
        self.usage = Usage()
        """Tokens read so far."""

    @property
    def name(self) -> str:
        """`hf:` and the path."""
        return f"hf:{self._path}"

    async def rate(
        self, query: Conversation, responses: Conversation, judgments: Sequence[Judgment]
    ) -> list[float | None]:
        """Probabilities in 0..1 that each judgment is right.

        None where the text is longer than the model's context (nothing is cut; a warning is
        logged) or the model gives no finite number.

        Raises:
            InputError: the model cannot be loaded, or has more than one output.
        """
        texts = [meta_text(query, responses, judgment) for judgment in judgments]
        with self._lock:
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, thread_name_prefix="deemster-meta")
            job = self._worker.submit(self._rate, texts)
        return await asyncio.wrap_future(job)

    async def aclose(self) -> None:
        """Release the model's memory. A closed meta RM may be used again."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.submit(setattr, self, "_loaded", None)
            await asyncio.to_thread(worker.shutdown)

    def _rate(self, texts: list[str]) -> list[float | None]:
        if self._loaded is None:
            self._loaded = self._load()
        loaded = self._loaded
        encoded = [
            loaded.encoder.encode(loaded.encoder.guard(text), special=True) for text in texts
        ]
        rewards: list[float | None] = [None] * len(texts)
        fitting = []
        for i, ids in enumerate(encoded):
            if loaded.context is None or len(ids) <= loaded.context:
                fitting.append(i)
            else:
                logger.warning(
                    "meta RM %s: judgment %d takes %d tokens with its query and responses, more "
                    "than the context of %d; it gets no meta reward",
                    self.name, i, len(ids), loaded.context,
                )  # fmt: skip
        fitting.sort(key=lambda i: len(encoded[i]))  # equal lengths together: less padding
        for start in range(0, len(fitting), self._batch_size):
            batch = fitting[start : start + self._batch_size]
            for i, reward in zip(batch, _forward(loaded, [encoded[i] for i in batch]), strict=True):
                rewards[i] = reward
        self.usage += Usage(calls=len(fitting), tokens_in=sum(len(encoded[i]) for i in fitting))
        return rewards

    def _load(self) -> _Loaded:
        from transformers import AutoModelForSequenceClassification  # noqa: PLC0415 - heavy

        from deemster.backends._local.encoding import SafeEncoder  # noqa: PLC0415 - as above
        from deemster.backends._local.loading import (  # noqa: PLC0415 - loads torch
            pick_device,
            pick_dtype,
            read,
            set_threads,
        )

        place = pick_device(self._device)
        path = str(Path(self._path).expanduser())
        try:
            tokenizer, model = read(
                AutoModelForSequenceClassification, path, pick_dtype(self._dtype, place)
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"cannot load meta RM 'hf:{self._path}': {reason}; give a folder or a repository "
                "with a sequence-classification model in safetensors"
            ) from error
        if model.config.num_labels != 1:
            raise InputError(
                f"meta RM 'hf:{self._path}' has {model.config.num_labels} outputs; "
                "a meta RM has one (num_labels=1)"
            )
        set_threads(None, model.num_parameters())
        config = model.config.get_text_config()
        # The text itself never holds control tokens, so any of them can stand for padding.
        pads = (config.pad_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        pad = next(token for token in pads if token is not None)
        model.config.pad_token_id = config.pad_token_id = pad
        context = self._max_context or getattr(config, "max_position_embeddings", None)
        return _Loaded(model.to(place).eval(), SafeEncoder(tokenizer), pad, context)


def _forward(loaded: _Loaded, batch: list[list[int]]) -> list[float | None]:
    import torch  # noqa: PLC0415 - heavy

    longest = max(map(len, batch))
    ids = torch.tensor([row + [loaded.pad] * (longest - len(row)) for row in batch])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
    device = loaded.model.device
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
    rewards = torch.sigmoid(logits[:, 0].double()).tolist()
    return [reward if reward == reward else None for reward in rewards]  # noqa: PLR0124 - NaN
