"""What a file says about a judge.

A type of judge is a class with a `JudgeSpec` beside it: the fields that suites may set, and
`build`. Suites, the command line, the JSON Schema and `deemster judges list` are made from the
specs; `deemster.judges.registry` names them.
"""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    model_validator,
)
from pydantic_core import CoreSchema

from deemster.errors import InputError
from deemster.judges.registry import JUDGES
from deemster.schemas import SamplingSettings

if TYPE_CHECKING:
    from deemster.judges.base import BaseJudge
    from deemster.judges.building import Site

Positive = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class JudgeSpec(BaseModel, ABC):
    """One judge as a suite describes it. Each type has a subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    type: str
    """Which kind of judge it is."""
    name: Annotated[str, Field(pattern=r"^[\w.+-][\w .+/:=-]{0,99}$")] | None = None
    """How reports call it; default: the model, or the members' names."""

    @property
    def label(self) -> str:
        """How reports call it."""
        return self.name or self._label()

    @property
    def parts(self) -> tuple[str | JudgeSpec, ...]:
        """The judges it is made of: names of others in the suite, or specs inside this one."""
        return ()

    @abstractmethod
    def build(self, site: Site) -> BaseJudge:
        """The judge.

        Raises:
            InputError: the settings are wrong in a way that the fields could not tell.
        """

    @abstractmethod
    def _label(self) -> str:
        """What it is called where it has no name."""

    @classmethod
    def model_for(cls, given: object) -> builtins.type[BaseModel]:
        """The spec that `given` is read as; errors list the fields of that one."""
        return spec_type(given) if isinstance(given, Mapping) else cls


def spec_type(given: Mapping[str, Any]) -> type[JudgeSpec]:
    """The spec of the type that a mapping names.

    Without `type` it is a `grm`; with `members` a `panel`, and with `rounds` too a `debate`.

    Raises:
        InputError: the type is unknown.
    """
    default = "grm" if "members" not in given else "debate" if "rounds" in given else "panel"
    found = JUDGES.get(str(given.get("type", default)))
    if not issubclass(found, JudgeSpec):
        raise InputError(f"judge type {given.get('type')!r} is registered without a JudgeSpec")
    return found


def read_spec(given: object) -> JudgeSpec:
    """A judge from what a file says.

    Raises:
        InputError: the type is unknown (a `ValueError`, so that pydantic places it).
        ValidationError: a field is wrong.
    """
    if isinstance(given, JudgeSpec):
        return given
    if not isinstance(given, Mapping):
        raise InputError(f"a judge is a mapping, for example {{model: nano}}, got {given!r:.80}")
    return spec_type(given).model_validate(dict(given))


def _read_part(given: object) -> str | JudgeSpec:
    return given if isinstance(given, str) else read_spec(given)


def _dump(spec: str | JudgeSpec) -> Any:  # noqa: ANN401 - JSON
    return spec if isinstance(spec, str) else spec.model_dump(mode="json")


class _JudgeSchema:
    """Writes a reference to the definition `Judge`, which `suite_json_schema` adds."""

    def __init__(self, *, named: bool) -> None:
        self._named = named

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        judge = {"title": JUDGE_DEFINITION}
        return {"anyOf": [{"type": "string"}, judge]} if self._named else judge


JUDGE_DEFINITION = "Judge"
AnyJudge = Annotated[
    JudgeSpec, PlainValidator(read_spec), PlainSerializer(_dump), _JudgeSchema(named=False)
]
"""A judge of any type; its `type` says which."""
Part = Annotated[
    str | JudgeSpec, PlainValidator(_read_part), PlainSerializer(_dump), _JudgeSchema(named=True)
]
"""The name of another judge, or a judge described in place."""


class ModelSpec(JudgeSpec, ABC):
    """A judge that asks one model."""

    model: Annotated[str, Field(min_length=1)]
    """A model string, e.g. `openai/gpt-5-mini` or `hf:Qwen/Qwen3-8B`."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Passed to the backend: `api_base`, `concurrency`, `rate`, `timeout`, …"""

    def _label(self) -> str:
        return self.model


class CompositeSpec(JudgeSpec, ABC):
    """A judge made of other judges."""

    members: Annotated[tuple[Part, ...], Field(min_length=1)]
    """Names of other judges of this suite, or judges described in place."""
    min_valid: Positive = 1
    """Fewest valid votes for a verdict with rewards."""

    @property
    def parts(self) -> tuple[str | JudgeSpec, ...]:
        """See `JudgeSpec.parts`."""
        return self.members

    def _label(self) -> str:
        return "+".join(label_of(member) for member in self.members)

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.min_valid > self.most_votes:
            raise ValueError(
                f"min_valid must be from 1 to the {self.most_votes} members, got {self.min_valid}"
            )
        return self

    @property
    def most_votes(self) -> int:
        """The most that `min_valid` may ask for."""
        return len(self.members)


def label_of(part: str | JudgeSpec) -> str:
    """How a member is called."""
    return part if isinstance(part, str) else part.label


def sampling_fields(spec: SamplingSettings) -> dict[str, Any]:
    """The sampling settings of a spec, as arguments of its judge."""
    return {name: getattr(spec, name) for name in SamplingSettings.model_fields}
