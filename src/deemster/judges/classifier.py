"""A local model with one number as its output: what scalar judges and meta RMs run on."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deemster.errors import InputError
from deemster.extras import need
from deemster.prompts import conversation_text
from deemster.schemas import Conversation, Usage

Encode = Callable[[Any, Any], list[list[int]]]
"""From a tokenizer and its `SafeEncoder` to the ids of the texts to read."""


def numbered_text(query: Conversation, shown: Conversation) -> str:
    """The query and the responses in the order shown, as text to read, defused as in prompts.

    # Request
    …
    # Response 1
    …
    """
    parts = ["# Request", conversation_text(query)]
    for number, response in enumerate(shown, 1):
        # As a user turn it is shown bare, without the label of a role.
        bare = response.model_copy(update={"role": "user"})
        parts += [f"# Response {number}", conversation_text((bare,))]
    return "\n".join(parts)


def sigmoid(logit: float) -> float:
    """The probability of a log-odds, without overflow."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))


@dataclass(frozen=True)
class Reading:
    """What the model said about one text."""

    logit: float | None
    """Its output; None if there is none."""
    tokens: int
    """Length of the text."""
    problem: str = ""
    """Why there is no output."""
    seconds: float = 0.0
    """How long it was read; of texts read together, an equal part. Waiting does not count."""


def usage_of(readings: Sequence[Reading]) -> Usage:
    """What reading some texts took."""
    return Usage(
        calls=len(readings),
        tokens_in=sum(one.tokens for one in readings),
        seconds=math.fsum(one.seconds for one in readings),
    )


@dataclass(frozen=True)
class _Loaded:
    model: Any
    tokenizer: Any
    encoder: Any
    pad: int | None
    """The padding token that the model was trained with, if with one."""
    context: int | None


class Classifier:
    """Reads texts with a sequence-classification model of transformers that has one output.

    It is loaded when first used, from safetensors, and runs in a thread of its own. The same
    texts give the same numbers every time; among other texts they differ by rounding.

    Args:
        path: a folder or a repository.
        what: what messages call it, e.g. `meta RM`.
        device: as torch names it; by default a GPU if there is one.
        dtype: as torch names it; by default bfloat16 on a GPU and float32 on the CPU.
        batch_size: texts that go through the model together.
        max_context: most tokens of one text; by default the model's.

    Raises:
        InputError: an argument is out of range, or the extra `local` is not installed.
    """

    def __init__(
        self,
        path: str,
        *,
        what: str,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 8,
        max_context: int | None = None,
    ) -> None:
        if not path.strip():
            raise InputError(f"{what} has an empty path; give a folder or OWNER/REPOSITORY")
        need("local", f"{what} 'hf:{path}'")
        limits: dict[str, Any] = {"batch_size": batch_size, "max_context": max_context}
        for name, value in limits.items():  # suites pass on what their file says
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InputError(f"{name} must be 1 or more, got {value!r}")
        self.path = path
        self._what = what
        self._device, self._dtype = device, dtype
        self._batch_size, self._max_context = batch_size, max_context
        self._lock = threading.Lock()
        self._worker: ThreadPoolExecutor | None = None
        # Held by whoever uses the model: a worker being closed and its successor may overlap.
        self._busy = threading.Lock()
        self._loaded: _Loaded | None = None

    async def read(self, encode: Encode) -> list[Reading]:
        """What the model says about every text of `encode`, which runs in the model's thread.

        A text longer than the context is not read (nothing is cut), and an output that is not
        finite counts as no output.

        Raises:
            InputError: the model cannot be loaded, or has more than one output.
            BackendError: whatever `encode` raises.
        """
        with self._lock:
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, thread_name_prefix="deemster-classifier")
            job = self._worker.submit(self._read, encode)
        return await asyncio.wrap_future(job)

    async def aclose(self) -> None:
        """Release the model's memory. A closed one may be used again."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.submit(self._release)
            await asyncio.to_thread(worker.shutdown)

    def _release(self) -> None:
        with self._busy:
            self._loaded = None

    def _read(self, encode: Encode) -> list[Reading]:
        with self._busy:
            if self._loaded is None:
                self._loaded = self._load()
            loaded = self._loaded
            begun = time.perf_counter()
            rows = encode(loaded.tokenizer, loaded.encoder)
            logits: dict[int, float] = {}
            fitting = [i for i, row in enumerate(rows) if len(row) <= (loaded.context or len(row))]
            fitting.sort(key=lambda i: len(rows[i]))  # equal lengths together: less padding
            for start in range(0, len(fitting), self._batch_size):
                batch = fitting[start : start + self._batch_size]
                read = _forward(loaded, [rows[i] for i in batch])
                logits.update(zip(batch, read, strict=True))
            each = (time.perf_counter() - begun) / max(len(rows), 1)
        return [
            Reading(
                None,
                len(row),
                f"{len(row)} tokens, more than the context of {loaded.context}",
                each,
            )
            if i not in logits
            else Reading(logits[i], len(row), seconds=each)
            if math.isfinite(logits[i])
            else Reading(None, len(row), f"the model gave {logits[i]}", each)
            for i, row in enumerate(rows)
        ]

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
        path = str(Path(self.path).expanduser())
        try:
            tokenizer, model = read(
                AutoModelForSequenceClassification, path, pick_dtype(self._dtype, place)
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"cannot load {self._what} 'hf:{self.path}': {reason}; give a folder or a "
                "repository with a sequence-classification model in safetensors"
            ) from error
        if model.config.num_labels != 1:
            raise InputError(
                f"{self._what} 'hf:{self.path}' has {model.config.num_labels} outputs; "
                f"a {self._what} has one (num_labels=1)"
            )
        set_threads(None, model.num_parameters())
        config = model.config.get_text_config()
        context = self._max_context or getattr(config, "max_position_embeddings", None)
        encoder = SafeEncoder(tokenizer)
        pad = config.pad_token_id
        if pad is not None and pad < 0:  # some configurations say -1 for none
            pad = None
        return _Loaded(model.to(place).eval(), tokenizer, encoder, pad, context)


def _forward(loaded: _Loaded, batch: Sequence[list[int]]) -> list[float]:
    import torch  # noqa: PLC0415 - heavy

    pad = loaded.pad
    if pad is None:
        # The output belongs to the last token that is not padding, so no row may end in it.
        ends = {row[-1] for row in batch}
        pad = next(token for token in range(len(batch) + 1) if token not in ends)
    loaded.model.config.pad_token_id = loaded.model.config.get_text_config().pad_token_id = pad
    longest = max(map(len, batch))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in batch])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
    device = loaded.model.device
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
    read: list[float] = logits[:, 0].double().tolist()
    return read
