"""The embedded model's judgments of samples: drawn, parsed, compared with the truth."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from deemster.dialects.nano import Nano
from deemster.errors import ParseError
from deemster.schemas import Completion, Message, Sample
from deemster.training.outcome import is_correct, truth_of
from deemster.training.rollouts import Rollout
from lab.nano.data import Encoder, prompt_text, shuffled
from lab.nano.sampler import Sampler

Scores = tuple[float | None, ...]
_DIALECT = Nano()


@dataclass(frozen=True)
class Trajectory:
    """One judgment, with the token ids it was drawn as."""

    sample: Sample
    order: tuple[int, ...]
    hinted: bool
    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    text: str
    scores: Scores | None
    """In the sample's order; None if unparseable."""

    @property
    def correct(self) -> bool:
        """Paper Eq. 10; False if unparseable."""
        return self.scores is not None and is_correct(self.scores, truth_of(self.sample))

    def rollout(self, stage: str) -> Rollout:
        """As the record that the other trainers use."""
        return Rollout(
            sample_id=self.sample.id,
            order=self.order,
            messages=(Message(role="user", content=prompt_text(self.sample, self.order)),),
            completion=self.text,
            scores=self.scores,
            correct=self.correct,
            hinted=self.hinted,
            stage=stage,
        )


def read_scores(text: str, order: Sequence[int]) -> Scores | None:
    """The scores of a completion in the sample's order; None if it cannot be parsed."""
    try:
        shown = _DIALECT.parse(Completion(text=text), n=len(order)).scores
    except ParseError:
        return None
    scores: list[float | None] = [None] * len(order)
    for position, index in enumerate(order):
        scores[index] = shown[position]
    return tuple(scores)


def balanced_orders(n: int, count: int, rng: random.Random) -> list[tuple[int, ...]]:
    """Up to `count` cyclic shifts of a random order, as judges show responses."""
    first = shuffled(n, rng)
    return [first[i:] + first[:i] for i in range(min(n, count))]


def judge(
    sampler: Sampler,
    encoder: Encoder,
    tasks: Sequence[tuple[Sample, tuple[int, ...]]],
    *,
    each: int = 1,
    temperature: float,
    generator: torch.Generator,
    hinted: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Trajectory]:
    """`each` judgments of every task, a sample with the order its responses are shown in.

    Args:
        sampler: of the judging model.
        encoder: its tokenizer.
        tasks: samples and orders.
        each: judgments of one task.
        temperature: 0 is greedy.
        generator: decides the draws.
        hinted: name the best response in the prompt.
        progress: called with how many tasks are done, out of how many.

    Returns:
        `each` trajectories per task, in the order of the tasks.
    """
    made: list[Trajectory] = []
    for start in range(0, len(tasks), sampler.rows):
        some = tasks[start : start + sampler.rows]
        prompts = encoder.prompts([prompt_text(s, order, hinted=hinted) for s, order in some])
        drawn = sampler.sample(prompts, each=each, temperature=temperature, generator=generator)
        texts = encoder.texts([ids for completions in drawn for ids in completions])
        for i, text in enumerate(texts):
            sample, order = some[i // each]
            ids = tuple(drawn[i // each][i % each])
            made.append(
                Trajectory(
                    sample, order, hinted, prompts[i // each], ids, text, read_scores(text, order)
                )
            )
        if progress is not None:
            progress(start + len(some), len(tasks))
    return made
