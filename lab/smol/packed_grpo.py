"""Rule-based GRPO of an adapter on processors (paper section 3), as `packed` distils one.

    torchrun --nproc-per-node 2 -m lab.smol.packed_grpo --adapter ADAPTER --steps 60 --seed 71

A step draws several judgments of every request with the weights of that step, gives each +1 or -1
(paper Eq. 11), and makes those that beat the mean of their group likelier. Requests whose judgments
are all right or all wrong teach nothing and cost no training. Every judgment that can be read is
kept beside the adapters, for `packed_meta`. One update follows a draw, so nothing is clipped;
instead of a KL term the rate is low and the steps are few.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer

from deemster.backends._local.decoding import Rows, Runner, gap_filling_order
from deemster.backends._local.generation import decode
from deemster.backends._local.plain_llama import read
from deemster.dialects import Dialect, open_dialect
from deemster.dialects.base import to_caller_order
from deemster.errors import ParseError
from deemster.judges.meta_hf import meta_text
from deemster.schemas import Completion, Judgment, Sample
from deemster.training.data import decontaminate
from deemster.training.meta_data import MetaExample
from deemster.training.modeling import prompt_encoder
from deemster.training.outcome import is_correct, rule_reward, truth_of
from deemster.training.prompts import training_messages
from lab.smol import packed
from lab.smol.generator import generate
from lab.smol.measure import reserved
from lab.smol.packed import Steps, add_up, rate
from lab.smol.packed_llama import Packed, Row

_FACTOR = re.compile(r"base_model\.model\.(?P<weight>.+)\.lora_A\.weight")
JUDGMENTS = "judgments"
"""Beside the adapters, `judgments-PROCESS.jsonl`: what was drawn and can be read."""
_EPSILON = 1e-4
"""Beside the spread of a group's rewards."""


class Policy:
    """The model as it draws: the base with the adapter of the moment added to its weights.

    Args:
        base: folder of the base.
        model: whose adapter it is.
        dtype: of the weights.
    """

    def __init__(self, base: Path, model: Packed, *, dtype: torch.dtype = torch.bfloat16) -> None:
        _, self._llama = read(str(base), dtype)
        self._llama.eval().requires_grad_(False)  # a prompt's cache can then be shared
        self._adapter = model.lora
        self._plain = {
            name: dict(self._llama.named_parameters())[name].detach().clone()
            for name in (_weight_of(one) for one in model.lora if ".lora_A." in one)
        }
        self.runner = Runner(self._llama, self._llama.config.vocab_size)

    def follow(self) -> None:
        """Take the adapter as it is now."""
        weights = dict(self._llama.named_parameters())
        with torch.no_grad():
            for name, down in self._adapter.items():
                if ".lora_A." not in name:
                    continue
                up = self._adapter[name.replace(".lora_A.", ".lora_B.")]
                weight = _weight_of(name)
                weights[weight].copy_(self._plain[weight].float() + up @ down)


def _weight_of(name: str) -> str:
    found = _FACTOR.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no factor of an adapter")
    return f"{found['weight']}.weight"


@dataclass
class _Drawing:
    """The judgments of one prompt while they are drawn."""

    rows: Rows
    logits: Tensor
    """[rows that go on, vocabulary]"""
    alive: list[int]
    """Which of `texts` they write."""
    texts: list[list[int]] = field(default_factory=list)


def draw(
    runner: Runner,
    prompts: Sequence[Sequence[int]],
    *,
    each: int,
    room: int,
    eos: int,
    temperature: float,
    generator: torch.Generator,
) -> list[list[list[int]]]:
    """So many completions of each prompt, all in step; those that end hold their end token.

    Args:
        runner: of the model.
        prompts: their ids.
        each: completions of a prompt.
        room: tokens of a completion at most.
        eos: ends one.
        temperature: 0 draws the likeliest token.
        generator: of the randomness.
    """
    going = []
    for ids in prompts:
        read_prompt = runner.prefill(ids)
        logits = read_prompt.logits.expand(each, -1)
        rows = runner.rows(read_prompt, each, room)
        going.append(_Drawing(rows, logits, list(range(each)), [[] for _ in range(each)]))
    every = list(going)
    for _ in range(room):
        steps: list[tuple[Rows, list[int]]] = []
        for one in going:
            chosen = _chosen(one.logits, temperature, generator)
            for text, token in zip(one.alive, chosen, strict=True):
                one.texts[text].append(token)
            order = gap_filling_order([token != eos for token in chosen])
            if order and len(order) < len(chosen):
                one.rows.keep(order)
            one.alive = [one.alive[i] for i in order]
            if order:
                steps.append((one.rows, [chosen[i] for i in order]))
        going = [one for one in going if one.alive]
        if not going:
            break
        for one, logits in zip(going, runner.step(steps), strict=True):
            one.logits = logits
    return [one.texts for one in every]


def _chosen(logits: Tensor, temperature: float, generator: torch.Generator) -> list[int]:
    if temperature == 0:
        tokens: list[int] = logits.argmax(-1).tolist()
        return tokens
    # By the cumulated shares: torch.multinomial draws a number for every token of the vocabulary,
    # which took a quarter of the time.
    sums = torch.softmax(logits / temperature, -1).cumsum(-1)
    places = torch.rand(len(sums), 1, generator=generator) * sums[:, -1:]
    drawn: list[int] = torch.searchsorted(sums, places, right=True)[:, 0].tolist()
    return [min(token, sums.shape[1] - 1) for token in drawn]


def judged(
    text: str, sample: Sample, order: tuple[int, ...], dialect: Dialect
) -> MetaExample | None:
    """What was drawn, as a meta RM reads it, and whether it is right (paper Eq. 10).

    None if it cannot be read.
    """
    n = len(order)
    try:
        scores = to_caller_order(dialect.parse(Completion(text=text), n=n), order, n).scores
    except ParseError:
        return None
    judgment = Judgment(scores=scores, order=order, raw=text)
    return MetaExample(
        item=sample.id,
        text=meta_text(sample.query, sample.responses, judgment),
        correct=is_correct(scores, truth_of(sample)),
    )


def advantages(rewards: Sequence[float]) -> list[float]:
    """How far each reward of a group is from its mean, in its spread (arXiv 2402.03300)."""
    found = torch.tensor(rewards, dtype=torch.float)
    apart = found - found.mean()
    shares: list[float] = (apart / (found.std(correction=0) + _EPSILON)).tolist()
    return shares


def pairs(count: int, *, seed: int) -> Iterator[Sample]:
    """Generated requests with several responses, without those like the reserved pairs."""
    drawn = (one.sample for one in generate(count, seed=seed))
    kept = decontaminate(drawn, reserved(), n=packed.SHARED_WORDS).kept
    return (sample for sample in kept if len(sample.responses) > 1)


@dataclass
class Drawn:
    """What a process has drawn for a step."""

    judgments: list[MetaExample] = field(default_factory=list)
    """Those that can be read."""
    rows: list[Row] = field(default_factory=list)
    """Of each request with right and wrong ones the prompt and all that was written, marked with
    its advantage by token."""
    right: int = 0
    count: int = 0
    """With those that cannot be read."""


class Drawer:
    """Draws judgments of requests, and says how far each is from its group.

    Args:
        base: folder of the base.
        model: whose adapter draws.
        given: the settings of the training.
        seed: of all that is drawn.
    """

    def __init__(self, base: Path, model: Packed, given: argparse.Namespace, *, seed: int) -> None:
        self._policy, self._given = Policy(base, model), given
        self._tokenizer, self._dialect = AutoTokenizer.from_pretrained(base), open_dialect("smol")
        self._encode = prompt_encoder(self._tokenizer, None)
        self._generator = torch.Generator().manual_seed(seed)
        self._orders = random.Random(seed)  # noqa: S311 - no secret

    def drawn(self, batch: Sequence[Sample]) -> Drawn:
        """Judgments of a batch, with the adapter as it is now."""
        self._policy.follow()
        orders = [
            tuple(self._orders.sample(range(len(one.responses)), len(one.responses)))
            for one in batch
        ]
        prompts = [
            list(self._encode(training_messages(sample, self._dialect, order=order, seed=0)))
            for sample, order in zip(batch, orders, strict=True)
        ]
        given = self._given
        with torch.inference_mode():
            groups = draw(
                self._policy.runner, prompts, each=given.each, room=given.room,
                eos=self._tokenizer.eos_token_id, temperature=given.temperature,
                generator=self._generator,
            )  # fmt: skip
        found = Drawn()
        for sample, order, prompt, group in zip(batch, orders, prompts, groups, strict=True):
            texts = [decode(self._tokenizer, ids) for ids in group]
            every = [judged(text, sample, order, self._dialect) for text in texts]
            rewards = [rule_reward(None if one is None else one.correct) for one in every]
            found.judgments += [one for one in every if one is not None]
            found.right += sum(one > 0 for one in rewards)
            found.count += len(rewards)
            if len(set(rewards)) > 1:
                shares = zip(advantages(rewards), group, strict=True)
                found.rows.append(Row(prompt, group, [one / len(ids) for one, ids in shares]))
        return found


def train(
    model: Packed, base: Path, samples: Sequence[Sample], out: Path, given: argparse.Namespace
) -> None:
    """Train it, with the processes that `torchrun` has started."""
    steps = Steps(model)
    drawer = Drawer(base, model, given, seed=given.seed * steps.world + steps.rank)
    own, begun = list(samples)[steps.rank :: steps.world], time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    kept = out / f"{JUDGMENTS}-{steps.rank}.jsonl"
    for step in range(given.steps):
        found = drawer.drawn(
            [own[(step * given.requests + i) % len(own)] for i in range(given.requests)]
        )
        with kept.open("a", encoding="utf-8") as file:
            file.writelines(f"{one.model_dump_json()}\n" for one in found.judgments)
        told = torch.tensor([float(found.right), float(found.count), float(len(found.rows))])
        if steps.world > 1:
            add_up([told])
        right, count, mixed = told.tolist()
        _, norm = steps.take(
            found.rows,
            rate(step, given.steps, top=given.rate, warm=given.warm, decay=given.decay),
            per=round(count),
        )
        if steps.rank > 0:
            continue
        sys.stdout.write(
            f"step {step + 1} of {given.steps}: {100 * right / count:.1f} % of {count:.0f} right, "
            f"{mixed:.0f} requests of both kinds, gradient {norm:.3f}, "
            f"{(time.monotonic() - begun) / (step + 1):.1f} s a step\n"
        )
        sys.stdout.flush()
        if (step + 1) % given.save == 0 or step + 1 == given.steps:
            model.save(out / str(step + 1))


def options() -> argparse.ArgumentParser:
    """What can be given."""
    parser = packed.shared_options(
        __doc__, out=Path("build/smol/packed-grpo"), items=4_000, steps=60, rate=1e-4, warm=5,
        decay=10, save=10,
    )  # fmt: skip
    parser.add_argument("--requests", type=int, default=8, help="of a process in a step")
    parser.add_argument("--each", type=int, default=8, help="judgments of a request")
    parser.add_argument("--room", type=int, default=192, help="tokens of a judgment at most")
    parser.add_argument("--temperature", type=float, default=1.0)
    return parser


def main() -> None:
    """The command line."""
    parser = options()
    given = parser.parse_args()
    if any(given.out.glob(f"{JUDGMENTS}-*.jsonl")):
        parser.error(
            f"{str(given.out)!r} has the judgments of another training; give another --out"
        )
    base = packed.started(parser)
    samples = list(pairs(given.items, seed=given.seed))
    if len(samples) < int(os.environ.get("WORLD_SIZE", "1")):
        parser.error(f"--items {given.items} leave too few requests with several responses")
    train(Packed(base, given.adapter), base, samples, given.out, given)
    packed.parted()


if __name__ == "__main__":
    main()
