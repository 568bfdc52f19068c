"""Kinds of tasks with fractions such as 3/4: summed, halved, compared, brought to simplest form."""

from __future__ import annotations

import math
from fractions import Fraction

from lab.smol.item import Kind, Rng, Task, capital, short_task
from lab.smol.tables import phrasing, rows
from lab.smol.working import compared, divided, multiplied, taken

_WORDS = {
    "1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter",
    "3/4": "three quarters", "1/5": "one fifth", "2/5": "two fifths", "3/5": "three fifths",
    "1/6": "one sixth", "5/6": "five sixths", "1/8": "one eighth", "3/8": "three eighths",
    "5/8": "five eighths", "7/8": "seven eighths", "1/10": "one tenth", "3/10": "three tenths",
    "4/5": "four fifths", "7/10": "seven tenths", "9/10": "nine tenths",
}  # fmt: skip
_SHARES = (("half", 2), ("half", 2), ("half", 2), ("a third", 3), ("a quarter", 4))


def _text(value: Fraction) -> str:
    """A fraction, or the whole number that it is."""
    return f"{value.numerator}/{value.denominator}" if value.denominator > 1 else str(value)


def _spoken(rng: Rng, text: str) -> str:
    """A fraction as somebody may write it."""
    return _WORDS[text] if text in _WORDS and rng.random() < 0.2 else text


def _slips(value: Fraction, *others: Fraction | str) -> list[str]:
    """Wrong fractions that are not the right one in other words: typical mistakes come first."""
    top, under = value.numerator, value.denominator
    drawn = [*others, Fraction(top, under + 1), Fraction(top + 1, under + 2)]
    found: list[str] = []
    for one in drawn:
        text = one if isinstance(one, str) else _text(one)
        if Fraction(text) not in {value, Fraction(0)} and text not in found:
            found.append(text)
    return found


def _simplest(top: int, under: int) -> str:
    """What shows the simplest form: "6/8: 6 / 2 = 3, 8 / 2 = 4, so 3/4"."""
    by = math.gcd(top, under)
    if by == 1:
        return f"{top}/{under}"
    whole = _text(Fraction(top, under))
    steps = f"{top} / {by} = {top // by}, {under} / {by} = {under // by}"
    return f"{top}/{under}: {steps}, so {whole}"


def _short(  # noqa: PLR0917 - every maker calls it, in this order
    rng: Rng, key: str, values: dict[str, str], fact: str, right: Fraction, wrong: list[str]
) -> Task:
    """A task with a fraction as its answer."""
    question, sentence = phrasing(rng, key)
    query = question.format(**values)
    sentence = sentence.replace("{a}", "\0").format(**values).replace("\0", "{}")
    return short_task(
        rng, "parts", capital(query) if question[0] == "{" else query, "right fraction", fact,
        _text(right), wrong[:2], far=wrong[2:3], say=sentence, write=_spoken,
    )  # fmt: skip


def _proper(rng: Rng, unders: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 10)) -> Fraction:
    """A fraction below 1."""
    under = rng.choice(unders)
    return Fraction(rng.choice([n for n in range(1, under) if math.gcd(n, under) == 1]), under)


def _part_of_part(rng: Rng) -> Task:
    """Half of 3/4, a third of 1/2, twice 3/8."""
    value = _proper(rng)
    if rng.random() < 0.25:
        result = value * 2
        top, under = value.numerator * 2, value.denominator
        fact = f"twice {_text(value)}: 2 x {value.numerator} = {top}, {under} stays, "
        word = rng.choice(("double", "twice"))
        wrong = _slips(result, Fraction(top, under * 2), Fraction(value.numerator, under * 2))
    else:
        word, by = rng.choice(_SHARES)
        result = value / by
        top, under = value.numerator, value.denominator * by
        fact = f"{word} of {_text(value)}: {value.numerator} stays, {by} x {value.denominator} = "
        fact += f"{under}, "
        more = Fraction(value.numerator, value.denominator + by)
        wrong = _slips(result, more, value * by, Fraction(1, value.denominator + 1))
        word = "half" if word == "half" and rng.random() < 0.5 else f"{word} of"
    rng.shuffle(wrong)
    unit = rng.choice(("cup", "litre", "spoon", "pint", "jug"))
    story = rng.random() < 0.5 and "twice" not in word and "double" not in word
    key = "part_of_part_story" if story else "part_of_part"
    word = f"{word} of" if story and word == "half" else word
    values = {"f": word, "x": _text(value), "u": unit}
    return _short(rng, key, values, fact + _simplest(top, under), result, wrong)


def _fraction_sum(rng: Rng) -> Task:
    """Two fractions added or taken away, made alike first."""
    x, y = _proper(rng, (2, 3, 4, 8)), _proper(rng, (2, 4, 3, 6, 8, 5, 10))
    if rng.random() < 0.35:
        y = Fraction(rng.randint(1, x.denominator - 1), x.denominator)
    while x + y > 1:  # parts of one thing
        x, y = x / 2 if x > y else x, y if x > y else y / 2
    plus = rng.random() < 0.65
    if not plus and x <= y:
        x, y = (Fraction(1), y) if x == y or rng.random() < 0.4 else (y, x)
    under = math.lcm(x.denominator, y.denominator)
    tops = [one.numerator * under // one.denominator for one in (x, y)]
    made = [
        f"{_text(one)} is {top}/{under}"
        for one, top in zip((x, y), tops, strict=True)
        if one.denominator != under
    ]
    sign, result = ("+", x + y) if plus else ("-", x - y)
    top = tops[0] + tops[1] if plus else tops[0] - tops[1]
    fact = ", ".join([*made, f"{tops[0]}/{under} {sign} {tops[1]}/{under}"])
    fact += f": {tops[0]} {sign} {tops[1]} = {top}, {under} stays, {_simplest(top, under)}"
    lower = x.denominator + y.denominator if plus else max(2, abs(x.denominator - y.denominator))
    upper = x.numerator + y.numerator if plus else max(1, abs(x.numerator - y.numerator))
    wrong = _slips(result, f"{upper}/{lower}", Fraction(top + 1, under), Fraction(1, under + 1))
    values = {"x": _text(x), "y": _text(y)}
    key = "fraction_plus" if plus else "fraction_minus"
    return _short(rng, key, values, fact.replace(f": {top}/{under}:", ":"), result, wrong)


def _share_of(rng: Rng) -> Task:
    """So many of so many as a fraction in simplest form."""
    base = _proper(rng, (2, 3, 4, 5))
    by = rng.choice((2, 2, 3, 4, 5, 10))
    top, whole = base.numerator * by, base.denominator * by
    left = rng.random() < 0.35
    given = whole - top if left else top
    fact = f"{given} of {whole} left over: {taken(whole, given)}, " if left else ""
    if not left:
        fact = f"{given} of {whole} is "
    wrong = _slips(base, 1 - base, Fraction(1, by + 1), Fraction(base.numerator, by + 2))
    values = {"x": str(given), "w": str(whole)}
    key = "share_left" if left else "share_of"
    return _short(rng, key, values, fact + _simplest(top, whole), base, wrong)


def _simple_form(rng: Rng) -> Task:
    """A fraction brought to its simplest form."""
    base, by = _proper(rng, (2, 3, 4, 5, 6, 7, 8)), rng.choice((2, 3, 4, 5, 6, 10))
    top, under = base.numerator * by, base.denominator * by
    wrong = _slips(base, Fraction(top - 1, under), Fraction(base.numerator, base.denominator + by))
    return _short(rng, "simplest_form", {"x": f"{top}/{under}"}, _simplest(top, under), base, wrong)


def _larger(rng: Rng) -> Task:
    """Which of two fractions is more."""
    x = _proper(rng)
    y = _proper(rng)
    while x == y:
        y = _proper(rng)
    draw = rng.random()
    if draw < 0.3:
        x, y = (Fraction(1, n) for n in rng.sample((2, 3, 4, 5, 6, 8, 9, 10, 12), 2))
    under = math.lcm(x.denominator, y.denominator)
    a, b = _text(x), _text(y)
    tops = [one.numerator * under // one.denominator for one in (x, y)]
    fact = ", ".join(
        f"{_text(one)} is {top}/{under}" if one.denominator != under else f"{_text(one)} stays"
        for one, top in zip((x, y), tops, strict=True)
    )
    up = rng.random() < 0.65
    pairs = (("larger", "smaller"), ("bigger", "smaller"), ("more", "less"), ("greater", "smaller"))
    high_word, low_word = rng.choice(pairs)
    high, low = (a, b) if x > y else (b, a)
    fact += f", {compared(str(tops[0]), str(tops[1]))}, {high} is {high_word}, {low} is {low_word}"
    question, sentence = phrasing(rng, "larger_fraction")
    word = high_word if up else low_word
    right, wrong = (high, low) if up else (low, high)
    return short_task(
        rng, "parts", question.format(x=a, y=b, w=word), "right comparison", fact, right, [wrong],
        say=sentence.replace("{a}", "{}").replace("{w}", word), write=_spoken,
    )  # fmt: skip


def _share_story(rng: Rng) -> Task:
    """A part of a number, what is left of it, or the whole of a part."""
    question, part, under, ask = rng.choice(rows("part_stories"))
    by, one = int(under), rng.randint(2, 15)
    whole = one * by
    if ask == "part":
        fact, value = f"{part} of {whole}: {divided(whole, by)}", one
        slips = {whole - by, whole - one, one + 1, one - 1, one + 4, whole // 2}
    elif ask == "left":
        fact, value = f"{divided(whole, by)}, left: {taken(whole, one)}", whole - one
        slips = {one, whole - by, whole - one + 2, whole - one - 1}
    else:
        fact, value = f"{part} is {one}, the whole is {multiplied(by, one)}", whole
        slips = {one + by, whole + one, whole - 1, whole + 10}
    query = question.format(w=one if ask == "whole" else whole)
    slips = {n for n in (*slips, value + 1, value + 2, value + 3) if n > 0 and n != value}
    wrong = [str(n) for n in rng.sample(sorted(slips), 3)]
    return short_task(
        rng, "parts", query, "right amount", fact, str(value), wrong, say=("{} in all" if
        ask == "whole" else "that makes {}"),
    )  # fmt: skip


_KEPT_BACK = (
    "half of 3/4",
    "1/2 is 2/4, 2/4 + ",
    "1/2 is 2/4, 1/4 + ",
    "2 of 8 is",
    "a third of 27",
)
"""What pairs of the development set ask."""


def _parts(rng: Rng) -> Task:
    makers = (_part_of_part, _fraction_sum, _share_of, _larger, _simple_form, _share_story)
    (maker,) = rng.choices(makers, (4, 4, 4, 3, 2, 4))
    task = maker(rng)
    return _parts(rng) if task.principles[0].text.startswith(_KEPT_BACK) else task


KINDS: dict[str, Kind] = {"parts": _parts}
