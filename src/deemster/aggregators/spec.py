"""Aggregators by name: `sum`, `topk(16) >> mean`, `weighted(by=meta) >> sum`.

The same text that `str(aggregator)` writes, so that a run records exactly what it did.
"""

from __future__ import annotations

import re

from deemster.aggregators.base import Pipeline, Reducer, Selector
from deemster.errors import InputError
from deemster.plugins import Registry
from deemster.yaml_text import SETTING, read_yaml

AGGREGATORS: Registry[type[Selector | Reducer]] = Registry(
    "aggregator",
    group="deemster.aggregators",
    builtin={
        "borda": "deemster.aggregators.relative:Borda",
        "centred": "deemster.aggregators.relative:Centred",
        "learned": "deemster.aggregators.learned:Learned",
        "majority": "deemster.aggregators.reducers:Majority",
        "mean": "deemster.aggregators.reducers:Mean",
        "median": "deemster.aggregators.reducers:Median",
        "perjudge": "deemster.aggregators.relative:PerJudge",
        "reliable": "deemster.aggregators.reliability:Reliable",
        "softmax": "deemster.aggregators.relative:Softmax",
        "sum": "deemster.aggregators.reducers:Sum",
        "topk": "deemster.aggregators.selectors:TopK",
        "weighted": "deemster.aggregators.selectors:Weighted",
    },
)
"""Selectors and reducers by the names that specs use."""

_STEP = re.compile(r"\s*([a-z][a-z0-9_-]*)\s*(?:\((.*)\))?\s*", re.IGNORECASE | re.DOTALL)


def parse_aggregator(spec: str) -> Reducer:
    """Read an aggregator's spec: steps joined by `>>`, the last one a reducer.

    Raises:
        InputError: a name is unknown, an argument is wrong, or the order of steps is.
    """
    steps = [_step(part, spec) for part in spec.split(">>")]
    *selectors, last = steps
    if not isinstance(last, Reducer):
        raise InputError(f"aggregator {spec!r} must end in a reducer, for example '>> sum'")
    for step in selectors:
        if not isinstance(step, Selector):
            raise InputError(f"aggregator {spec!r}: {step} must come last; it ends a pipeline")
    chosen = tuple(step for step in selectors if isinstance(step, Selector))
    if not chosen:
        return last
    if isinstance(last, Pipeline):
        return Pipeline((*chosen, *last.steps), last.last)
    return Pipeline(chosen, last)


def _step(text: str, spec: str) -> Selector | Reducer:
    match = _STEP.fullmatch(text)
    if match is None:
        raise InputError(
            f"aggregator {spec!r}: cannot read {text.strip()!r}; write for example 'topk(4) >> sum'"
        )
    factory = AGGREGATORS.get(match[1].lower())
    positional: list[object] = []
    named: dict[str, object] = {}
    for argument in _arguments(match[2] or ""):
        key, equals, value = argument.partition("=")
        if equals and key.strip().isidentifier():
            named[key.strip()] = _value(value, spec)
        else:
            positional.append(_value(argument, spec))
    try:
        return factory(*positional, **named)
    except TypeError as error:
        raise InputError(f"aggregator {spec!r}: {text.strip()!r}: {error}") from error


def _arguments(text: str) -> list[str]:
    """Split at commas outside braces and brackets."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "{[(") - (character in "}])")
        if character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part for part in (*parts, text[start:]) if part.strip()]


def _value(text: str, spec: str) -> object:
    try:
        return read_yaml(text.strip(), "it", SETTING)[0]
    except InputError as error:
        raise InputError(
            f"aggregator {spec!r:.200}: cannot read the value {text.strip()!r:.80}"
        ) from error
