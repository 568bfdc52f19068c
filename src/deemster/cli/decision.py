"""`deemster decision`: decision models, which answer typed questions with probabilities."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deemster.cli.interrupts import run_async
from deemster.cli.terminal import tell
from deemster.errors import InputError

if TYPE_CHECKING:
    from deemster.backends.decision_file import DecisionFile
    from deemster.benchmarks.typed_decisions import DecisionCase
    from deemster.suites.decision_bench import DecisionBench
    from deemster.suites.metrics.decisions import Answered
    from deemster.suites.metrics.estimate import Estimate
    from deemster.suites.question_fit import QuestionFit

app = typer.Typer(no_args_is_help=True, help="Decision models: probabilities, and no words.")


@app.command()
def bench(
    source: Annotated[
        Path,
        typer.Argument(help="Typed Decisions: a JSONL file, or the wheel of tool-eval-bench."),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="labels:…, decisions:…, systemone:…, hf:PATH, replay:CASSETTE."
        ),
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="Most cases to ask about.")] = None,
    min_label_mass: Annotated[
        float,
        typer.Option(min=0, max=1, help="Least probability on the options; less is no answer."),
    ] = 0.5,
    api_base: Annotated[str | None, typer.Option(help="URL of the server.")] = None,
    cassette: Annotated[
        Path | None, typer.Option(help="Keep the answers here, and ask for none that it has.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> int:
    """Accuracy, Brier score, log loss and calibration on questions with gold probabilities."""
    from deemster.benchmarks.typed_decisions import read_cases

    cases = list(islice(read_cases(source), limit))
    found = run_async(_bench(model, cases, min_label_mass, api_base, cassette))
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show(found)
    return 0 if found.all.answered else 3


@app.command()
def fit(
    source: Annotated[
        Path,
        typer.Argument(
            help="A run of a decision judge, DIR#NAME of several; or a file of answers."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The decision.json to write the weights to.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Rows of id and best (from 0) or ground_truth, if not the source's own."),
    ] = None,
    ask: Annotated[
        Literal["score", "predicate", "choice"] | None,
        typer.Option(help="Of a file: what its answers are to. Default: predicate."),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Of the cross-fit, by query.")] = 10,
    seed: Annotated[int, typer.Option(help="Deals the queries into folds.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> int:
    """Learn from labels how much each question of a decision judge should count. No calls."""
    from deemster.backends.decision_file import CONFIG_NAME, DecisionFile
    from deemster.suites.question_fit import fit_questions

    if out is not None and out.name != CONFIG_NAME:
        raise InputError(f"--out must be named {CONFIG_NAME}, got {str(out)!r}")
    found = fit_questions(source, labels=labels, ask=ask, folds=folds, seed=seed)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _show_fit(found)
    left = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
    tell(
        f"{found.items} items, {found.comparisons} comparisons, {found.folds} folds by query"
        + (f"; left out: {left}" if left else "")
    )
    tell(found.finding)
    if out is not None:
        before = DecisionFile.read(out) if out.exists() else DecisionFile()
        before.model_copy(update={"questions": found.weighed}).write(out.parent)
        tell(f"written to {out}")
    return 0


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A local model: the folder with its weights.")],
    cases: Annotated[
        Path | None,
        typer.Option(help="Typed Decisions, to fit temperatures on: a JSONL file or the wheel."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most cases to ask about.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite the labels and prompt that are there.")
    ] = False,
) -> int:
    """Write decision.json and its prompt beside a model, so that other tools ask it alike."""
    from deemster.extras import need

    need("local", "deemster decision export")
    from deemster.backends._local.decision_export import make_decision_file
    from deemster.backends.decision_file import CONFIG_NAME, TEMPLATE_NAME, DecisionFile

    if not folder.is_dir():
        raise InputError(f"no folder {str(folder)!r}; give the folder of a model")
    there = DecisionFile.read(folder)
    if (there.labels or there.chat_template) and not replace:
        raise InputError(
            f"{str(folder)!r} has a {CONFIG_NAME} or {TEMPLATE_NAME}; give --replace to overwrite"
        )
    made = make_decision_file(folder).model_copy(update={"questions": there.questions})
    made.write(folder)
    tell(f"{CONFIG_NAME} and {TEMPLATE_NAME} written to {folder}")
    if cases is not None:
        _add_temperatures(folder, made, cases, limit)
    return 0


def _add_temperatures(folder: Path, made: DecisionFile, source: Path, limit: int | None) -> None:
    """Fit a temperature for each kind, and keep those that are shown to help."""
    from deemster.backends.decision_file import KIND_NAMES
    from deemster.benchmarks.typed_decisions import read_cases
    from deemster.cli.render import show_table
    from deemster.suites.metrics.temperature import fit_temperature

    found = run_async(_answers(folder, list(islice(read_cases(source), limit))))
    kept: dict[str, float] = {}
    rows = []
    for kind, name in KIND_NAMES.items():
        one = fit_temperature([answer for answer in found if answer.kind == kind])
        if one is None:
            rows.append((kind, "fewer than 20", "–", "–", "–", "not fitted"))
            continue
        if one.better:
            kept[name] = one.temperature
        rows.append(
            (kind, str(one.n), f"{one.temperature:.3f}", _interval(one.before),
             _interval(one.after), "kept" if one.better else "not shown to help: left at 1")
        )  # fmt: skip
    made.model_copy(update={"temperature": kept}).write(folder)
    show_table(
        "temperatures, cross-fitted",
        ("questions", "answered", "temperature", "log loss at 1", "log loss", ""),
        rows,
    )


async def _answers(folder: Path, cases: list[DecisionCase]) -> list[Answered]:
    from deemster.backends import open_backend
    from deemster.suites.decision_bench import ask_cases

    backend = open_backend(f"hf:{folder}")
    try:
        # How sure the model is among the labels is scaled, whatever their share of the whole.
        return (await ask_cases(backend, cases, min_label_mass=0.0)).answers
    finally:
        await backend.aclose()


def _interval(value: Estimate, *, sign: str = "") -> str:
    if value.value is None or value.low is None or value.high is None:
        return "–"
    spec = f"{sign}z.3f"
    return f"{value.value:{spec}} [{value.low:{spec}}, {value.high:{spec}}]"


def _show_fit(found: QuestionFit) -> None:
    from deemster.cli.render import show_table

    questions = [(one.name, f"{one.weight:.3f}", _interval(one.alone)) for one in found.questions]
    show_table("questions", ("question", "weight", "accuracy alone"), questions)
    rows = [
        ("fitted weights", _interval(found.fitted.accuracy), _interval(found.fitted.log_loss)),
        ("equal weights", _interval(found.equal.accuracy), _interval(found.equal.log_loss)),
        ("fitted less equal", _interval(found.gain.accuracy, sign="+"),
         _interval(found.gain.log_loss, sign="+")),
    ]  # fmt: skip
    show_table("cross-fitted, with 95 % intervals", ("", "accuracy", "log loss"), rows)


async def _bench(
    model: str,
    cases: list[DecisionCase],
    min_label_mass: float,
    api_base: str | None,
    cassette: Path | None,
) -> DecisionBench:
    from deemster.backends import Backend, RecordBackend, checked, open_backend
    from deemster.suites.decision_bench import decision_bench

    options = {} if api_base is None else {"api_base": api_base}
    backend = checked(open_backend(model, **options))
    asked: Backend = backend if cassette is None else RecordBackend(backend, cassette)
    try:
        return await decision_bench(asked, cases, min_label_mass=min_label_mass)
    finally:
        if asked is not backend:
            await asked.aclose()
        await backend.aclose()


def _show(found: DecisionBench) -> None:
    from deemster.cli.render import show_table, usage_line

    def cell(value: Estimate | None) -> str:
        return "–" if value is None else f"{value.value:.3f}"

    rows = [
        (
            kind,
            f"{one.answered} of {one.n}",
            cell(one.accuracy),
            cell(one.brier),
            cell(one.log_loss),
            cell(one.ece),
            cell(one.level_error),
            "–" if one.log_loss_uniform is None else f"{one.log_loss_uniform:.3f}",
        )
        for kind, one in [*found.kinds.items(), ("all", found.all)]
        if one.n
    ]
    show_table(
        f"{found.model}, {found.cases} cases",
        (
            "questions", "answered", "accuracy", "Brier", "log loss", "ECE", "level error",
            "log loss of equal odds",
        ),
        rows,
    )  # fmt: skip
    for problem in found.problems:
        tell(f"not answered: {problem}")
    tell(usage_line(found.usage))
