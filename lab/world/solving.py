"""Tasks with one solution, which is worked out once and compared with every answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.world.item import Check, Criterion, Draft, Working


@dataclass(frozen=True)
class Solution:
    """The solution, part by part, and how it was found.

    Attributes:
        parts: digits, letters or words of the solution.
        slip: the same with a slip.
        steps: the way there, in words; may be empty.
        joiner: the text between the parts of an answer.
    """

    parts: Sequence[str]
    slip: Sequence[str]
    steps: str = ""
    joiner: str = " "

    @property
    def answer(self) -> str:
        """The right answer."""
        return self.joiner.join(self.parts)


def solved(
    query: str, answers: tuple[str, ...], criterion: str, dress: str, solution: Solution
) -> Draft:
    """A task with a solution that every answer is compared with."""

    def held_against(parts: Sequence[str]) -> tuple[Check, ...]:
        return tuple(compare(parts, _split(answer, solution.joiner)) for answer in answers)

    steps = f"{solution.steps} ; " if solution.steps else ""
    working = Working(
        steps + _shown(solution.parts, solution.joiner),
        steps + _shown(solution.slip, solution.joiner),
    )
    decisive = Criterion(criterion, held_against(solution.parts), held_against(solution.slip))
    return Draft(query, answers, (decisive,), dress, solution.answer, working)


def compare(wanted: Sequence[str], found: Sequence[str]) -> Check:
    """Two sequences side by side, as far as they agree."""
    pairs = []
    for i in range(max(len(wanted), len(found))):
        want = wanted[i] if i < len(wanted) else "end"
        has = found[i] if i < len(found) else "end"
        pairs.append(f"{want} {has}")
        if want != has:
            return Check(f"want/has {' , '.join(pairs)}", ok=False)
    return Check(f"want/has {' , '.join(pairs)}", ok=True)


def choose_answers(
    rng: random.Random, n: int, right: str, wrong: Callable[[], str]
) -> tuple[str, ...]:
    """`n` answers in random order with exactly one right; a single one is right or wrong."""
    answers = [right] if n > 1 or rng.random() < 0.5 else []
    tries = 0
    while len(answers) < n:
        answer = wrong()
        tries += 1
        if answer != right and (answer not in answers or tries > 20):
            answers.append(answer)
    rng.shuffle(answers)
    return tuple(answers)


def tally(word: str, items: Sequence[str]) -> tuple[str, int]:
    """How often a word occurs in a list: the count after each word, and the last count."""
    steps, count = [], 0
    for item in items:
        count += item == word
        steps.append(f"{word} {item} {count}")
    return " , ".join(steps), count


def swapped(rng: random.Random, parts: Sequence[str]) -> list[str]:
    """The parts with two neighbours exchanged."""
    other = list(parts)
    i = rng.randrange(len(other) - 1)
    other[i], other[i + 1] = other[i + 1], other[i]
    return other


def _split(answer: str, joiner: str) -> list[str]:
    return answer.split(joiner) if joiner else list(answer)


def _shown(parts: Sequence[str], joiner: str) -> str:
    return joiner.join(parts) if not joiner else " ".join(parts)
