"""From judge specs to judges."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

from deemster.backends.limits import Budget
from deemster.backends.registry import BACKENDS
from deemster.errors import InputError
from deemster.judges import BaseJudge, CLoud, Debate, Judge, PairRM, Panel, ScalarRM
from deemster.suites.spec import BudgetSpec, JudgeSpec, SuiteSpec

_CLASSIFIER = {"device", "dtype", "batch_size", "max_context"}
"""Options of the model that gives numbers."""


def build_judges(spec: SuiteSpec, *, folder: Path) -> list[BaseJudge]:
    """The judges of a suite, in order; they share its budget.

    Args:
        spec: the suite.
        folder: what relative paths in it start from.

    Raises:
        InputError: a judge's settings are wrong; the text names the judge.
    """
    budget = _budget(spec.budget)
    specs = {judge.label: judge for judge in spec.expanded()}
    specs = {judge.label: judge for judge in spec.judges} | specs
    made: dict[str, BaseJudge] = {}

    def build(judge: JudgeSpec) -> BaseJudge:
        if judge.label not in made:
            try:
                made[judge.label] = (
                    (_one if judge.type == "judge" else _reward_model)(
                        judge, spec.seed, folder, budget
                    )
                    if judge.members is None
                    else _composed(
                        judge,
                        [build(specs[member]) for member in judge.members],
                        None if judge.arbiter is None else build(specs[judge.arbiter]),
                        spec.seed,
                        folder,
                    )
                )
            except InputError as error:
                raise InputError(f"judge {judge.label!r}: {error}") from error
        return made[judge.label]

    return [build(judge) for judge in spec.expanded()]


def _composed(
    judge: JudgeSpec,
    members: list[BaseJudge],
    arbiter: BaseJudge | None,
    seed: int,
    folder: Path,
) -> BaseJudge:
    if judge.rounds is not None:
        return Debate(
            members,
            rounds=judge.rounds,
            arbiter=arbiter,
            aggregator=judge.aggregator,
            scale=judge.scale,
            deadline=judge.deadline,
            min_valid=judge.min_valid,
            seed=seed,
            name=judge.label,
        )
    return Panel(
        members,
        weights=folder / judge.weights if isinstance(judge.weights, str) else judge.weights,
        aggregator=judge.aggregator,
        scale=judge.scale,
        deadline=judge.deadline,
        quorum=judge.quorum,
        min_valid=judge.min_valid,
        seed=seed,
        name=judge.label,
    )


def _reward_model(judge: JudgeSpec, seed: int, folder: Path, budget: Budget | None) -> BaseJudge:
    model = _located(judge.model or "", folder)
    options: dict[str, Any] = dict(judge.options)
    made = {"scalar-rm": ScalarRM, "pair-rm": PairRM}.get(judge.type)
    if made is not None:
        for option in options:
            if option not in _CLASSIFIER:
                raise InputError(f"option {option!r}; known: {', '.join(sorted(_CLASSIFIER))}")
        return made(model, seed=seed, name=judge.label, **options)
    for option in options:
        if option in signature(CLoud).parameters and option not in _CLASSIFIER | {"value"}:
            raise InputError(
                f"option {option!r} is a setting of the judge; write it beside options"
            )
    if isinstance(value := options.get("value"), str):
        options["value"] = _located(value, folder)
    if budget is not None and model.partition(":")[0] not in BACKENDS:
        options["budget"] = budget
    return CLoud(
        model,
        k=judge.k,
        temperature=judge.temperature,
        top_p=judge.top_p,
        max_tokens=judge.max_tokens,
        template=None if judge.template is None else folder / judge.template,
        min_valid=judge.min_valid,
        seed=seed,
        name=judge.label,
        **options,
    )


def _located(model: str, folder: Path) -> str:
    """A model string whose file stands beside the suite, with its whole path."""
    scheme, _, rest = model.partition(":")
    here = rest and (folder / rest.partition("#")[0]).exists()
    return f"{scheme}:{folder / rest}" if here else model


def _one(judge: JudgeSpec, seed: int, folder: Path, budget: Budget | None) -> Judge:
    model = judge.model or ""
    options: dict[str, Any] = dict(judge.options)
    taken = sorted(set(options) & set(signature(Judge).parameters))
    if taken:
        raise InputError(f"option {taken[0]!r} is a setting of the judge; write it beside options")
    scheme = model.partition(":")[0]
    if budget is not None and scheme not in BACKENDS:
        options["budget"] = budget
    if scheme in ("replay", "hf"):
        model = _located(model, folder)
    principles: object = judge.principles
    if isinstance(principles, str) and (folder / principles).is_file():
        principles = str(folder / principles)
    if isinstance(principles, str) and principles.startswith("bank:"):
        principles = f"bank:{folder / principles.removeprefix('bank:')}"
    return Judge(
        model,
        k=judge.k,
        temperature=judge.temperature,
        top_p=judge.top_p,
        max_tokens=judge.max_tokens,
        dialect=judge.dialect,
        template=None if judge.template is None else folder / judge.template,
        principles=list(principles) if isinstance(principles, tuple) else principles,
        aggregator=judge.aggregator if judge.k_meta is None else f"topk({judge.k_meta}) >> sum",
        meta_rm=judge.meta_rm,
        orders=judge.orders,
        seed=seed,
        min_valid=judge.min_valid,
        stop=judge.stop,
        name=judge.label,
        **options,
    )


def _budget(spec: BudgetSpec | None) -> Budget | None:
    if spec is None:
        return None
    return Budget(usd=spec.usd, tokens=spec.tokens, calls=spec.calls)
