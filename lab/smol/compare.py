"""A kind of task: which of two numbers, amounts or people's shares is more."""

from __future__ import annotations

from fractions import Fraction

from lab.smol.amounts import digits, people
from lab.smol.item import Kind, Rng, Task, short_task
from lab.smol.measures import with_comma
from lab.smol.numbers import ask
from lab.smol.tables import phrasing

_DIMENSIONS = (  # comparatives, then a larger unit, a smaller one, and how many make one
    (("heavier", "lighter"), "kg", "g", 1000),
    (("heavier", "lighter"), "tonnes", "kg", 1000),
    (("longer", "shorter"), "m", "cm", 100),
    (("longer", "shorter"), "km", "m", 1000),
    (("longer", "shorter"), "feet", "inches", 12),
    (("longer", "shorter"), "hours", "minutes", 60),
    (("longer", "shorter"), "minutes", "seconds", 60),
    (("longer", "shorter"), "days", "hours", 24),
    (("longer", "shorter"), "weeks", "days", 7),
    (("longer", "shorter"), "years", "months", 12),
    (("more", "less"), "litres", "ml", 1000),
    (("more", "less"), "euros", "cents", 100),
    (("more", "less"), "dollars", "cents", 100),
)


def _comparison(rng: Rng) -> Task:
    draw = rng.random()
    if draw < 0.35:
        return _amounts(rng)
    return _who(rng) if draw < 0.6 else _numbers(rng)


def _who(rng: Rng) -> Task:
    """Two people, one of whom has more."""
    low, high = rng.randint(3, 900), rng.randint(901, 4000)
    if rng.random() < 0.7:
        low = rng.randint(12, 980)
        high = low + rng.choice((1, 2, 9, 10, 90, 100, 900))
    who = people(rng)
    numbers = [("n", str(low)), ("m", str(high))]
    if rng.random() < 0.5:
        numbers = [("m", str(low)), ("n", str(high))]
    (less, _), (more, _) = numbers
    question, sentence = phrasing(rng, "compare_stories")
    up = rng.random() < 0.6
    word = "more" if up else "less" if "earns" in question else "fewer"
    right, wrong = (who[more], who[less]) if up else (who[less], who[more])
    x, y = (text for _, text in sorted(numbers, reverse=True))
    query = question.format(**who, x=with_comma(rng, x), y=with_comma(rng, y), w=word)
    said = sentence.replace("{a}", "{}").replace("{w}", word).replace("{t}", who["t"])
    return short_task(
        rng, "comparison", query, "right comparison", _told(str(high), str(low), more=up), right,
        [wrong], say=said,
    )  # fmt: skip


def _numbers(rng: Rng) -> Task:
    more = rng.random() < 0.6
    (high, shown_high), (low, shown_low) = _two_numbers(rng)
    right, wrong = (high, low) if more else (low, high)
    word = rng.choice(
        ("bigger", "larger", "greater", "higher") if more else ("smaller", "lower", "smaller")
    )
    x, y = rng.sample((high, low), 2)
    query, sentence = ask(rng, "compare_numbers", x=x, y=y, w=word)
    return short_task(
        rng, "comparison", query, "right comparison", _told(shown_high, shown_low, more=more),
        right, [wrong], say=sentence,
    )  # fmt: skip


def _told(high: str, low: str, *, more: bool) -> str:
    return f"{high} is more than {low}" if more else f"{low} is less than {high}"


def _two_numbers(rng: Rng) -> tuple[tuple[str, str], tuple[str, str]]:
    """The larger of two numbers and the smaller, each with a form that shows its size."""
    draw = rng.random()
    if draw < 0.35:  # decimals of unlike length
        whole, short = rng.choice((0, 0, 1, 2, 3, 9)), rng.randint(1, 9)
        long = rng.choice([n for n in range(1, 99) if n % 10 and n != 10 * short])
        a, b = f"{whole}.{short}", f"{whole}.{long:02d}"
        pairs = [(a, f"{a}0"), (b, b)]
    elif draw < 0.5:
        a, b = f"-{rng.randint(1, 9)}", f"-{rng.randint(10, 20)}"
        pairs = [(a, a), (b, b)]
    elif draw < 0.65:
        parts = rng.sample(range(2, 11), 2)
        pairs = [(f"1/{n}", f"1 of {n} parts") for n in parts]
    else:
        base = rng.choice((rng.randint(10, 99), rng.randint(100, 9999)))
        numbers = (base, base + rng.choice((1, 9, 10, 90, 100, 900)))
        pairs = [(str(n), str(n)) for n in numbers]
    low, high = sorted(pairs, key=lambda pair: Fraction(pair[0]))
    return high, low


def _amounts(rng: Rng) -> Task:
    words, big, small, factor = rng.choice(_DIMENSIONS)
    count = Fraction(rng.randint(2, 9)) if rng.random() < 0.7 else Fraction(rng.choice((3, 5)), 2)
    inside = count * factor
    step = max(1, factor // 10) * rng.randint(1, 4)
    other = inside + rng.choice((-1, 1)) * step
    if other.denominator != 1 or other <= 0:
        other = Fraction(int(inside) + 1)
    a, b = f"{digits(count)} {big}", f"{digits(other)} {small}"
    more = rng.random() < 0.6
    right, wrong = (a, b) if (inside > other) == more else (b, a)
    x, y = rng.sample((a, b), 2)
    query, sentence = ask(rng, "compare_units", x=x, y=y, w=words[0 if more else 1])
    than = "more" if inside > other else "less"
    return short_task(
        rng, "comparison", query, "right comparison",
        f"{a} are {digits(inside)} {small}, {than} than {b}", right, [wrong], say=sentence,
    )  # fmt: skip


KINDS: dict[str, Kind] = {"comparison": _comparison}
