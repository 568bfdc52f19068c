"""What judges made of judges check about their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from deemster.aggregators import Mean, PerJudge, Pipeline, Reducer, Weighted, parse_aggregator
from deemster.errors import InputError
from deemster.judges.panel_weights import PanelWeights
from deemster.judges.scaling import KINDS, Kind, PanelScaling


def weighted_by(
    weights: PanelWeights | Mapping[str, float] | str | Path | None,
    names: Sequence[str],
    aggregator: Reducer | str | None,
) -> Reducer:
    """The aggregator with the members' weights before it.

    Raises:
        InputError: a weight is missing or wrong, or the aggregator gives every member a weight
            of 0.
    """
    if aggregator is None:
        aggregator = Mean()
    last = parse_aggregator(aggregator) if isinstance(aggregator, str) else aggregator
    for step in (*last.steps, last.last) if isinstance(last, Pipeline) else (last,):
        if not isinstance(step, PerJudge | Weighted) or getattr(step, "by", "judge") != "judge":
            continue
        own = dict(step.judges)
        if all(own.get(name) == 0 for name in names):
            raise InputError(
                f"aggregator {last} gives every member a weight of 0; give at least one of "
                f"{', '.join(names)} a weight above 0"
            )
    if weights is None:
        return last
    if isinstance(weights, str | Path):
        weights = PanelWeights.load(weights)
    if not isinstance(weights, PanelWeights | Mapping):
        raise InputError(
            f"weights must be by member, for example {{{names[0]!r}: 2}}, or a file of "
            f"PanelWeights, got {type(weights).__name__}"
        )
    given = weights.weights if isinstance(weights, PanelWeights) else dict(weights)
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(
            f"no weight for member {missing[0]!r}; weights are given for: {', '.join(given)}"
        )
    return Weighted("judge", judges=tuple((name, given[name]) for name in names)) >> last


def check_scale(scale: Kind | PanelScaling, names: Sequence[str]) -> Kind | PanelScaling:
    """The scale, if it can be used for these members.

    Raises:
        InputError: it is unknown, or was not fitted for one of them.
    """
    if isinstance(scale, PanelScaling):
        missing = [name for name in names if name not in scale.judges]
        if missing:
            raise InputError(
                f"scale was not fitted for member {missing[0]!r}; known: {', '.join(scale.judges)}"
            )
    elif scale not in KINDS:
        raise InputError(f"scale {scale!r}; allowed: {', '.join(KINDS)}, or a PanelScaling")
    return scale
