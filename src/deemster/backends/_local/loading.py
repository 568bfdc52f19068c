"""Opening a causal language model from a folder or a repository, safely."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers

from deemster.backends._local.calculator import Keys
from deemster.backends._local.chat import Chat
from deemster.backends._local.conversion import (
    complete,
    from_files,
    head_of,
    reading,
    with_adapter,
)
from deemster.backends._local.decoding import Runner
from deemster.backends._local.encoding import Encoder, SafeEncoder
from deemster.backends._local.experts import check_experts, experts_option
from deemster.backends._local.grammar import Vocabulary
from deemster.backends._local.lora import add_lora
from deemster.backends._local.quantization import (
    check_device,
    quantize,
    quiet_merging,
    stored_options,
)
from deemster.backends._local.sources import Source, source_of
from deemster.backends._local.speculating import speculated
from deemster.backends._local.speculation import Speculated
from deemster.backends._local.threads import Threads
from deemster.backends.model_fetch import fetchable
from deemster.errors import InputError

_SMALL = 8_000_000
"""Parameters below which a step is so short that threads wait for each other most of the time."""


@dataclass(frozen=True)
class LocalModel:
    """A model in memory with all that generation needs."""

    tokenizer: Any
    chat: Chat
    runner: Runner
    eos: frozenset[int]
    """Ids that end a text."""
    context: int | None
    """Most tokens of prompt and completion together; None if the model has no limit."""
    speculated: Speculated | None = None
    """How it drafts tokens, if it does."""

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer prepared for grammars (takes a second for large ones).

        Raises:
            InputError: the model has no end token, or no tokenizer of the `tokenizers` library.
        """
        if not self.eos:
            raise InputError("the model names no end-of-text token, which JSON Schemas need")
        try:
            return Vocabulary(self.tokenizer, self.runner.vocabulary, sorted(self.eos))
        except ValueError as error:
            raise InputError(f"the tokenizer cannot be used with JSON Schemas: {error}") from error

    @cached_property
    def keys(self) -> Keys:
        """The tokenizer prepared for a calculator."""
        return Keys(self.tokenizer, self.runner.vocabulary)


def load(
    path: str,
    *,
    device: str | None,
    dtype: str | None,
    max_context: int | None,
    sanitize: bool,
    template_args: Mapping[str, Any],
    threads: int | None = None,
    exact: bool = False,
    plain: bool = False,
    experts_implementation: str | None = None,
    adapter: str | None = None,
    device_map: str | None = None,
    quantization: str | None = None,
    speculate: str | None = None,
    draft_tokens: int | None = None,
) -> LocalModel:
    """Load tokenizer and weights (see `read`) and put the model on its device.

    The arguments are those of `TransformersBackend`; `plain` is for the models of the package, see
    `plain_llama`, and so is `adapter`, a folder whose LoRA is added to the weights.

    Raises:
        InputError: it cannot be loaded; one line says why.
    """
    place = pick_device(device)
    check_device(quantization, place)
    try:
        tokenizer, model = _read(
            path,
            pick_dtype(dtype, place),
            place,
            plain=plain and device_map is None,
            experts=experts_implementation,
            device_map=device_map,
        )
        if adapter is not None:
            add_lora(model, Path(adapter))
    except InputError:
        raise
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise unloadable(f"hf:{path}", error) from error
    if quantization is not None:
        quantize(model, quantization, place)
    model = (model if device_map is not None else model.to(place)).eval()
    found = set_threads(threads, model.num_parameters())
    # A matrix product may round by the number of threads, too.
    moving = found if place.type == "cpu" and not exact else None
    config = model.config.get_text_config()
    vocabulary = min(max(tokenizer.get_vocab().values()) + 1, config.vocab_size)
    with torch.inference_mode():
        runner = Runner(model, vocabulary, exact=exact, threads=moving)
    encoder = SafeEncoder(tokenizer) if sanitize else Encoder(tokenizer)
    chat = Chat(tokenizer, encoder, template_args)
    return LocalModel(
        tokenizer=tokenizer,
        chat=chat,
        runner=runner,
        eos=eos_ids(getattr(model, "generation_config", None), config, chat),
        context=max_context or getattr(config, "max_position_embeddings", None),
        speculated=(
            None if speculate is None else speculated(speculate, draft_tokens, runner, path)
        ),
    )


def _read(
    path: str,
    dtype: torch.dtype,
    device: torch.device,
    *,
    plain: bool,
    experts: str | None,
    device_map: str | None,
) -> tuple[Any, Any]:
    if plain and experts is None:
        from deemster.backends._local import plain_llama  # noqa: PLC0415 - of one model alone

        if plain_llama.fits(path):
            return plain_llama.read(path, dtype)
    kind = transformers.AutoModelForCausalLM
    return read(kind, path, dtype, experts=experts, device_map=device_map, device=device)


def read(
    kind: Any,  # noqa: ANN401 - transformers is untyped
    path: str,
    dtype: torch.dtype,
    *,
    experts: str | None = None,
    device_map: str | None = None,
    device: torch.device | None = None,
) -> tuple[Any, Any]:
    """Tokenizer and model of a path: safetensors only, no code of the repository, no bars.

    An adapter is merged into its base. Threads wait for each other.

    Args:
        kind: one of transformers' `AutoModelFor…` classes.
        path: see `sources`.
        dtype: of the weights.
        experts: how a mixture of experts is computed; None leaves that to transformers.
        device_map: how transformers spreads layers over devices; None: all on the CPU.
        device: where the model will run, for checkpoints in eight bits (`stored_options`).

    Raises:
        InputError: see `sources.source_of`; or an adapter does not fit, or there are no experts,
            or the package of a quantised checkpoint is not installed.
        ValueError: weights are missing or damaged.
        OSError, ValueError, KeyError, ImportError: whatever transformers raises.
    """
    source = source_of(path)
    scalar = kind is transformers.AutoModelForSequenceClassification
    options = head_of(source, scalar=scalar) | experts_option(experts)
    if device_map is not None:
        options["device_map"] = device_map
    with reading(), quiet_merging(), _its_base(source):
        config, _ = transformers.PretrainedConfig.get_config_dict(source.base)
        options |= stored_options(config, device)
        tokenizer, model, report = from_files(kind, source, dtype, **options)
        check_experts(model, experts)
        model, missing = with_adapter(model, source, set(report["missing_keys"]))
    complete(missing)
    return tokenizer, model


@contextmanager
def _its_base(source: Source) -> Iterator[None]:
    """Name the command that fetches an adapter's base, where there is one and it cannot be read."""
    try:
        yield
    except OSError as error:
        name = fetchable(source.base)
        if source.adapter is None or name is None:
            raise
        raise InputError(
            f"the base {source.base!r} of adapter {source.adapter!r} is not on this machine, and "
            f"the Hub does not give it: deemster models fetch {name}"
        ) from error


def unloadable(model: str, error: Exception) -> InputError:
    """What to say of a model that transformers or vLLM could not load."""
    reason = str(error).strip().partition("\n")[0]
    return InputError(
        f"cannot load model {model!r}: {reason}; give a folder or a repository with "
        "config.json, tokenizer files and safetensors weights, or a .gguf file"
    )


def pick_device(device: str | None) -> torch.device:
    """The device asked for; by default a GPU if there is one.

    Raises:
        InputError: torch does not know it, or cannot compute on it here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise InputError(
            f"unknown device {device!r}; give for example 'cpu', 'cuda' or 'cuda:1'"
        ) from error
    try:
        torch.zeros(1, device=place).item()
    except (AssertionError, ImportError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"device {device!r} cannot be used: {reason}; leave it out, or give 'cpu'"
        ) from error
    return place


def pick_dtype(dtype: str | None, device: torch.device) -> torch.dtype:
    """The type asked for; by default bfloat16 on a GPU and float32 on the CPU.

    Raises:
        InputError: it is no floating-point type of torch, or one that torch only stores.
    """
    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    found = getattr(torch, dtype, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point or found.itemsize < 2:
        raise InputError(
            f"unknown dtype {dtype!r}; give for example 'float32', 'bfloat16' or 'float16'"
        )
    return found


def set_threads(threads: int | None, parameters: int) -> Threads | None:
    """Tell torch how many CPU threads to use, in the whole process.

    A number that was given, by `OMP_NUM_THREADS` too, holds. Otherwise it is one for a small
    model, else all that this process may run on.

    Returns:
        What finds a better number while steps run; None where it is fixed.
    """
    if threads is None and "OMP_NUM_THREADS" in os.environ:
        return None
    if threads is None and parameters >= _SMALL:
        return Threads(usable_cpus())
    torch.set_num_threads(threads or 1)
    return None


def usable_cpus() -> int:
    """CPUs this process may use: its affinity, and its container's share where there is one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = count or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(count, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return count


def eos_ids(generation: Any, config: Any, chat: Chat) -> frozenset[int]:  # noqa: ANN401 - transformers is untyped
    """Ids that end a text: what any of the model's files says, and what ends a turn.

    Args:
        generation: the model's generation configuration, or None.
        config: of its text part.
        chat: its tokenizer and template.

    Raises:
        InputError: a file says something else than ids.
    """
    found: set[int] = set()
    for source in (generation, config, chat.tokenizer):
        given = getattr(source, "eos_token_id", None)
        ids = given if isinstance(given, list | tuple) else [] if given is None else [given]
        if not all(isinstance(one, int) for one in ids):
            raise InputError(
                f"the model's eos_token_id is {given!r:.80}; write a token's number, or a list of "
                "them, into its config.json and generation_config.json"
            )
        found.update(ids)
    turn_end = chat.turn_end()
    found.update(() if turn_end is None else (turn_end,))
    return frozenset(one for one in found if one >= 0)  # some configs say -1 for none
