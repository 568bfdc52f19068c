"""Options that several commands share, and the judge they describe."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from deemster.cli.terminal import tell
from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.backends import Backend
    from deemster.backends.limits import Budget
    from deemster.judges import JudgeSpec
    from deemster.judges.building import Site
    from deemster.judges.classifier_judge import ClassifierSpec
    from deemster.judges.grm import GrmSpec
    from deemster.suites.building import SuiteJudges

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(usd|tokens|calls)")
JUDGE_PANEL = "The judge"
_LIMITS = "Limits"
_FIELD = re.compile(r"\b[a-z]+_[a-z_]+\b")
MODEL_HELP = (
    "provider/model, hf:PATH, vllm:PATH, replay:CASSETTE, vllm-classify:URL. Default: "
    "$DEEMSTER_MODEL, else smol, the small real judge, if its base was fetched, else nano, the "
    "embedded demonstration model."
)

Model = Annotated[
    str | None, typer.Option("--model", "-m", rich_help_panel=JUDGE_PANEL, help=MODEL_HELP)
]
Seed = Annotated[
    int, typer.Option(rich_help_panel=JUDGE_PANEL, help="Orders, draws and tie-breaks.")
]
JudgeText = Annotated[
    str | None,
    typer.Option(
        "--judge",
        rich_help_panel=JUDGE_PANEL,
        help="Any type of judge: SUITE.yaml#NAME, or as it would be written in a suite: "
        "'{type: panel, members: [...]}'.",
    ),
]
TrustSuite = Annotated[
    bool,
    typer.Option(
        "--trust-suite",
        rich_help_panel=_LIMITS,
        help="Servers that the file names may have your keys: see docs/providers.md.",
    ),
]
ApiBase = Annotated[
    str | None, typer.Option(rich_help_panel=_LIMITS, help="URL of an OpenAI-compatible server.")
]
Concurrency = Annotated[
    int | None, typer.Option(rich_help_panel=_LIMITS, help="Most requests at a time.")
]
Rate = Annotated[
    float | None, typer.Option(rich_help_panel=_LIMITS, help="Most requests per second.")
]
Timeout = Annotated[
    float | None,
    typer.Option(rich_help_panel=_LIMITS, help="Seconds per request, retries included."),
]
Extra = Annotated[
    list[str] | None,
    typer.Option(
        "--extra",
        rich_help_panel=_LIMITS,
        help="KEY=VALUE: a further parameter of every request, e.g. reasoning_effort=low; "
        "seed=null removes one. Repeat for several.",
    ),
]
TemplateArgs = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=JUDGE_PANEL,
        help="Variables of a local model's chat template, as JSON: '{\"enable_thinking\": false}'.",
    ),
]
BudgetSpec = Annotated[
    str | None,
    typer.Option(
        "--budget", rich_help_panel=_LIMITS, help="E.g. 2.50usd, 1000000tokens, 500calls."
    ),
]

ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Which column holds what, where the names do not say it: "
        "query=prompt,responses=a|b,truth=winner.",
    ),
]

SplitOption = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Only this split of a data set; of a folder, the files of that name; else the rows "
        "whose column split says it.",
    ),
]

_LIMIT_NAMES = ("api_base", "concurrency", "rate", "timeout")
Options = dict[str, tuple[Any, Any]]
"""By the argument's name: its annotated type and its default."""
SHARED: Options = {
    "judge_text": (JudgeText, None),
    "template_args": (TemplateArgs, None),
    "api_base": (ApiBase, None),
    "concurrency": (Concurrency, None),
    "rate": (Rate, None),
    "timeout": (Timeout, None),
    "extra": (Extra, None),
    "budget": (BudgetSpec, None),
    "trust_suite": (TrustSuite, False),
}
"""Options beside the settings of a `Judge`."""


@dataclass(frozen=True)
class JudgeOptions:
    """The judge that a command's options describe."""

    given: Mapping[str, Any]
    """The value of every option."""
    chosen: Collection[str] | None = None
    """The options that the user gave; None: those without a default."""

    def build(self, *, seed: int = 0) -> SuiteJudges:
        """The judge, alone in its list; closes everything that was built.

        Args:
            seed: of orders, draws and tie-breaks.

        Raises:
            InputError: an option is wrong.
        """
        from deemster.suites.building import SuiteJudges

        site, spec = self.described(seed=seed)
        if self.given["judge_text"] is not None or spec.type != "grm":
            return SuiteJudges((site.judge(spec),), site)
        judge = cast("GrmSpec", spec).build(site)
        judge.name = judge.backend.name  # of a recording: the model that was recorded
        return SuiteJudges((judge,), site)

    def described(self, *, seed: int = 0) -> tuple[Site, JudgeSpec]:
        """The judge's spec, and where it is built.

        Raises:
            InputError: an option is wrong.
        """
        from deemster.judges.building import Site

        budget = None if self.given["budget"] is None else _budget(self.given["budget"])
        text = self.given["judge_text"]
        if text is None:
            return Site(seed=seed, budget=budget), self._classifier_spec() or self._spec()
        self.refuse_settings("--judge; write it there")
        specs, folder, chosen = _described(text)
        own = text.lstrip().startswith("{") or bool(self.given["trust_suite"])
        return Site(specs=specs, seed=seed, folder=folder, budget=budget, trust=own), chosen

    def refuse_settings(self, what: str, *, but: Collection[str] = ("judge_text",)) -> None:
        """Raise `InputError` if a setting is given that does not go with `what`."""
        from deemster.judges.grm import GrmSpec

        for name, value in self.given.items():
            field = GrmSpec.model_fields.get(name)
            default = None if field is None or field.is_required() else field.default
            if value != default and name not in (*but, "budget", "trust_suite"):
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option} {value!r} does not go with {what}")

    def _classifier_spec(self) -> ClassifierSpec | None:
        """The judge of a model that gives numbers; None if the model writes."""
        from deemster.judges.classifier_type import classifier_type
        from deemster.judges.pair_rm import PairwiseSpec
        from deemster.judges.scalar_rm import ScalarSpec

        model = default_model(self.given["model"])
        kind = None if self.given.get("dialect") else classifier_type(model)
        if kind is None:
            return None
        limits = ("concurrency", "rate", "timeout")
        self.refuse_settings(
            f"model {model!r}, which gives numbers (judge type {kind}); further settings are given "
            f"with --judge '{{type: {kind}, model: …}}'",
            but=("model", *limits),
        )
        tell(f"deemster: {model} gives numbers: judge type {kind}")
        options = {name: value for name in limits if (value := self.given[name]) is not None}
        return (PairwiseSpec if kind == "pairwise" else ScalarSpec)(model=model, options=options)

    def _is_chosen(self, name: str) -> bool:
        return self.given[name] is not None if self.chosen is None else name in self.chosen

    def _spec(self) -> GrmSpec:
        from pydantic import ValidationError

        from deemster.judges.grm import GrmSpec
        from deemster.schemas import first_problem

        given = {key: self.given[key] for key in self.given if self._is_chosen(key)}
        given = {key: value for key, value in given.items() if key in GrmSpec.model_fields}
        given["model"] = default_model(self.given["model"])
        limits = {key: self.given[key] for key in _LIMIT_NAMES}
        limits["extra"] = read_extra(self.given["extra"])
        given["options"] = {key: value for key, value in limits.items() if value is not None}
        if self.given["template_args"] is not None:
            given["options"]["template_args"] = _mapping(self.given["template_args"])
        try:
            return GrmSpec.model_validate(given)
        except ValidationError as error:
            # On the command line the settings are options: k_meta is --k-meta.
            message = _FIELD.sub(
                lambda match: f"--{match[0].replace('_', '-')}", first_problem(error)
            )
            raise InputError(message) from error


def _described(text: str) -> tuple[Mapping[str, JudgeSpec], Path, JudgeSpec]:
    """The judge of `--judge`, the judges that it may name, and the folder of relative paths."""
    from deemster.judges.spec import read_spec
    from deemster.suites.loading import load_suite

    if text.lstrip().startswith("{"):
        from pydantic import ValidationError

        from deemster.schemas import first_problem
        from deemster.yaml_text import SETTING, read_yaml

        try:
            return {}, Path(), read_spec(read_yaml(text, "--judge", SETTING)[0])
        except ValidationError as error:
            raise InputError(f"--judge: {first_problem(error)}") from error
    path, _, name = text.partition("#")
    suite = load_suite(path)
    specs = {judge.label: judge for judge in suite.spec.expanded()}
    if not name and len(specs) == 1:
        name = next(iter(specs))
    if name not in specs:
        raise InputError(
            f"--judge {text!r}: no judge {name!r}; write {path}#NAME with one of: "
            + ", ".join(specs)
        )
    return specs, suite.path.parent, specs[name]


def make_backend(
    model: str | None, *, limits: Mapping[str, Any], budget: str | None = None
) -> Backend:
    """The model by itself, for commands that do not judge.

    Raises:
        InputError: an option is wrong.
    """
    from deemster.backends import open_backend

    options = {name: value for name, value in limits.items() if value is not None}
    if budget is not None:
        options["budget"] = _budget(budget)
    return open_backend(default_model(model), **options)


def default_model(given: str | None) -> str:
    """The model given, else that of the environment, else one of the package."""
    from deemster.backends.shipped import default_model as of_package

    return given or os.environ.get("DEEMSTER_MODEL") or of_package()


def read_extra(given: list[str] | None) -> dict[str, Any] | None:
    """Parameters from `KEY=VALUE`: the value is JSON, or text where it is not.

    Raises:
        InputError: one has no key.
    """
    if not given:
        return None
    extra = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--extra {text!r}; write KEY=VALUE, for example seed=null")
        try:
            extra[key.strip()] = json.loads(value)
        except ValueError:
            extra[key.strip()] = value
    return extra


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"--template-args {text!r:.80} is no JSON object; give '{{\"enable_thinking\": false}}'"
        )
    return found


def _budget(text: str) -> Budget:
    from deemster.backends.limits import Budget

    match = _AMOUNT.fullmatch(text.strip().lower())
    if match is None:
        raise InputError(f"--budget {text!r}; write for example 2.50usd, 1000000tokens or 500calls")
    amount, unit = match.groups()
    if unit == "usd":
        return Budget(usd=float(amount))
    if not amount.isdigit():
        raise InputError(f"--budget {text!r}; {unit} are counted in whole numbers")
    return Budget(**{unit: int(amount)})
