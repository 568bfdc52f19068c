"""From a model string to a backend.

`nano` and `smol` are the models of the package; `scheme:rest` with a registered scheme goes to
that backend; everything else is a model behind an API (`provider/model`).
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any, get_args

from deemster.backends.base import EMBEDDED, SMOL, Backend
from deemster.errors import InputError
from deemster.plugins import Registry

BackendFactory = Callable[..., Backend]
"""Called with the text after the scheme and the options the user gave."""

BACKENDS: Registry[BackendFactory] = Registry(
    "model scheme",
    group="deemster.backends",
    builtin={
        "api": "deemster.backends.api:APIBackend",
        "decisions": "deemster.backends.decisions:DecisionsBackend",
        "fake": "deemster.backends.fake:open_fake",
        "hf": "deemster.backends.transformers:TransformersBackend",
        "labels": "deemster.backends.labels:LabelsBackend",
        "litellm": "deemster.backends.api:through_litellm",
        EMBEDDED: "deemster.backends.nano:NanoBackend",
        "replay": "deemster.backends.replay:ReplayBackend",
        SMOL: "deemster.backends.smol:SmolBackend",
        "systemone": "deemster.backends.decisions:systemone",
        "vllm": "deemster.backends.vllm:VLLMBackend",
    },
)
"""Backends by the scheme of model strings."""

LOCAL_SCHEMES = ("hf", "vllm")
"""Schemes of models that are read from files, in a folder or a repository."""

_ALONE = (EMBEDDED, SMOL)
"""Schemes that are model strings by themselves."""

CLASSIFY_SCHEMES = ("vllm-classify", "vllm-pooling", "vllm-score", "tei-predict")
"""Schemes of classifiers behind HTTP (`backends.classify`), which write nothing."""


def open_backend(
    model: str,
    known: Iterable[str] = (),
    /,
    **options: Any,  # noqa: ANN401 - each backend has its own
) -> Backend:
    """Make the backend that a model string names.

    Args:
        model: the string.
        known: names of the caller's own, which may have been meant by an option that is unknown.
        options: the backend's.

    Raises:
        InputError: the scheme is unknown, or the backend does not take one of the options.
    """
    if not model.strip():
        raise InputError("model is empty; give for example 'openai/gpt-5-mini' or 'hf:PATH'")
    scheme, colon, rest = model.partition(":")
    if scheme in CLASSIFY_SCHEMES:
        raise InputError(
            f"model {model!r} gives numbers and writes no text; use judge type scalar or pairwise "
            "(ScalarRM, PairRM), or give it as meta_rm"
        )
    if model in _ALONE or (colon and "/" not in scheme):
        factory, argument = BACKENDS.get(scheme), rest
    elif "/" in model:
        factory, argument = BACKENDS.get("api"), model
    else:
        raise InputError(
            f"unknown model {model!r}; give 'provider/model', or one of: "
            + ", ".join(name if name in _ALONE else f"{name}:…" for name in BACKENDS.names())
        )
    try:
        return factory(argument, **options)
    except TypeError as error:
        raise refused_option(error, model, {*known, *options_of(factory)}) from error


def refused_option(error: TypeError, model: str, known: Iterable[str]) -> InputError:
    """What to say when what a model string names does not take a keyword.

    Args:
        error: of the call.
        model: the model string.
        known: names that may have been meant.

    Raises:
        TypeError: it is about something else.
    """
    if "unexpected keyword argument" not in str(error):
        raise error
    option = str(error).rpartition("argument ")[2].strip("'")
    near = difflib.get_close_matches(option, sorted(known), 1, 0.7)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return InputError(f"model {model!r} does not take the option {option!r}{hint}")


def options_of(factory: Callable[..., object]) -> set[str]:
    """The keywords that it takes, as far as it says."""
    found: set[str] = set()
    try:
        signature = inspect.signature(factory, eval_str=True)
    except (AttributeError, NameError, SyntaxError, TypeError, ValueError):  # odd annotations
        return found
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY:
            found.add(one.name)
        elif one.kind is one.VAR_KEYWORD:  # **options: Unpack[…]
            for kind in get_args(one.annotation):
                found |= set(getattr(kind, "__annotations__", ()))
    return found
