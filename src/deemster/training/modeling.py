"""Loading, saving and encoding for the trainers, such that training sees what inference sees.

Prompts become ids by the same code as in `backends/transformers`: control tokens spelled in
candidates stay text. Weights are read from safetensors and no code of a repository runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deemster.errors import BackendError, InputError
from deemster.extras import need_package
from deemster.schemas import Conversation
from deemster.training.settings import TrainerSettings

Encode = Callable[[Conversation], list[int]]
"""From messages to prompt ids."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence bars and notices of transformers and datasets: stderr is the program's own."""
    import datasets  # noqa: PLC0415 - heavy
    from transformers.utils import logging  # noqa: PLC0415 - heavy

    from deemster.backends._local.quantization import quiet_torchao  # noqa: PLC0415 - one use

    bars = logging.is_progress_bar_enabled()
    more_bars = not datasets.are_progress_bars_disabled()
    level = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings(), quiet_torchao():
            # peft asks for a name that transformers is about to drop.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        if more_bars:
            datasets.enable_progress_bars()


def load_judge(model: str | Path, settings: TrainerSettings) -> tuple[Any, Any]:
    """Tokenizer and causal language model of a folder or repository, to be trained.

    Raises:
        InputError: it cannot be loaded; one line says why.
    """
    from transformers import AutoModelForCausalLM  # noqa: PLC0415 - heavy

    from deemster.training.experts import freeze  # noqa: PLC0415 - loads torch
    from deemster.training.float8 import use_fp8  # noqa: PLC0415 - loads torch

    tokenizer, loaded, missing = _read(AutoModelForCausalLM, model, settings)
    if missing:
        raise _unloadable(model, f"weights are missing: {', '.join(missing[:3])}")
    _end_turns(tokenizer)
    if tokenizer.eos_token_id is None:
        raise _unloadable(model, "its tokenizer names no end-of-text token")
    _no_negative_pad(loaded)
    freeze(loaded, settings.moe)
    use_fp8(loaded, settings)
    return tokenizer, loaded


def _end_turns(tokenizer: Any) -> None:  # noqa: ANN401 - transformers is untyped
    """Let the end token be the one that ends turns in the chat template.

    Completions are trained to end with it, and generation stops at it.
    """
    from deemster.backends._local.chat import Chat  # noqa: PLC0415 - jinja2
    from deemster.backends._local.encoding import Encoder  # noqa: PLC0415 - as above

    end = Chat(tokenizer, Encoder(tokenizer)).turn_end()
    if end is not None:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)


def _no_negative_pad(model: Any) -> None:  # noqa: ANN401 - transformers is untyped
    """Some configurations say -1 where there is no padding token; trainers would look it up."""
    for config in (model.config, model.config.get_text_config(), model.generation_config):
        # That of a model with parts for images has none itself.
        if config is not None and (getattr(config, "pad_token_id", None) or 0) < 0:
            config.pad_token_id = None


def load_scalar(model: str | Path, settings: TrainerSettings) -> tuple[Any, Any]:
    """The same as a sequence-classification model with one output, whose head may be new.

    A new head starts at zero, so that the first predictions are all one half. The padding token
    is set as `HfMetaRM` sets it.

    Raises:
        InputError: it cannot be loaded, or weights other than the head's are missing.
    """
    import torch  # noqa: PLC0415 - heavy
    from transformers import AutoModelForSequenceClassification  # noqa: PLC0415 - heavy

    from deemster.training.experts import freeze  # noqa: PLC0415 - loads torch
    from deemster.training.float8 import use_fp8  # noqa: PLC0415 - loads torch

    tokenizer, loaded, missing = _read(
        AutoModelForSequenceClassification, model, settings, num_labels=1
    )
    inner = [name for name in missing if name.startswith(f"{loaded.base_model_prefix}.")]
    if inner:
        raise _unloadable(model, f"weights are missing: {', '.join(inner[:3])}")
    with torch.no_grad():
        for name, weight in loaded.named_parameters():
            if name in missing:
                weight.zero_()
    config = loaded.config.get_text_config()
    pads = (config.pad_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    pad = next(token for token in pads if token is not None and token >= 0)  # -1 stands for none
    loaded.config.pad_token_id = config.pad_token_id = pad
    freeze(loaded, settings.moe)
    use_fp8(loaded, settings)
    return tokenizer, loaded


def prompt_encoder(
    tokenizer: Any,  # noqa: ANN401 - transformers is untyped
    template_args: Mapping[str, Any] | None = None,
) -> Encode:
    """Encodes prompts exactly as the local backend does, with the same `template_args`.

    The returned function raises `InputError` if a prompt has images or the chat template refuses
    it.
    """
    from deemster.backends._local.chat import Chat  # noqa: PLC0415 - jinja2 and torch
    from deemster.backends._local.encoding import SafeEncoder  # noqa: PLC0415 - as above

    chat = Chat(tokenizer, SafeEncoder(tokenizer), template_args or {})

    def encode(messages: Conversation) -> list[int]:
        try:
            return chat.encode(messages)
        except BackendError as error:
            raise InputError(f"cannot train on a prompt: {error}") from error

    return encode


def completion_ids(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401 - transformers is untyped
    """Ids of the completion that the model should write after a prompt, with its end token.

    Special tokens spelled in the text (a teacher quoting a response) stay text; other added
    tokens, such as reasoning tags, are what the model writes them with.
    """
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)[
        "input_ids"
    ]
    return [*ids, tokenizer.eos_token_id]


def save_merged(
    model: str | Path,
    adapter: Path,
    folder: Path,
    load: Callable[[str | Path, TrainerSettings], tuple[Any, Any]],
    settings: TrainerSettings,
) -> None:
    """Merge trained adapters into the weights they were trained on, and save a complete model.

    The weights are read again, unquantized and on the CPU: adapters merged into 4-bit weights
    would lose precision.

    Args:
        model: what the adapters were trained on.
        adapter: folder of the adapters.
        folder: where to save.
        load: `load_judge` or `load_scalar`.
        settings: of the run.
    """
    from peft import PeftModel  # noqa: PLC0415 - heavy

    from deemster.backends._local.conversion import merged  # noqa: PLC0415 - as above

    tokenizer, base = load(model, settings.model_copy(update={"lora": None, "cpu": True}))
    whole = merged(PeftModel.from_pretrained(base, adapter))
    whole.to(_dtype(settings)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@quiet()
def _read(
    kind: Any,  # noqa: ANN401 - transformers is untyped
    model: str | Path,
    settings: TrainerSettings,
    **config: Any,  # noqa: ANN401 - transformers is untyped
) -> tuple[Any, Any, list[str]]:
    """Tokenizer, model and the names of the weights that were not in its files."""
    from deemster.backends._local.conversion import from_files, reading  # noqa: PLC0415 - heavy
    from deemster.backends._local.sources import Source, whole  # noqa: PLC0415 - as above

    if settings.lora is not None and settings.lora.quantize:
        config["quantization_config"] = _quantization()
    if settings.moe.experts_implementation is not None:
        config["experts_implementation"] = settings.moe.experts_implementation
    try:
        path = whole(str(model))  # the trainers read it again, so an adapter is merged first
        with reading():
            tokenizer, loaded, report = from_files(kind, Source(path), _dtype(settings), **config)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise _unloadable(model, str(error).strip().partition("\n")[0]) from error
    return tokenizer, loaded, sorted(report["missing_keys"])


def _dtype(settings: TrainerSettings) -> Any:  # noqa: ANN401 - torch is loaded lazily
    """The data type in which weights are held and saved.

    By default full training keeps float32: at the paper's learning rates an update is smaller than
    bfloat16 can add. Frozen weights under adapters need no such precision.
    """
    import torch  # noqa: PLC0415 - heavy

    if settings.weights is not None:
        return torch.float32 if settings.weights == "float32" else torch.bfloat16
    gpu = torch.cuda.is_available() and not settings.cpu
    return torch.bfloat16 if gpu and settings.lora is not None else torch.float32


def _quantization() -> Any:  # noqa: ANN401 - transformers is untyped
    """4-bit NormalFloat with double quantization (QLoRA).

    Raises:
        InputError: bitsandbytes is not installed.
    """
    need_package("bitsandbytes", "lora.quantize (QLoRA)", otherwise="leave lora.quantize out")
    import torch  # noqa: PLC0415 - heavy
    from transformers import BitsAndBytesConfig  # noqa: PLC0415 - heavy

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _unloadable(model: str | Path, reason: str) -> InputError:
    return InputError(
        f"cannot load model {str(model)!r} for training: {reason}; give a folder or a repository "
        "with config.json, tokenizer files and safetensors weights"
    )


__all__ = [
    "Encode",
    "completion_ids",
    "load_judge",
    "load_scalar",
    "prompt_encoder",
    "quiet",
    "save_merged",
]
