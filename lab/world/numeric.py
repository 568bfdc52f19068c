"""Tasks about numbers, counts and dates.

Sums are worked out units first, so that the carry is known when it is needed; counts keep the
word that is looked for beside every word of the list.
"""

from __future__ import annotations

import random

from lab.world.item import Draft
from lab.world.solving import Solution, choose_answers, solved, swapped, tally
from lab.world.split import Split
from lab.world.templates import WORDINGS
from lab.world.words import DAYS, MONTHS


def arithmetic(rng: random.Random, split: Split, n: int) -> Draft:
    """Sums and differences of numbers below 100 with a result of two digits."""
    while True:
        plus = rng.random() < 0.5
        a, b = rng.randint(11, 98), rng.randint(2, 88)
        total = a + b if plus else a - b
        if 10 <= total <= 99 and split.allows("sum", a, plus, b):
            break

    def wrong() -> str:
        off = rng.choice((1, -1, 2, -2, 10, -10, 10, -10, 11, 9))
        return str(total + off) if 10 <= total + off <= 99 else str(rng.randint(10, 99))

    answers = choose_answers(rng, n, str(total), wrong)
    slip = total + rng.choice((1, -1, 10, -10))
    slip = slip if 10 <= slip <= 99 else total - 1 if total > 10 else total + 1
    query = split.query(rng, WORDINGS["sum" if plus else "difference"]).format(a=a, b=b)
    solution = Solution(str(total), str(slip), _columns(a, b, plus=plus), joiner="")
    return solved(query, answers, "correct result", "short", solution)


def _columns(a: int, b: int, *, plus: bool) -> str:
    """The sum column by column, units first."""
    tens, other = a // 10, b // 10
    if plus:
        units = a % 10 + b % 10
        total, carry = tens + other, units // 10
        return (
            f"units {a % 10} + {b % 10} = {units} ; "
            f"tens {tens} + {other} = {total} , {total} + {carry} = {total + carry}"
        )
    borrow = int(a % 10 < b % 10)
    top, left = a % 10 + 10 * borrow, tens - other
    return (
        f"units {top} - {b % 10} = {top - b % 10} ; "
        f"tens {tens} - {other} = {left} , {left} - {borrow} = {left - borrow}"
    )


def ordering(rng: random.Random, split: Split, n: int) -> Draft:
    """Four to six different digits to be sorted."""
    while True:
        items = rng.sample(range(10), rng.choice((4, 4, 5, 6)))
        if split.allows("sort", *sorted(items)):
            break
    up = rng.random() < 0.5
    right = [str(digit) for digit in sorted(items, reverse=not up)]

    def wrong() -> str:
        if rng.random() < 0.7:
            return " ".join(swapped(rng, right))
        other = right.copy()
        i, j = rng.sample(range(len(other)), 2)
        other[i], other[j] = other[j], other[i]
        return " ".join(other)

    answers = choose_answers(rng, n, " ".join(right), wrong)
    wording = split.query(rng, WORDINGS["ascending" if up else "descending"])
    query = wording.format(items=" ".join(map(str, items)))
    return solved(query, answers, "correct order", "list", Solution(right, swapped(rng, right)))


def comparing(rng: random.Random, split: Split, n: int) -> Draft:
    """The larger of two numbers of three digits that often share their first digits."""
    while True:
        a = rng.randint(101, 999)
        near, nearer = rng.randint(101, 999), a // 10 * 10 + rng.randrange(10)
        b = rng.choice((near, nearer, a // 100 * 100 + rng.randrange(100)))
        if a != b and split.allows("compare", *sorted((a, b))):
            break
    if rng.random() < 0.5:
        a, b = b, a
    large, small = str(max(a, b)), str(min(a, b))

    def wrong() -> str:
        if rng.random() < 0.6:
            return small
        digits = list(large)
        digits[rng.randrange(3)] = str(rng.randint(1, 9))
        return "".join(digits)

    answers = choose_answers(rng, n, large, wrong)
    query = split.query(rng, WORDINGS["larger"]).format(a=a, b=b)
    solution = Solution(large, small, _comparison(str(a), str(b)), joiner="")
    return solved(query, answers, "larger number", "short", solution)


def _comparison(a: str, b: str) -> str:
    """Digit by digit up to the first difference."""
    parts = []
    for one, other in zip(a, b, strict=True):
        if one != other:
            parts.append(f"{one} {other} {'first' if one > other else 'second'}")
            break
        parts.append(f"{one} {other} same")
    return " , ".join(parts)


def counting(rng: random.Random, split: Split, n: int) -> Draft:
    """How often a word occurs in a list of four to eight."""
    while True:
        length = rng.randint(4, 8)
        count = rng.randint(1, min(5, length - 1))
        places = set(rng.sample(range(length), count))
        if split.allows("count", length, *sorted(places)):
            break
    word, *others = split.words(rng, 3)
    items = [word if i in places else rng.choice(others) for i in range(length)]

    def wrong() -> str:
        return str(max(0, count + rng.choice((1, -1, 1, -1, 2, -2))))

    answers = choose_answers(rng, n, str(count), wrong)
    steps, _ = tally(word, items)
    slip = str(count + rng.choice((1, -1)))
    query = split.query(rng, WORDINGS["count"]).format(word=word, items=" ".join(items))
    solution = Solution(str(count), slip, steps, joiner="")
    return solved(query, answers, "correct count", "short", solution)


def dates(rng: random.Random, split: Split, n: int) -> Draft:
    """The weekday or month some steps before or after another."""
    while True:
        unit, names = rng.choice((("day", DAYS), ("month", MONTHS)))
        start, steps = rng.randrange(len(names)), rng.randint(2, 6)
        after = rng.random() < 0.5
        if split.allows("date", unit, start, steps, after):
            break
    sign = 1 if after else -1
    walk = [names[(start + sign * i) % len(names)] for i in range(steps + 1)]

    def wrong() -> str:
        return names[(start + sign * (steps + rng.choice((1, -1, 2, -2)))) % len(names)]

    answers = choose_answers(rng, n, walk[-1], wrong)
    counted = " , ".join(f"{name} {i}" for i, name in enumerate(walk))
    wording = split.query(rng, WORDINGS["after" if after else "before"])
    query = wording.format(unit=unit, n=steps, start=names[start])
    solution = Solution(walk[-1:], walk[-2:-1], counted)
    return solved(query, answers, f"correct {unit}", "short", solution)
