"""Whether a trainer's settings fit a model, tried on its architecture without weights.

What depends on the architecture (experts, adapters, blocks for multi-token prediction, FP8) is
otherwise refused when the trainer is made, after hours of sampling. Imports torch.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from deemster.backends._local.conversion import name_layers
from deemster.backends._local.mtp import mtp_file, new_blocks
from deemster.backends._local.sources import source_of, whole
from deemster.errors import InputError
from deemster.extras import need_package
from deemster.training.adapters import lora_config
from deemster.training.experts import Routing
from deemster.training.float8 import use_fp8
from deemster.training.modeling import quiet
from deemster.training.settings import ScalarSettings, SftSettings, TrainerSettings

logger = logging.getLogger(__name__)


def rehearse(path: str, settings: TrainerSettings) -> None:
    """Refuse settings that a model of this architecture cannot be trained with.

    An architecture that cannot be made without weights is not tried; its stage says what it
    refuses.

    Args:
        path: folder or repository of the model.
        settings: of a stage; a model with one output is made for `ScalarSettings`.

    Raises:
        InputError: a setting does not fit, or a package that it needs is not installed.
    """
    if settings.lora is not None and settings.lora.quantize:
        need_package("bitsandbytes", "lora.quantize (QLoRA)", otherwise="leave lora.quantize out")
    scalar = isinstance(settings, ScalarSettings)
    model = _without_weights(path, settings, scalar=scalar)
    if model is None:
        return
    Routing(model, settings.moe, balance=not scalar)
    use_fp8(model, settings)
    if isinstance(settings, SftSettings) and settings.mtp is not None:
        new_blocks(model, 1)
    if settings.lora is not None:
        _adapt(model, lora_config(settings.lora, "SEQ_CLS" if scalar else "CAUSAL_LM", model))


def _adapt(model: Any, config: Any) -> None:  # noqa: ANN401 - peft is untyped
    """Add adapters as a trainer will.

    Raises:
        InputError: PEFT has none for a layer that was asked for.
    """
    from peft import get_peft_model  # noqa: PLC0415 - heavy

    try:
        with quiet():
            get_peft_model(model, config)
    except ValueError as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"lora: {reason}") from error


def check_blocks(path: str) -> None:
    """Refuse to draft by the blocks of a model that has none.

    Raises:
        InputError: there is no file of trained blocks, and the architecture has none of its own.
    """
    source = source_of(path)
    places = [place for place in (source.adapter, source.base) if place is not None]
    config = AutoConfig.from_pretrained(source.base, trust_remote_code=False).get_text_config()
    if mtp_file(places) is None and not getattr(config, "num_mtp_layers", 0):
        raise InputError(
            f"model.options.speculate is 'mtp', but {path!r}, which is sampled from, has no block "
            "for it; give speculate 'lookup', or leave 'base' out of eval.models"
        )


@quiet()
def _without_weights(path: str, settings: TrainerSettings, *, scalar: bool) -> Any:  # noqa: ANN401 - transformers is untyped
    """The model on torch's device `meta`; None where it cannot be made so."""
    kind = AutoModelForSequenceClassification if scalar else AutoModelForCausalLM
    experts = settings.moe.experts_implementation
    options = {} if experts is None else {"experts_implementation": experts}
    try:
        config = AutoConfig.from_pretrained(
            whole(path), trust_remote_code=False, **({"num_labels": 1} if scalar else {})
        )
        with torch.device("meta"):
            model = kind.from_config(config, trust_remote_code=False, **options)
        name_layers(model)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, loading will tell
        logger.debug("settings were not tried on %r: %s", path, error)
        return None
    return model


__all__ = ["check_blocks", "rehearse"]
