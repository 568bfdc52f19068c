"""Models on this machine through a vLLM engine in this process (`vllm:PATH_OR_REPO`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from deemster.backends._local.room import room_for
from deemster.backends._local.sources import check_path, source_of
from deemster.backends.base import Outcome, Request, nothing_sampled
from deemster.backends.decision_file import DecisionFile
from deemster.backends.label_prompts import asked_text
from deemster.errors import BackendError, InputError
from deemster.extras import need
from deemster.runtime import run_in_background
from deemster.schemas import Completion, Usage, dump_decisions

if TYPE_CHECKING:
    from deemster.backends._local.engine import Engine

T = TypeVar("T")

ENGINE_ARGS = frozenset(
    {
        "attention_backend", "block_size", "cpu_offload_gb", "data_parallel_size",
        "disable_custom_all_reduce", "enable_chunked_prefill", "enable_expert_parallel",
        "enable_prefix_caching", "enforce_eager", "gpu_memory_utilization", "kv_cache_dtype",
        "kv_cache_memory_bytes", "max_num_batched_tokens", "max_num_seqs", "pipeline_parallel_size",
        "quantization", "revision", "seed", "speculative_config", "tensor_parallel_size",
        "tokenizer_revision",
    }
)  # fmt: skip
"""Arguments of vLLM's engine that may be given: those that name no code and no file, because a
suite may be somebody else's."""

_DRAFTS = ("mtp", "ngram")
_OF_DRAFTS = frozenset({"num_speculative_tokens", "prompt_lookup_max", "prompt_lookup_min"})
"""What `speculative_config` may hold: vLLM's others name models or code."""

_QUIET = {
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # stdout is for results
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",  # nothing is sent anywhere that the user did not ask for
}
"""Environment variables of vLLM, where they are not set."""


def _check_speculation(config: Any) -> None:  # noqa: ANN401 - of a suite, not checked before
    """Refuse a `speculative_config` with more than drafts by the model or the prompt themselves.

    Raises:
        InputError: it has another method, or another field.
    """
    if config is None:
        return
    fields = config if isinstance(config, Mapping) else {}
    unknown = sorted(fields.keys() - _OF_DRAFTS - {"method"})
    if fields.get("method") not in _DRAFTS or unknown:
        raise InputError(
            f"engine_args speculative_config cannot be {config!r}; allowed: method "
            f"({' or '.join(_DRAFTS)}), {', '.join(sorted(_OF_DRAFTS))}"
        )


class VLLMBackend:
    """Draws from a causal language model in a vLLM engine that this process starts.

    The engine starts with the first request, and holds its part of the GPU until the backend is
    closed. All requests of the process share it: they are batched by vLLM, and prompts that begin
    alike are read once (prefix caching).

    Draw `i` depends on the prompt and `seeds[i]`, up to rounding, which depends on what is drawn
    beside it; without seeds, draw `i` has seed `i`. Prompts are sent as token ids: text in messages
    never becomes control tokens, text in `Request.prefix` may. Log-probabilities are the model's
    own, before temperature, top_p and grammar. With a JSON Schema every completion that is not
    cut matches it, and stop strings are not looked for.

    Args:
        path: a folder or a repository, with safetensors weights or an adapter of PEFT, which vLLM
            puts over its base (LoRA); or a GGUF file, as `TransformersBackend` takes it.
        dtype: as torch names it; by default what the weights have.
        max_context: most tokens of prompt and completion together; by default the model's.
        sanitize: False lets control tokens in messages take effect; only for trusted input.
        template_args: further variables of the chat template, e.g. `{"enable_thinking": False}`.
        engine_args: further arguments of vLLM's engine, e.g. `{"tensor_parallel_size": 2,
            "gpu_memory_utilization": 0.6}`; `ENGINE_ARGS` are allowed.
        quantization: `fp8` quantises weights while they are loaded, and activations as they come;
            by default what the checkpoint has. `engine_args` may name vLLM's other ways.

    Raises:
        InputError: an argument is out of range, `path` is a folder without a model, or the extra
            `vllm` is not installed.
    """

    def __init__(
        self,
        path: str,
        *,
        dtype: str | None = None,
        max_context: int | None = None,
        sanitize: bool = True,
        template_args: Mapping[str, Any] | None = None,
        engine_args: Mapping[str, Any] | None = None,
        quantization: str | None = None,
    ) -> None:
        need("vllm", f"model 'vllm:{path}'", otherwise=f"give 'hf:{path}', or a server of vLLM")
        self._path = check_path(path)
        engine_args = {**(engine_args or {}), **_quantization(quantization, engine_args)}
        if max_context is not None and max_context < 1:
            raise InputError(f"max_context must be 1 or more, got {max_context!r}")
        unknown = sorted(engine_args.keys() - ENGINE_ARGS)
        if unknown:
            raise InputError(
                f"engine_args {unknown[0]!r} cannot be given; allowed: "
                + ", ".join(sorted(ENGINE_ARGS))
            )
        _check_speculation((engine_args or {}).get("speculative_config"))
        self._options: dict[str, Any] = {
            "dtype": dtype,
            "max_context": max_context,
            "sanitize": sanitize,
            "template_args": dict(template_args or {}),
            "engine_args": engine_args,
        }
        # What follows is used on the background loop alone.
        self._opening: asyncio.Task[Engine] | None = None
        self._gate = asyncio.Lock()
        """Held while an engine is being ended: two would not fit into memory."""
        self._users = 0
        self._idle = asyncio.Event()

    @property
    def name(self) -> str:
        """`vllm:` and the path."""
        return f"vllm:{self._path}"

    async def generate(self, request: Request) -> list[Outcome]:
        """See `Backend.generate`.

        Where the context leaves less than `max_tokens`, completions may only be as long as it
        leaves, and one that needs more finishes with `length`. To cancel it aborts the draws.

        Raises:
            ContextLengthError: the prompt leaves fewer than `max_tokens` and fewer than 128
                tokens of the context. Nothing is cut.
            InputError: the engine cannot be started.
            BackendError: the messages cannot be put to this model, or it takes no such schema.
        """
        return await run_in_background(self._generate(request))

    async def preload(self) -> None:
        """Start the engine now, if it is not started.

        Raises:
            InputError: it cannot be started.
        """
        await run_in_background(self._opened())

    async def aclose(self) -> None:
        """Wait for the requests under way, then end the engine, which frees its memory."""
        await run_in_background(self._close())

    async def _generate(self, request: Request) -> list[Outcome]:
        async with self._gate:
            self._users += 1
        try:
            engine = await self._opened()
            answer = self._decide if request.questions else self._draw
            return await answer(engine, request)
        finally:
            self._users -= 1
            if not self._users:
                self._idle.set()

    async def _opened(self) -> Engine:
        if self._opening is None:
            for variable, value in _QUIET.items():
                os.environ.setdefault(variable, value)  # vLLM reads them when it is imported
            from deemster.backends._local.engine import open_engine  # noqa: PLC0415 - heavy

            opening = open_engine(self._path, name=self.name, **self._options)
            self._opening = asyncio.create_task(opening)
        started = self._opening
        try:
            # Whoever gives up waiting does not end it: others may wait, and it cannot be stopped.
            return await asyncio.shield(started)
        except InputError:
            if self._opening is started:
                self._opening = None
            raise

    async def _close(self) -> None:
        async with self._gate:
            while self._users:
                self._idle.clear()
                await self._idle.wait()
            opening, self._opening = self._opening, None
            if opening is not None:
                with contextlib.suppress(InputError):
                    await (await opening).close()

    async def _draw(self, engine: Engine, request: Request) -> list[Outcome]:
        if request.prefix and request.json_schema is not None:
            raise BackendError("vLLM cannot begin with a prefix and follow a JSON Schema at once")
        ids = engine.chat.encode(request.messages, request.prefix)
        room = room_for(len(ids), request.sampling.max_tokens, engine.context)
        seeds = request.seeds or tuple(range(request.n))
        if request.sampling.temperature == 0:
            seeds = seeds[:1]  # at temperature 0 all draws are the same
        runs = (self._drawn(engine, request, ids, room, run) for run in consecutive(seeds))
        outcomes = [outcome for run in await together(runs) for outcome in run]
        return [*outcomes, *(_copy(outcomes[0]) for _ in range(request.n - len(outcomes)))]

    async def _drawn(
        self, engine: Engine, request: Request, ids: list[int], room: int, run: tuple[int, int]
    ) -> list[Outcome]:
        """The draws of a run of seeds, which are one request of vLLM's."""
        from deemster.backends._local.engine import parameters_of  # noqa: PLC0415 - heavy

        seed, count = run
        parameters = parameters_of(
            request.sampling,
            n=count,
            seed=seed,
            room=room,
            eos=engine.eos,
            json_schema=request.json_schema,
        )
        begun = time.perf_counter()
        try:
            output = await engine.draw(ids, parameters)
        except BackendError as error:
            return [error] * count
        usage = Usage(
            tokens_in=len(ids),
            tokens_cached=min(output.num_cached_tokens or 0, len(ids)),
            seconds=(time.perf_counter() - begun) / count,
        )
        top = request.sampling.top_logprobs
        return [
            self._outcome(engine, one, usage.model_copy(update={"calls": int(i == 0)}), top)
            for i, one in enumerate(sorted(output.outputs, key=lambda one: int(one.index)))
        ]

    def _outcome(self, engine: Engine, output: Any, usage: Usage, top: int) -> Outcome:  # noqa: ANN401 - vLLM is untyped
        from deemster.backends._local.generation import token_logprob  # noqa: PLC0415 - torch

        if output.finish_reason not in {"stop", "length"}:
            return BackendError(f"vLLM ended the draw early ({output.finish_reason})")
        ids = list(output.token_ids)
        if output.finish_reason == "stop" and ids and ids[-1] in engine.eos:
            ids.pop()
        logprobs = []
        for token, found in zip(ids, output.logprobs or (), strict=False):  # the end token has one
            ranked = sorted(found.items(), key=lambda one: -one[1].logprob)[:top]
            best = [(one, value.logprob) for one, value in ranked]
            own = found[token].logprob
            logprobs.append(token_logprob(engine.chat.tokenizer, token, own, best))
        return Completion(
            text=output.text,
            finish=output.finish_reason,
            logprobs=tuple(logprobs) or None,
            usage=usage.model_copy(update={"tokens_out": len(ids)}),
            model=self.name,
        )

    async def _decide(self, engine: Engine, request: Request) -> list[Outcome]:
        from deemster.backends._local.labels import LabelReader  # noqa: PLC0415 - torch

        begun = time.perf_counter()
        file = DecisionFile.read(source_of(self._path).tokenizer)
        reader = LabelReader(engine.chat, file, engine.context - 1)  # vLLM draws a token
        asked = reader.ask(asked_text(request), request.questions)
        reads = await together(
            engine.logprobs(prompt, set[int]().union(*labels))
            for prompt, labels in zip(asked.prompts, asked.labels, strict=True)
        )
        spelled = [
            [[found[token] for token in option] for option in labels]
            for found, labels in zip(reads, asked.labels, strict=True)
        ]
        text = dump_decisions(reader.decide(request.questions, spelled))
        usage = Usage(
            calls=len(reads),
            tokens_in=sum(map(len, asked.prompts)),
            seconds=time.perf_counter() - begun,
        )
        return nothing_sampled(Completion(text=text, model=self.name, usage=usage), request.n)


def _quantization(kind: str | None, engine_args: Mapping[str, Any] | None) -> dict[str, str]:
    """The engine's argument for an option of the same name."""
    if kind is None:
        return {}
    if kind == "int8":
        raise InputError(
            "quantization 'int8': vLLM has no linear layers in int8 for weights in full "
            "precision; give a checkpoint in int8 (compressed-tensors), or quantization 'fp8'"
        )
    if kind != "fp8":
        raise InputError(
            f"unknown quantization {kind!r}; allowed: fp8 (engine_args takes vLLM's other names)"
        )
    if "quantization" in (engine_args or {}):
        raise InputError("quantization is given twice, in engine_args too; leave one out")
    return {"quantization": kind}


async def together(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of calls that run at the same time; the first error ends them all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _copy(outcome: Outcome) -> Outcome:
    """The same once more, which cost nothing."""
    if isinstance(outcome, BackendError):
        return outcome
    read, written = outcome.usage.tokens_in, outcome.usage.tokens_out
    free = Usage(tokens_in=read, tokens_cached=read, tokens_out=written)
    return outcome.model_copy(update={"usage": free})


def consecutive(seeds: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of seeds that follow each other, as (first, count): vLLM counts up from one seed."""
    runs: list[tuple[int, int]] = []
    for seed in seeds:
        if runs and seed == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((seed, 1))
    return runs
