"""What is checked of a run before anything is drawn or trained: data, teachers, model, machine.

`deemster train` does so when it begins, `--dry-run` does nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from deemster.backends._local.quantization import check_quantization
from deemster.dialects import Dialect, open_dialect
from deemster.errors import InputError
from deemster.extras import need
from deemster.schemas import Conversation, Sample
from deemster.training.corpus import Corpus, load_corpus
from deemster.training.drawing import Drawer, DrawSettings
from deemster.training.grpo import check_vllm
from deemster.training.meta_data import meta_examples_of_run
from deemster.training.meta_rm import parts_of
from deemster.training.modeling import prompt_encoder
from deemster.training.optimizers import check_optimizer
from deemster.training.processes import check_alone, check_batch
from deemster.training.prompts import training_messages
from deemster.training.recipe_checks import drafts_by_blocks, sampled_models
from deemster.training.sections import DistilSection
from deemster.training.settings import GrpoSettings, SftSettings, TrainerSettings
from deemster.training.stage_sampling import teacher_of
from deemster.training.stored_run import stored_facts, stored_trajectories
from deemster.training.transcribe import check_scale
from deemster.training.trl_recipe import TRAINED, TrlRecipe, needed, seeded

_MOST_PROMPTS = 2000
"""Prompts that are encoded to measure their length."""


def check_run(recipe: TrlRecipe, stages: Sequence[str]) -> dict[str, object]:
    """Load all data and the tokenizer, build the teachers, try the settings on the architecture.

    No weights are read and no calls made.

    Args:
        recipe: the run.
        stages: those that would run.

    Returns:
        Facts to show: how many items there are, and how long prompts get.

    Raises:
        InputError: something that a stage would refuse.
    """
    need("train", "training")
    model = needed(recipe.model, "model")
    _check_machine(recipe, stages)
    corpus = load_corpus(recipe)
    dialect = open_dialect(model.dialect)
    for one in (*corpus.train, *(corpus.evaluation if "eval" in stages else ())):
        _check_item(one, dialect)
    _check_architecture(recipe, stages)
    of_meta = _check_meta_run(recipe, stages)
    if not (corpus.train or corpus.stored):
        return {"model": model.base, **of_meta}
    facts: dict[str, object] = {}
    prompts = _prompts(corpus, dialect)
    if recipe.distil is not None and "distil" in stages:
        if recipe.distil.run is None:
            _check_teachers(recipe, recipe.distil, corpus.train, dialect)
        else:
            stored, chosen = stored_trajectories(recipe, recipe.distil, corpus)
            facts = stored_facts(recipe, stored, chosen)
            prompts += [one.messages for one in chosen.kept]
    longest, asked = _longest_prompt(recipe, prompts[:_MOST_PROMPTS]) if prompts else (0, 0)
    room = min(
        (
            section.train.max_length
            for name in TRAINED
            if name in stages and (section := getattr(recipe, name)) is not None
        ),
        default=None,
    )
    if room is not None and longest >= room:
        length = f"{longest} tokens; max_length {room} leaves out items that have no room"
    else:
        length = f"{longest} tokens"
    of_run = corpus.counts.get("run")
    counts = {**corpus.counts, **(of_run if isinstance(of_run, dict) else {})}
    left_out = {
        name: counts[name]
        for name in (
            *("bad_rows", "without_texts", "other_shape", "not_measurable"),
            *("contaminated", "contaminated_instructions"),
        )
        if counts.get(name)
    }
    return {
        "model": model.base,
        "training items": len(corpus.train) + len(corpus.stored),
        **facts,
        **of_meta,
        "instructions": len(corpus.instructions),
        "evaluation items": len(corpus.evaluation),
        **{name.replace("_", " "): count for name, count in left_out.items()},
        **({f"longest of {asked} prompts": length} if asked else {}),
    }


def _check_machine(recipe: TrlRecipe, stages: Sequence[str]) -> None:
    """Refuse what this machine, or the way the run was started, cannot do."""
    model = needed(recipe.model, "model")
    if model.sampling is None:
        kind = model.options.get("quantization")
        check_quantization(None if kind is None else str(kind))
        check_device(model.options)
    for name in stages:
        section = getattr(getattr(recipe, name), "train", None)
        if isinstance(section, TrainerSettings):
            check_optimizer(section)
            check_batch(section.batch_size, section.micro_batch_size)
        if isinstance(section, SftSettings) and section.mtp is not None:
            check_alone()
        if isinstance(section, GrpoSettings) and section.vllm is not None:
            check_vllm()


def check_device(options: Mapping[str, JsonValue]) -> None:
    """Refuse a device or a type in which models cannot be sampled from here."""
    from deemster.backends._local.loading import pick_device, pick_dtype  # noqa: PLC0415 - torch

    device, dtype = (
        None if (given := options.get(name)) is None else str(given) for name in ("device", "dtype")
    )
    try:
        pick_dtype(dtype, pick_device(device))
    except InputError as error:
        raise InputError(f"model.options: {error}") from error


def _check_item(sample: Sample, dialect: Dialect) -> None:
    """Refuse an item that the dialect cannot judge, or whose label is not on its scale."""
    try:
        dialect.check_n(len(sample.responses))
        check_scale(len(sample.responses), dialect)
    except InputError as error:
        raise InputError(f"sample {sample.id!r}: {error}") from error


def _check_teachers(
    recipe: TrlRecipe, section: DistilSection, samples: Sequence[Sample], dialect: Dialect
) -> None:
    teacher, built = teacher_of(section, folder=recipe.folder, seed=recipe.seed, trust=recipe.trust)
    try:
        drawer = Drawer(teacher, DrawSettings(section.per_item, dialect=dialect))
        for sample in samples:
            drawer.check(sample)
    finally:  # the stage makes its own
        asyncio.run(built.aclose())


def _check_meta_run(recipe: TrlRecipe, stages: Sequence[str]) -> dict[str, object]:
    """How many judgments `meta.run` holds to learn from; nothing without it."""
    section = recipe.meta
    if section is None or section.run is None or "meta" not in stages:
        return {}
    try:
        examples = meta_examples_of_run(recipe.folder / Path(section.run).expanduser())
        parts_of(examples, seeded(section.train, recipe))
    except InputError as error:
        raise InputError(f"meta.run: {error}") from error
    return {"judgments of meta.run": len(examples)}


def _check_architecture(recipe: TrlRecipe, stages: Sequence[str]) -> None:
    """Try every trainer's settings on the architecture that its stage starts from."""
    from deemster.training.rehearsal import check_blocks, rehearse  # noqa: PLC0415 - loads torch

    base = needed(recipe.model, "model").base
    drawn = {name for stage, name in sampled_models(recipe) if stage in stages}
    if drafts_by_blocks(recipe) and "base" in drawn:
        check_blocks(recipe.locate(base))
    for name in stages:
        section = getattr(recipe, name)
        settings = getattr(section, "train", None)
        if not isinstance(settings, TrainerSettings):
            continue
        try:
            rehearse(recipe.locate(getattr(section, "base", None) or base), settings)
        except InputError as error:
            raise InputError(f"{name}.train: {error}") from error


def _prompts(corpus: Corpus, dialect: Dialect) -> list[Conversation]:
    """Of the first items of `data.train`, in their own order."""
    return [
        training_messages(one, dialect, order=range(len(one.responses)), seed=0)
        for one in corpus.train[:_MOST_PROMPTS]
    ]


def _longest_prompt(recipe: TrlRecipe, prompts: Sequence[Conversation]) -> tuple[int, int]:
    """Tokens of the longest training prompt, and how many were encoded."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - heavy

    from deemster.backends._local.conversion import sound_config  # noqa: PLC0415 - as above
    from deemster.backends._local.sources import whole  # noqa: PLC0415 - of the extra local

    model = needed(recipe.model, "model")
    try:
        with sound_config():
            tokenizer = AutoTokenizer.from_pretrained(whole(recipe.locate(model.base)))
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"cannot load the tokenizer of model.base {model.base!r}: {reason}; give a folder or "
            "a repository with tokenizer files"
        ) from error
    encode = prompt_encoder(tokenizer, model.template_args)
    return max(len(encode(prompt)) for prompt in prompts), len(prompts)
