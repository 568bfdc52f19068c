"""GGUF files and adapters, made into models that transformers saves as safetensors."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers.utils import logging

from deemster.backends._local.checkpoint import whole_files
from deemster.backends._local.quantization import quiet_torchao
from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.backends._local.sources import Source

LOADING = threading.Lock()
"""Held while transformers reads a model. It replaces functions of its own classes and torch's
default type meanwhile, for the whole process, and puts back what it found: of two threads at once
the second finds the first one's stand-ins and leaves them there, and models after that come out
with untied or uninitialized weights."""


@contextmanager
def no_bars() -> Iterator[None]:
    """No progress bars of transformers: stderr belongs to the program, not to its libraries."""
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()


@contextmanager
def reading() -> Iterator[None]:
    """While transformers reads files: alone, without bars, and damaged ones are a `ValueError`."""
    with LOADING, no_bars(), whole_files(), sound_config(), quiet_torchao():
        yield


@contextmanager
def sound_config() -> Iterator[None]:
    """Raise `ValueError` for files that say what the libraries that read them do not expect.

    For fields that a model's class refuses transformers has an error of no class of Python's. A
    list in place of an object, or a type that torch does not have, ends in whatever error the code
    that meets it raises, which may be a bare `Exception`.
    """
    try:
        yield
    except StrictDataclassError as error:
        raise ValueError(f"config.json: {' '.join(str(error).split())}") from error
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"one of its files is damaged or not what it should be ({type(error).__name__}: "
            f"{reason})"
        ) from error


def from_files(
    kind: Any,  # noqa: ANN401 - transformers is untyped
    source: Source,
    dtype: torch.dtype,
    *,
    code: bool = False,
    **options: Any,  # noqa: ANN401 - of transformers
) -> tuple[Any, Any, dict[str, Any]]:
    """Tokenizer, model and the report of what was missing and unused; safetensors only.

    Args:
        kind: one of transformers' `AutoModelFor…` classes.
        source: where they are; an adapter is not merged.
        dtype: of the weights.
        code: whether code of the repository may run.
        options: further ones of `from_pretrained`; a `config` is the tokenizer's, too.

    Raises:
        OSError, ValueError, KeyError, ImportError: whatever transformers raises.
    """
    given = {"config": options["config"]} if "config" in options else {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        source.tokenizer, trust_remote_code=code, **given
    )
    try:
        model, report = kind.from_pretrained(
            source.base,
            dtype=dtype,
            trust_remote_code=code,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise ValueError("weights have other shapes than config.json says") from error
    name_layers(model)
    return tokenizer, model, report


def name_layers(model: Any) -> None:  # noqa: ANN401 - transformers is untyped
    """Say where the model's layers are: Llama 4's text model names a part that it lacks."""
    if model.base_model is model:
        parts = [name for name, part in model.named_children() if hasattr(part, "base_model")]
        model.base_model_prefix = next(iter(parts), model.base_model_prefix)


def complete(missing: set[str]) -> None:
    """Raise `ValueError` if weights are missing: transformers would invent them."""
    if missing:
        raise ValueError(f"weights are missing: {', '.join(sorted(missing)[:3])}")


def with_adapter(
    model: Any,  # noqa: ANN401 - transformers is untyped
    source: Source,
    missing: set[str],
) -> tuple[Any, set[str]]:
    """The model with its source's adapter merged in, and the weights that are still missing.

    Args:
        model: the base as it was read.
        source: where it came from.
        missing: names of weights that the base's files lack; an adapter may bring a head.

    Raises:
        InputError: the adapter does not fit the base.
    """
    if source.adapter is None:
        return model, missing
    try:
        adapted, left = _adapted(model, source.adapter)
    except (RuntimeError, ValueError) as error:  # shapes, or layers that are not there
        lines = [line.strip() for line in str(error).strip().splitlines()]
        raise _misfit(
            source, " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
        ) from error
    if not hasattr(adapted, "merge_and_unload"):
        kind = adapted.peft_config["default"].peft_type.value
        raise InputError(
            f"adapter {source.adapter!r} is of type {kind}, which changes no weights, so that it "
            "cannot be merged into them; give one that does, such as LORA"
        )
    if left:
        raise _misfit(source, f"only one of them has {left[0]!r}")
    brought = set(adapted.peft_config["default"].modules_to_save or ())
    absent = {name for name in missing if not brought & set(name.split("."))}
    return merged(adapted), absent


def merged(adapted: Any) -> Any:  # noqa: ANN401 - peft is untyped
    """The model with the adapter over it merged in.

    Input and output embeddings that are one matrix become two where the adapter changes one of
    them: the change would be made in both.
    """
    table, head = adapted.get_input_embeddings(), adapted.get_output_embeddings()
    inner = getattr(head, "base_layer", head)
    adapts = any(hasattr(one, "base_layer") for one in (table, head))
    if adapts and inner is not None and inner.weight is getattr(table, "base_layer", table).weight:
        inner.weight = torch.nn.Parameter(inner.weight.detach().clone())
        adapted.config.tie_word_embeddings = False
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True`")
        warnings.filterwarnings("ignore", "Input and output embeddings are no longer tied")
        return adapted.merge_and_unload()


_WRITTEN_TWICE = (".modules_to_save.weight", ".original_module.weight")
"""What peft saves of embeddings with another number of tokens, beside the weights themselves."""


def _adapted(model: Any, adapter: str) -> tuple[Any, list[str]]:  # noqa: ANN401 - as above
    """A model under an adapter, and the names of weights that only one of them has a place for."""
    from peft import PeftModel  # noqa: PLC0415 - of the extra train

    _resize(model, adapter)
    with warnings.catch_warnings():
        # peft asks for a name that transformers is about to drop.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        warnings.filterwarnings("ignore", "Found missing adapter keys")  # they are returned
        warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True`")  # see `merged`
        adapted = PeftModel.from_pretrained(model, adapter)
    # Once more for what it says: the first time what has no place is dropped without a word.
    result = adapted.load_adapter(adapter, "default")
    left = [name for name in result.unexpected_keys if not name.endswith(_WRITTEN_TWICE)]
    return adapted, [*left, *result.missing_keys]


def _resize(model: Any, adapter: str) -> None:  # noqa: ANN401 - as above
    """Give the model as many tokens as the adapter was trained with: chat templates add some.

    Raises:
        ValueError: the adapter lacks the weights of the tokens that the model does not have.
    """
    from peft import load_peft_weights  # noqa: PLC0415 - of the extra train

    tables = {"input": model.get_input_embeddings(), "output": model.get_output_embeddings()}
    names = {id(module): name for name, module in model.named_modules()}
    wanted = {names[id(table)]: kind for kind, table in tables.items() if table is not None}
    brought = {}
    for key, weight in load_peft_weights(adapter, device="cpu").items():
        name = key.removeprefix("base_model.model.").removesuffix(".weight")
        if (kind := wanted.get(name.removesuffix(".base_layer"))) is not None:
            brought[kind] = len(weight)
    before = len(tables["input"].weight)
    if not brought or set(brought.values()) == {before}:
        return
    lacking = sorted(set(wanted.values()) - brought.keys())
    if lacking or len(set(brought.values())) > 1:
        raise ValueError(
            f"it was trained with {max(brought.values())} tokens, the base has {before}, and it "
            f"lacks the {lacking[0] if lacking else 'same number of'} embeddings; save it with "
            "save_embedding_layers=True"
        )
    # What is new is replaced by what the adapter has.
    model.resize_token_embeddings(brought["input"], mean_resizing=False)


def _misfit(source: Source, reason: str) -> InputError:
    return InputError(f"adapter {source.adapter!r} does not fit its base {source.base!r}: {reason}")


def dequantise(place: str, file: str, out: Path) -> None:
    """Save a GGUF file's model in float16, whose rounding is finer than any quantisation's steps.

    Args:
        place: a folder or a repository.
        file: name of the GGUF file there.
        out: an empty folder.

    Raises:
        OSError, ValueError, KeyError: it is damaged, or transformers does not read it.
    """
    try:
        with LOADING, no_bars(), redirect_stderr(io.StringIO()):  # a bar that has no switch
            _dequantise(place, file, out)
    except (struct.error, IndexError, ValueError) as error:
        if isinstance(error, ValueError) and "reshape" not in str(error):
            raise
        raise ValueError("the file is damaged, or its end is missing") from error


def _dequantise(place: str, file: str, out: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(place, gguf_file=file)
    config = transformers.AutoConfig.from_pretrained(place, gguf_file=file)
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        place, gguf_file=file, dtype=torch.float16, output_loading_info=True, **_dense()
    )
    complete(set(report["missing_keys"]))
    # transformers refuses to save what was quantised; a plain model takes the weights over.
    config.dtype = torch.float16
    with torch.device("meta"):
        plain = transformers.AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(model.state_dict(), assign=True, strict=False)
    plain.tie_weights()
    plain.generation_config = model.generation_config
    plain.save_pretrained(out)
    tokenizer.save_pretrained(out)


def _dense() -> Mapping[str, Any]:
    """Newer versions of transformers keep the blocks packed unless told otherwise."""
    try:
        from transformers import GgufConfig  # noqa: PLC0415 - newer versions only
    except ImportError:
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


def save_merged(source: Source, out: Path) -> None:
    """Save a base with its adapter merged in, in the base's type; merged in float32.

    Args:
        source: names an adapter.
        out: an empty folder.
    """
    from peft import PeftConfig  # noqa: PLC0415 - of the extra train

    scalar = PeftConfig.from_pretrained(source.adapter).task_type == "SEQ_CLS"
    kind: Any = (
        transformers.AutoModelForSequenceClassification
        if scalar
        else transformers.AutoModelForCausalLM
    )
    with reading():
        tokenizer, model, report = from_files(
            kind, source, torch.float32, **head_of(source, scalar=scalar)
        )
        whole, missing = with_adapter(model, source, set(report["missing_keys"]))
        complete(missing)
        stored = transformers.AutoConfig.from_pretrained(source.base).dtype
        whole.to(stored or torch.float32).save_pretrained(out)
        tokenizer.save_pretrained(out)


def head_of(source: Source, *, scalar: bool) -> dict[str, Any]:
    """Settings of a base without a head of its own, whose adapter brings one: it has one output."""
    return {"num_labels": 1} if scalar and source.adapter is not None else {}
