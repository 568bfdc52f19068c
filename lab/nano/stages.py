"""The stages that make the embedded model; each can be killed and continued.

On resume, samples are drawn again from their seed, and training continues from its checkpoint.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from pydantic import JsonValue

from deemster.backends.domain import Domain
from deemster.schemas import Sample
from deemster.training.manifest import CHECKPOINTS
from deemster.training.rejection import reject
from deemster.training.stage import StageContext, StageError, StageFunction
from lab.nano import meta as meta_rm
from lab.nano import rl, supervised
from lab.nano.batching import Example
from lab.nano.checkpoint import Checkpoint
from lab.nano.data import (
    Encoder,
    instruction_text,
    query_text,
    shuffled,
    teacher_pairs,
)
from lab.nano.device import chosen_device
from lab.nano.judging import Trajectory, judge
from lab.nano.measure import accuracies, draw_votes, pairs_or_more
from lab.nano.model import load_judge, new_model, save_judge
from lab.nano.recipe import NanoRecipe
from lab.nano.sampler import Sampler
from lab.nano.settings import NanoSettings
from lab.nano.ship import META, MODEL, ship
from lab.nano.tokenizer import train_tokenizer
from lab.world import SPLITS, World, drills

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

RFT_WORLD, _RL, _META, _META_CHECK, EVAL = 1_000, 2_000, 3_000, 4_000, 5_000
"""Added to the seed of the world, so that no stage judges what another was trained on."""


def _settings(context: StageContext[NanoRecipe]) -> NanoSettings:
    settings = context.recipe.nano
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(context.recipe.seed)
    _device(context)  # before anything is drawn for a device that does not exist
    return settings


def _device(context: StageContext[NanoRecipe]) -> torch.device:
    return chosen_device(context.recipe.nano.device)


def _checkpoint(context: StageContext[NanoRecipe], name: str = "last") -> Checkpoint:
    return Checkpoint(context.folder / CHECKPOINTS / f"{name}.pt")


def _rng(context: StageContext[NanoRecipe]) -> random.Random:
    return random.Random(f"{context.recipe.seed} {context.name}")  # noqa: S311 - not secret


def _world(context: StageContext[NanoRecipe], offset: int) -> World:
    return World(context.recipe.seed + offset)


def _load(
    context: StageContext[NanoRecipe], stage: str
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    return load_judge(context.inputs[stage] / MODEL, _device(context))


def _log(
    context: StageContext[NanoRecipe], before: int = 0, after: int = 0
) -> Callable[[dict[str, float]], None]:
    """Logs a loop's figures; its steps are counted with those before and after it."""

    def log(figures: dict[str, float]) -> None:
        step, steps = before + int(figures["step"]), before + int(figures["steps"]) + after
        context.log(**figures | {"step": step, "steps": steps})
        context.progress("steps", step, steps)

    return log


def distil(context: StageContext[NanoRecipe]) -> Mapping[str, JsonValue]:
    """Tokenizer and base model, from the noisy teacher's trajectories and then from exercises."""
    settings = _settings(context)
    world, rng = _world(context, 0), _rng(context)
    plan = settings.distil
    warm = teacher_pairs(world.items(plan.warm_items, n=1, start=10**7), plan, rng)
    mixed = teacher_pairs(world.items(plan.items), plan, rng)
    tokenizer = train_tokenizer(
        (f"{prompt}\n{text}" for prompt, text in (warm + mixed)[::4]),
        vocabulary=settings.model.vocabulary,
    )
    encoder = Encoder(tokenizer)

    def batches(pairs: Sequence[tuple[str, str]]) -> list[list[Example]]:
        return supervised.plan(
            encoder.examples(pairs), epochs=1, tokens=plan.batch_tokens, seed=context.recipe.seed
        )

    exercises = [(query_text(task), answer) for task, answer in drills(plan.drills, world.seed)]
    again = teacher_pairs(world.items(plan.drill_items, start=2 * 10**7), plan, rng)
    first, second = [*batches(warm), *batches(mixed)], batches(exercises + again)
    model = new_model(settings.model, tokenizer, _device(context))
    loss = supervised.train(
        model,
        first,
        lr=plan.lr,
        pad_id=encoder.pad,
        checkpoint=_checkpoint(context),
        log=_log(context, after=len(second)),
    )
    if second:
        loss = supervised.train(
            model,
            second,
            lr=plan.drill_lr,
            pad_id=encoder.pad,
            checkpoint=_checkpoint(context, "drills"),
            log=_log(context, before=len(first)),
        )
    save_judge(context.folder / MODEL, model, tokenizer)
    held_out = [prompt for prompt, _ in teacher_pairs(_world(context, EVAL).items(2000), plan, rng)]
    domain = Domain.fit(
        lambda text: encoder.plain([text])[0], [prompt for prompt, _ in mixed], held_out
    )
    domain.save(context.folder / "domain.json")
    return {
        "parameters": model.num_parameters(),
        "examples": sum(map(len, (warm, mixed, exercises, again))),
        "tokens": sum(len(example) for step in (*first, *second) for example in step),
        "loss": loss,
    }


def rft(context: StageContext[NanoRecipe]) -> Mapping[str, JsonValue]:
    """Rejective fine-tuning of the base model on its own trajectories."""
    settings, rng = _settings(context), _rng(context)
    plan = settings.rft
    model, tokenizer = _load(context, "distil")
    encoder = Encoder(tokenizer)
    samples = _world(context, RFT_WORLD).samples(plan.items)
    draw = _drawer(context, model, encoder, plan.temperature, rng)
    drawn = [one.rollout("base") for one in draw(samples, plan.samples)]
    if plan.hinted:
        drawn += [one.rollout("base") for one in draw(samples, 1, hinted=True)]
    if plan.reject:
        rejection = reject(drawn, samples)
        kept, counts = rejection.kept, dict(rejection.counts)
    else:
        kept = tuple(one for one in drawn if one.scores is not None)
        counts = {"kept": len(kept)}
    if not kept:
        raise StageError("no trajectory of the base model can be parsed; train it longer")
    pairs = [(str(one.messages[0].content), one.completion) for one in kept]
    others = _world(context, RFT_WORLD + 1).samples(round(len(pairs) * plan.instruction))
    pairs += [instruction_text(sample) for sample in others]
    steps = supervised.plan(
        encoder.examples(pairs),
        epochs=plan.epochs,
        tokens=plan.batch_tokens,
        seed=context.recipe.seed,
    )
    loss = supervised.train(
        model,
        steps,
        lr=plan.lr,
        pad_id=encoder.pad,
        checkpoint=_checkpoint(context),
        log=_log(context),
    )
    save_judge(context.folder / MODEL, model, tokenizer)
    return {**counts, "instruction": len(others), "loss": loss}


def rl_stage(context: StageContext[NanoRecipe]) -> Mapping[str, JsonValue]:
    """GRPO from the fine-tuned model."""
    settings = _settings(context)
    model, tokenizer = _load(context, "rft")
    reference, _ = _load(context, "rft")
    history: list[dict[str, float]] = []
    log = _log(context)

    def remember(figures: dict[str, float]) -> None:
        history.append(figures)
        log(figures)

    checkpoint = _checkpoint(context)
    try:
        rl.train(
            model,
            reference.eval(),
            Encoder(tokenizer),
            _world(context, _RL),
            settings.rl,
            seed=context.recipe.seed,
            checkpoint=checkpoint,
            log=remember,
        )
    except StageError as error:
        if checkpoint.weights(model):
            save_judge(context.folder / "last-good", model, tokenizer)
            raise StageError(f"{error}: {context.folder / 'last-good'}") from error
        raise
    save_judge(context.folder / MODEL, model, tokenizer)
    last = history[-10:]
    return {
        name: sum(one[name] for one in last) / len(last) if last else None
        for name in ("reward", "mixed_groups", "unparsed", "kl")
    }


def meta(context: StageContext[NanoRecipe]) -> Mapping[str, JsonValue]:
    """The meta RM, from trajectories of all three models."""
    settings, rng = _settings(context), _rng(context)
    plan = settings.meta
    trained, tokenizer = _load(context, "rl")
    encoder = Encoder(tokenizer)
    known: list[Trajectory] = []
    checked: dict[str, list[Trajectory]] = {}
    for number, stage in enumerate(("distil", "rft", "rl")):
        model, _ = _load(context, stage)
        draw = _drawer(context, model, encoder, 1.0, rng)
        items = _world(context, _META + number).samples(plan.items)
        known += draw(items, plan.samples, together=True)
        checks = _world(context, _META_CHECK).samples(plan.checks, split="numbers")
        checked[stage] = draw(checks, 8, together=True)
    scorer = meta_rm.new_meta(trained)
    try:
        meta_rm.train(
            scorer,
            known,
            encoder,
            plan,
            seed=context.recipe.seed,
            checkpoint=_checkpoint(context),
            log=_log(context),
        )
    except ValueError as error:
        raise StageError(f"the meta RM cannot be trained: {error}") from error
    save_judge(context.folder / META, scorer, tokenizer)
    figures: dict[str, JsonValue] = {"trajectories": len(known)}
    for stage, trajectories in checked.items():
        found = meta_rm.quality(trajectories, meta_rm.rate(scorer, trajectories, encoder))
        figures[f"auc {stage}"], figures[f"auc within items {stage}"] = found.overall, found.within
    return figures


def evaluate(context: StageContext[NanoRecipe]) -> Mapping[str, JsonValue]:
    """Accuracy of all models on every split, and the files that ship."""
    settings = _settings(context)
    figures: dict[str, JsonValue] = {}
    for stage, name in (("distil", "base"), ("rft", "rft"), ("rl", "rl")):
        model, tokenizer = _load(context, stage)
        if stage == "rl":
            for weight in model.parameters():  # not buffers: rotary frequencies stay exact
                weight.data = weight.data.half().float()  # as `ship` rounds them
        encoder = Encoder(tokenizer)
        sampler = Sampler(model, eos=encoder.eos, pad=encoder.pad)
        for split in SPLITS[1:]:
            samples = pairs_or_more(_world(context, EVAL), settings.eval.items, split)
            votes = draw_votes(
                sampler, encoder, samples, k=settings.eval.samples, temperature=1.0, seed=0
            )
            for what, value in accuracies(votes).items():
                figures[f"{name} {split} {what}"] = value
            context.log(model=name, split=split, **accuracies(votes))
    ship(context, figures)
    (context.folder / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return figures


def _drawer(
    context: StageContext[NanoRecipe],
    model: LlamaForCausalLM,
    encoder: Encoder,
    temperature: float,
    rng: random.Random,
) -> Callable[..., list[Trajectory]]:
    """Draws trajectories in random orders, reporting its progress.

    `together` shows all draws of a sample the same order, which takes half the time.
    """
    sampler = Sampler(model, eos=encoder.eos, pad=encoder.pad)

    def draw(
        samples: Sequence[Sample], each: int, *, hinted: bool = False, together: bool = False
    ) -> list[Trajectory]:
        tasks = [
            (sample, shuffled(len(sample.responses), rng))
            for sample in samples
            for _ in range(1 if together else each)
        ]
        return judge(
            sampler,
            encoder,
            tasks,
            each=each if together else 1,
            temperature=temperature,
            generator=torch.Generator().manual_seed(rng.randrange(2**62)),
            hinted=hinted,
            progress=lambda done, total: context.progress("trajectories", done, total),
        )

    return draw


STAGES: dict[str, StageFunction[NanoRecipe]] = {
    "distil": distil,
    "rft": rft,
    "rl": rl_stage,
    "meta": meta,
    "eval": evaluate,
}
