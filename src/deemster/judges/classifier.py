"""A local model that gives a number for a text: what scalar judges and meta RMs run on."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deemster.backends._local.sources import check_path
from deemster.errors import BackendError, InputError
from deemster.extras import need
from deemster.judges.reduction import Reduction, one_output
from deemster.prompts import conversation_text
from deemster.schemas import Conversation, Usage

if TYPE_CHECKING:
    from deemster.backends._local.reward_model import RewardModel

T = TypeVar("T")
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
    usage: Usage
    """What reading it took: its tokens, and seconds without waiting; of texts read together, an
    equal part."""
    problem: str = ""
    """Why there is no output."""
    error: BackendError | None = None
    """What a call failed with."""


def usage_of(readings: Iterable[Reading]) -> Usage:
    """What reading some texts took."""
    return Usage.total(one.usage for one in readings)


@dataclass(frozen=True)
class _Loaded:
    model: RewardModel
    encoder: Any
    context: int | None


class Classifier:
    """Reads texts with a sequence classifier of transformers, or with a published reward head.

    It is loaded when first used, from safetensors, and runs in a thread of its own. The same
    texts give the same numbers every time; among other texts they differ by rounding.

    Args:
        path: a folder or a repository.
        what: what messages call it, e.g. `meta RM`.
        device: as torch names it; by default a GPU if there is one.
        dtype: as torch names it; by default bfloat16 on a GPU and float32 on the CPU.
        batch_size: texts that go through the model together.
        max_context: most tokens of one text; by default the model's.
        reduction: how several outputs become one number, see `Reduction`; None: there is one.
        remote_code: the path once more, to let the code of that repository run; None runs none.
        pairs: whether the texts hold two responses each, for models that read one or two.

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
        reduction: str | None = None,
        remote_code: str | None = None,
        pairs: bool = False,
    ) -> None:
        if not path.strip():
            raise InputError(f"{what} has an empty path; give a folder or OWNER/REPOSITORY")
        need("local", f"{what} 'hf:{path}'")
        check_path(path)
        limits: dict[str, Any] = {"batch_size": batch_size, "max_context": max_context}
        for name, value in limits.items():  # suites pass on what their file says
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InputError(f"{name} must be 1 or more, got {value!r}")
        if remote_code is not None and remote_code != path:
            raise InputError(
                f"remote_code {remote_code!r} is not the model {path!r}; the code of a repository "
                "runs only if the repository is named"
            )
        self.path = path
        self._own_code = remote_code is not None
        self._reduction = None if reduction is None else Reduction.parse(reduction)
        self._pairs = pairs
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
            InputError: the model cannot be loaded, or its outputs are not those declared.
            BackendError: whatever `encode` raises.
        """
        return await self._in_thread(partial(self._read, encode))

    async def preload(self) -> None:
        """Load the model now, unless it is.

        Raises:
            InputError: it cannot be loaded.
        """
        await self._in_thread(self._preload)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        with self._lock:
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, thread_name_prefix="deemster-classifier")
            job = self._worker.submit(call)
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

    def _preload(self) -> None:
        with self._busy:
            self._loaded = self._loaded or self._load()

    def _read(self, encode: Encode) -> list[Reading]:
        with self._busy:
            loaded = self._loaded = self._loaded or self._load()
            begun = time.perf_counter()
            rows = encode(loaded.model.tokenizer, loaded.encoder)
            rows = [_ended(row, loaded.model.ending) for row in rows]
            numbers, problems = self._numbers(loaded, rows)
            each = (time.perf_counter() - begun) / max(len(rows), 1)
            return [
                Reading(
                    numbers.get(i),
                    Usage(calls=1, tokens_in=len(row), seconds=each),
                    problems.get(i, ""),
                )
                for i, row in enumerate(rows)
            ]

    def _numbers(
        self, loaded: _Loaded, rows: Sequence[list[int]]
    ) -> tuple[dict[int, float], dict[int, str]]:
        """The finite numbers by row, and why the other rows have none."""
        problems = {i: text for i, row in enumerate(rows) if (text := _problem(loaded, row))}
        fitting = [i for i in range(len(rows)) if i not in problems]
        fitting.sort(key=lambda i: len(rows[i]))  # equal lengths together: less padding
        read: dict[int, float] = {}
        size = self._batch_size if loaded.model.together else 1
        for start in range(0, len(fitting), size):
            batch = fitting[start : start + size]
            outputs = loaded.model.outputs([rows[i] for i in batch])
            read |= {i: self._one(one, loaded) for i, one in zip(batch, outputs, strict=True)}
        lost = {i: f"the model gave {x}" for i, x in read.items() if not math.isfinite(x)}
        return {i: x for i, x in read.items() if i not in lost}, problems | lost

    def _one(self, outputs: Sequence[float], loaded: _Loaded) -> float:
        labels = loaded.model.labels if len(outputs) == len(loaded.model.labels) else None
        if self._reduction is None:
            return one_output(outputs, labels, f"{self._what} 'hf:{self.path}'")
        if not all(map(math.isfinite, outputs)):
            return math.nan
        return self._reduction.of(outputs, labels)

    def _cannot_load(self, error: Exception) -> str:
        reason = str(error).strip().partition("\n")[0]
        return f"cannot load {self._what} 'hf:{self.path}': {reason}"

    def _load(self) -> _Loaded:
        from deemster.backends._local.encoding import SafeEncoder  # noqa: PLC0415 - heavy
        from deemster.backends._local.loading import (  # noqa: PLC0415 - loads torch
            pick_device,
            pick_dtype,
            set_threads,
        )
        from deemster.backends._local.reward_model import (  # noqa: PLC0415 - as above
            load_reward_model,
        )

        place = pick_device(self._device)
        path = str(Path(self.path).expanduser())
        dtype = pick_dtype(self._dtype, place)
        try:
            model = load_reward_model(path, place=place, dtype=dtype, own_code=self._own_code)
        except InputError as error:
            raise InputError(self._cannot_load(error)) from error
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise InputError(
                f"{self._cannot_load(error)}; give a folder or a repository with a "
                "sequence-classification model in safetensors"
            ) from error
        if model.compares is not None and model.compares is not self._pairs:
            reads, kind = ("two responses", "pairwise") if model.compares else ("one", "scalar")
            raise InputError(
                f"{self._what} 'hf:{self.path}' reads {reads} at a time; use judge type {kind}"
            )
        set_threads(None, model.model.num_parameters())
        return _Loaded(model, SafeEncoder(model.tokenizer), self._max_context or model.context)


def _ended(row: list[int], ending: int | None) -> list[int]:
    """A text with the token that its model reads the reward from."""
    return row if ending is None or row[-1:] == [ending] else [*row, ending]


def _problem(loaded: _Loaded, row: Sequence[int]) -> str:
    """Why a text cannot be read; empty if it can."""
    if loaded.context is not None and len(row) > loaded.context:
        return f"{len(row)} tokens, more than the context of {loaded.context}"
    return loaded.model.problem(row)
