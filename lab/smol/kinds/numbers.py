"""Kinds of tasks with bare numbers and stories: the four operations, series, odd and even."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lab.smol.amounts import DAYS, MONTHS, asked, digits, near, people, written
from lab.smol.item import Kind, Rng, Task, capital, claim_task, short_task
from lab.smol.tables import phrasing
from lab.smol.working import added, divided, multiplied, taken

_AN = re.compile(r"\b([Aa]) (?=8|11\b|18\b|eigh|eleven|English|Italian)")
"""Where a number or a language of the question needs "an"."""
_NAMED = {
    **dict.fromkeys(("two steps", "saving"), "right result"),
    **dict.fromkeys(("sum of three", "in all"), "right sum"),
    "things left": "right rest",
    "splitting": "right number",
}
_OPERATIONS = {"sum", "difference", "product", "quotient"}
_LARGE = (
    *("{t}", "dollars", "euros", "pages", "miles", "members", "km", "points", "seats", "visitors"),
    *("words", "pounds", "metres", "ml", "grams"),
)
"""What there may be hundreds of in a story; people are no 300 years old."""


def ask(rng: Rng, key: str, **values: float | str) -> tuple[str, str]:
    """A question, and a sentence with `{}` that answers it.

    Args:
        rng: draws the wording.
        key: of the list of `phrasings.yaml`.
        values: what fills the question; numbers may be written in words.
    """
    question, sentence = phrasing(rng, key)
    while key in {"sum_story", "difference_story"} and not _fits(question, values.values()):
        question, sentence = phrasing(rng, key)
    numbers = {key: one for key, one in values.items() if not isinstance(one, str)}
    shown = dict(zip(numbers, asked(rng, *numbers.values()), strict=True))
    fill = people(rng) | {key: one for key, one in values.items() if isinstance(one, str)}
    plain = {key: digits(one) for key, one in numbers.items()}
    sentence = sentence.replace("{a}", "\0").format(**fill, **plain).replace("\0", "{}")
    asking = question.format(**fill, **shown)
    asking = _AN.sub(r"\1n ", asking)
    return capital(asking) if question.startswith("{") else asking, sentence


def strayed(rng: Rng, asking: tuple[str, str], share: float = 0.12) -> tuple[str, str]:
    """The question, now and then with a remark whose numbers have nothing to do with it."""
    if rng.random() > share:
        return asking
    remark, _ = phrasing(rng, "stray")
    numbers = {"i": str(rng.randint(2, 90)), "j": str(rng.randint(2, 28))}
    remark = _AN.sub(r"\1n ", remark.format(**people(rng), **numbers))
    if remark[0].islower() or remark.endswith(":") or rng.random() < 0.75:
        return f"{remark} {asking[0]}", asking[1]
    return f"{asking[0]} {remark}", asking[1]


def _fits(question: str, values: Iterable[float | str]) -> bool:
    large = any(isinstance(value, (int, float)) and value > 70 for value in values)
    return not large or any(word in question for word in _LARGE)


def operation(  # noqa: PLR0917 - every kind of the file calls it, in this order
    rng: Rng, kind: str, asking: tuple[str, str], fact: str, value: float, slips: Mapping[str, str]
) -> Task:
    """A task whose answer is a number.

    Args:
        rng: draws the slips and wordings.
        kind: of the task.
        asking: the question, and a sentence that answers it.
        fact: the truth.
        value: the right number.
        slips: other numbers by what makes them, such as "54 - 6".
    """
    right = digits(value)
    wrong_ways = {number: how for how, number in slips.items() if number != right}
    close = [one for one in near(rng, value, 3) if one not in wrong_ways]
    says = [asking[1]] * 3
    if kind in _OPERATIONS:
        left = fact.partition(":")[0].partition(" = ")[0]
        says += [f"{left} = {{}}", f"{left} = {{}}, so {asking[1]}"]
    return short_task(
        rng, kind, asking[0], _NAMED.get(kind, f"right {kind}"), fact, right, close[:2],
        far=list(wrong_ways), because=wrong_ways, say=says, write=written,
    )  # fmt: skip


def _whole(rng: Rng) -> int:
    """A number of 1 to 3 digits, mostly small: what newcomers ask first must be learned first."""
    draw = rng.random()
    if draw < 0.6:
        return rng.randint(2, 20)
    return rng.randint(5, 99) if draw < 0.95 else rng.randint(100, 900)


def _pair(rng: Rng, *, bare: bool) -> tuple[float, float]:
    if bare and rng.random() < 0.12:
        return rng.randint(3, 80) / 2, rng.randint(3, 80) / 2
    return _whole(rng), _whole(rng)


def _sum(rng: Rng) -> Task:
    bare = rng.random() < 0.35
    x, y = _pair(rng, bare=bare)
    a, b = digits(x), digits(y)
    slips = {f"{a} - {b}": digits(x - y)} if x - y > 1 else {}
    if x < 13 and y < 13:
        slips[f"{a} x {b}"] = digits(x * y)
    asking = ask(rng, "sum_bare" if bare else "sum_story", x=x, y=y)
    asking = asking if bare else strayed(rng, asking)
    return operation(rng, "sum", asking, added(x, y), x + y, slips)


def _difference(rng: Rng) -> Task:
    bare = rng.random() < 0.35
    y, x = sorted(_pair(rng, bare=bare))
    x += 2 if x - y < 2 else 0
    a, b = digits(x), digits(y)
    asking = ask(rng, "difference_bare" if bare else "difference_story", x=x, y=y)
    asking = asking if bare else strayed(rng, asking)
    slips = {f"{a} + {b}": digits(x + y)}
    if bare is False and x % y == 0 and x // y > 1:
        slips[f"{a} / {b}"] = digits(x // y)
    return operation(rng, "difference", asking, taken(x, y), x - y, slips)


def _product(rng: Rng) -> Task:
    x, y = rng.randint(2, 12), rng.randint(2, 12)
    if rng.random() < 0.3:
        y = rng.choice((15, 20, 25, 30, 40, 50, 60, 100, 120, 200, rng.randint(13, 40)))
    bare = rng.random() < 0.35
    asking = ask(rng, "product_bare" if bare else "product_story", x=x, y=y)
    asking = asking if bare else strayed(rng, asking)
    slips = {f"{x} + {y}": digits(x + y), f"{x} x {y + 1}": digits(x * (y + 1))}
    if y % x == 0 and y // x > 1:
        slips[f"{y} / {x}"] = digits(y // x)
    return operation(rng, "product", asking, multiplied(x, y), x * y, slips)


def _quotient(rng: Rng) -> Task:
    x, y = rng.randint(2, 12), rng.randint(2, 12)
    if rng.random() < 0.2:
        x = rng.choice((15, 20, 25, 30, 40, 50, 100, rng.randint(13, 40)))
    z = x * y
    bare = rng.random() < 0.35
    asking = ask(rng, "quotient_bare" if bare else "quotient_story", z=z, y=y)
    asking = asking if bare else strayed(rng, asking)
    slips = {f"{z} - {y}": digits(z - y), f"{z} + {y}": digits(z + y)}
    if z < 60:
        slips[f"{z} x {y}"] = digits(z * y)
    return operation(rng, "quotient", asking, divided(z, y), x, slips)


def _two_steps(rng: Rng) -> Task:
    x, y, z = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 20)
    if rng.random() < 0.5:
        asking = ask(rng, "product_plus", x=x, y=y, z=z)
        fact, value = f"{multiplied(x, y)}, {added(x * y, z)}", x * y + z
        slips = {f"{x} x {y}": str(x * y), f"{x} + {y} + {z}": str(x + y + z)}
    else:
        x += z
        asking = ask(rng, "sum_minus", x=x, y=y, z=z)
        fact, value = f"{added(x, y)}, {taken(x + y, z)}", x + y - z
        slips = {f"{x} + {y}": str(x + y), f"{x} + {y} + {z}": str(x + y + z)}
    return operation(rng, "two steps", asking, fact, value, slips)


def _remainder(rng: Rng) -> Task:
    y, x = rng.randint(3, 10), rng.randint(2, 10)
    left = rng.randint(1, y - 1)
    z = x * y + left
    asking = ask(rng, "remainder", z=z, y=y)
    fact = f"{z} / {y} = {x} rest {left}"
    wrong = [str(n) for n in (left + 1, left - 1, x) if n not in {left, -1}]
    return short_task(
        rng, "remainder", asking[0], "right rest", fact, str(left), wrong,
        say=asking[1], write=written,
    )  # fmt: skip


_SERIES = (
    tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    DAYS,
    MONTHS,
    ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
)


def _named_series(rng: Rng) -> Task:
    """Letters, days or months, each the next or the next but one."""
    series = rng.choice((_SERIES[0], *_SERIES))
    step = rng.choice((1, 2, 2, 3)) if series is _SERIES[0] else rng.choice((1, 1, 2))
    count = rng.choice((3, 4)) if step * 4 < len(series) else 3
    start = rng.randrange(len(series) - step * count)
    shown = [series[start + step * i] for i in range(count + 1)]
    last = start + step * (count - 1)
    between = ", ".join(series[last : last + step + 1])
    fact = "each is the next one" if step == 1 else f"it goes on by {step}"
    query, sentence = ask(rng, "sequence", s=", ".join(shown[:-1]))
    query = query.replace("number", "one")
    right = shown[-1]
    place = series.index(right)
    near_by = {series[i] for i in (place - 2, place - 1, place + 1) if 0 <= i < len(series)}
    return short_task(
        rng, "sequence", query, "right next one", f"{fact}: {between}", right,
        rng.sample(sorted(near_by - {right}), 2), say=sentence.replace("number", "one"),
    )  # fmt: skip


def _squares(rng: Rng) -> Task:
    """Squares, steps that grow by one, or each the sum of the two before."""
    first = rng.randint(1, 5)
    draw = rng.random()
    if draw < 0.25:
        numbers = sorted((first, first + rng.randint(1, 4)))
        while len(numbers) < 6:
            numbers.append(numbers[-2] + numbers[-1])
        a, b, c, d = numbers[:4]
        fact = f"{a} + {b} = {c}, {b} + {c} = {d}, so two make the next, "
        fact = _unlike(numbers) + fact + f"and {added(numbers[-3], numbers[-2])}"
    elif draw < 0.6:
        numbers = [n * n for n in range(first, first + 5)]
        fact = _unlike(numbers) + f"they are {first} x {first} to {first + 3} x {first + 3}, and "
        fact += f"{first + 4} x {first + 4} = {numbers[-1]}"
    else:
        numbers = [rng.randint(1, 20)]
        for step in range(first, first + 4):
            numbers.append(numbers[-1] + step)
        steps = ", ".join(f"+ {step}" for step in range(first, first + 4))
        fact = _unlike(numbers) + f"the steps are {steps}, and {added(numbers[-2], first + 3)}"
    query, sentence = ask(rng, "sequence", s=", ".join(map(str, numbers[:-1])))
    return short_task(
        rng, "sequence", query, "right next number", fact, str(numbers[-1]),
        near(rng, numbers[-1], 2), say=sentence, write=written,
    )  # fmt: skip


def _unlike(numbers: list[int]) -> str:
    """The first steps, which differ: "6 - 3 = 3, 12 - 6 = 6, not the same, "."""
    a, b, c = numbers[:3]
    return f"{taken(max(a, b), min(a, b))}, {taken(max(b, c), min(b, c))}, not the same, "


def _sequence(rng: Rng) -> Task:
    draw = rng.random()
    if draw < 0.3:
        return _named_series(rng) if draw < 0.18 else _squares(rng)
    if draw < 0.55:
        return _multiples(rng)
    step = rng.choice((2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 100))
    start = rng.randint(1, 30) if rng.random() < 0.6 else rng.randint(31, 300)
    if step >= 15:
        start = step * rng.randint(1, 4)
    numbers = [start + step * i for i in range(rng.choice((3, 4, 4, 5)))]
    up = rng.random() < 0.7
    if not up:
        numbers = [number + step for number in reversed(numbers)]
    a, b, c = numbers[:3]
    work = added if up else taken
    following = numbers[-1] + (step if up else -step)
    steps = [taken(max(pair), min(pair)) for pair in ((a, b), (b, c))]
    fact = f"{', '.join(steps)}, so it goes {'up' if up else 'down'} by {step}, "
    fact += work(numbers[-1], step)
    other = step + rng.choice((-2, -1, 1, 2)) if step > 3 else step + 1
    bad = numbers[-1] + (other if up else -other)
    verb = "added" if up else "taken away"
    reasons = (f"{step} is {verb} each time", f"{other} is {verb} each time")
    return _next_number(rng, numbers, fact, following, bad, reasons)


def _multiples(rng: Rng) -> Task:
    """Numbers that are doubled, tripled, multiplied by ten or halved."""
    by = rng.choice((2, 2, 2, 3, 10))
    count = 3 if by == 10 else 4
    first = rng.choice((1, 2, 4, 4, 5, 6, 7, 8, 9, 10, 11, 15)) if by == 2 else rng.randint(1, 5)
    numbers = [first * by**i for i in range(count + 1)]
    word = {2: "doubled", 3: "tripled", 10: "multiplied by 10"}[by]
    if by == 2 and rng.random() < 0.35:
        numbers.reverse()
        a, b, c = numbers[:3]
        fact = f"{a} / 2 = {b}, {b} / 2 = {c}, so half each time, {numbers[-2]} / 2 = {numbers[-1]}"
        word = "halved"
    else:
        a, b, c = numbers[:3]
        fact = f"{by} x {a} = {b}, {by} x {b} = {c}, so each is {word}, "
        fact += multiplied(by, numbers[-2])
    *numbers, following = numbers
    change = numbers[-1] - numbers[-2]
    if word == "halved":
        change = rng.choice((-numbers[-1] + 1, following - numbers[-1] - 1))
    elif rng.random() < 0.3:
        change = numbers[1] - numbers[0]
    verb = "added" if change > 0 else "taken away"
    reasons = (f"each number is {word}", f"{abs(change)} is {verb} each time")
    fact = _unlike(numbers) + fact
    return _next_number(rng, numbers, fact, following, numbers[-1] + change, reasons, rule=word)


def _next_number(  # noqa: PLR0917 - two callers, in this order
    rng: Rng, numbers: list[int], fact: str, following: int, bad: int, reasons: tuple[str, str],
    rule: str = "",
) -> Task:  # fmt: skip
    """The task of a series of numbers, now and then with reasons in the answers."""
    key = "sequence_story" if rng.random() < 0.4 else "sequence"
    series = ", ".join(map(str, numbers))
    query, sentence = ask(rng, key, s=series)
    if rule and rng.random() < 0.15:
        query, sentence = ask(rng, "sequence_rule", s=series, r=rule)
    wrong = [str(bad)] if bad != following and bad > 0 else []
    wrong += [one for one in near(rng, following, 2) if one not in wrong]
    task = short_task(
        rng, "sequence", query, "right next number", fact, str(following),
        wrong or [str(following + 1)], say=sentence, write=written,
    )  # fmt: skip
    if rng.random() < 0.25 and wrong[:1] == [str(bad)]:
        ending = rng.choice((" Why?", " And why?", " How do you know?", ""))
        right, other = (
            replace(one, text=f"{number}, because {why}.", finding=finding, padded=False)
            for one, number, why, finding in (
                (task.right, following, reasons[0], f"It says {following}, which is right."),
                (task.wrong[0], bad, reasons[1], f"It says {bad}, but {following} is right."),
            )
        )
        task = replace(task, query=query + ending, right=right, wrong=(other,))
    return task


def _parity(rng: Rng) -> Task:
    number = rng.randint(2, 999)
    word, other = ("odd", "even") if number % 2 else ("even", "odd")
    query, sentence = ask(rng, "parity", x=str(number))
    return short_task(
        rng, "parity", query, "right kind of number", f"{number} ends in {number % 10}, so {word}",
        word, [other], say=sentence,
    )  # fmt: skip


def _check(rng: Rng) -> Task:
    """A yes-or-no question about an operation, or about a story with a product."""
    x, y = _whole(rng), _whole(rng)
    draw = rng.random()
    if draw < 0.25:
        said, truth, work = f"{x} + {y}", x + y, added(x, y)
    elif draw < 0.45:
        x, y = max(x, y) + 2, min(x, y)
        said, truth, work = f"{x} - {y}", x - y, taken(x, y)
    elif draw < 0.55:
        x, y = rng.randint(2, 12), rng.randint(2, 10)
        said, truth, work = f"{x * y} / {y}", x, divided(x * y, y)
    else:
        x, y = rng.randint(2, 12), rng.choice((*range(2, 13), 6, 7, 8, 9, 20, 30, 50, 70))
        said, truth, work = f"{x} x {y}", x * y, multiplied(x, y)
    other, *more = [one for one in near(rng, truth, 2) if one != str(truth)]
    claim = str(truth) if rng.random() < 0.45 else other
    if draw > 0.75:
        query, _ = ask(rng, "check_story", x=str(x), y=str(y), a=claim)
    else:
        query, _ = ask(rng, "check", o=said, a=claim)
    right, wrong = ("yes", "no") if claim == str(truth) else ("no", "yes")
    if rng.random() < 0.35:
        return short_task(
            rng, "check", query, "right verdict", f"{work}, and {claim} is claimed, so {right}",
            right, [wrong], noun=False,
        )  # fmt: skip
    slip = more[0] if more and claim != str(truth) and rng.random() < 0.35 else other
    return claim_task(rng, "check", query, work, said, (claim, str(truth), slip))


def _sum_of_three(rng: Rng) -> Task:
    most = rng.choice((9, 20, 30, 60))
    x, y, z = (rng.randint(2, most) for _ in range(3))
    asking = strayed(rng, ask(rng, "sum_of_three", x=x, y=y, z=z))
    fact = f"{x} + {y} + {z}: {added(x, y)}, {added(x + y, z)}"
    slips = {f"{x} + {y}": str(x + y), f"{y} + {z}": str(y + z), f"{x} + {z}": str(x + z)}
    return operation(rng, "sum of three", asking, fact, x + y + z, slips)


def _things_left(rng: Rng) -> Task:
    """Things less two lots of them, or how many are gone when some are left."""
    y, z, left = rng.randint(2, 30), rng.randint(2, 20), rng.randint(3, 40)
    if rng.random() < 0.35:
        x = left + y if rng.random() < 0.4 else -(-(left + y) // 10) * 10
        left = x - y
        if left < 2:
            x, left = x + 10, left + 10
        asking = strayed(rng, ask(rng, "things_gone", x=x, y=y))
        fact = f"of {x} there are {y} left: {taken(x, y)}"
        slips = {f"{x} + {y}": str(x + y)}
        return operation(rng, "things left", asking, fact, left, slips)
    x = left + y + z
    asking = strayed(rng, ask(rng, "things_left", x=x, y=y, z=z), 0.2)
    fact = f"{x} less {y} and {z}: {taken(x, y)}, {taken(x - y, z)}"
    slips = {f"{x} - {y}": str(x - y), f"{x} - {z}": str(x - z), f"{y} + {z}": str(y + z)}
    return operation(rng, "things left", asking, fact, left, slips)


def _in_all(rng: Rng) -> Task:
    """One has some, the other so many more or fewer, or so many times as many: both together."""
    x, y = rng.randint(4, 30), rng.randint(2, 12)
    draw = rng.random()
    if draw < 0.4:
        key, other, work = "in_all_more", x + y, added(x, y)
        slips = {f"{x} + {y}": str(x + y), f"2 x {x}": str(2 * x)}
    elif draw < 0.65:
        x += y
        key, other, work = "in_all_fewer", x - y, taken(x, y)
        slips = {f"{x} - {y}": str(x - y), f"{x} + {y}": str(x + y)}
    else:
        key, other, work = "in_all_twice", 2 * x, multiplied(2, x)
        slips = {f"2 x {x}": str(2 * x), f"{x} + 2": str(x + 2)}
    asking = strayed(rng, ask(rng, key, x=x, y=y))
    fact = f"{work}, both: {added(x, other)}"
    return operation(rng, "in all", asking, fact, x + other, slips)


KINDS: dict[str, Kind] = {
    "sum of three": _sum_of_three,
    "things left": _things_left,
    "in all": _in_all,
    "sum": _sum,
    "difference": _difference,
    "product": _product,
    "quotient": _quotient,
    "two steps": _two_steps,
    "remainder": _remainder,
    "sequence": _sequence,
    "parity": _parity,
    "check": _check,
}
