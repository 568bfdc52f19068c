"""A kind of task: which of two numbers, amounts or people's shares is more."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from lab.smol.amounts import digits, people
from lab.smol.item import Kind, Rng, Task, short_task
from lab.smol.kinds.measures import with_comma
from lab.smol.kinds.numbers import ask
from lab.smol.tables import phrasing, rows
from lab.smol.working import compared, multiplied

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
    if draw < 0.65:
        return _who(rng) if draw < 0.55 else _temperatures(rng)
    return _numbers(rng)


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
    fewer = "less" if "earns" in question else "fewer"
    word = "more" if up else fewer
    right, wrong = (who[more], who[less]) if up else (who[less], who[more])
    x, y = (text for _, text in sorted(numbers, reverse=True))
    query = question.format(**who, x=with_comma(rng, x), y=with_comma(rng, y), w=word)
    said = sentence.replace("{a}", "{}").replace("{w}", word).replace("{t}", who["t"])
    fact = (
        f"{who['n']} {x}, {who['m']} {y}: {compared(x, y)}, {who[less]} {fewer}, {who[more]} more"
    )
    return short_task(rng, "comparison", query, "right comparison", fact, right, [wrong], say=said)


def _numbers(rng: Rng) -> Task:
    more = rng.random() < 0.6
    (high, shown_high), (low, shown_low) = _two_numbers(rng)
    right, wrong = (high, low) if more else (low, high)
    word = rng.choice(
        ("bigger", "larger", "greater", "higher") if more else ("smaller", "lower", "smaller")
    )
    x, y = rng.sample(((high, shown_high), (low, shown_low)), 2)
    if rng.random() < 0.25:
        return _is_it_more(rng, x, y, word, holds=x[0] == right)
    query, sentence = ask(rng, "compare_numbers", x=x[0], y=y[0], w=word)
    return short_task(
        rng, "comparison", query, "right comparison",
        f"{compared(x[1], y[1])}, {_both(word, low, high)}", right, [wrong], say=sentence,
    )  # fmt: skip


_OPPOSITE = {
    "bigger": "smaller",
    "larger": "smaller",
    "greater": "smaller",
    "smaller": "bigger",
    "higher": "lower",
    "lower": "higher",
    "warmer": "colder",
    "hotter": "colder",
    "colder": "warmer",
    "cooler": "warmer",
}
_LOW = {"smaller", "lower", "colder", "cooler"}


def _both(word: str, low: str, high: str) -> str:
    """Which is which, in the word of the question: "63 is smaller, 73 is bigger"."""
    less, more = (word, _OPPOSITE[word]) if word in _LOW else (_OPPOSITE[word], word)
    return f"{low} is {less}, {high} is {more}"


def _is_it_more(
    rng: Rng, x: tuple[str, str], y: tuple[str, str], word: str, *, holds: bool
) -> Task:
    """A yes-or-no question about two numbers."""
    query = rng.choice(
        (
            f"Is {x[0]} {word} than {y[0]}?",
            f"Is it true that {x[0]} is {word} than {y[0]}?",
            f"yes or no: {x[0]} is {word} than {y[0]}",
            f"My brother says {x[0]} is {word} than {y[0]}. Is he right?",
            f"{x[0]} is {word} than {y[0]}, correct?",
            f"Would you say {x[0]} is the {word} number, compared with {y[0]}?",
            f"{x[0]} {word} than {y[0]}? yes or no",
            f"Can I write that {x[0]} is {word} than {y[0]}?",
            f"We argue at the table: is {x[0]} really {word} than {y[0]}?",
            f"From my homework: {x[0]} is {word} than {y[0]}. Is that right?",
        )
    )
    right, wrong = ("yes", "no") if holds else ("no", "yes")
    return short_task(
        rng, "comparison", query, "right comparison", f"{compared(x[1], y[1])}, so {right}", right,
        [wrong], noun=False,
    )  # fmt: skip


def _temperatures(rng: Rng) -> Task:
    """Which of two temperatures is warmer."""
    x, y = rng.sample(range(-20, 36), 2)
    warm = rng.random() < 0.5
    word = rng.choice(("warmer", "hotter") if warm else ("colder", "cooler"))
    right, wrong = (max(x, y), min(x, y)) if warm else (min(x, y), max(x, y))
    unit = rng.choice((" degrees", "°C", "°"))
    query = rng.choice(
        (
            f"Which is {word}, {x}{unit} or {y}{unit}?",
            f"It is {x}{unit} in Oslo and {y}{unit} in Rome. Which number is {word}?",
            f"{x}{unit} or {y}{unit} - what is {word}?",
            f"The fridge shows {x}{unit}, the shed {y}{unit}. What is the {word} temperature?",
            f"Yesterday we had {x}{unit}, today {y}{unit}. Which of the two is {word}?",
            f"{x}{unit} in the morning and {y}{unit} at noon. Name the {word} one.",
            f"I can set the oven room to {x}{unit} or {y}{unit}. Which setting is {word}?",
            f"The sign says {x}{unit}, my phone says {y}{unit}. Which one is {word}?",
            f"Of {x}{unit} and {y}{unit}, which would feel {word}?",
            f"pick the {word} one: {x}{unit}, {y}{unit}",
            f"Two lakes, one has {x}{unit} and one {y}{unit}. What does the {word} lake have?",
        )
    )
    if (x < 0) != (y < 0):
        fact = f"{min(x, y)} is below zero, {max(x, y)} is not"
    else:
        fact = compared(str(x), str(y))
    low, high = (f"{one}{unit}" for one in sorted((x, y)))
    return short_task(
        rng, "comparison", query, "right comparison", f"{fact}, {_both(word, low, high)}",
        f"{right}{unit}", [f"{wrong}{unit}"], say=f"{{}} is {word}",
    )  # fmt: skip


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
    here, there = digits(inside), digits(other)
    more = rng.random() < 0.6
    right, wrong = (a, b) if (inside > other) == more else (b, a)
    x, y = rng.sample((a, b), 2)
    query, sentence = ask(rng, "compare_units", x=x, y=y, w=words[0 if more else 1])
    same = f"{digits(inside)} {small}"
    if factor in {7, 12, 24, 60}:
        same = f"{multiplied(float(count), factor)} {small}"
    low, high = (b, a) if inside > other else (a, b)
    fact = f"{a} are {same}, {compared(here, there)}"
    return short_task(
        rng, "comparison", query, "right comparison",
        f"{fact}, {low} is {words[1]}, {high} is {words[0]}", right, [wrong], say=sentence,
    )  # fmt: skip


_KEPT_BACK = ("0.7", "0.65")
"""What a pair of the development set asks."""


def _decimals(rng: Rng) -> tuple[str, str]:
    """A larger and a smaller number with a point, mostly of unlike length."""
    whole, short = rng.choice((0, 0, 0, 1, 2, 3, 5, 7, 9, 12)), rng.randint(1, 9)
    long = rng.choice([n for n in range(1, 99) if n % 10 and n != 10 * short])
    if rng.random() < 0.5:  # 0.7 and 0.65: the wrong one looks more
        long = max(1, 10 * short - rng.choice((1, 2, 5, 5, 8, 12, 25)))
        long += long % 10 == 0
    pair = [f"{whole}.{short}", f"{whole}.{long:02d}"]
    if rng.random() < 0.15:
        pair[0] = f"{whole}.{short}{rng.randint(1, 9)}"
    if rng.random() < 0.1:
        pair[1] += str(rng.randint(1, 9))
    low, high = sorted(pair, key=Fraction)
    kept = Fraction(high) != Fraction(low) and (high, low) != _KEPT_BACK
    return (high, low) if kept else _decimals(rng)


def _filled(one: str, places: int) -> str:
    """A decimal with so many digits after the point: 0.7 is 0.70."""
    return one + "0" * (places - len(one.partition(".")[2]))


def _made_alike(x: str, y: str) -> tuple[str, str]:
    """Why one decimal is more, with what the shorter one is: "0.7 is 0.70, 0.70 and 0.65: ..."."""
    places = max(len(one.partition(".")[2]) for one in (x, y))
    full = [_filled(one, places) for one in (x, y)]
    longer = [f"{one} is {other}" for one, other in zip((x, y), full, strict=True) if one != other]
    return ", ".join([*longer, compared(full[0], full[1])]), ", ".join(longer)


def _decimal(rng: Rng) -> Task:
    """Two decimals: which is more, in a story or with somebody's opinion."""
    high, low = _decimals(rng)
    x, y = rng.sample((high, low), 2)
    fact, same = _made_alike(x, y)
    claims = rng.random() < 0.5
    question, up, down = rng.choice(rows("decimal_claims" if claims else "decimal_stories"))
    more = rng.random() < 0.6
    word, other = (up, down) if more else (down, up)
    right, wrong = (high, low) if more else (low, high)
    fact += f", {right} is {word}, {wrong} is {other}"
    claim = right if rng.random() < 0.45 else wrong
    query = question.format(x=x, y=y, w=word, z=claim)
    task = short_task(
        rng, "decimal", query, "right comparison", fact, right, [wrong], say=f"{{}} is {word}"
    )
    reason = f", because {same}" if same and rng.random() < 0.4 else ""
    if not claims:
        if not reason or rng.random() < 0.5:
            return task
        tails = [one.partition(".")[2].lstrip("0") for one in (wrong, right)]
        than = "more" if more else "less"
        bad = f"{wrong} is {word}, because {tails[0]} is {than} than {tails[1]}."
        if (int(tails[0]) > int(tails[1])) != more:
            bad = f"{wrong} is {word}{reason}."
        texts = f"{right} is {word}{reason}.", bad
        return _with_texts(task, texts, (right, wrong))
    agrees = claim == right
    says = (f"{'yes' if agrees else 'no'}, {right}", f"{'no' if agrees else 'yes'}, {wrong}")
    yes = rng.choice(("Yes", "Correct", "Right", "Yes"))
    no = rng.choice(("No", "Wrong", "Sorry, no", "No"))
    openings = (yes, no) if agrees else (no, yes)
    full = rng.random() < 0.75
    texts = (
        f"{openings[0]}, {right}{f' is {word}' if full else ''}{reason}.",
        f"{openings[1]}, {wrong}{f' is {word}' if full else ''}{reason}.",
    )
    ending = f", so {says[0]}"
    principle = replace(task.principles[0], text=fact + ending)
    task = replace(task, principles=(principle, *task.principles[1:]), wrong=task.wrong[:1])
    return _with_texts(task, texts, says)


def _with_texts(task: Task, texts: tuple[str, str], says: tuple[str, str]) -> Task:
    """The task with other answers: the right one and the first wrong one, and what they say."""
    (good, bad), (right, wrong) = texts, says
    finding = f"It says {right}, which is right."
    first = replace(task.right, text=good, finding=finding, padded=False)
    finding = f"It says {wrong}, but {right} is right."
    second = replace(task.wrong[0], text=bad, finding=finding, padded=False)
    return replace(task, right=first, wrong=(second, *task.wrong[1:]))


KINDS: dict[str, Kind] = {"comparison": _comparison, "decimal": _decimal}
