"""Write train.jsonl and evaluation.jsonl beside this file: sums asked in everyday words."""

from __future__ import annotations

import json
import random
from pathlib import Path

ASKED = (
    "What is {a} plus {b}?",
    "What's {a} + {b}?",
    "How much is {a} and {b} together?",
    "If I have {a} apples and get {b} more, how many have I?",
    "Please add {b} to {a}.",
    "{a} plus {b} makes what?",
)
SAID = ("The answer is {x}.", "That would be {x}.", "{x}", "It is {x}, I think.", "You get {x}.")
SLIPS = (-10, -2, -1, 1, 2, 10)


def pair(rng: random.Random) -> dict[str, str]:
    """A question with a right and a wrong answer."""
    a, b = rng.randint(2, 49), rng.randint(2, 49)
    wrong = a + b + rng.choice(SLIPS)
    return {
        "prompt": rng.choice(ASKED).format(a=a, b=b),
        "chosen": rng.choice(SAID).format(x=a + b),
        "rejected": rng.choice(SAID).format(x=wrong),
    }


def main(folder: Path) -> None:
    """400 pairs to train on, and 100 with other questions to evaluate on."""
    rng = random.Random(0)
    rows: dict[str, dict[str, str]] = {}
    while len(rows) < 500:
        row = pair(rng)
        rows[row["prompt"]] = row
    pairs = list(rows.values())
    for name, part in (("train", pairs[:400]), ("evaluation", pairs[400:])):
        lines = "".join(f"{json.dumps(row)}\n" for row in part)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main(Path(__file__).parent)
