"""Training of the paper's baselines (its Table 2) on the synthetic world.

All start from the base model of a run and learn from the same items, with the trainers of
`deemster.training.baselines`, so each is also a judge of the framework. What each learns from:

- LLM-as-a-judge: what rejective fine-tuning learns from, that is, the base model's own right
  trajectories, with the boxed index of the best response in place of the boxed scores.
- Bradley-Terry and PairRM: the pairs of a better and a worse response.
- CLoud: the base model's right trajectories about single responses, without the score, are the
  critiques; the value model then learns from what the trained critic writes, and the pairs.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

from deemster.schemas import Message, Sample
from deemster.training.baselines.bradley_terry import train_bradley_terry
from deemster.training.baselines.cloud import OWN, critique_of, train_cloud
from deemster.training.baselines.llm_judge import trajectory_examples
from deemster.training.baselines.pair_rm import train_pair_rm
from deemster.training.baselines.settings import CloudSettings, RewardSettings
from deemster.training.rejection import reject
from deemster.training.rollouts import Rollout, RolloutFile
from deemster.training.settings import SftSettings
from deemster.training.sft import Example, examples_of, train_sft
from lab.nano.baseline_drawer import DIALECT, PROMPT, TEMPERATURE, Drawer, singles
from lab.nano.data import instruction_text, shuffled
from lab.nano.judging import Trajectory
from lab.nano.model import load_judge, save_judge
from lab.nano.settings import RftSettings
from lab.nano.study import made_from
from lab.nano.tokenizer import JUDGE
from lab.world import World

MODEL = "model"
DONE = "figures.json"
"""Written when a baseline's training is finished."""

_CHAT = (
    "{{ bos_token }}{% for m in messages %}"
    f"{{% if m['role'] == 'assistant' %}}{JUDGE}{{% endif %}}"
    "{{ m['content'] }}{% endfor %}"
    f"{{% if add_generation_prompt %}}{JUDGE}{{% endif %}}"
)
_SETTINGS: Mapping[str, Any] = {
    "learning_rate": 5e-4,
    "batch_size": 32,
    "micro_batch_size": 32,
    "epochs": 2,
    "max_length": 1024,
    "gradient_checkpointing": False,
    "bf16": False,
    "cpu": True,
    "save_steps": 10**6,  # it takes minutes; a killed training starts over
}
_RFT = RftSettings()


@dataclass(frozen=True)
class Course:
    """What baselines are trained from and on.

    Attributes:
        base: folder of `prepare_base`.
        samples: items with two or more responses.
        seed: of the run; decides orders, draws and shuffles.
        others: items for the instruction data, not among `samples`.
        report: called with a line of progress now and then.
    """

    base: Path
    samples: Sequence[Sample]
    seed: int
    others: World
    report: Callable[[str], None]

    def settings(self) -> dict[str, Any]:
        """Of every trainer."""
        return {**_SETTINGS, "seed": self.seed}

    def log(self, **figures: Any) -> None:  # noqa: ANN401 - numbers and texts
        """Reports every twentieth step of a trainer."""
        if figures["step"] % 20 == 0:
            self.report(f"  step {figures['step']}: loss {figures['loss']:.4f}")


Trainer = Callable[[Course, Path], dict[str, JsonValue]]
"""Trains a baseline into a folder and returns the figures to record."""


def prepare_base(model: Path, out: Path) -> Path:
    """A copy of a base model whose chat template sets an assistant's turn apart; returns `out`.

    The template of the run joins texts without marks, which is enough for a judge's prompt, but a
    reward model has to see where the query ends and the response begins.
    """
    judge_model, tokenizer = load_judge(model)
    tokenizer.chat_template = _CHAT
    save_judge(out, judge_model, tokenizer)
    return out


def train_baseline(name: str, course: Course, folder: Path) -> Path:
    """Train a baseline, unless it was trained from the same inputs; returns its model's folder.

    Args:
        name: out of `TRAINERS`.
        course: what it is trained from and on.
        folder: its own; a different or an unfinished training in it is deleted.
    """
    made = made_from([course.base], course.samples, **course.settings())
    done = folder / DONE
    if not done.exists() or json.loads(done.read_text(encoding="utf-8"))["made"] != made:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        course.report(f"{name}: training on {len(course.samples)} items")
        started = time.monotonic()
        figures = TRAINERS[name](course, folder)
        seconds = round(time.monotonic() - started, 1)
        part = folder / f"{DONE}.part"
        about = {"made": made, "seconds": seconds, **figures}
        part.write_text(json.dumps(about, indent=1), encoding="utf-8")
        part.replace(done)
        course.report(f"{name}: trained in {seconds:.0f} s")
    return folder / MODEL


def _llm_judge(course: Course, folder: Path) -> dict[str, JsonValue]:
    drawn = _rollouts(course)
    rejection = reject(drawn, course.samples)
    examples = trajectory_examples(
        rejection.kept, course.samples, seed=course.seed, dialect=DIALECT
    )
    others = course.others.samples(round(len(examples) * _RFT.instruction))
    instructions = [
        Example((Message(role="user", content=query),), answer)
        for query, answer in map(instruction_text, others)
    ]
    course.report(f"  {len(drawn)} trajectories, {len(examples)} kept")
    figures = train_sft(
        examples,
        instructions,
        model=course.base,
        out=folder,
        settings=SftSettings(**course.settings()),
        log=course.log,
    )
    return {"trajectories": len(drawn), **figures}


def _rollouts(course: Course) -> list[Rollout]:
    """What rejective fine-tuning draws: plain trajectories, and one hinted one per item."""
    drawer = Drawer.load(course.base)
    rng = random.Random(f"{course.seed} llm-judge")  # noqa: S311 - not secret
    generator = torch.Generator().manual_seed(course.seed)
    drawn: list[Trajectory] = []
    for each, hinted in ((_RFT.samples, False), (1, True)):
        tasks = [
            (sample, shuffled(len(sample.responses), rng))
            for sample in course.samples
            for _ in range(each)
        ]
        drawn += drawer.draw(tasks, generator, hinted=hinted)
    return [one.rollout("base") for one in drawn]


def _on_pairs(train: Callable[..., dict[str, JsonValue]]) -> Trainer:
    """A trainer that needs nothing but pairs of responses."""
    return lambda course, folder: train(
        course.samples,
        model=course.base,
        out=folder,
        settings=RewardSettings(**course.settings()),
        log=course.log,
    )


def _cloud(course: Course, folder: Path) -> dict[str, JsonValue]:
    """The critic and its critiques come first; `train_cloud` continues with the value model.

    It would let the critic write through the framework's backend, which is many times slower
    than the sampler.
    """
    samples, alone = course.samples, singles(course.samples)
    blank = {
        one.id: critique_of(sample, i, "", template=PROMPT, seed=course.seed)
        for sample in samples
        for one, i in singles([sample])
    }
    tasks = [(one, (0,)) for one, _ in alone]
    generator = torch.Generator().manual_seed(course.seed)
    given = [
        blank[one.sample.id].model_copy(update={"completion": critique})
        for one in Drawer.load(course.base).draw(tasks, generator)
        if one.correct and (critique := _without_verdict(one.text))
    ]
    course.report(f"  {len(tasks)} trajectories about single responses, {len(given)} kept")
    settings = CloudSettings(
        critic=SftSettings(**course.settings()),
        value=RewardSettings(**course.settings()),
        temperature=TEMPERATURE,
    )
    critic = train_sft(
        examples_of(given), model=course.base, out=folder, settings=settings.critic, log=course.log
    )
    written = iter(Drawer.load(folder / MODEL).draw(tasks, generator))
    own = RolloutFile(folder / OWN)
    for sample in samples:
        own.append(
            sample.id,
            [
                blank[one.id].model_copy(update={"completion": next(written).text})
                for one, _ in singles([sample])
            ],
        )
    valued = train_cloud(
        samples,
        given,
        model=course.base,
        out=folder,
        settings=settings,
        template=PROMPT,
        seed=course.seed,
        resume=True,
        log=course.log,
    )
    return {**valued, "critic": critic}


def _without_verdict(text: str) -> str:
    """A trajectory up to the line of its boxed score; empty if there is none."""
    return text.rpartition("\\boxed")[0].rpartition("\n")[0]


TRAINERS: Mapping[str, Trainer] = {
    "llm-judge": _llm_judge,
    "bt": _on_pairs(train_bradley_terry),
    "pair-rm": _on_pairs(train_pair_rm),
    "cloud": _cloud,
}
