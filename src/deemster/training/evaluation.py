"""The last stage: how well models judge held-out samples, greedily and by votes.

Every model is run over the same samples by the suite runner, twice: greedily, and with k votes
that the meta RM rates. The stores of these runs stay in the stage's folder, so that reports and
`deemster rescore` work on them, and a killed evaluation continues where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from deemster.aggregators import Reducer, Sum, TopK, rank, rewards_of
from deemster.errors import InputError
from deemster.judges.grm import GrmSpec
from deemster.judges.own_settings import NO_META_RM
from deemster.schemas import Failure, Record, Sample, Verdict
from deemster.suites.loading import Suite
from deemster.suites.metrics import (
    Comparison,
    CurvePoint,
    Estimate,
    Item,
    Summary,
    accuracy,
    by_subset,
    compare,
    single_accuracy,
)
from deemster.suites.run_folder import FILE as STORE
from deemster.suites.runner import Plan, run_suite
from deemster.suites.spec import DataSpec, SuiteSpec
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_run, write_json
from deemster.training.agreement import Teacher, TeacherFigures, agreement
from deemster.training.sections import EvalSettings
from deemster.training.stage import StageContext

SAMPLES = "samples.jsonl"
FILE = "evaluation.json"
_PARSE_FAILURES = ("parse_error", "ambiguous", "empty")


@dataclass(frozen=True)
class Candidate:
    """A model to evaluate."""

    name: str
    """Its name in figures, e.g. `base` or `rl`."""
    model: str
    """Its model string."""
    check: Callable[[], None] | None = None
    """Called before it is asked anything: whether its server serves it."""


class ModelFigures(Record):
    """What the evaluation found about one model.

    Accuracy is strict (the truly best response alone on top), over samples with two or more
    responses, with 95 % intervals. The greedy figures count a judgment that does not parse as
    wrong; the curves are over draws that are scored, and say how many are not.
    """

    greedy: Estimate
    greedy_single: Estimate | None
    """How often the greedy score of a single response is its truth; None if there are none."""
    vote: tuple[CurvePoint, ...]
    """Plain voting, in expectation over which k of the votes are drawn."""
    meta: tuple[CurvePoint, ...]
    """Meta-guided voting; empty without a meta RM."""
    meta_gain: Estimate | None
    """Meta-guided minus plain with all votes, paired by sample; None without a meta RM."""
    roc_auc: Estimate | None
    """Of the summed votes on single responses; None if there are none."""
    by: dict[str, dict[str, Estimate]]
    """Accuracy per subset: `greedy` and `vote` (all votes)."""
    parse_failures: float | None
    """Share of the votes that do not parse; None if no votes were drawn."""


class Evaluation(Record):
    """Figures of all models, and the last compared with the first."""

    n: int
    """Samples."""
    k: int
    models: dict[str, ModelFigures]
    greedy_gain: Comparison | None
    """Last model against first, greedy, paired by sample; None with one model."""
    vote_gain: Comparison | None
    """The same with all votes."""
    agreement: dict[str, TeacherFigures] = Field(default_factory=dict)
    """With the judges of `distil.run`, by name; empty where they judged none of the samples."""


def evaluate(
    candidates: Sequence[Candidate],
    samples: Sequence[Sample],
    settings: EvalSettings,
    context: StageContext[Any],
    *,
    meta_rm: str | None = None,
    dialect: str = "grm",
    options: Mapping[str, JsonValue] | None = None,
    teachers: Sequence[Teacher] = (),
) -> Evaluation:
    """Evaluate models on labelled samples; writes the runs and `evaluation.json`.

    Args:
        candidates: the models, first to last trained.
        samples: with ground truth and unique ids.
        settings: votes and decoding.
        context: of the stage.
        meta_rm: model string of the meta RM that rates the votes.
        dialect: prompt and parser.
        options: passed to the models' backends.
        teachers: judges that the models are to agree with.

    Raises:
        InputError: there are no samples or models, or a model cannot be loaded.
    """
    if not candidates or not samples:
        raise InputError("nothing to evaluate: give at least one model and one sample")
    _write_samples(context.folder / SAMPLES, samples)
    runs: dict[str, tuple[list[Item], list[Item]]] = {}
    figures: dict[str, ModelFigures] = {}
    # All is said, as a model may be a judge with a file that says otherwise.
    common: dict[str, Any] = {
        "dialect": dialect,
        "principles": "self",
        "orders": "balanced",
        "top_p": 1.0,
        "max_tokens": settings.max_tokens,
        "options": options or {},
    }
    for one in candidates:
        greedy = GrmSpec(
            name=f"{one.name} greedy",
            model=one.model,
            k=1,
            temperature=0.0,
            meta_rm=NO_META_RM,
            aggregator="sum",
            **common,
        )
        votes = GrmSpec(
            name=f"{one.name} k={settings.k}",
            model=one.model,
            k=settings.k,
            temperature=settings.temperature,
            meta_rm=meta_rm or NO_META_RM,
            aggregator=settings.aggregator(has_meta=meta_rm is not None),
            **common,
        )
        folder = context.folder / one.name
        _, once = _run(greedy, context, one, folder=folder / "greedy", total=len(samples))
        summary, voted = _run(votes, context, one, folder=folder / "vote", total=len(samples))
        figures[one.name] = _figures(once, voted, summary, settings)
        runs[one.name] = (_revoted(once, Sum()), _revoted(voted, Sum()))
        context.log(model=one.name, greedy=figures[one.name].greedy.value)
    first, last = runs[candidates[0].name], runs[candidates[-1].name]
    several = len(candidates) > 1
    found = Evaluation(
        n=len(samples),
        k=settings.k,
        models=figures,
        greedy_gain=compare(last[0], first[0]) if several else None,
        vote_gain=compare(last[1], first[1]) if several else None,
        agreement=agreement(teachers, runs),
    )
    write_json(context.folder / FILE, found.model_dump(mode="json"))
    return found


def _write_samples(path: Path, samples: Sequence[Sample]) -> None:
    text = "".join(f"{sample.model_dump_json(exclude_none=True)}\n" for sample in samples)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")


def _run(
    judge: GrmSpec, context: StageContext[Any], one: Candidate, *, folder: Path, total: int
) -> tuple[Summary, list[Item]]:
    """The suite runner's figures and items of one judge over the samples."""
    if one.check is not None:
        if (found := _finished(folder, total)) is not None:
            return found
        one.check()
    seed = context.recipe.seed
    data = DataSpec(path=str(Path("..") / ".." / SAMPLES))
    spec = SuiteSpec(name=judge.label, data=(data,), judges=(judge,), seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    trust = context.recipe.trust
    suite = Suite(spec, spec.model_dump(mode="json"), folder / "suite.yaml", trust=trust)
    done = 0

    def planned(plans: list[Plan]) -> None:
        nonlocal done
        done = plans[0].total - plans[0].todo
        context.progress(judge.label, done, total)

    def observed(*_: object) -> None:
        nonlocal done
        done += 1
        context.progress(judge.label, done, total)

    result = asyncio.run(
        run_suite(
            suite,
            folder,
            resume=True,
            observer=observed,
            on_plan=planned,
            engine=context.sampling,
        )
    )
    with RunStore(folder) as store:
        return next(iter(result.summaries.values())), _items(store)


def _finished(folder: Path, total: int) -> tuple[Summary, list[Item]] | None:
    """Figures and items of a run in which every call was answered; None of another.

    Its server may serve the next model by now, so nothing more is asked of it.
    """
    if not (folder / STORE).is_file():
        return None
    with RunStore(folder) as store:
        begun = store.judges() and store.count_samples() == total
        if not begun or store.left(0) or any(_unanswered(v) for _, v in store.verdicts(0)):
            return None
        summaries, _ = summarise_run(store)
        return next(iter(summaries.values())), _items(store)


def _unanswered(verdict: Verdict) -> bool:
    answered = {*_PARSE_FAILURES, "refused"}
    return any(isinstance(v, Failure) and v.status not in answered for v in verdict.votes)


def _items(store: RunStore) -> list[Item]:
    return [Item.from_verdict(sample, verdict) for sample, verdict in store.verdicts(0)]


def _revoted(items: Sequence[Item], reducer: Reducer) -> list[Item]:
    """The items as a voting rule decides them; an unscored one is a tie, hence wrong."""
    made = []
    for item in items:
        rewards = rewards_of(reducer, item.ballot) or (0.0,) * item.n_responses
        made.append(replace(item, rewards=rewards, ranking=rank(rewards, seed=0)))
    return made


def _figures(
    greedy: Sequence[Item], votes: Sequence[Item], summary: Summary, settings: EvalSettings
) -> ModelFigures:
    plain = _revoted(votes, Sum())
    guided = _revoted(votes, TopK(settings.k_meta) >> Sum())
    single = [item for item in greedy if item.n_responses == 1]
    failed = sum(count for status, count in summary.failures.items() if status in _PARSE_FAILURES)
    meta = summary.curves["meta"]
    by: dict[str, dict[str, Estimate]] = {}
    for name, items in (("greedy", greedy), ("vote", plain)):
        for subset, found in by_subset(items, accuracy).items():
            if subset and found.n:
                by.setdefault(subset, {})[name] = found.overall
    return ModelFigures(
        greedy=accuracy(greedy).overall,
        greedy_single=single_accuracy(single).overall if single else None,
        vote=summary.curves["vote"],
        meta=meta,
        meta_gain=compare(guided, plain).difference if meta else None,
        roc_auc=summary.roc_auc,
        by=by,
        parse_failures=failed / summary.n_votes if summary.n_votes else None,
    )
