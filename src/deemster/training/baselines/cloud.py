"""CLoud: a critic that writes a critique of each response, and a value model that reads it.

Trained as in Critique-out-Loud Reward Models (arXiv 2408.11791): fine-tune on given critiques,
let the trained critic write its own about the training data, and train the value on those by the
Bradley-Terry loss, because at inference it reads such critiques and no others. There, a trunk with
two heads is trained on both losses in the last step. Here, the value model is a copy of the critic
with its own head, so the critic stays as it is and needs no loss to keep it writing; the price is
the memory of two models.

Use the result as `CLoud("hf:OUT/model", k=8)`.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from deemster.backends import Backend, Request, generate_all, open_backend
from deemster.dialects import Dialect
from deemster.dialects.base import to_caller_order
from deemster.errors import BackendError, InputError, ParseError
from deemster.judges.case import Case
from deemster.judges.cloud import TEMPLATE, VALUE, critic_messages, with_critique
from deemster.judges.orders import derive_seed
from deemster.judges.scalar_rm import chat_ids
from deemster.judges.settings import sampling_of
from deemster.judges.together import together
from deemster.principles import as_principles
from deemster.prompts import PromptTemplate, builtin_template
from deemster.runtime import run_sync
from deemster.schemas import Completion, Sample, Sampling
from deemster.training.baselines.preferences import IdPair, fit_preferences, preferences_of
from deemster.training.baselines.settings import CloudSettings
from deemster.training.rollouts import Rollout, RolloutFile
from deemster.training.sft import examples_of, train_sft

if TYPE_CHECKING:
    from deemster.training.fitting import Log

OWN = "critiques.jsonl"
"""What the trained critic wrote about the training data."""
MODEL = "model"
_IN_FLIGHT = 16


def critique_of(
    sample: Sample,
    response: int,
    text: str,
    *,
    template: PromptTemplate | None = None,
    seed: int = 0,
) -> Rollout:
    """A critique of one response as training data; its `order` names the response.

    Args:
        sample: what the response belongs to.
        response: its index.
        text: the critique.
        template: of the judge that will be used; None is the one that ships.
        seed: of the judge that will be used.
    """
    case = Case(
        sample.query,
        sample.responses,
        sample.reference,
        as_principles(sample.principles) if sample.principles else (),
    )
    shown = template or builtin_template(TEMPLATE)
    return Rollout(
        sample_id=sample.id,
        order=(response,),
        messages=critic_messages(case, response, template=shown, seed=seed),
        completion=text,
        scores=None,
        correct=None,
        stage="critique",
        seed=seed,
    )


def critiques_from(
    rollouts: Iterable[Rollout],
    samples: Iterable[Sample],
    dialect: Dialect,
    *,
    template: PromptTemplate | None = None,
    seed: int = 0,
) -> list[Rollout]:
    """The critiques of the single responses in correct trajectories of a GRM.

    Trajectories that are not correct, or lack a critique of some response, are skipped.

    Args:
        rollouts: of any judge that writes `dialect`.
        samples: what they are about.
        dialect: reads them.
        template: as in `critique_of`.
        seed: of the judge that will be used.
    """
    by_id = {sample.id: sample for sample in samples}
    found = []
    for rollout in rollouts:
        sample = by_id.get(rollout.sample_id)
        if sample is None or not rollout.correct:
            continue
        n = len(rollout.order)
        try:
            parsed = dialect.parse(Completion(text=rollout.completion), n=n)
        except ParseError:
            continue
        texts = {c.response: c.text for c in to_caller_order(parsed, rollout.order, n).critiques}
        if len(texts) == n:
            found += [
                critique_of(sample, i, texts[i], template=template, seed=seed) for i in range(n)
            ]
    return found


def train_cloud(
    samples: Sequence[Sample],
    critiques: Sequence[Rollout],
    *,
    model: str | Path,
    out: Path,
    settings: CloudSettings,
    options: Mapping[str, JsonValue] | None = None,
    template: PromptTemplate | None = None,
    seed: int = 0,
    resume: bool = False,
    log: Log | None = None,
) -> dict[str, JsonValue]:
    """Train critic and value model: `out/model` is the critic, with the value model in it.

    Args:
        samples: preference data; ids must differ.
        critiques: another judge's or a person's, see `critique_of` and `critiques_from`.
        model: folder or repository of a causal language model.
        out: folder of the run; what the critic wrote is in its `critiques.jsonl`.
        settings: of all parts.
        options: of the `hf:` backend when the critic writes about the training data.
        template: as in `critique_of`.
        seed: of the judge that will be used.
        resume: continue with what `out` holds.
        log: takes the figures of each step.

    Returns:
        Figures: those of the fine-tuning under `critic` (None if an earlier attempt did it), of
        `fit_preferences` under `value`, and how many `critiques` the critic wrote.

    Raises:
        InputError: there are no critiques or no pairs, a model cannot be loaded, the disk is
            full, or the critic could not write about any pair.
        TrainingCollapsedError: the loss is not finite.
    """
    found = preferences_of(samples)
    _check_ids(samples)
    critic, own = out / MODEL, RolloutFile(out / OWN)
    tuned: dict[str, JsonValue] | None = None
    if not resume or not own.path.exists():  # it is begun when the critic is trained
        own.path.unlink(missing_ok=True)
        tuned = train_sft(
            examples_of(critiques),
            model=model,
            out=out,
            settings=settings.critic,
            resume=resume,
            log=log,
        )
    backend = open_backend(f"hf:{critic}", **(options or {}))
    prompts = {
        sample.id: [
            critique_of(sample, i, "", template=template, seed=seed)
            for i in range(len(sample.responses))
        ]
        for sample in samples
    }
    failure = run_sync(_write(prompts, backend, own, settings))
    written = _by_response(own.read())
    pairs = [
        pair
        for sample, better, worse in found
        for pair in zip(written[sample.id, better], written[sample.id, worse], strict=False)
    ]
    if not pairs:
        raise InputError(f"the critic did not write about any pair of responses: {failure}")

    def encode(tokenizer: object, encoder: object) -> Iterator[IdPair]:
        for pair in pairs:
            texts = [with_critique(one.messages, one.completion) for one in pair]
            yield IdPair(*(chat_ids(tokenizer, encoder, turns) for turns in texts))

    valued = fit_preferences(
        encode, model=critic, out=out / VALUE, settings=settings.value, resume=resume, log=log
    )
    shutil.rmtree(critic / VALUE, ignore_errors=True)
    (out / VALUE / MODEL).rename(critic / VALUE)
    return {"critic": tuned, "critiques": sum(map(len, written.values())), "value": valued}


def _check_ids(samples: Sequence[Sample]) -> None:
    ((name, count),) = Counter(sample.id for sample in samples).most_common(1)
    if count > 1:
        raise InputError(f"sample id {name!r} occurs {count} times; ids must be unique")


async def _write(
    prompts: Mapping[str, Sequence[Rollout]],
    backend: Backend,
    out: RolloutFile,
    settings: CloudSettings,
) -> str:
    """Let a critic write about every sample not yet in `out`; returns the first failure's text.

    Args:
        prompts: by sample, one per response, without the critique.
        backend: the critic; it is closed at the end.
        out: where the critiques go.
        settings: how they are drawn.
    """
    sampling = sampling_of(temperature=settings.temperature, max_tokens=settings.max_tokens)
    failures: list[str] = []
    done = out.done_ids()
    todo = iter([(name, asked) for name, asked in prompts.items() if name not in done])

    async def work() -> None:
        for name, asked in todo:  # shared: each sample goes to the worker that is free
            drawn = await together(_draw(backend, one, sampling, settings.n) for one in asked)
            outcomes = [outcome for outcomes in drawn for outcome in outcomes]
            failures.extend(str(one) for one in outcomes if isinstance(one, BackendError))
            out.append(name, [one for one in outcomes if isinstance(one, Rollout)])

    try:
        await together(work() for _ in range(_IN_FLIGHT))
    finally:
        await backend.aclose()
    return failures[0] if failures else ""


async def _draw(
    backend: Backend, prompt: Rollout, sampling: Sampling, n: int
) -> list[Rollout | BackendError]:
    seeds = tuple(derive_seed(prompt.seed, draw) for draw in range(n))
    request = Request(messages=prompt.messages, sampling=sampling, n=n, seeds=seeds)
    return [
        outcome
        if isinstance(outcome, BackendError)
        else prompt.model_copy(update={"completion": outcome.text, "stage": "critic"})
        for outcome in await generate_all(backend, request)
    ]


def _by_response(critiques: Iterable[Rollout]) -> dict[tuple[str, int], list[Rollout]]:
    found: dict[tuple[str, int], list[Rollout]] = defaultdict(list)
    for critique in critiques:
        found[critique.sample_id, critique.order[0]].append(critique)
    return found


__all__ = ["OWN", "critique_of", "critiques_from", "train_cloud"]
