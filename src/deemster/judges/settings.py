"""Checks of a judge's settings, made before anything is sent."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deemster.aggregators import Pipeline, Reducer, Sum, TopK, parse_aggregator
from deemster.backends import Backend, only_dialect
from deemster.backends.registry import LOCAL_SCHEMES
from deemster.dialects import Dialect, open_dialect
from deemster.errors import InputError
from deemster.schemas import Sampling, SamplingSettings, first_problem
from deemster.shown import one_line
from deemster.zoo import find_model

_SAMPLING = frozenset(SamplingSettings.model_fields)


def whole_number(what: str, value: object, low: int, high: int) -> int:
    """`value`, if it is a whole number from `low` to `high`.

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{what} must be a whole number from {low} to {high}, got {value!r}")
    return value


def check_can(what: str, value: object, method: str, *, expected: str) -> None:
    """Refuse what is not of the kind that is `expected`, which has the `method`.

    Raises:
        InputError: it has none, or is a class, not an object of it.
    """
    if isinstance(value, type):
        raise InputError(f"{what} must be {expected}, got the class {value.__name__}")
    if not callable(getattr(value, method, None)):
        raise InputError(f"{what} must be {expected}, got {type(value).__name__}")


def split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keyword arguments of a judge: those that are sampling settings, and the rest."""
    sampling = {key: value for key, value in options.items() if key in _SAMPLING}
    return sampling, {key: value for key, value in options.items() if key not in _SAMPLING}


def sampling_of(**given: object) -> Sampling:
    """A `Sampling` of these fields.

    Raises:
        InputError: one is out of range.
    """
    try:
        return Sampling.model_validate(given)
    except ValidationError as error:
        raise InputError(first_problem(error)) from error


def dialect_of(
    given: str | Dialect | None,
    *,
    template: str | Path | None,
    prompt: str = "own",
    backend: Backend,
) -> Dialect:
    """The dialect meant: if none is given the model's only one, the zoo's, or `grm`.

    Raises:
        InputError: it is unknown, its template unusable, the model knows only another, or is a
            scalar model of the zoo.
    """
    if prompt not in ("own", "official"):
        raise InputError(f"prompt {prompt!r}; allowed: own, official")
    only = only_dialect(backend)
    if given is None and only is None:
        given = _released_dialect(backend.name)
    if given is not None and not isinstance(given, str | Dialect):
        raise InputError(f"dialect must be a name or a Dialect, got {type(given).__name__}")
    if template is not None and not isinstance(template, str | Path):
        raise InputError(f"template must be the path of a file, got {type(template).__name__}")
    if isinstance(given, Dialect):
        if template is not None or prompt != "own":
            raise InputError("give template to the dialect object, or name the dialect")
        chosen = given
    else:
        chosen = open_dialect(
            given or only or "grm",
            template=template,
            official=prompt == "official",
            model_folder=_folder(backend),
        )
    if chosen.template.provenance:
        announce(f"deemster: {chosen.template.provenance}")
    if only is not None and chosen.name != only:
        raise InputError(
            f"model {backend.name!r} was trained on the dialect {only!r} alone, got "
            f"{chosen.spec!r}; leave out dialect, or give another model"
        )
    if chosen.forgeable and chosen.rule not in chosen.point_rules:
        announce(
            f"deemster: verdicts of dialect {chosen.spec} are {chosen.forgeable}: a response can "
            "dictate that of a judge that quotes it; where responses come from strangers, prefer "
            "another dialect (docs/dialects.md, Forgery)"
        )
    return chosen


def _folder(backend: Backend) -> Path | None:
    """Where the model lies, if it is a local one in a folder."""
    scheme, _, path = backend.name.partition(":")
    folder = Path(path)
    return folder if scheme in LOCAL_SCHEMES and folder.is_dir() else None


def _released_dialect(model: str) -> str | None:
    """The dialect of a released model, said on stderr; None for a model that is not in the zoo."""
    entry = find_model(model)
    if entry is None:
        return None
    if entry.meta_template:
        raise InputError(
            f"model {model!r} is {entry.name}, which rates judgments: give it as meta_rm, or name "
            "a dialect if it is another model"
        )
    if entry.kind == "scalar":
        raise InputError(
            f"model {model!r} is {entry.name}, which writes no verdicts: "
            + (
                "give it as meta_rm"
                if entry.judge == "meta_rm"
                else f"use judge type {entry.judge} (type: {entry.judge} in a suite)"
            )
            + ", or name a dialect if it is another model"
        )
    announce(
        f"deemster: {model} is {entry.name} of the zoo: dialect {entry.dialect}; --dialect or "
        "dialect= names another"
    )
    return entry.dialect


@cache
def announce(line: str) -> None:
    """Say something on stderr, once."""
    sys.stderr.write(f"{one_line(line)}\n")


def aggregator_of(given: Reducer | str | None, *, k: int, has_meta: bool) -> Reducer:
    """The reducer meant: the plain sum if none is given, or with a meta RM that of the top half.

    Raises:
        InputError: it is not a reducer, or it needs meta rewards and there is no meta RM.
    """
    if given is None:
        return TopK() >> Sum() if has_meta else Sum()
    chosen = parse_aggregator(given) if isinstance(given, str) else given
    if not isinstance(chosen, Reducer):
        raise InputError(f"aggregator {chosen} must end in a reducer, for example '>> sum'")
    for step in chosen.steps if isinstance(chosen, Pipeline) else ():
        if isinstance(step, TopK):
            if not has_meta:
                raise InputError(f"aggregator {chosen} needs a meta RM; give meta_rm=")
            if step.k_meta is not None and step.k_meta > k:
                raise InputError(f"k_meta must be from 1 to k={k}, got {step.k_meta}")
    return chosen
