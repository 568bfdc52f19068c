"""What a suite file may say: the pydantic models behind `suite.yaml` and its JSON Schema."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from deemster.aggregators import parse_stop


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


_Positive = Annotated[int, Field(strict=True, ge=1)]
_PLAIN = frozenset({"name", "model", "type", "options"})
_CLOUD = _PLAIN | {"k", "temperature", "top_p", "max_tokens", "template", "min_valid"}
_SETTINGS = {"scalar-rm": _PLAIN, "pair-rm": _PLAIN, "cloud": _CLOUD}
"""What may be said about judges of the types other than `judge`."""
_COMPARISON = re.compile(r"\s*(>=|<=|>|<|==)\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*")


class DataSpec(_Spec):
    """Where samples come from: exactly one of `benchmark`, `path` and `samples`."""

    benchmark: str | None = None
    """Adapter of a public benchmark, e.g. `judgebench`; `path` then says where its files are."""
    path: str | None = None
    """A JSON-lines file of samples, or the files of `benchmark`; relative to the suite file."""
    split: str | None = None
    """Which part of a benchmark."""
    samples: tuple[dict[str, JsonValue], ...] | None = None
    """Samples written here."""
    subsets: tuple[str, ...] | None = None
    """Keep only these subsets."""
    min_responses: _Positive = 1
    max_responses: _Positive | None = None
    limit: _Positive | None = None
    """At most this many samples, drawn at random with the suite's seed."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [n for n in ("benchmark", "samples") if getattr(self, n) is not None]
        if self.path is not None and self.samples is not None:
            raise ValueError("give path or samples, not both")
        if self.path is None and len(given) != 1:
            raise ValueError("give one of benchmark, path and samples")
        if len(given) > 1:
            raise ValueError("give benchmark or samples, not both")
        if self.split is not None and self.benchmark is None:
            raise ValueError("split goes with benchmark")
        return self


class BudgetSpec(_Spec):
    """What a run may spend; reaching it ends the run, which `--resume` can continue."""

    usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    tokens: _Positive | None = None
    calls: _Positive | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.usd is None and self.tokens is None and self.calls is None:
            raise ValueError("give at least one of usd, tokens and calls")
        return self


class JudgeSpec(_Spec):
    """One judge: a model and how it votes, or a panel or debate of other judges."""

    name: Annotated[str, Field(pattern=r"^[\w.+-][\w .+/:=-]{0,99}$")] | None = None
    """How reports call it; default: the model string."""
    model: str | None = None
    """A model string. Exactly one of `model` and `members` is given."""
    type: Literal["judge", "scalar-rm", "pair-rm", "cloud"] = "judge"
    """What the model is: one that writes its verdict in a dialect, or a trained reward model."""
    members: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Names of other judges of this suite that score as a panel."""
    rounds: Annotated[int, Field(strict=True, ge=1, le=10)] | None = None
    """With members: they debate in at most so many rounds."""
    arbiter: str | None = None
    """With `rounds`: name of the judge that decides where the debate ends in disagreement."""
    scale: Literal["zscore", "rank", "minmax", "none"] = "zscore"
    """With members: how their rewards become comparable."""
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | str | None = None
    """With members: how much each counts, by name, or a file of fitted weights."""
    deadline: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """With members: seconds for each."""
    quorum: _Positive | None = None
    """With members: how many of them are enough."""
    k: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 1
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    """Default: 0 for k = 1, else the dialect's, for most 0.5."""
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    max_tokens: _Positive = 2048
    dialect: str | None = None
    """Prompt and parser; default: the model's own, for most models `grm`."""
    template: str | None = None
    """Your own Jinja prompt, relative to the suite file."""
    principles: str | tuple[dict[str, JsonValue], ...] = "self"
    """`self`, `ahead`, a rubric's name or file, `bank:FILE`, or a list of principles."""
    aggregator: str | None = None
    meta_rm: str | None = None
    k_meta: _Positive | None = None
    orders: Literal["balanced", "random", "fixed"] = "balanced"
    min_valid: _Positive = 1
    stop: str | None = None
    """When to stop before k votes, e.g. `decided:0.95`; default: all k are drawn."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Passed to the backend: `api_base`, `concurrency`, `rate`, `timeout`, …"""

    @field_validator("stop")
    @classmethod
    def _readable(cls, given: str | None) -> str | None:
        if given is not None:
            parse_stop(given)
        return given

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (self.model is None) == (self.members is None):
            raise ValueError("give one of model and members")
        self._composed()
        for name, field in type(self).model_fields.items():
            if (
                name not in _SETTINGS.get(self.type, (name,))
                and getattr(self, name) != field.default
            ):
                raise ValueError(f"{name} is no setting of type {self.type!r}")
        if self.k_meta is not None:
            if self.meta_rm is None:
                raise ValueError("k_meta needs meta_rm")
            if self.k_meta > self.k:
                raise ValueError(f"k_meta must be from 1 to k={self.k}, got {self.k_meta}")
            if self.aggregator is not None:
                raise ValueError("give k_meta or aggregator, not both")
        most = self.k if self.members is None else len(self.members)
        if self.min_valid > most:
            what = f"k={most}" if self.members is None else f"the {most} members"
            raise ValueError(f"min_valid must be from 1 to {what}, got {self.min_valid}")
        return self

    def _composed(self) -> None:
        for name in ("rounds", "weights", "deadline", "quorum"):
            if self.members is None and getattr(self, name) is not None:
                raise ValueError(f"{name} goes with members")
        if self.members is None and self.scale != "zscore":
            raise ValueError("scale goes with members")
        if self.rounds is None and self.arbiter is not None:
            raise ValueError("arbiter goes with rounds")
        for name in ("weights", "quorum"):
            if self.rounds is not None and getattr(self, name) is not None:
                raise ValueError(f"{name} is for panels; a debate has none")

    @property
    def label(self) -> str:
        """How reports call it."""
        return self.name or self.model or "+".join(self.members or ())


class Threshold(_Spec):
    """A figure that must hold for the run to pass, e.g. `">= 0.8"` or `"<= 1%"`."""

    comparison: Literal[">=", "<=", ">", "<", "=="]
    value: float

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        if not isinstance(given, str):
            return given
        match = _COMPARISON.fullmatch(given)
        if match is None:
            raise ValueError("write a comparison such as '>= 0.8' or '<= 1%'")
        comparison, number, percent = match.groups()
        return {"comparison": comparison, "value": float(number) / (100 if percent else 1)}

    def holds(self, figure: float | None) -> bool:
        """Whether a figure meets it; a figure that does not exist meets nothing."""
        if figure is None:
            return False
        return {
            ">=": figure >= self.value,
            "<=": figure <= self.value,
            ">": figure > self.value,
            "<": figure < self.value,
            "==": figure == self.value,
        }[self.comparison]

    def __str__(self) -> str:
        return f"{self.comparison} {self.value:g}"


Metric = Literal[
    "accuracy",
    "macro",
    "with_ties",
    "roc_auc",
    "spearman",
    "kendall",
    "position_consistency",
    "win_rates",
    "curve",
    "subsets",
]
"""A group of figures in the closing table."""
FIGURES = ("accuracy", "macro", "unscored", "ties", "position_consistency", "roc_auc")
"""What thresholds may be about: each a share from 0 to 1."""


class SuiteSpec(_Spec):
    """An evaluation suite."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: str = ""
    data: Annotated[tuple[DataSpec, ...], Field(min_length=1)]
    judges: Annotated[tuple[JudgeSpec, ...], Field(min_length=1)]
    matrix: dict[str, tuple[JsonValue, ...]] = Field(default_factory=dict)
    """Judge settings with several values each: every judge runs with every combination."""
    seed: Annotated[int, Field(strict=True, ge=0)] = 0
    """Draws the sample, the orders and the votes."""
    metrics: tuple[Metric, ...] | None = None
    """Which figures the closing table shows; default: all that apply. The run keeps them all."""
    budget: BudgetSpec | None = None
    thresholds: dict[
        Literal["accuracy", "macro", "unscored", "ties", "position_consistency", "roc_auc"],
        Threshold,
    ] = Field(default_factory=dict)
    """Figures that must hold for every judge; else the exit status is 3."""
    in_flight: _Positive = 64
    """Samples judged at a time."""

    @field_validator("data", "judges", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return [given] if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _judges_fit(self) -> Self:
        for key, values in self.matrix.items():
            if key not in JudgeSpec.model_fields or key in ("name", "members"):
                raise ValueError(f"matrix key {key!r} is no judge setting that can vary")
            if not values:
                raise ValueError(f"matrix key {key!r} has no values")
        names = [judge.label for judge in self.expanded()]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two judges are called {min(twice)!r}; give them names")
        for judge in self.judges:
            _check_members(judge, {one.label: one for one in self.judges}, ())
        return self

    def expanded(self) -> tuple[JudgeSpec, ...]:
        """The judges, each in every combination of the matrix."""
        combinations: list[dict[str, JsonValue]] = [{}]
        for key, values in self.matrix.items():
            combinations = [{**one, key: value} for one in combinations for value in values]
        if not self.matrix:
            return self.judges
        made = []
        for judge in self.judges:
            if judge.members is not None:
                made.append(judge)
                continue
            for chosen in combinations:
                suffix = " ".join(f"{key}={value}" for key, value in chosen.items())
                fields = {**judge.model_dump(), **chosen, "name": f"{judge.label} {suffix}"}
                made.append(JudgeSpec.model_validate(fields))
        return tuple(made)


def _check_members(judge: JudgeSpec, known: dict[str, JudgeSpec], path: tuple[str, ...]) -> None:
    if judge.label in path:
        raise ValueError(
            f"judges refer to each other in a circle: {' > '.join((*path, judge.label))}"
        )
    for member in (*(judge.members or ()), *([judge.arbiter] if judge.arbiter else ())):
        if member not in known:
            names = ", ".join(known)
            raise ValueError(f"judge {judge.label!r}: unknown member {member!r}; known: {names}")
        _check_members(known[member], known, (*path, judge.label))


def suite_json_schema() -> dict[str, Any]:
    """JSON Schema of suite files, for editors; it ships as `suites/suite.schema.json`."""
    schema = SuiteSpec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "deemster suite"
    threshold = schema["$defs"]["Threshold"]
    text = {"type": "string", "pattern": r"^\s*(>=|<=|>|<|==)\s*[0-9]+(\.[0-9]+)?\s*%?\s*$"}
    schema["$defs"]["Threshold"] = {**text, "description": threshold.get("description", "")}
    for name in ("data", "judges"):
        many = schema["properties"][name]
        one = {"$ref": many["items"]["$ref"]}
        schema["properties"][name] = {
            "anyOf": [one, many],
            "description": many.get("description", ""),
        }
    return schema
