"""Models on this machine through Hugging Face transformers (`hf:PATH_OR_REPO`)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from deemster.backends._local.quantization import check_quantization
from deemster.backends._local.room import room_for
from deemster.backends._local.serving import Server
from deemster.backends._local.sources import check_path, source_of
from deemster.backends._local.speculating import check_speculation
from deemster.backends.base import Outcome, Request
from deemster.backends.decision_file import DecisionFile
from deemster.errors import InputError
from deemster.extras import need, need_package
from deemster.schemas import Completion, Usage

if TYPE_CHECKING:
    from deemster.backends._local.decoding import Prefilled
    from deemster.backends._local.generation import Draw, Plan
    from deemster.backends._local.labels import LabelReader
    from deemster.backends._local.loading import LocalModel
    from deemster.backends._local.speculation import Tally
    from deemster.backends._local.work import Work

_TOGETHER = 16
"""Requests on their way at a time."""


class TransformersBackend:
    """Draws from a causal language model in this process.

    The prompt is read once for all draws of a request; of the next prompt is read what comes after
    the beginning that it has in common with this one. A thread of this backend serves the
    requests, up to 16 of them together.

    Draw `i` depends on the prompt and `seeds[i]`; without seeds, draw `i` has seed `i`. What is
    drawn beside it matters only through rounding, because on many processors a matrix product
    rounds by its number of rows. In float32 this moves log-probabilities by about 1e-5, and a
    text changes only where a choice is that close; in bfloat16 whole texts may differ. With
    `exact` a draw is the same to the last bit whatever is drawn beside it. Another processor
    may still round in another way.

    Text in messages never becomes control tokens; text in `Request.prefix` may. Log-probabilities
    are the model's own, before temperature, top_p and grammar. With a JSON Schema the completion
    is valid JSON (see `_local.grammar`) and stop strings are not looked for.

    Args:
        path: a folder or a repository, with safetensors weights or an adapter of PEFT; or a GGUF
            file, `FILE.gguf` or `FOLDER_OR_REPOSITORY#file.gguf`, which is dequantised once, into
            the cache.
        device: as torch names it; by default a GPU if there is one.
        device_map: instead of `device`, how transformers spreads a model's layers over all GPUs
            and main memory, where one GPU is too small: `auto`, `balanced`, `sequential`. Layers
            work one after the other. Needs accelerate.
        dtype: as torch names it; by default bfloat16 on a GPU and float32 on the CPU.
        batch_size: draws, of all requests, that step together; more take turns.
        max_context: most tokens of prompt and completion together; by default the model's.
        threads: CPU threads of torch, which holds for the whole process; by default what
            `OMP_NUM_THREADS` says, else all that the process may use (one for models below 8
            million parameters).
        sanitize: False lets control tokens in messages take effect; only for trusted input.
        template_args: further variables of the chat template, e.g. `{"enable_thinking": False}`.
        exact: run the model for each draw separately, so that nothing drawn beside it can change
            it, not even by rounding. k draws take k times as long as one.
        experts_implementation: how a mixture of experts is computed, `eager`, `batched_mm` or
            `grouped_mm`; by default what transformers chooses.
        quantization: `int8` (weights only, on any device) or `fp8` (weights and activations, on a
            GPU that multiplies in it), for linear layers, after adapters are merged; by default
            what the checkpoint has. Needs the extra `quantization`.
        speculate: how tokens are drafted that the model then checks, several in one pass: `lookup`
            (what came after the same words in the prompt or in another draw) or `mtp` (the model's
            block for multi-token prediction). Texts stay what they are, up to rounding. On a CPU
            more than 4 draws that step together (`mtp`: more than 1) go without, which is faster.
        draft_tokens: tokens of a draft, at most; by default 4 of `lookup` (3 on a CPU) and 1 of
            `mtp`.
        calculator: sums that the model writes (`14 x 3 =`) are worked out for it, see
            `_local.calculator`; not with a JSON Schema.

    Raises:
        InputError: an argument is out of range, `path` is a folder without a model, or the extra
            `local` is not installed.
    """

    def __init__(
        self,
        path: str,
        *,
        device: str | None = None,
        device_map: str | None = None,
        dtype: str | None = None,
        batch_size: int = 64,
        max_context: int | None = None,
        threads: int | None = None,
        sanitize: bool = True,
        template_args: Mapping[str, Any] | None = None,
        exact: bool = False,
        experts_implementation: str | None = None,
        quantization: str | None = None,
        speculate: str | None = None,
        draft_tokens: int | None = None,
        calculator: bool = False,
    ) -> None:
        need("local", f"model 'hf:{path}'", otherwise="name a model of an API, 'provider/model'")
        check_quantization(quantization)
        self._path = self._check(path)
        for what, value in (
            ("batch_size", batch_size),
            ("max_context", max_context),
            ("threads", threads),
            ("draft_tokens", draft_tokens),
        ):
            if value is not None and value < 1:
                raise InputError(f"{what} must be 1 or more, got {value!r}")
        if device_map is not None:
            check_device_map(device_map, device, path)
        check_speculation(speculate, draft_tokens, exact=exact)
        self.batch_size = batch_size
        self._options: dict[str, Any] = {
            "device": device,
            "device_map": device_map,
            "dtype": dtype,
            "max_context": max_context,
            "sanitize": sanitize,
            "template_args": dict(template_args or {}),
            "threads": threads,
            "exact": exact,
            "experts_implementation": experts_implementation,
            "quantization": quantization,
            "speculate": speculate,
            "draft_tokens": draft_tokens,
        }
        self._exact = exact
        self._calculator = calculator
        self._server = Server(self._begin, self._finish, rows=batch_size, together=_TOGETHER)
        self._model: LocalModel | None = None
        self._prompt: Prefilled | None = None
        self._reader: LabelReader | None = None

    @staticmethod
    def _check(path: str) -> str:
        return check_path(path)

    @property
    def name(self) -> str:
        """`hf:` and the path."""
        return f"hf:{self._path}"

    @property
    def tally(self) -> Tally | None:
        """How the drafts of `speculate` have fared; None without it, and before the first."""
        speculated = None if self._model is None else self._model.speculated
        return None if speculated is None else speculated.tally

    async def generate(self, request: Request) -> list[Outcome]:
        """See `Backend.generate`.

        Where the context leaves less than `max_tokens`, completions may only be as long as it
        leaves, and one that needs more finishes with `length`.

        Raises:
            ContextLengthError: the prompt leaves fewer than `max_tokens` and fewer than 128
                tokens of the context. Nothing is cut.
            InputError: the model cannot be loaded.
            BackendError: the messages cannot be put to this model, or no text that matches the
                JSON Schema fits into `max_tokens`.
        """
        cancel = threading.Event()
        try:
            return await asyncio.wrap_future(self._server.submit(request, cancel.is_set))
        finally:
            cancel.set()  # ends the job between two steps if this task was cancelled

    async def preload(self) -> None:
        """Load the model now, unless it is; requests that come meanwhile wait for it.

        Raises:
            InputError: the model cannot be loaded.
        """
        await asyncio.wrap_future(self._server.call(self._load))

    async def aclose(self) -> None:
        """Wait for the requests under way, then release the model's memory."""
        await asyncio.to_thread(self._server.close, self._release)

    def _release(self) -> None:
        if self._model is not None:
            self._model.runner.close()
        self._model = self._prompt = self._reader = None

    def _load(self) -> LocalModel:
        from deemster.backends._local import loading  # noqa: PLC0415 - loads torch

        if self._model is None:
            self._model = loading.load(self._path, **self._options)
        return self._model

    def _begin(self, request: Request, rows: int) -> Work:
        import torch  # noqa: PLC0415 - heavy

        from deemster.backends._local.work import Work  # noqa: PLC0415 - loads torch

        model = self._load()
        if request.questions:
            return self._answers(model, request)
        begun = time.perf_counter()
        ids = model.chat.encode(request.messages, request.prefix)
        plan = self._plan(model, request, len(ids))
        draws = _draws(model, request, plan)
        if self._calculator and plan.vocabulary is None:
            _calculate(model, request, draws)
        known = self._prompt is not None and self._prompt.ids == tuple(ids)
        if self._prompt is None or not known:
            before, self._prompt = self._prompt, None  # not kept if the next does not fit
            with torch.inference_mode():
                self._prompt = model.runner.prefill(ids, before)
        work = Work(model, self._prompt, draws, plan, size=1 if self._exact else rows)
        work.cached = len(ids) if known else self._prompt.reused
        work.seconds = time.perf_counter() - begun
        return work

    def _answers(self, model: LocalModel, request: Request) -> Work:
        from deemster.backends._local.labels import Answers, LabelReader  # noqa: PLC0415 - torch

        if self._reader is None:
            file = DecisionFile.read(source_of(self._path).tokenizer)
            self._reader = LabelReader(model.chat, file, model.context)
        rows = 1 if self._exact else self.batch_size
        return Answers(self._reader, model.runner, request, rows=rows)

    def _finish(self, request: Request, work: Work) -> list[Outcome]:
        from deemster.backends._local.labels import Answers  # noqa: PLC0415 - loads torch

        if isinstance(work, Answers):
            return work.outcomes(self.name, request.n)
        tokens = len(work.prompt.ids)
        # At temperature 0 all draws are the same, so one was made.
        every = [*work.draws] * (request.n // len(work.draws))
        before = list(work.prompt.ids[-1:]) if request.prefix else []
        done = partial(self._completion, work.model, prefix_ids=before)
        return [
            done(
                draw,
                usage=Usage(
                    calls=1 if i == 0 else 0,
                    tokens_in=tokens,
                    tokens_cached=tokens if i else work.cached,
                    tokens_out=len(draw.ids),
                    seconds=work.seconds / request.n,
                ),
            )
            for i, draw in enumerate(every)
        ]

    def _plan(self, model: LocalModel, request: Request, prompt: int) -> Plan:
        from deemster.backends._local.generation import Plan  # noqa: PLC0415 - loads torch

        room = room_for(prompt, request.sampling.max_tokens, model.context)
        return Plan(
            sampling=request.sampling,
            room=room,
            eos=model.eos,
            tokenizer=model.tokenizer,
            vocabulary=None if request.json_schema is None else model.vocabulary,
            speculation=model.speculated,
        )

    def _completion(
        self, model: LocalModel, draw: Draw, *, prefix_ids: list[int], usage: Usage
    ) -> Completion:
        from deemster.backends._local.generation import decode  # noqa: PLC0415 - loads torch

        if draw.stream is not None and draw.stop_at is not None:
            text = draw.stream.text[: draw.stop_at]
        else:
            # After a prefix the text goes on in the middle, where the first token's space counts.
            before = decode(model.tokenizer, prefix_ids)
            text = decode(model.tokenizer, [*prefix_ids, *draw.ids])[len(before) :]
        return Completion(
            text=text,
            finish=draw.finish or "length",
            logprobs=tuple(draw.logprobs) if draw.logprobs else None,
            usage=usage,
            model=self.name,
        )


_DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")


def check_device_map(device_map: str, device: str | None, path: str) -> None:
    """Refuse a way to spread layers that transformers does not know, or one beside a device.

    Raises:
        InputError: as said, or accelerate is not installed.
    """
    if device_map not in _DEVICE_MAPS:
        allowed = ", ".join(_DEVICE_MAPS)
        raise InputError(f"unknown device_map {device_map!r}; allowed: {allowed}")
    if device is not None:
        raise InputError(
            f"device {device!r} and device_map {device_map!r} exclude each other; give one"
        )
    need_package("accelerate", f"device_map of 'hf:{path}'", otherwise="leave device_map out")


def _draws(model: LocalModel, request: Request, plan: Plan) -> list[Draw]:
    """One per seed; one in all at temperature 0."""
    from deemster.backends._local.generation import Draw, TextStream  # noqa: PLC0415 - loads torch
    from deemster.backends._local.grammar import Constraint  # noqa: PLC0415 - slow to load
    from deemster.backends._local.sampling import Noise  # noqa: PLC0415 - loads torch

    seeds = request.seeds or tuple(range(request.n))
    draws = []
    for seed in seeds[:1] if request.sampling.temperature == 0 else seeds:
        draw = Draw(Noise(seed))
        if plan.vocabulary is not None and request.json_schema is not None:
            matcher = plan.vocabulary.matcher(request.json_schema)
            draw.constraint = Constraint(plan.vocabulary, matcher, plan.room, request.prefix)
        elif request.sampling.stop:
            draw.stream = TextStream(model.tokenizer)
        draws.append(draw)
    return draws


def _calculate(model: LocalModel, request: Request, draws: list[Draw]) -> None:
    """Give every draw a calculator."""
    from deemster.backends._local.calculator import Calculator  # noqa: PLC0415 - loads torch

    prompt = "\n".join(message.text for message in request.messages)
    for draw in draws:
        draw.calculator = Calculator(model.keys, prompt, request.prefix)
