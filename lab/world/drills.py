"""Exercises in the steps of evidence: sums of digits, letters of words, copying, tallies.

A judgment needs a few such steps among many others, so a small model meets each too seldom to
memorise it: `6 + 5` is in one of 2,500 trajectories. An exercise in sums has fourteen sums.

Held-out material stays out: no sum here is an item's, and no held-out word or pattern of counting
is used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from lab.world.solving import tally
from lab.world.split import Split
from lab.world.words import HELD_OUT, TRAIN, pseudo_word

_SUMS, _SPELT, _COPIED = 14, 6, 10
_TALLIED = 0.45
"""How likely a word of a list is the one to be counted."""
_SPLIT = Split("train")


def drills(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """`count` exercises, the kinds in turn: what is asked, and its answer.

    Args:
        count: how many.
        seed: another seed gives other exercises.

    Yields:
        Query and answer; no word of the split `words` and no pattern of `numbers` is among them.
    """
    for number in range(count):
        rng = random.Random(f"drills {seed} {number}")  # noqa: S311 - not secret
        yield _KINDS[number % len(_KINDS)](rng)


def _sums(rng: random.Random) -> tuple[str, str]:
    """Sums and differences of a number and a digit, as they occur in the columns of a sum."""
    tasks, answers = [], []
    for _ in range(_SUMS):
        a, b = rng.randrange(10), rng.randrange(10)
        if rng.random() < 0.5:
            task, result = f"{a} + {b}", a + b
        else:
            task, result = f"{a + b} - {b}", a
        tasks.append(task)
        answers.append(f"{task} = {result}")
    return f"Sums: {' , '.join(tasks)}", " ; ".join(answers)


def _letters(rng: random.Random) -> tuple[str, str]:
    words = _words(rng, _SPELT)
    return f"Letters: {' '.join(words)}", " ; ".join(" ".join(word) for word in words)


def _copying(rng: random.Random) -> tuple[str, str]:
    words = " ".join(_words(rng, _COPIED))
    return f"Copy: {words}", words


def _tallies(rng: random.Random) -> tuple[str, str]:
    while True:
        length = rng.randint(4, 9)
        places = [place for place in range(length) if rng.random() < _TALLIED]
        if _SPLIT.allows("count", length, *places):
            break
    word, *others = _words(rng, rng.randint(2, 4))
    items = [word if place in places else rng.choice(others) for place in range(length)]
    steps, count = tally(word, items)
    return f"Tally: {word} in {' '.join(items)}", f"{steps} ; {count}"


_KINDS: tuple[Callable[[random.Random], tuple[str, str]], ...] = (
    _sums,
    _letters,
    _copying,
    _tallies,
)


def _words(rng: random.Random, count: int) -> list[str]:
    """Different words: known ones, made-up ones, and known ones cut up and joined anew."""
    found: list[str] = []
    while len(found) < count:
        word = rng.choice((_known, pseudo_word, _joined))(rng)
        if word not in found and word not in HELD_OUT:
            found.append(word)
    return found


def _known(rng: random.Random) -> str:
    return rng.choice(TRAIN)


def _joined(rng: random.Random) -> str:
    start, end = rng.choice(TRAIN), rng.choice(TRAIN)
    return start[: rng.randint(1, len(start) - 1)] + end[rng.randint(1, len(end) - 1) :]
