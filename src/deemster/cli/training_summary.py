"""How the figures of a training run look in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue, ValidationError
from rich.console import Console

from deemster.cli.render import console, show_table
from deemster.suites.metrics import CurvePoint, Estimate
from deemster.training.agreement import TeacherFigures
from deemster.training.evaluation import Evaluation
from deemster.training.manifest import Manifest

_KEPT = (
    "trajectories", "kept", "kept_hinted", "kept_unlabelled", "incorrect", "unchecked",
    "inconsistent", "duplicates", "failed", "order_unknown", "not_writable", "too_easy", "too_hard",
    "examples", "too_long", "instructions",
    "items", "steps", "reward_first", "reward", "loss", "accuracy", "auc", "auc_within", "stopped",
    "largest_share",
)  # fmt: skip
"""Figures of a stage that are shown; its manifest has the others."""


def show_training(done: Mapping[str, Manifest], out: Console | None = None) -> None:
    """Print the result of each stage, and the accuracy of the models if they were evaluated."""
    rows = []
    evaluation: Evaluation | None = None
    for stage, manifest in done.items():
        evaluation = evaluation or _evaluation(manifest)
        figures = dict(_flat({k: v for k, v in manifest.figures.items() if k != "data"}))
        if "reward" in figures:  # of RL, whose loss says nothing about progress
            figures.pop("loss", None)
        shown = [
            f"{name} {_number(figures[name])}" for name in _KEPT if figures.get(name) is not None
        ]
        rows.append((stage, "complete" if manifest.complete else "unfinished", ", ".join(shown)))
    show_table("stages", ("stage", "state", "figures"), rows, out)
    if evaluation is not None:
        _show_evaluation(evaluation, out)


def _evaluation(manifest: Manifest) -> Evaluation | None:
    """The figures of a stage, if they are those of the framework's evaluation."""
    try:
        # As JSON, in which lists may become tuples.
        return Evaluation.model_validate_json(json.dumps(manifest.figures))
    except ValidationError:
        return None


def _show_evaluation(found: Evaluation, out: Console | None) -> None:
    ks = sorted({1, min(8, found.k), found.k})
    guided = any(one.meta for one in found.models.values())
    columns = ["model", "greedy", *(f"vote@{k}" for k in ks)]
    columns += [f"meta@{k}" for k in ks if k > 1] if guided else []
    rows = [
        [
            name,
            _estimate(one.greedy),
            *(_at(one.vote, k) for k in ks),
            *(_at(one.meta, k) for k in ks if k > 1 and guided),
            _percent(one.parse_failures),
        ]
        for name, one in found.models.items()
    ]
    title = f"accuracy on {found.n} held-out samples, with 95 % intervals"
    show_table(title, [*columns, "unparseable"], rows, out)
    last, first = list(found.models)[-1], next(iter(found.models))
    for what, gain in (("greedy", found.greedy_gain), (f"vote@{found.k}", found.vote_gain)):
        if gain is not None:
            (out or console()).print(
                f"{what}, {last} minus {first}: {_estimate(gain.difference)}", soft_wrap=True
            )
    for name, teacher in found.agreement.items():
        _show_agreement(name, teacher, found.k, out)


def _show_agreement(name: str, teacher: TeacherFigures, k: int, out: Console | None) -> None:
    rows = [
        [model, _estimate(one.greedy), _estimate(one.vote)] for model, one in teacher.models.items()
    ]
    title = f"agreement with {name} on the {teacher.n} held-out samples where it prefers a response"
    show_table(title, ["model", "greedy", f"vote@{k}"], rows, out)
    (out or console()).print(
        f"accuracy of {name} itself: {_estimate(teacher.accuracy)}", soft_wrap=True
    )


def _flat(figures: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _flat(value)
        elif not isinstance(value, list):
            yield name, value


def _number(value: JsonValue) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _at(points: Sequence[CurvePoint], k: int) -> str:
    return next((_estimate(point.accuracy) for point in points if point.k == k), "–")


def _estimate(figure: Estimate) -> str:
    if figure.value is None:
        return "–"
    if figure.low is None or figure.high is None:
        return _percent(figure.value)
    return f"{figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}]"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
