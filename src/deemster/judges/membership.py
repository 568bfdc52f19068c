"""What judges made of judges check about their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from deemster.aggregators import Mean, Reducer, Weighted, parse_aggregator
from deemster.errors import InputError
from deemster.judges.panel_weights import PanelWeights
from deemster.judges.scaling import KINDS, Kind, PanelScaling
from deemster.judges.scorer import Scorer


def member_names(members: Sequence[Scorer], *, what: str) -> tuple[str, ...]:
    """The names of 2 or more members.

    Raises:
        InputError: there are fewer, or two have one name.
    """
    if len(members) < 2:
        raise InputError(f"{what} needs 2 or more members, got {len(members)}")
    names = tuple(member.info.name for member in members)
    if len(set(names)) != len(names):
        raise InputError(f"{what}'s members need different names, got {list(names)}; give name=")
    return names


def weighted_by(
    weights: PanelWeights | Mapping[str, float] | str | Path | None,
    names: Sequence[str],
    aggregator: Reducer | str | None,
) -> Reducer:
    """The aggregator with the members' weights before it.

    Raises:
        InputError: a weight is missing or wrong.
    """
    if aggregator is None:
        aggregator = Mean()
    last = parse_aggregator(aggregator) if isinstance(aggregator, str) else aggregator
    if weights is None:
        return last
    if isinstance(weights, str | Path):
        weights = PanelWeights.load(weights)
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


def whole_number(what: str, value: object, low: int, high: int) -> int:
    """A whole number from `low` to `high`.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{what} must be from {low} to {high}, got {value!r}")
    return value
