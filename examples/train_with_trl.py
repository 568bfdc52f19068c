"""Train a policy with TRL's GRPOTrainer; the reward is a judge, and a verifier looks on.

```
python examples/train_with_trl.py --steps 60
```

A tiny policy (the embedded model's weights, taught for a moment to answer a question in one line)
starts out naming either of two numbers at random, half of the time with a boast. The embedded judge
compares the answers to each question, four in a call. `judge` is its mean reward per step, `right`
the share of answers that a program finds right, which the policy never gets to see. Where `judge`
rises and `right` does not, the judge is being gamed; `boasts` shows one way in which it might.
Needs `pip install 'deemster[train]'` and no GPU.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import tempfile
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from deemster import Judge, Verifier
from deemster.backends.nano import part
from deemster.integrations.trl import monitor_func, reward_func
from deemster.judges.verifier import NumericMatch

WORDINGS = (
    "Which is larger, {} or {}?",
    "Name the larger of {} and {}.",
    "Which number is greater: {} or {}?",
    "Give the larger of {} and {}.",
)
ANSWERS = ("It is {}.", "The answer is {}.", "I get {}.", "{}.")
BOAST = " I am certain."
GROUP = 4


def questions(seed: int) -> Iterator[tuple[str, str, str]]:
    """A question, the right number and the wrong one, without end."""
    rng = random.Random(seed)
    while True:
        one, other = rng.sample(range(101, 1000), 2)
        query = rng.choice(WORDINGS).format(one, other)
        yield query, str(max(one, other)), str(min(one, other))


def warm_start(model: Any, tokenizer: Any, steps: int, seed: int) -> None:
    """Teach it to answer in one line, right or wrong by chance."""
    rng = random.Random(seed)
    asked = questions(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    for _ in range(steps):
        texts, starts = [], []
        for query, right, wrong in islice(asked, 32):
            said = rng.choice(ANSWERS).format(rng.choice((right, wrong)))
            said += BOAST * (rng.random() < 0.5)
            prompt = tokenizer.apply_chat_template(
                [{"role": "user", "content": query}], tokenize=False, add_generation_prompt=True
            )
            texts.append(prompt + said + tokenizer.eos_token)
            starts.append(len(tokenizer(prompt, add_special_tokens=False).input_ids))
        batch = tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False
        )
        labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
        for row, start in enumerate(starts):
            labels[row, :start] = -100  # the prompt is not learnt
        model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=labels
        ).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


class Boasts:
    """Rewards nothing; logs the share of answers that claim to be certain, and keeps the last."""

    __name__ = "boasts"

    def __init__(self) -> None:
        self.last: list[str] = []

    def __call__(
        self, prompts: list[Any], completions: list[Any], log_metric: Any, **_: Any
    ) -> Any:
        said = [completion[0]["content"] for completion in completions]
        self.last = [
            f"{prompt[0]['content']} {answer!r}"
            for prompt, answer in zip(prompts, said, strict=True)
        ]
        log_metric("boasts", sum(BOAST.strip() in answer for answer in said) / len(said))
        return [None] * len(said)


Figures = list[dict[str, float]]


def train(
    *, steps: int, prompts: int, k: int, warm: int, rate: float, seed: int, out: Path
) -> tuple[Figures, list[str]]:
    """Train; returns what each step logged, and the last step's answers."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(part("judge"))
    policy = AutoModelForCausalLM.from_pretrained(part("judge"), dtype=torch.float32)
    warm_start(policy, tokenizer, warm, seed)
    rows = [
        {"prompt": [{"role": "user", "content": query}], "gold": right}
        for query, right, _ in islice(questions(seed + 1), steps * prompts)
    ]
    judge = Judge(k=k, seed=seed)  # the embedded one; any other model string will do
    verifier, boasts = Verifier(NumericMatch()), Boasts()
    trainer = GRPOTrainer(
        policy,
        reward_funcs=[
            reward_func(judge, name="judge"),
            monitor_func(verifier, reference="gold", name="verifier"),
            boasts,
        ],
        args=GRPOConfig(
            output_dir=str(out),
            max_steps=steps,
            per_device_train_batch_size=prompts * GROUP,
            num_generations=GROUP,
            max_completion_length=16,
            learning_rate=rate,
            lr_scheduler_type="constant",
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            disable_tqdm=True,
            seed=seed,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)  # the table says it
    trainer.train()
    names = {
        "judge": "reward",
        "right": "verifier/reward",
        "boasts": "boasts",
        "unscored": "judge/unscored",
        "failed_votes": "judge/failed_votes",
    }
    log = [
        {name: float(step[key]) for name, key in names.items() if key in step}
        for step in trainer.state.log_history
        if "reward" in step
    ]
    return log, boasts.last


def table(log: Figures, rows: int = 10) -> str:
    """The mean of each figure over a tenth of the run."""
    size = max(1, len(log) // rows)
    names = list(log[0])
    lines = ["steps    " + "".join(f"{name:>14}" for name in names)]
    for start in range(0, len(log) - size + 1, size):
        part_of = log[start : start + size]
        means = [sum(step.get(name, 0.0) for step in part_of) / size for name in names]
        lines.append(f"{start + 1:3}–{start + size:<4} " + "".join(f"{one:14.3f}" for one in means))
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--prompts", type=int, default=8, help="per step; 4 answers to each")
    parser.add_argument("-k", type=int, default=1, help="votes per judgment")
    parser.add_argument("--warm", type=int, default=150, help="steps of the warm start")
    parser.add_argument("--rate", type=float, default=1e-4, help="the learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="write the figures of each step here, as JSON")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figures, answers = train(
            steps=given.steps,
            prompts=given.prompts,
            k=given.k,
            warm=given.warm,
            rate=given.rate,
            seed=given.seed,
            out=Path(folder),
        )
    if given.log:
        given.log.write_text(json.dumps(figures), encoding="utf-8")
    print(table(figures))
    print("the last answers:", *answers[::GROUP], sep="\n")
