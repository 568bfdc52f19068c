"""The type `verifier` of suites: checks by name, with their settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, cast, get_type_hints

from pydantic import Field, JsonValue, TypeAdapter, ValidationError, field_validator

from deemster.errors import InputError
from deemster.judges.building import Site
from deemster.judges.spec import JudgeSpec, Weight
from deemster.judges.verifier.base import Check
from deemster.judges.verifier.verifier import Verifier
from deemster.plugins import Registry
from deemster.schemas import first_problem

_HERE = "deemster.judges.verifier"
CHECKS: Registry[type[Check]] = Registry(
    "check",
    group="deemster.checks",
    builtin={
        "exact-match": f"{_HERE}.match:ExactMatch",
        "numeric-match": f"{_HERE}.match:NumericMatch",
        "math-match": f"{_HERE}.maths:MathMatch",
        "matches": f"{_HERE}.patterns:Matches",
        "is-json": f"{_HERE}.json_format:IsJson",
        "matches-schema": f"{_HERE}.json_format:MatchesSchema",
        "not-degenerate": f"{_HERE}.degenerate:NotDegenerate",
        "function-tests": f"{_HERE}.code:FunctionTests",
        "program-tests": f"{_HERE}.code:ProgramTests",
        "length": f"{_HERE}.constraints:Length",
        "has-keywords": f"{_HERE}.constraints:HasKeywords",
        "avoids-words": f"{_HERE}.constraints:AvoidsWords",
        "has-case": f"{_HERE}.constraints:HasCase",
        "no-commas": f"{_HERE}.constraints:NoCommas",
        "starts-with": f"{_HERE}.constraints:StartsWith",
        "ends-with": f"{_HERE}.constraints:EndsWith",
        "has-title": f"{_HERE}.constraints:HasTitle",
        "has-bullets": f"{_HERE}.constraints:HasBullets",
        "has-numbered-list": f"{_HERE}.constraints:HasNumberedList",
    },
)
"""Each is a dataclass; its fields are the settings of the check."""


class VerifierSpec(JudgeSpec):
    """Checks that programs decide: scores from 0 to 1, no model."""

    type: Literal["verifier"] = "verifier"
    checks: tuple[str | dict[str, JsonValue], ...] = Field(min_length=1)
    """Names of checks; with settings: `{check: matches, pattern: "^Yes"}`."""
    weights: tuple[Weight, ...] | None = None
    """Importance of each check; default: all the same."""
    combine: Literal["mean", "min"] = "mean"
    """`mean`: the weighted mean. `min`: every check must pass."""

    @field_validator("checks")
    @classmethod
    def _known(cls, given: tuple[Any, ...]) -> tuple[Any, ...]:
        for check in given:
            read_check(check)
        return given

    def _label(self) -> str:
        return "verifier"

    def build(self, site: Site) -> Verifier:  # noqa: ARG002 - nothing it shares
        """See `JudgeSpec.build`."""
        return Verifier(
            [read_check(check) for check in self.checks],
            name=self.label,
            weights=self.weights,
            combine=self.combine,
        )


def read_check(given: str | Mapping[str, Any]) -> Check:
    """A check from its name, or a mapping with `check` and its settings.

    Raises:
        InputError: the check or a setting is unknown, or a value is wrong.
    """
    settings = {"check": given} if isinstance(given, str) else dict(given)
    name = settings.pop("check", None)
    if not isinstance(name, str):
        raise InputError(f"a check is a name or a mapping with the key 'check', got {given!r:.80}")
    kind = CHECKS.get(name)
    fields = _fields(kind)
    for key in settings:
        if key not in fields:
            allowed = ", ".join(fields) or "none"
            raise InputError(f"check {name!r}: unknown setting {key!r}; allowed: {allowed}")
    values = {}
    for key, value in settings.items():
        try:
            values[key] = fields[key].validate_python(value)
        except ValidationError as error:
            raise InputError(f"check {name!r}: {key}: {first_problem(error)}") from error
    try:
        return kind(**values)
    except TypeError as error:
        needed = ", ".join(key for key in fields if key not in settings)
        raise InputError(f"check {name!r} needs more settings; not given: {needed}") from error


def check_settings(name: str) -> list[str]:
    """Names of the settings of a check."""
    return list(_fields(CHECKS.get(name)))


@cache
def _fields(kind: type[Check]) -> dict[str, TypeAdapter[Any]]:
    """The settings of a check, each with what reads it."""
    hints = get_type_hints(kind, include_extras=True)
    settings = [one.name for one in dataclasses.fields(cast("Any", kind)) if one.init]
    return {name: TypeAdapter(hints[name]) for name in settings}
