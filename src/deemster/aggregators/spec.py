"""Aggregators by name: `sum`, `topk(16) >> mean`, `weighted(by=meta) >> sum`.

The same text that `str(aggregator)` writes, so that a run records exactly what it did.
"""

from __future__ import annotations

import re

from deemster.aggregators.base import Pipeline, Reducer, Selector
from deemster.errors import InputError
from deemster.plugins import Registry
from deemster.yaml_text import read_setting

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
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parse_aggregator(spec: str) -> Reducer:
    """Read an aggregator's spec: steps joined by `>>`, the last one a reducer.

    Raises:
        InputError: a name is unknown, an argument is wrong, or the order of steps is.
    """
    steps = [_step(part, spec) for part in _split(spec, ">>")]
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
    for argument in _split(match[2] or "", ","):
        if not argument.strip():
            continue
        key, equals, value = argument.partition("=")
        if equals and key.strip().isidentifier():
            if key.strip() in named:
                raise InputError(
                    f"aggregator {spec!r}: {key.strip()} is given twice; leave one out"
                )
            named[key.strip()] = _value(value, spec)
        else:
            positional.append(_value(argument, spec))
    try:
        return factory(*positional, **named)
    except TypeError as error:
        raise InputError(f"aggregator {spec!r}: {text.strip()!r}: {error}") from error


def _split(text: str, separator: str) -> list[str]:
    """Split where a separator stands outside quotes, braces and brackets."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        if depth == 0 and text.startswith(separator, at):
            parts.append(text[start:at])
            start = at = at + len(separator)
        elif quoted := _QUOTED.match(text, at):
            at = quoted.end()
        else:
            depth += (text[at] in "{[(") - (text[at] in "}])")
            at += 1
    return [*parts, text[start:]]


def _value(text: str, spec: str) -> object:
    try:
        return read_setting(text.strip(), "it")
    except InputError as error:
        raise InputError(
            f"aggregator {spec!r:.200}: cannot read the value {text.strip()!r:.80}"
        ) from error
