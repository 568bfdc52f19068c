"""A kind of task: things to be put in order by letters, numbers, units or what they are."""

from __future__ import annotations

import re
from itertools import pairwise

from lab.smol.amounts import digits
from lab.smol.item import NEAR, RIGHT, Answer, Principle, Rng, Task, manner
from lab.smol.kinds.numbers import ask
from lab.smol.tables import rows

_WORDS = (
    *("apple", "bridge", "cloud", "dance", "eagle", "forest", "garden", "hotel", "island"),
    *("jacket", "kitchen", "lemon", "mirror", "needle", "orange", "pencil", "queen", "river"),
    *("summer", "table", "valley", "window", "yellow", "zebra", "bread", "candle", "doctor"),
    *("engine", "flower", "guitar", "hammer", "jungle", "ladder", "market", "number", "paper"),
    *("rabbit", "silver", "ticket", "village", "winter"),
)
_UP = (
    *("from smallest to largest", "in ascending order", "from low to high", "smallest first"),
    *("from smallest to biggest", "starting with the smallest", "lowest to highest"),
)
_DOWN = (
    *("from largest to smallest", "in descending order", "from high to low", "largest first"),
    *("from biggest to smallest", "starting with the biggest", "highest to lowest"),
)
_SIZES_UP = (
    *("from smallest to biggest", "smallest to biggest", "smallest first", "small to large"),
    *("beginning with the smallest", "smallest one first, biggest one last", "by size, tiny first"),
    *("from small to big", "in order of size, smallest first", "from smallest to largest"),
)
_SIZES_DOWN = (
    *("from biggest to smallest", "biggest to smallest", "biggest first", "large to small"),
    *("beginning with the biggest", "biggest one first, smallest one last", "from big to small"),
    *("in order of size, biggest first", "from largest to smallest", "largest to smallest"),
)
_LETTERS = (
    *("alphabetically", "in alphabetical order", "from A to Z", "in ABC order", "A to Z"),
    *("alphabetical order", "by the alphabet", "in the order of the alphabet", "in abc order"),
    *("alphabetical", "in A to Z order", "in alphabetical order", "alphabetically"),
)
_BACK = ("from Z to A", "in reverse alphabetical order", "backwards through the alphabet", "Z to A")
_ADVERB = re.compile(
    r"(?:from|in|by|as|the way|backwards|alphabetical|along|against|starting|beginning|small|big|"
    r"large|low|high|A to Z|Z to A)\b|small|big|large|low|high|alphabetical|[^,]* first$"
)
"""How things are to be ordered, in words that can stand anywhere in a sentence."""
_UNITS = (  # small to large, and the largest number that comes before the next
    (("KB", 900), ("MB", 900), ("GB", 900), ("TB", 8)),
    (("mm", 9), ("cm", 90), ("m", 900), ("km", 80)),
    (("mg", 900), ("g", 900), ("kg", 900), ("tonnes", 40)),
    (("seconds", 55), ("minutes", 55), ("hours", 20), ("days", 6), ("weeks", 3)),
    (("minutes", 50), ("hours", 20), ("days", 25), ("months", 11), ("years", 60)),
    (("ml", 900), ("litres", 90)),
    (("cents", 90), ("euros", 900)),
    (("metres", 900), ("kilometres", 700)),
    (("inches", 11), ("feet", 900), ("miles", 50)),
)


def sort(rng: Rng) -> Task:
    """Things to be put in order."""
    draw = rng.random()
    if draw < 0.4:
        return _alphabet(rng)
    if draw < 0.52:
        return _by_unit(rng)
    count = rng.choice((3, 3, 4, 4, 4))
    down = rng.random() < 0.4
    if draw < 0.7:
        ordered = [digits(n) for n in sorted(rng.sample(range(2, 990), count))]
        if rng.random() < 0.3:
            ordered = [digits(n / 10) for n in sorted(rng.sample(range(2, 99), count))]
        how = rng.choice(_DOWN if down else _UP)
    elif draw < 0.84:
        chain = rng.choice(rows("sizes"))
        ordered = _some(rng, chain, count)
        how = rng.choice(_SIZES_DOWN if down else _SIZES_UP)
    else:
        up, opposite, *others = rng.choice(rows("ordered"))
        ordered = _some(rng, others, count)
        how = opposite if down else up
    if down:
        ordered.reverse()
    fact = f"{how}: {ordered[0]} is first, {ordered[-1]} is last, {', '.join(ordered)}"
    return _task(rng, ordered, how, fact)


def _some(rng: Rng, chain: tuple[str, ...] | list[str], count: int) -> list[str]:
    """Some of the things, in their order."""
    places = sorted(rng.sample(range(len(chain)), min(count, len(chain))))
    return [chain[place] for place in places]


def _by_unit(rng: Rng) -> Task:
    """Amounts of which the unit alone tells the order, whatever the numbers say."""
    chain = rng.choice(_UNITS)
    units = _some(rng, [unit for unit, _ in chain], rng.choice((3, 3, 4)))
    ordered = [f"{rng.randint(2, dict(chain)[unit])} {unit}" for unit in units]
    down = rng.random() < 0.4
    if down:
        ordered.reverse()
        units.reverse()
    how = rng.choice(_DOWN if down else _UP)
    fact = f"{how}: {', then '.join(units)}, so {', '.join(ordered)}"
    return _task(rng, ordered, how, fact)


def _alphabet(rng: Rng) -> Task:
    """Words to be put in the order of the alphabet, with the letters that decide."""
    count = rng.choice((3, 3, 4, 4, 4))
    topic, pool = "", list(_WORDS)
    if rng.random() < 0.75:
        topic, *pool = rng.choice(rows("topics"))
    pool = [
        one for one in pool if " " not in one and one.isalpha() and one.isascii() and len(one) < 10
    ]
    if len(pool) < count + 1:
        return _alphabet(rng)
    ordered = sorted(rng.sample(pool, count), key=str.lower)
    size = next(n for n in range(1, 40) if len({one[:n].lower() for one in ordered}) == count)
    if size > 2 or (size > 1 and rng.random() < 0.4):
        return _alphabet(rng)
    back = rng.random() < 0.1
    if back:
        ordered.reverse()
    how = rng.choice(_BACK if back else _LETTERS)
    items = _mixed(rng, ordered)
    letters = {one: one[:size].lower() for one in ordered}
    told = ", ".join(f"{one} {letters[one]}" for one in items)
    shown = ", ".join(letters[one] for one in ordered)
    way = "from Z to A" if back else "from A to Z"
    fact = f"{told}, {way} {shown}: {', '.join(ordered)}"
    return _task(rng, ordered, how, fact, letters, items, topic)


def _mixed(rng: Rng, ordered: list[str]) -> list[str]:
    items = rng.sample(ordered, len(ordered))
    return items[::-1] if items == ordered else items


def _task(  # noqa: PLR0917 - called in this order
    rng: Rng,
    ordered: list[str],
    how: str,
    fact: str,
    letters: dict[str, str] | None = None,
    items: list[str] | None = None,
    topic: str = "",
) -> Task:
    items = items or _mixed(rng, ordered)
    given = rng.choice((", ", ", ", ", ", " ", "; ") if letters else (", ",)).join(items)
    if rng.random() < 0.15:
        given = f"{', '.join(items[:-1])} and {items[-1]}"
    if topic and rng.random() < 0.3:
        given = f"{given} ({topic})" if rng.random() < 0.5 else f"the {topic} {given}"
    keys = ("sorting", "order_bare") if _ADVERB.match(how) else ("order_apart",)
    query, _ = ask(rng, rng.choice(keys), s=given, h=how)
    if rng.random() < 0.2:
        query = query[:1].lower() + query[1:]
    wrong = [_swapped(ordered, place) for place in _places(rng, len(ordered) - 1)]
    wrong = wrong if letters else [wrong[0], ordered[::-1], items]
    wrong = [list(one) for one in dict.fromkeys(map(tuple, wrong)) if list(one) != ordered]
    return Task(
        "sorting",
        query,
        (Principle("right order", 80, fact), manner(rng)),
        Answer(_listed(rng, ordered), _found(ordered, ordered, letters), RIGHT),
        tuple(Answer(_listed(rng, one), _found(one, ordered, letters), NEAR) for one in wrong),
    )


def _places(rng: Rng, count: int) -> list[int]:
    return rng.sample(range(count), min(count, 2))


def _swapped(items: list[str], place: int) -> list[str]:
    """With two neighbours the wrong way round."""
    return [*items[:place], items[place + 1], items[place], *items[place + 2 :]]


def _found(items: list[str], ordered: list[str], letters: dict[str, str] | None) -> str:
    """What a response says, and whether it is in order."""
    said = f"It says {', '.join(items)}: "
    begun = ", ".join(letters[one] for one in items) if letters else f"{items[0]} is first"
    if items == ordered:
        return f"{said}{begun}, in order."
    x, y = next((x, y) for x, y in pairwise(items) if ordered.index(x) > ordered.index(y))
    if letters:
        x, y = letters[x], letters[y]
    return f"{said}{begun}, but {y} comes before {x}."


def _listed(rng: Rng, items: list[str]) -> str:
    if rng.random() < 0.2:
        return "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))
    return rng.choice(("{}", "{}", "{}.", "Here you go: {}")).format(", ".join(items))
