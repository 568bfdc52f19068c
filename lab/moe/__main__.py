"""Train a mixture of experts and a dense model of as many active parameters; compare them.

    python -m lab.moe --out build/moe

Both are DeepSeek-V2's architecture, the one of DeepSeek-GRM-16B, and go through the framework's own
fine-tuning and `hf:` backend. A killed run continues; `python -m lab.moe --table` prints what is
there.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

from deemster.dialects import open_dialect
from deemster.schemas import Sample
from deemster.training.prompts import training_messages
from deemster.training.settings import MoeSettings, SftSettings
from deemster.training.sft import Example, sft_rows, train_sft
from lab.moe.judging import judged
from lab.moe.models import ARMS, Arm, new_base
from lab.moe.table import METRICS, SIZES, table
from lab.nano.data import shuffled
from lab.nano.tokenizer import train_tokenizer
from lab.world import NOISELESS, World, teacher_text

_DOMAINS = ("comparing", "facts", "counting")
"""Those that a model of this size learns in minutes."""
_BATCH, _LONGEST = 32, 512
"""Examples in a step, and most tokens of one."""
_TEST = 5_000
"""Added to the world's seed for items that are judged."""


def lessons(world: World, count: int) -> list[Example]:
    """Prompts about pairs with the noiseless teacher's trajectories, without principles."""
    dialect, rng = open_dialect("nano"), random.Random(world.seed)  # noqa: S311 - not secret
    made = []
    for item in world.items(count, n=2, domains=_DOMAINS):
        order = shuffled(2, rng)
        text = teacher_text(item, order, rng, noise=NOISELESS, principles=False)
        made.append(Example(training_messages(item.sample, dialect, order=order, seed=0), text))
    return made


def held_out(world: World, count: int) -> list[Sample]:
    """Pairs of the same domains that no model was trained on."""
    return World(world.seed + _TEST).samples(count, split="fresh", n=2, domains=_DOMAINS)


def train(arm: Arm, out: Path, *, examples: Sequence[Example], steps: int, seed: int) -> None:
    """Train one of the two, or the rest of it: `arm/model`, with a line per step beside it."""
    folder = out / arm
    if (folder / "model" / "config.json").exists():
        return
    tokenizer = train_tokenizer(
        (f"{one.messages[-1].text}\n{one.completion}" for one in examples[::4]), vocabulary=400
    )
    sizes = new_base(arm, folder / "base", tokenizer, seed=seed)
    rows, _ = sft_rows(tokenizer, examples, _LONGEST)
    tokens = sum(len(row["input_ids"]) for row in rows)
    (folder / SIZES).write_text(json.dumps({**sizes, "step_tokens": tokens / steps}), "utf-8")
    settings = SftSettings(
        learning_rate=3e-3,
        batch_size=_BATCH,
        micro_batch_size=_BATCH,
        max_steps=steps,
        max_length=_LONGEST,
        warmup=0.05,
        weight_decay=0.01,
        group_by_length=True,
        gradient_checkpointing=False,
        save_steps=100,
        cpu=True,
        seed=seed,
        moe=MoeSettings(experts_implementation="grouped_mm") if arm == "moe" else MoeSettings(),
    )
    before = time.process_time()

    def log(**step: object) -> None:
        line = {**step, "cpu": time.process_time() - before}
        with (folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    train_sft(examples, model=folder / "base", out=folder, settings=settings, resume=True, log=log)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("build/moe"))
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--steps", type=int, default=800, help="of 32 examples each")
    parser.add_argument("--items", type=int, default=400, help="pairs that are judged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--at", type=int, help="judge by the checkpoint of this step, train nothing"
    )
    parser.add_argument("--table", action="store_true", help="only print what is there")
    given = parser.parse_args(arguments)
    world = World(given.seed)
    if given.at is None and not given.table:
        examples = lessons(world, _BATCH * given.steps)
        for arm in given.arms:
            train(arm, given.out, examples=examples, steps=given.steps, seed=given.seed)
    for arm in () if given.table else given.arms:
        judged(given.out / arm, held_out(world, given.items), step=given.at)
    print(table(given.out, step=given.at))  # noqa: T201 - a command's result


if __name__ == "__main__":
    main()
