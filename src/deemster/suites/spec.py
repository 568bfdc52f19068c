"""What a suite file may say: the pydantic models behind `suite.yaml` and its JSON Schema."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from math import prod
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from deemster.data.columns import GivenColumns
from deemster.judges.registry import JUDGES
from deemster.judges.spec import JUDGE_DEFINITION, AnyJudge, JudgeSpec


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


_Positive = Annotated[int, Field(strict=True, ge=1)]
_FIXED = frozenset({"name", "type", "members"})
"""Judge settings that a matrix cannot vary."""
MAX_JUDGES = 1_000
"""In a suite: in every combination of the matrix, members counted wherever they are asked."""
_MAX_SETTINGS = 500_000
"""Values of all judges together, each combination counted."""
_MAX_NESTED = 20
"""Judges of judges of judges."""
_COMPARISON = re.compile(r"\s*(>=|<=|>|<|==)\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*")


class DataSpec(_Spec):
    """Where samples come from: exactly one of `benchmark`, `path`, `dataset` and `samples`."""

    benchmark: str | None = None
    """Adapter of a public benchmark, e.g. `judgebench`; `path` then says where its files are."""
    path: str | None = None
    """A file or folder of samples (JSONL, JSON, CSV, TSV, Parquet; `.gz`), or the files of
    `benchmark`; relative to the suite file."""
    dataset: str | None = None
    """Of the `datasets` library: a folder it saved, or `owner/name` on the hub."""
    config: str | None = None
    """Configuration of a `dataset` from the hub, where it has several."""
    columns: str | dict[str, str | tuple[str, ...]] | None = None
    """Which column holds what, e.g. `{query: prompt, responses: [a, b], truth: winner}`."""
    split: str | None = None
    """The part of a benchmark, a dataset or a folder to read."""
    samples: tuple[dict[str, JsonValue], ...] | None = None
    """Samples given in the suite itself."""
    subsets: tuple[str, ...] | None = None
    """Keep only these subsets."""
    min_responses: _Positive = 1
    """Keep only samples with at least this many responses."""
    max_responses: _Positive | None = None
    """Keep only samples with at most this many responses."""
    limit: _Positive | None = None
    """At most this many samples, drawn at random with the suite's seed."""

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        if not isinstance(given, dict | DataSpec):
            raise ValueError("a source of data is a mapping, for example {path: pairs.jsonl}")  # noqa: TRY004 - of a validator
        return given

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        names = ("benchmark", "dataset", "samples") + ("path",) * (self.benchmark is None)
        given = [n for n in names if getattr(self, n) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"give one of benchmark, path, dataset and samples; got {got}")
        if self.split is not None and self.samples is not None:
            raise ValueError("split goes with benchmark, path or dataset")
        if self.config is not None and self.dataset is None:
            raise ValueError("config goes with dataset")
        if self.columns is not None and self.benchmark is not None:
            raise ValueError(
                "columns goes with path, dataset or samples; a benchmark knows its own"
            )
        self.given_columns  # noqa: B018 - read now, so that an error names the line
        return self

    @property
    def given_columns(self) -> GivenColumns | None:
        """What `columns` says."""
        return None if self.columns is None else GivenColumns.parse(self.columns)


class BudgetSpec(_Spec):
    """What a run may spend; reaching `usd`, `tokens` or `calls` ends it, and `--resume` goes on."""

    usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Money; needs models whose price is known."""
    tokens: _Positive | None = None
    """Tokens, of prompts and completions together."""
    calls: _Positive | None = None
    """Requests to models."""
    votes: _Positive | None = None
    """Votes of each judge, shared out over the samples: more where another vote may change the
    winner, `k` at most. See docs/trust.md."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if all(value is None for _, value in self):
            raise ValueError(f"give at least one of {', '.join(type(self).model_fields)}")
        return self


class Threshold(_Spec):
    """A figure that must hold for the run to pass, e.g. `">= 0.8"` or `"<= 1%"`."""

    comparison: Literal[">=", "<=", ">", "<", "=="]
    value: float

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        if isinstance(given, dict):
            return given
        match = _COMPARISON.fullmatch(given) if isinstance(given, str) else None
        if match is None:
            raise ValueError("write a comparison such as '>= 0.8' or '<= 1%'")
        comparison, number, percent = match.groups()
        return {"comparison": comparison, "value": float(number) / (100 if percent else 1)}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        """Every figure is a share; `>= 80` is meant as `>= 80%`."""
        if not 0 <= self.value <= 1:
            raise ValueError(
                f"figures are shares from 0 to 1, so {str(self)!r} is out of range; "
                "write for example '>= 0.8' or '>= 80%'"
            )
        if (self.comparison, self.value) in {(">", 1.0), ("<", 0.0)}:
            raise ValueError(f"no figure can be {self}; figures are shares from 0 to 1")
        return self

    def holds(self, figure: float | None) -> bool:
        """Whether a figure meets it; a missing figure does not."""
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


class RequiresSpec(_Spec):
    """What a judge must have shown against human labels to be allowed; see `deemster calibrate`."""

    n: _Positive | None = None
    """Labelled items, at least."""
    agreement: Threshold | None = None
    """With the raters, as a share."""
    agreement_low: Threshold | None = None
    """Lower end of its 95 % interval."""
    kappa: Threshold | None = None
    """Cohen's kappa with the raters."""
    kappa_low: Threshold | None = None
    """Lower end of its 95 % interval."""
    ac: Threshold | None = None
    """Gwet's AC with the raters."""
    ac_low: Threshold | None = None
    """Lower end of its 95 % interval."""
    ece: Threshold | None = None
    """Expected calibration error of the calibrated confidence."""
    brier: Threshold | None = None
    """Its Brier score."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if all(value is None for _, value in self):
            raise ValueError(f"give at least one of {', '.join(type(self).model_fields)}")
        return self


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

    verbatim: ClassVar[frozenset[str]] = frozenset({"samples", "principles"})
    """Keys of texts that judges read: no environment variable is put into them."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    """Name of the suite; runs are written to runs/NAME unless told otherwise."""
    description: str = ""
    """What it is for, in your own words."""
    data: Annotated[tuple[DataSpec, ...], Field(min_length=1)]
    """Where samples come from: one source, or a list of them."""
    judges: Annotated[tuple[AnyJudge, ...], Field(min_length=1)]
    """One judge, or a list of them; each judges every sample."""
    matrix: dict[str, tuple[JsonValue, ...]] = Field(default_factory=dict)
    """Judge settings with several values each: every judge runs with every combination."""
    seed: Annotated[int, Field(strict=True, ge=0)] = 0
    """Draws the sample, the orders and the votes."""
    metrics: tuple[Metric, ...] | None = None
    """Which figures the closing table shows; default: all that apply. The run keeps them all."""
    budget: BudgetSpec | None = None
    """What the run may spend; default: no limit."""
    thresholds: dict[
        Literal["accuracy", "macro", "unscored", "ties", "position_consistency", "roc_auc"],
        Threshold,
    ] = Field(default_factory=dict)
    """Figures that must hold for every judge; else the exit status is 3."""
    requires: RequiresSpec | None = None
    """What every judge's `calibration` must show before anything is asked; else status 3."""
    in_flight: _Positive = 64
    """Samples judged at a time."""

    @field_validator("data", "judges", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:  # noqa: ANN401 - validators see raw input
        return [given] if isinstance(given, dict | str | int | float | None) else given

    @model_validator(mode="after")
    def _judges_fit(self) -> Self:
        for key, values in self.matrix.items():
            if key in _FIXED or not any(key in type(judge).model_fields for judge in self.judges):
                raise ValueError(f"matrix key {key!r} is not a judge setting that can vary")
            if not values:
                raise ValueError(f"matrix key {key!r} has no values")
        self._check_size()
        names = Counter(judge.label for judge in self.expanded())
        twice = [name for name, n in names.items() if n > 1]
        if twice:
            raise ValueError(f"two judges are called {min(twice)!r}; give them names")
        return self

    def _check_size(self) -> None:
        """Count judges and settings before any is made."""
        known = {judge.label: judge for judge in self.judges}
        seen: dict[str, tuple[int, int]] = {}
        asked = settings = 0
        for judge in self.judges:
            times = prod(map(len, self._varied(judge).values()))
            asked += times * _count(judge, known, seen, ())[0]
            if times > 1:
                settings += times * _values(judge.model_dump())
        if asked > MAX_JUDGES:
            raise ValueError(
                f"{asked:,} judges, counting the matrix and members of members; at most "
                f"{MAX_JUDGES:,} in a suite"
            )
        if settings > _MAX_SETTINGS:
            raise ValueError(
                f"{settings:,} settings in all combinations of the matrix; at most "
                f"{_MAX_SETTINGS:,}"
            )

    def _varied(self, judge: JudgeSpec) -> dict[str, tuple[JsonValue, ...]]:
        """What the matrix varies of a judge; nothing of one made of other judges."""
        fields = () if judge.parts else type(judge).model_fields
        return {key: values for key, values in self.matrix.items() if key in fields}

    def expanded(self) -> tuple[JudgeSpec, ...]:
        """The judges, each in every combination of the matrix settings that it has.

        Judges made of other judges are not varied.
        """
        made: list[JudgeSpec] = []
        for judge in self.judges:
            varied = self._varied(judge)
            if not varied:
                made.append(judge)
                continue
            for values in product(*varied.values()):
                chosen = dict(zip(varied, values, strict=True))
                suffix = " ".join(f"{key}={value}" for key, value in chosen.items())
                name = f"{judge.label} {suffix}"
                fields = {**judge.model_dump(exclude_unset=True), **chosen, "name": name}
                try:
                    made.append(type(judge).model_validate(fields))
                except ValidationError as error:  # its place would be taken for one in the file
                    first = error.errors(include_input=False)[0]
                    key = ".".join(map(str, first["loc"]))
                    raise ValueError(f"matrix: judge {name!r}: {key}: {first['msg']}") from None
        return tuple(made)


def _count(
    judge: JudgeSpec,
    known: dict[str, JudgeSpec],
    seen: dict[str, tuple[int, int]],
    path: tuple[str, ...],
) -> tuple[int, int]:
    """How many judges one asks, itself included, and how deep they are nested.

    A judge that is named often is looked at once: `seen` holds the counts of those in `known`.
    """
    label = judge.label
    if label in path:
        raise ValueError(f"judges refer to each other in a circle: {' > '.join((*path, label))}")
    named = known.get(label) is judge
    if named and label in seen:
        return seen[label]
    asked, nested = 1, 0
    for part in judge.parts:
        if isinstance(part, str) and part not in known:
            names = ", ".join(known)
            raise ValueError(f"judge {label!r}: unknown member {part!r}; known: {names}")
        inner = known[part] if isinstance(part, str) else part
        more, deeper = _count(inner, known, seen, (*path, label))
        asked, nested = asked + more, max(nested, deeper + 1)
    if nested > _MAX_NESTED:
        raise ValueError(f"judge {label!r}: nested more than {_MAX_NESTED} deep")
    if named:
        seen[label] = asked, nested
    return asked, nested


def _values(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_values, value.values()))
    return 1 + sum(map(_values, value)) if isinstance(value, list | tuple) else 1


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
        schema["properties"][name] = {
            "anyOf": [many["items"], many],
            "description": many.get("description", ""),
        }
    types = []
    for name in JUDGES.builtin_names():
        one = JUDGES.get(name).model_json_schema()
        schema["$defs"] |= one.pop("$defs", {})
        schema["$defs"][one["title"]] = one
        types.append({"$ref": f"#/$defs/{one['title']}"})
    schema["$defs"][JUDGE_DEFINITION] = {
        "anyOf": types,
        "description": "A judge; `type` says which kind, `grm` if it is left out.",
    }
    linked: dict[str, Any] = _linked(schema)
    return linked


def _linked(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The schema, with a reference wherever a judge is allowed."""
    if value == {"title": JUDGE_DEFINITION}:
        return {"$ref": f"#/$defs/{JUDGE_DEFINITION}"}
    if isinstance(value, dict):
        return {key: _linked(item) for key, item in value.items()}
    return [_linked(item) for item in value] if isinstance(value, list) else value
