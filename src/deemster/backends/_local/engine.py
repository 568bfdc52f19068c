"""A vLLM engine in this process, and the little of vLLM's API that is used.

vLLM runs the model in processes of its own; what is here sends token ids and reads outputs. All of
it runs on one event loop, that of `deemster.runtime`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, GenerationConfig
from transformers.utils.peft_utils import find_adapter_config_file
from vllm import AsyncEngineArgs, AsyncLLMEngine, SamplingParams
from vllm.config import StructuredOutputsConfig
from vllm.exceptions import VLLMClientError, VLLMError
from vllm.inputs import tokens_input
from vllm.lora.request import LoRARequest
from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams
from vllm.v1.engine.exceptions import EngineDeadError

from deemster.backends._local.chat import Chat
from deemster.backends._local.conversion import reading
from deemster.backends._local.encoding import Encoder, SafeEncoder
from deemster.backends._local.grammar import LAYOUT
from deemster.backends._local.loading import eos_ids, unloadable
from deemster.backends._local.sources import Source, source_of
from deemster.errors import BackendError, InputError
from deemster.json_text import read_json
from deemster.schemas import Sampling

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM makes room for (`MaxLoRARanks`)."""
_GRACE = 10.0
"""Seconds that the engine's processes have to end by themselves."""


@dataclass(frozen=True, eq=False)
class Engine:
    """An engine that runs, with all that generation needs."""

    llm: AsyncLLMEngine
    chat: Chat
    eos: frozenset[int]
    """Ids that end a text."""
    adapter: LoRARequest | None
    name: str
    """For messages."""

    _numbers = itertools.count()

    @property
    def context(self) -> int:
        """Most tokens of prompt and completion together."""
        return int(self.llm.model_config.max_model_len)

    async def draw(self, ids: Sequence[int], parameters: SamplingParams) -> Any:  # noqa: ANN401 - vLLM is untyped
        """The outputs of a prompt, all of them finished. To cancel this aborts the request.

        Raises:
            BackendError: vLLM refuses the request, or its engine is dead.
        """
        outputs = self.llm.generate(
            tokens_input(list(ids)),
            parameters,
            f"deemster-{next(self._numbers)}",
            lora_request=self.adapter,
        )
        found = []
        try:
            # A generator that is left open goes on until it is collected; closed, it aborts.
            async with aclosing(outputs):
                found = [output async for output in outputs]
        except EngineDeadError as error:
            raise BackendError(
                f"the vLLM engine of {self.name!r} ended, its log says why; close the judge and "
                "open it again, with less gpu_memory_utilization or max_context if memory ran out"
            ) from error
        except VLLMClientError as error:
            raise BackendError(f"vLLM refuses the request: {error}") from error
        except (VLLMError, ValueError) as error:
            reason = error.__cause__ or error
            raise BackendError(f"vLLM failed ({type(reason).__name__}): {reason}") from error
        if not found:
            raise BackendError("vLLM gave no output")
        return found[-1]

    async def logprobs(self, prompt: Sequence[int], tokens: Iterable[int]) -> dict[int, float]:
        """Natural log-probability of each token as the next one.

        Raises:
            BackendError: as `draw`; or the model gives no probabilities.
        """
        wanted = sorted(tokens)
        parameters = SamplingParams(
            temperature=0.0, max_tokens=1, logprob_token_ids=wanted, detokenize=False
        )
        found = (await self.draw(prompt, parameters)).outputs[0].logprobs
        if not found or not set(wanted) <= set(found[0]):
            raise BackendError("vLLM gave no log-probabilities for the labels")
        return {token: float(found[0][token].logprob) for token in wanted}

    async def close(self) -> None:
        """End the engine's processes, which frees its memory."""
        await asyncio.to_thread(self.llm.shutdown, timeout=_GRACE)


def parameters_of(
    sampling: Sampling,
    *,
    n: int,
    seed: int,
    room: int,
    eos: Iterable[int],
    json_schema: Mapping[str, Any] | None,
) -> SamplingParams:
    """What vLLM is asked for: `n` completions with seeds from `seed` on.

    Args:
        sampling: temperature, top_p, stop strings and log-probabilities.
        n: completions.
        seed: of the first.
        room: most tokens of each.
        eos: tokens that end a completion, and do not stand in its text.
        json_schema: what the text must match; stop strings are not looked for then.
    """
    return SamplingParams(
        n=n,
        seed=seed,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=room,
        stop=None if json_schema is not None else list(sampling.stop),
        stop_token_ids=sorted(eos),
        logprobs=sampling.top_logprobs or None,
        structured_outputs=(
            None
            if json_schema is None
            else StructuredOutputsParams(json={**json_schema, "x-guidance": LAYOUT})
        ),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


async def open_engine(
    path: str,
    *,
    name: str,
    dtype: str | None,
    max_context: int | None,
    sanitize: bool,
    template_args: Mapping[str, Any],
    engine_args: Mapping[str, Any],
) -> Engine:
    """Start an engine; the arguments are those of `VLLMBackend`.

    Raises:
        InputError: it cannot be started; one line says why.
    """
    try:
        source = source_of(path)
        adapter = None if source.adapter is None else LoRARequest(source.adapter, 1, source.adapter)
        arguments = AsyncEngineArgs(
            model=source.base,
            tokenizer=source.tokenizer,
            load_format="safetensors",  # other formats can run code
            trust_remote_code=False,
            # The grammars that the transformers backend has.
            structured_outputs_config=StructuredOutputsConfig(backend="guidance"),
            dtype=dtype or "auto",
            max_model_len=max_context,
            **_room_for_adapter(source),
            **engine_args,
        )
        chat, eos = await asyncio.to_thread(_files, source, sanitize, template_args)
        # It takes minutes, in which the loop must go on.
        llm = await asyncio.to_thread(AsyncLLMEngine.from_engine_args, arguments)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, VLLMError) as error:
        raise unloadable(name, error) from error
    if adapter is not None:
        try:
            await llm.add_lora(adapter)
        except Exception as error:  # whatever its processes raise
            llm.shutdown()
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"vLLM cannot use the adapter {path!r}: {reason}; give the merged model"
            ) from error
    return Engine(llm, chat, eos, adapter, name)


def _files(
    source: Source, sanitize: bool, template_args: Mapping[str, Any]
) -> tuple[Chat, frozenset[int]]:
    """How a conversation becomes token ids, and which ids end a text."""
    with reading():
        tokenizer = AutoTokenizer.from_pretrained(source.tokenizer, trust_remote_code=False)
        config = AutoConfig.from_pretrained(source.base, trust_remote_code=False)
        try:
            generation = GenerationConfig.from_pretrained(source.base)
        except OSError:  # it has none
            generation = None
    encoder = SafeEncoder(tokenizer) if sanitize else Encoder(tokenizer)
    chat = Chat(tokenizer, encoder, template_args)
    return chat, eos_ids(generation, config.get_text_config(), chat)


def _room_for_adapter(source: Source) -> dict[str, Any]:
    """Engine arguments that an adapter needs."""
    if source.adapter is None:
        return {}
    file = find_adapter_config_file(source.adapter)
    fields: Any = read_json(Path(file)) if file else {}
    ranks = [fields.get("r"), *(fields.get("rank_pattern") or {}).values()]
    rank = max((one for one in ranks if isinstance(one, int)), default=1)
    fitting = [room for room in _RANKS if room >= rank]
    if not fitting:
        raise InputError(
            f"adapter {source.adapter!r} has rank {rank}; vLLM takes up to {_RANKS[-1]}: give the "
            "merged model"
        )
    return {"enable_lora": True, "max_lora_rank": fitting[0]}
