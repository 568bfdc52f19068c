"""The part of vLLM 0.33 that the backend uses, for machines on which vLLM does not run.

Names, parameters, defaults and errors are those of vLLM's sources; `tests/backends/
test_vllm_backend.py` holds them against the package where it is installed. What stands behind
them is small: the next token depends on the last few tokens alone, by random numbers.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np

PACKAGE_MODULES = ("vllm", "vllm.config", "vllm.exceptions", "vllm.inputs", "vllm.lora",
                   "vllm.lora.request", "vllm.sampling_params", "vllm.v1", "vllm.v1.engine",
                   "vllm.v1.engine.exceptions")  # fmt: skip
CALLED = {
    "vllm": ("AsyncEngineArgs", "SamplingParams"),
    "vllm.config": ("StructuredOutputsConfig",),
    "vllm.inputs": ("tokens_input",),
    "vllm.lora.request": ("LoRARequest",),
    "vllm.sampling_params": ("StructuredOutputsParams",),
}
"""What is called, by module; `METHODS` of the engine besides."""
METHODS = ("add_lora", "from_engine_args", "generate", "shutdown")
_LOOKS_BACK = 3


class VLLMError(Exception):
    pass


class VLLMClientError(VLLMError):
    pass


class VLLMServerError(VLLMError):
    pass


class VLLMValidationError(VLLMClientError):
    pass


class EngineGenerateError(VLLMServerError):
    pass


class EngineDeadError(VLLMServerError):
    def __init__(self) -> None:
        super().__init__("EngineCore encountered an issue. See stack trace (above) …")


class RequestOutputKind(Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2


@dataclass
class StructuredOutputsConfig:
    backend: str = "auto"


@dataclass
class StructuredOutputsParams:
    json: str | dict[str, Any] | None = None


@dataclass
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str = ""


@dataclass
class SamplingParams:
    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None
    logprob_token_ids: list[int] | None = None
    detokenize: bool = True
    output_kind: RequestOutputKind = RequestOutputKind.CUMULATIVE
    structured_outputs: StructuredOutputsParams | None = None

    def __post_init__(self) -> None:
        if self.temperature < 0.01 and self.n > 1:
            raise VLLMValidationError(f"n must be 1 when using greedy sampling, got {self.n}.")
        if not 0.0 < self.top_p <= 1.0:
            raise VLLMValidationError(f"top_p must be in (0, 1], got {self.top_p}.")
        if self.stop and not self.detokenize:
            raise VLLMValidationError("stop strings are only supported when detokenize is True.")


@dataclass
class AsyncEngineArgs:
    model: str = "Qwen/Qwen3-0.6B"
    tokenizer: str | None = None
    trust_remote_code: bool = False
    load_format: str = "auto"
    dtype: str = "auto"
    max_model_len: int | None = None
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.92
    enable_lora: bool = False
    max_lora_rank: int = 16
    structured_outputs_config: StructuredOutputsConfig = field(
        default_factory=StructuredOutputsConfig
    )


def tokens_input(
    prompt_token_ids: list[int], *, prompt: str | None = None, cache_salt: str | None = None
) -> dict[str, Any]:
    assert prompt is None
    assert cache_salt is None
    return {"type": "token", "prompt_token_ids": prompt_token_ids}


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    request_id: str
    outputs: list[CompletionOutput]
    finished: bool
    num_cached_tokens: int | None = None


class AsyncLLM:
    """The engine. What it was asked is kept, and tests may break it."""

    made: ClassVar[list[AsyncLLM]] = []
    hangs: ClassVar[bool] = False
    breaks: ClassVar[Exception | None] = None
    ends: ClassVar[str | None] = None
    """What every draw ends with, in place of its own end."""

    def __init__(self, args: AsyncEngineArgs) -> None:
        from transformers import AutoConfig, AutoTokenizer

        self.args = args
        self.tokenizer = AutoTokenizer.from_pretrained(args.tokenizer or args.model)
        config = AutoConfig.from_pretrained(args.model)
        length = args.max_model_len or config.max_position_embeddings
        if length > config.max_position_embeddings:
            raise ValueError(f"User-specified max_model_len ({length}) is greater than derived")
        self.model_config = SimpleNamespace(max_model_len=length)
        self.eos = {self.tokenizer.eos_token_id}
        self.asked: list[tuple[dict[str, Any], SamplingParams, LoRARequest | None]] = []
        self.adapters: list[LoRARequest] = []
        self.under_way: set[str] = set()
        self.aborted: list[str] = []
        self.is_shut = False
        self.made.append(self)

    @classmethod
    def from_engine_args(cls, engine_args: AsyncEngineArgs) -> AsyncLLM:
        return cls(engine_args)

    async def add_lora(self, lora_request: LoRARequest) -> bool:
        if not self.args.enable_lora:
            raise EngineGenerateError("LoRA is not enabled.")
        self.adapters.append(lora_request)
        return True

    def shutdown(self, timeout: float | None = None) -> None:
        assert timeout is None or timeout > 0
        self.is_shut = True

    async def generate(
        self,
        prompt: dict[str, Any],
        sampling_params: SamplingParams,
        request_id: str,
        *,
        lora_request: LoRARequest | None = None,
    ) -> AsyncGenerator[RequestOutput, None]:
        if self.is_shut:
            raise EngineDeadError
        if self.breaks is not None:
            raise self.breaks
        ids = prompt["prompt_token_ids"]
        if len(ids) >= self.model_config.max_model_len:
            raise VLLMValidationError(f"The decoder prompt (length {len(ids)}) is too long")
        assert request_id not in self.under_way
        assert sampling_params.seed is None or sampling_params.seed >= 0
        self.under_way.add(request_id)
        self.asked.append((prompt, sampling_params, lora_request))
        try:
            await (asyncio.Event().wait() if self.hangs else asyncio.sleep(0.001))
        except (asyncio.CancelledError, GeneratorExit):
            self.aborted.append(request_id)
            raise
        finally:
            self.under_way.discard(request_id)
        outputs = [self._draw(ids, sampling_params, i) for i in range(sampling_params.n)]
        yield RequestOutput(
            request_id, outputs, finished=True, num_cached_tokens=len(ids) // 16 * 16
        )

    def logits(self, ids: list[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        seen = [*ids[-_LOOKS_BACK:], len(self.adapters)]
        return np.random.default_rng(seen).normal(size=len(self.tokenizer), scale=2.0)

    def _draw(self, prompt: list[int], asked: SamplingParams, index: int) -> CompletionOutput:
        random = np.random.default_rng(None if asked.seed is None else asked.seed + index)
        mask = self._grammar(asked)
        eos = self.eos | set(asked.stop_token_ids or ())
        ids: list[int] = []
        logprobs: list[dict[int, Logprob]] = []
        finish, text = "length", ""
        for _ in range(asked.max_tokens or 16):
            own = self.logits([*prompt, *ids])
            own -= np.log(np.exp(own).sum())
            logits = own if mask is None else np.where(mask.allowed(eos), own, -np.inf)
            if asked.temperature == 0:
                token = int(logits.argmax())
            else:
                token = int((logits / asked.temperature + random.gumbel(size=len(own))).argmax())
            ids.append(token)
            logprobs.append(_found(own, token, asked))
            if mask is not None:
                mask.take(token, eos)
            if token in eos or (mask is not None and mask.ended):
                finish = "stop"
                break
            text = self.tokenizer.decode(ids, skip_special_tokens=True)
            stops = [text.find(stop) for stop in asked.stop or () if stop in text]
            if stops:
                finish, text = "stop", text[: min(stops)]
                break
        if mask is not None:
            text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return CompletionOutput(
            index, text if asked.detokenize else "", ids, None,
            logprobs if asked.logprobs or asked.logprob_token_ids else None, self.ends or finish,
        )  # fmt: skip

    def _grammar(self, asked: SamplingParams) -> _Grammar | None:
        if asked.structured_outputs is None:
            return None
        return _Grammar(self.tokenizer, asked.structured_outputs.json)


class _Grammar:
    """What vLLM's backend `guidance` does, by the same library."""

    def __init__(self, tokenizer: Any, schema: Any) -> None:
        from llguidance import LLMatcher
        from llguidance.hf import from_tokenizer

        self._size = len(tokenizer)
        self._matcher = LLMatcher(
            from_tokenizer(tokenizer), LLMatcher.grammar_from_json_schema(schema)
        )
        if error := self._matcher.get_error():
            raise VLLMValidationError(f"Grammar error: {error}")
        self.ended = False

    def allowed(self, eos: set[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        found = np.unpackbits(bits, bitorder="little")[: self._size].astype(bool)
        found[list(eos)] = self._matcher.is_accepting()
        return found

    def take(self, token: int, eos: set[int]) -> None:
        if token not in eos:
            assert self._matcher.consume_token(token)
            self.ended = self._matcher.is_stopped()


def _found(
    own: np.ndarray[Any, np.dtype[np.float64]], token: int, asked: SamplingParams
) -> dict[int, Logprob]:
    best = asked.logprob_token_ids or np.argsort(-own)[: asked.logprobs or 0].tolist()
    ranks = {one: int((own > own[one]).sum()) + 1 for one in (token, *best)}
    return {one: Logprob(float(own[one]), rank) for one, rank in ranks.items()}


@contextmanager
def stub_vllm() -> Iterator[type[AsyncLLM]]:
    """While it is open, `import vllm` gives the stub; yields the engine's class."""
    here = sys.modules[__name__]
    ours = "deemster.backends._local.engine"
    kept = {name: sys.modules.pop(name, None) for name in (*PACKAGE_MODULES, ours)}
    for name in PACKAGE_MODULES:
        module = ModuleType(name)
        module.__path__ = []
        sys.modules[name] = module
        vars(module).update(vars(here) | {"AsyncLLMEngine": AsyncLLM, "__name__": name})
    AsyncLLM.made.clear()
    AsyncLLM.hangs, AsyncLLM.breaks, AsyncLLM.ends = False, None, None
    try:
        yield AsyncLLM
    finally:
        for name in (*PACKAGE_MODULES, ours):
            sys.modules.pop(name, None)
            if (module_before := kept[name]) is not None:
                sys.modules[name] = module_before


def save_adapter(folder: Path, base: Path, *, rank: int = 4) -> Path:
    """An adapter's files over a base, with a configuration and no numbers in its weights."""
    import json

    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    fields = {"peft_type": "LORA", "base_model_name_or_path": str(base), "r": rank}
    (folder / "adapter_config.json").write_text(json.dumps(fields), encoding="utf-8")
    save_file({"x": torch.zeros(1)}, str(folder / "adapter_model.safetensors"))
    return folder
