"""What can be checked of a recipe before anything is trained (`deemster train --dry-run`)."""

from __future__ import annotations

from collections.abc import Sequence

from deemster.dialects import open_dialect
from deemster.errors import InputError
from deemster.extras import need
from deemster.schemas import Conversation
from deemster.training.corpus import Corpus, load_corpus
from deemster.training.modeling import prompt_encoder
from deemster.training.optimizers import check_optimizer
from deemster.training.prompts import hint_of, training_messages
from deemster.training.settings import TrainerSettings
from deemster.training.stage_sampling import teacher_of
from deemster.training.stored_run import stored_facts, stored_trajectories
from deemster.training.trl_recipe import TRAINED, TrlRecipe, needed

_MOST_PROMPTS = 2000
"""Prompts that are encoded to measure their length."""


def check_run(recipe: TrlRecipe, stages: Sequence[str]) -> dict[str, object]:
    """Load all data and the tokenizer, build the teachers; no weights, no calls.

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
    corpus = load_corpus(recipe)
    if not (corpus.train or corpus.stored):
        return {"model": model.base}
    for name in stages:
        if isinstance(section := getattr(getattr(recipe, name), "train", None), TrainerSettings):
            check_optimizer(section)
    facts: dict[str, object] = {}
    prompts = _prompts(recipe, corpus)
    if recipe.distil is not None and "distil" in stages:
        if recipe.distil.run is None:
            teacher_of(recipe.distil, folder=recipe.folder, seed=recipe.seed, trust=recipe.trust)
        else:
            stored, chosen = stored_trajectories(recipe, recipe.distil, corpus)
            facts = stored_facts(recipe, stored, chosen)
            prompts += [one.messages for one in chosen.kept]
    if recipe.rft is not None and recipe.rft.hinted and "rft" in stages:
        _check_hint(recipe, corpus)
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
    left_out = {
        name: corpus.counts[name]
        for name in ("bad_rows", "contaminated", "contaminated_instructions")
        if corpus.counts.get(name)
    }
    return {
        "model": model.base,
        "training items": len(corpus.train) + len(corpus.stored),
        **facts,
        "instructions": len(corpus.instructions),
        "evaluation items": len(corpus.evaluation),
        **{name.replace("_", " "): count for name, count in left_out.items()},
        **({f"longest of {asked} prompts": length} if asked else {}),
    }


def _check_hint(recipe: TrlRecipe, corpus: Corpus) -> None:
    """Refuse hinted sampling if the dialect's prompt has no place for a hint."""
    first = corpus.train[0]
    dialect = open_dialect(needed(recipe.model, "model").dialect)
    order = range(len(first.responses))
    try:
        training_messages(first, dialect, order=order, seed=0, hint=hint_of(first))
    except InputError as error:
        raise InputError(f"rft.hinted: {error}; or set rft.hinted to false") from error


def _prompts(recipe: TrlRecipe, corpus: Corpus) -> list[Conversation]:
    """Of the first items of `data.train`, in their own order."""
    dialect = open_dialect(needed(recipe.model, "model").dialect)
    return [
        training_messages(one, dialect, order=range(len(one.responses)), seed=0)
        for one in corpus.train[:_MOST_PROMPTS]
    ]


def _longest_prompt(recipe: TrlRecipe, prompts: Sequence[Conversation]) -> tuple[int, int]:
    """Tokens of the longest training prompt, and how many were encoded."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - heavy

    from deemster.backends._local.sources import whole  # noqa: PLC0415 - of the extra local

    model = needed(recipe.model, "model")
    try:
        tokenizer = AutoTokenizer.from_pretrained(whole(recipe.locate(model.base)))
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"cannot load the tokenizer of model.base {model.base!r}: {reason}; give a folder or "
            "a repository with tokenizer files"
        ) from error
    encode = prompt_encoder(tokenizer, model.template_args)
    return max(len(encode(prompt)) for prompt in prompts), len(prompts)
