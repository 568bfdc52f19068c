"""The stages for models of transformers: sampling by the framework, training by TRL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from deemster.dialects import Dialect, open_dialect
from deemster.schemas import Sample
from deemster.training import processes
from deemster.training.agreement import Teacher, teachers_of
from deemster.training.corpus import Corpus, drawn, load_corpus
from deemster.training.drawing import MakeJudge
from deemster.training.evaluation import Candidate, evaluate
from deemster.training.grpo import train_grpo
from deemster.training.meta_data import meta_examples, meta_examples_of_run
from deemster.training.meta_rm import train_meta_rm
from deemster.training.rejection import reject
from deemster.training.rollouts import Rollout, RolloutFile
from deemster.training.sections import DistilSection, ModelSection, SampledSection
from deemster.training.served import Trained, check_served
from deemster.training.settings import SftSettings
from deemster.training.sft import Example, examples_of, train_sft
from deemster.training.shared_sampling import SharedSampling
from deemster.training.stage import StageContext, StageFunction
from deemster.training.stage_sampling import alone, draw_rollouts, teacher_of
from deemster.training.stored_run import stored_trajectories
from deemster.training.trl_recipe import MODEL, TRAINED, TrlRecipe, needed, seeded

ROLLOUTS = "rollouts.jsonl"
HINTED = "hinted.jsonl"


def distil(context: StageContext[TrlRecipe]) -> Mapping[str, JsonValue]:
    """Fine-tune the base on right trajectories of other judges."""
    recipe, section = context.recipe, needed(context.recipe.distil, "distil")
    if section.run is not None:
        return _distil_stored(context, section)
    corpus, dialect = load_corpus(recipe), _dialect(recipe)
    file = RolloutFile(context.folder / ROLLOUTS)

    teachers = partial(
        teacher_of, section, folder=recipe.folder, seed=recipe.seed, trust=recipe.trust
    )

    def draw() -> None:
        draw_rollouts(
            context, teachers, corpus.train, n=section.per_item, out=file, dialect=dialect
        )

    processes.first(draw)
    # An item that every trajectory gets right is too easy for self-training, not for distillation.
    kept = reject(file.read(), corpus.train, dialect=dialect, drop_too_easy=False)
    tuned = _fine_tune(context, kept.kept, corpus, section.train)
    return {"data": corpus.counts, "rejection": dict(kept.counts), "sft": tuned}


def _distil_stored(
    context: StageContext[TrlRecipe], section: DistilSection
) -> Mapping[str, JsonValue]:
    """Fine-tune the base on judgments that are stored in a run."""
    corpus = load_corpus(context.recipe)
    stored, chosen = stored_trajectories(context.recipe, section, corpus)
    file = RolloutFile(context.folder / ROLLOUTS)

    def write() -> None:
        file.path.unlink(missing_ok=True)
        by_item: dict[str, list[Rollout]] = defaultdict(list)
        for rollout in stored.rollouts:
            by_item[rollout.sample_id].append(rollout)
        for item, rollouts in by_item.items():
            file.append(item, rollouts)

    processes.first(write)
    context.log(phase="stored votes", **stored.counts, **chosen.counts)
    tuned = _fine_tune(context, chosen.kept, corpus, section.train)
    teachers: list[JsonValue] = [*stored.teachers]
    return {
        "run": {"directory": section.run, "teachers": teachers},
        "data": corpus.counts,
        "stored": dict(stored.counts),
        "rejection": dict(chosen.counts),
        "sft": tuned,
    }


def rft(context: StageContext[TrlRecipe]) -> Mapping[str, JsonValue]:
    """Rejective fine-tuning on the model's own trajectories (paper section 3, stage 1)."""
    recipe, section = context.recipe, needed(context.recipe.rft, "rft")
    corpus, dialect = load_corpus(recipe), _dialect(recipe)
    samples = drawn(corpus.train, section.limit, seed=recipe.seed)
    rollouts = _draw_own(context, section, samples)
    if section.hinted:
        hinted = RolloutFile(context.folder / HINTED)

        def draw() -> None:
            judge = _own_judge(context, section)
            here = _by_all(context)
            draw_rollouts(here, judge, samples, n=1, out=hinted, dialect=dialect, hinted=True)

        processes.first(draw)
        rollouts += hinted.read()
    kept = reject(rollouts, samples, dialect=dialect)
    tuned = _fine_tune(context, kept.kept, corpus, section.train)
    return {"data": corpus.counts, "rejection": dict(kept.counts), "sft": tuned}


def rl(context: StageContext[TrlRecipe]) -> Mapping[str, JsonValue]:
    """GRPO with the rule-based reward (paper section 3, stage 2)."""
    recipe, section = context.recipe, needed(context.recipe.rl, "rl")
    corpus = load_corpus(recipe)
    samples = drawn(corpus.train, section.limit, seed=recipe.seed)
    if "rft" in context.inputs:
        earlier = RolloutFile(context.inputs["rft"] / ROLLOUTS).read()
    else:
        earlier = _draw_own(context, section, samples)
    figures = train_grpo(
        samples,
        earlier,
        model=_last_model(context),
        dialect=_dialect(recipe),
        out=context.folder,
        settings=seeded(section.train, recipe),
        resume=context.resume,
        log=context.log,
        template_args=_model(recipe).template_args,
    )
    return {"data": corpus.counts, "grpo": figures}


def meta(context: StageContext[TrlRecipe]) -> Mapping[str, JsonValue]:
    """The meta RM (paper section 3, stage 3): on RFT's sampling and the trained model's own."""
    recipe, section = context.recipe, needed(context.recipe.meta, "meta")
    counts: dict[str, JsonValue] = {}
    if section.run is not None:
        examples = meta_examples_of_run(recipe.folder / Path(section.run).expanduser())
    else:
        corpus = load_corpus(recipe)
        counts = corpus.counts
        rollouts = _draw_own(context, section, drawn(corpus.train, section.limit, seed=recipe.seed))
        if "rft" in context.inputs:
            rollouts = RolloutFile(context.inputs["rft"] / ROLLOUTS).read() + rollouts
        examples = meta_examples(corpus.train, rollouts)
    figures = train_meta_rm(
        examples,
        model=_last_model(context) if section.base is None else recipe.locate(section.base),
        out=context.folder,
        settings=seeded(section.train, recipe),
        resume=context.resume,
        log=context.log,
    )
    return {"data": counts, "meta": figures}


def evaluation(context: StageContext[TrlRecipe]) -> Mapping[str, JsonValue]:
    """Greedy and vote@k accuracy of the base and the trained models on held-out samples."""
    recipe, settings = context.recipe, needed(context.recipe.eval, "eval")
    corpus, model = load_corpus(recipe), _model(recipe)
    models = {one.name: one for one in _models(context)}
    figures: dict[str, JsonValue] = {}

    def run() -> None:
        from deemster.training.plots import plot_evaluation  # noqa: PLC0415 - slow to import

        found = evaluate(
            [_candidate(context, models[name]) for name in settings.chosen(tuple(models))],
            corpus.evaluation,
            settings,
            _by_all(context),
            meta_rm=f"hf:{_model_in(context, 'meta')}" if "meta" in context.inputs else None,
            dialect=model.dialect,
            options=model.opened("", "")[1],
            teachers=_teachers(recipe, corpus.evaluation),
        )
        plot_evaluation(found, context.folder)
        figures.update(found.model_dump(mode="json"))

    processes.first(run)
    return figures


def _candidate(context: StageContext[TrlRecipe], one: Trained) -> Candidate:
    model, trust = _model(context.recipe), context.recipe.trust
    check = (
        None if model.sampling is None else partial(check_served, model.sampling, one, trust=trust)
    )
    return Candidate(one.name, model.opened(*one)[0], check)


def _teachers(recipe: TrlRecipe, samples: Sequence[Sample]) -> list[Teacher]:
    """The judges that were learnt from, if what they said is stored."""
    section = recipe.distil
    if section is None or section.run is None:
        return []
    return teachers_of(
        recipe.folder / Path(section.run).expanduser(), samples, names=section.teachers
    )


STAGES: dict[str, StageFunction[TrlRecipe]] = {
    "distil": distil,
    "rft": rft,
    "rl": rl,
    "meta": meta,
    "eval": evaluation,
}


def _draw_own(
    context: StageContext[TrlRecipe], section: SampledSection, samples: Sequence[Sample]
) -> list[Rollout]:
    """Trajectories of the model that the stage starts from."""
    recipe = context.recipe
    file = RolloutFile(context.folder / ROLLOUTS)

    def draw() -> None:
        judge = _own_judge(context, section)
        here = _by_all(context)
        draw_rollouts(here, judge, samples, n=section.n, out=file, dialect=_dialect(recipe))

    processes.first(draw)
    return file.read()


def _by_all(context: StageContext[TrlRecipe]) -> StageContext[TrlRecipe]:
    """The context with all processes sampling, unless that is done elsewhere.

    A server is asked by one: many of its requests are under way at once anyway.
    """
    served = _model(context.recipe).sampling is not None
    if processes.count() == 1 or served or context.sampling is not None:
        return context
    return replace(context, sampling=SharedSampling())


def _own_judge(context: StageContext[TrlRecipe], section: SampledSection) -> MakeJudge:
    """What makes the model that the stage starts from a judge.

    Raises:
        InputError: it is sampled from a server, which serves another.
    """
    recipe, last = context.recipe, _models(context)[-1]
    model = _model(recipe)
    if model.sampling is not None:
        check_served(model.sampling, last, trust=recipe.trust)
    return partial(
        alone, last.path, model, section, seed=recipe.seed, name=last.name, trust=recipe.trust
    )


def _fine_tune(
    context: StageContext[TrlRecipe],
    rollouts: Sequence[Rollout],
    corpus: Corpus,
    settings: SftSettings,
) -> dict[str, JsonValue]:
    return train_sft(
        examples_of(rollouts),
        [Example(one.messages[:-1], one.messages[-1].text) for one in corpus.instructions],
        model=_last_model(context),
        out=context.folder,
        settings=seeded(settings, context.recipe),
        resume=context.resume,
        log=context.log,
        template_args=_model(context.recipe).template_args,
    )


def _last_model(context: StageContext[TrlRecipe]) -> str:
    """The model that the stage starts from: the last one trained, else the base."""
    return _models(context)[-1].path


def _models(context: StageContext[TrlRecipe]) -> list[Trained]:
    """The base and the models trained so far, in their order."""
    trained = [name for name in context.inputs if name in TRAINED]
    base = Trained("base", context.recipe.locate(_model(context.recipe).base))
    return [base, *(Trained(name, _model_in(context, name)) for name in trained)]


def _model_in(context: StageContext[TrlRecipe], stage: str) -> str:
    return str((context.inputs[stage] / MODEL).resolve())


def _model(recipe: TrlRecipe) -> ModelSection:
    return needed(recipe.model, "model")


def _dialect(recipe: TrlRecipe) -> Dialect:
    return open_dialect(_model(recipe).dialect)
