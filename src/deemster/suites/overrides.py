"""Changes to a suite from the command line: other models, fewer samples, other settings."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from deemster.errors import InputError
from deemster.judges.spec import spec_type
from deemster.yaml_text import SETTING, read_yaml

Override = tuple[str, Any]
"""A path, such as `judge.k`, and the value to put there."""


def parse_override(text: str) -> Override:
    """`judge.k=8`: the value is read as YAML, so that 8 is a number and `[a, b]` a list.

    Raises:
        InputError: there is no `=`, or the value is not YAML.
    """
    path, equals, value = text.partition("=")
    if not equals or not all(part.strip() for part in path.split(".")):
        raise InputError(f"--set {text!r} is not KEY=VALUE; write for example --set judge.k=8")
    return path.strip(), read_yaml(value, f"--set {path.strip():.100}", SETTING)[0]


def overridden(suite: dict[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """A suite as written, with changes.

    `judge.KEY` sets a key of every judge whose type has it, members described in place included,
    and takes the key out of the matrix; `data.KEY` sets a key of every source of data, where
    `limit` only ever lowers it; any other path is that of a key, `seed` or `budget.usd`.

    Args:
        suite: as written; it is not changed.
        overrides: in order; a later one wins.

    Raises:
        InputError: no judge has such a key, or the path leads through something else than
            mappings.
    """
    suite = copy.deepcopy(suite)
    for path, value in overrides:
        first, *rest = path.split(".")
        if first == "judge":
            _set_judges(suite, path, rest, value)
        elif first == "data":
            for source in _listed(suite.get("data")):
                _set(source, path, rest, _lower(source, rest, value))
        else:
            _set(suite, path, [first, *rest], value)
    return suite


def _set_judges(suite: dict[str, Any], path: str, keys: list[str], value: object) -> None:
    judges = list(_judges(suite.get("judges")))
    chosen = [judge for judge in judges if keys and keys[0] in spec_type(judge).model_fields]
    if not chosen:
        known = sorted({key for judge in judges for key in spec_type(judge).model_fields})
        raise InputError(f"no judge of the suite has a setting {path!r}; known: {', '.join(known)}")
    for judge in chosen:
        _set(judge, path, keys, value)
    matrix = suite.get("matrix")
    if isinstance(matrix, dict) and len(keys) == 1:
        matrix.pop(keys[0], None)


def _judges(given: object) -> Iterator[dict[str, Any]]:
    """Judges written as mappings, with those inside them."""
    for judge in _listed(given):
        yield judge
        yield from _judges(judge.get("members"))


def _listed(given: object) -> list[dict[str, Any]]:
    """One mapping may stand for a list of one."""
    many = given if isinstance(given, list) else [given]
    return [one for one in many if isinstance(one, dict)]


def _lower(source: dict[str, Any], keys: list[str], value: object) -> object:
    known = source.get("limit")
    if keys == ["limit"] and isinstance(value, int) and isinstance(known, int):
        return min(known, value)
    return value


def _set(into: dict[str, Any], path: str, keys: Sequence[str], value: object) -> None:
    for key in keys[:-1]:
        into = into.setdefault(key, {})
        if not isinstance(into, dict):
            raise InputError(f"cannot set {path!r}: {key!r} holds no settings")
    if not keys:
        raise InputError(f"cannot set {path!r}; name a setting in it, for example {path}.limit")
    into[keys[-1]] = value


__all__ = ["Override", "overridden", "parse_override"]
