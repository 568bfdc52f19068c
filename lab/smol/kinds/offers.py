"""Kinds of tasks with two offers or amounts that have to be made alike before they compare."""

from __future__ import annotations

import re
from dataclasses import replace

from lab.smol.amounts import digits, in_words
from lab.smol.item import Kind, Rng, Task, capital, short_task
from lab.smol.tables import phrasing, rows
from lab.smol.working import compared, divided, less

_SIGNS = (("£", ""), ("$", ""), ("€", ""), ("", " euros"), ("", " dollars"), ("", ""), ("£", ""))
_PLACES = ("in ", "at ", "online")
_DEAR = {"dearer", "more expensive", "worse value"}
_WEIGHED = {  # pack sizes, what the price is for, and how many of it a pack has
    "g": ((100, 200, 300, 400, 500, 600, 800), "100 g", 100),
    "ml": ((100, 200, 300, 400, 500), "100 ml", 100),
    "kg": ((1, 2, 3, 4, 5, 10, 20), "kg", 1),
    "l": ((1, 2, 3, 4, 5, 10), "litre", 1),
    "m": ((2, 3, 4, 5, 8, 10, 20), "metre", 1),
}
_COUNTS = (2, 3, 4, 5, 6, 8, 9, 10, 12, 20)
_SMALL = {
    "h": "min", "hours": "minutes", "m": "cm", "metres": "centimetres", "kg": "g", "weeks": "days",
    "days": "hours", "years": "months", "feet": "inches", "litres": "ml", "km": "m",
    "minutes": "seconds", "tonnes": "kg", "euros": "cents", "l": "ml",
}  # fmt: skip
_FACTOR = {
    "h": 60, "hours": 60, "m": 100, "metres": 100, "kg": 1000, "weeks": 7, "days": 24,
    "years": 12, "feet": 12, "litres": 1000, "km": 1000, "minutes": 60, "tonnes": 1000,
    "euros": 100, "l": 1000,
}  # fmt: skip
_TURNED = {"longer": "shorter", "shorter": "longer", "heavier": "lighter", "bigger": "smaller",
           "narrower": "wider", "closer": "further away", "nearer": "further away"}  # fmt: skip
_BIG = {  # units that a dimension has
    "time": ("h", "h", "hours", "hours", "minutes", "days", "weeks"),
    "hours": ("h", "h", "hours", "hours"),
    "days": ("days", "weeks"),
    "length": ("m", "m", "metres", "feet", "km"),
    "short": ("m", "m", "metres"),
    "distance": ("km",),
    "weight": ("kg", "kg", "tonnes"),
    "volume": ("litres", "l"),
    "age": ("years",),
}
_SINGLE = {"hours": "hour", "metres": "metre", "weeks": "week", "days": "day", "years": "year",
           "feet": "foot", "litres": "litre", "minutes": "minute", "tonnes": "tonne",
           "inches": "inch", "months": "month", "seconds": "second"}  # fmt: skip


def _explained(
    rng: Rng, task: Task, labels: tuple[str, str], texts: tuple[str, str], share: float = 0.4
) -> Task:
    """The task, now and then with answers that give a reason: the right one, then a wrong one."""
    if rng.random() > share:
        return task
    (right, wrong), (good, bad) = labels, texts
    first, *others = task.wrong
    said = rng.choice((f"It says {wrong}, but {right} is right.", f"It says {wrong}, not {right}."))
    return replace(
        task,
        right=replace(task.right, text=good, finding=f"It says {right}, which is right.",
                      padded=False),
        wrong=(replace(first, text=bad, finding=said, padded=False), *others),
    )  # fmt: skip


def _in_words(rng: Rng, text: str) -> str:
    """A label with its small number in words, now and then: "the pack of five"."""
    *front, last = text.split()
    if last.isdecimal() and int(last) <= 20 and rng.random() < 0.3:
        return " ".join((*front, in_words(int(last))))
    return text


def _price(cents: int, sign: tuple[str, str]) -> str:
    """An amount of money as a price tag has it."""
    if cents < 100 and sign[0] == "£":
        return f"{cents}p"
    if cents < 100 and sign != ("", ""):
        return f"{cents} cents"
    bare = sign == ("", "")
    shown = f"{cents / 100:.2f}" if cents % 100 or bare else str(cents // 100)
    return f"{sign[0]}{shown}{sign[1]}"


def _each(total: int, count: int) -> str:
    """What one of several costs: "270 / 3 = 90"."""
    one = total // count
    return str(one) if count == 1 else divided(total, count)


def _unit_prices(rng: Rng, low: int, high: int) -> tuple[int, int]:
    """What one piece costs in two offers, in cents: the cheaper price, then the other.

    Of few digits, so that a small model can divide.
    """
    draw = rng.random()
    if high >= 200 and draw < 0.7:
        step = 100 if draw < 0.6 else 50
    else:
        low, high = min(low, 60), min(high, 80)
        step = 10 if draw < 0.9 and high >= 20 else 5
    first = max(step, rng.randint(low, max(low, high)) // step * step)
    gap = step * rng.choice((1, 1, 1, 2, 2, 3))
    return first, first + (gap if first + gap < 10 * step else step)


def _unit_price(rng: Rng) -> Task:
    """Two packs: where is one piece, or 100 g, cheaper."""
    thing, one, pack, unit, low, high = rng.choice(rows("offer_goods"))
    sizes, per, inside = _WEIGHED.get(unit, (_COUNTS, one, 1))
    small, large = sorted(rng.sample(sizes, 2))
    cheap, dear = _unit_prices(rng, int(low), int(high))
    units = (dear, cheap) if rng.random() < 0.55 else (cheap, dear)
    packs = list(zip((small, large), units, strict=True))
    if rng.random() < 0.3:
        packs.reverse()
    counts = [size // inside for size, _ in packs]
    totals = [count * price for count, (_, price) in zip(counts, packs, strict=True)]
    sign = rng.choice(_SIGNS)
    prices = [_price(total, sign) for total in totals]
    if unit in _WEIGHED:
        labels = [f"the {size} {unit} {pack}" for size, _ in packs]
        offers = [
            f"{size} {unit} for {price}" for (size, _), price in zip(packs, prices, strict=True)
        ]
    else:
        labels = [f"the {pack} of {size}" for size, _ in packs]
        offers = _counted_offers(rng, [size for size, _ in packs], prices, thing, pack)
    shown = [f"{size} {unit if unit in _WEIGHED else ''}".strip() for size, _ in packs]
    question, *places = rng.choice(
        rows("unit_price_places" if rng.random() < 0.35 else "unit_price")
    )
    word = rng.choice(("cheaper", "cheaper", "cheaper", "better value", "dearer", "more expensive"))
    if "{w}" not in question:
        word = "cheaper"
    per = "100 g" if per == "100 g" and rng.random() < 0.5 else per
    query = question.format(x=offers[0], y=offers[1], w=word, one=per, thing=thing)
    query = re.sub(r"\b(?:one|a single|each) (?=100 )", "", query)
    labels = places or (offers if rng.random() < 0.2 else labels)
    if places:
        shown = [f"{place} {one}" for place, one in zip(places, shown, strict=True)]
    return _priced(rng, query, labels, shown, totals, counts, word, sign, per)


def _counted_offers(
    rng: Rng, sizes: list[int], prices: list[str], thing: str, pack: str
) -> list[str]:
    """Packs of so many things with their prices."""
    draw = rng.random()
    if draw < 0.4:
        return [f"{n} {thing} for {p}" for n, p in zip(sizes, prices, strict=True)]
    if draw < 0.7:
        return [f"a {pack} of {n} for {p}" for n, p in zip(sizes, prices, strict=True)]
    (n, m), (p, q) = sizes, prices
    return [f"{n} {thing} for {p}", f"{m} for {q}"]


def _priced(  # noqa: PLR0917 - one caller
    rng: Rng, query: str, labels: list[str], shown: list[str], totals: list[int],
    counts: list[int], word: str, sign: tuple[str, str], per: str,
) -> Task:  # fmt: skip
    """The task of two packs: prices of one, compared, and which pack that is."""
    units = [total // count for total, count in zip(totals, counts, strict=True)]
    whole = all(one % 100 == 0 for one in units)
    size = 100 if whole else 1
    steps = []
    for name, total, count in zip(shown, totals, counts, strict=True):
        price = str(total // 100) if whole else f"{total / 100:.2f}"
        steps.append(f"{name} for {price}: {_each(total // size, count)}")
    cheap = 0 if units[0] < units[1] else 1
    x, y = (str(one // size) for one in units)
    chosen = 1 - cheap if word in _DEAR else cheap
    names = labels if labels[0] in shown[0] else shown
    right, wrong = labels[chosen], labels[1 - chosen]
    fact = f"{', '.join(steps)}, {less(x, y)}, {names[cheap]} is cheaper"
    if word in _DEAR:
        fact += f", {names[1 - cheap]} is dearer"
    task = short_task(
        rng, "unit price", query, "right comparison", fact, right, [wrong], write=_in_words,
        say=_told(labels, word),
    )  # fmt: skip
    if rng.random() < 0.2 and word not in _DEAR and query.endswith(("?", ".")):
        return _priced_claim(rng, task, query, (right, wrong), word)
    each = [_price(one, sign) for one in units]
    reasons = [
        f"{capital(label)}, at {one} per {per}." for label, one in zip(labels, each, strict=True)
    ]
    if rng.random() < 0.3:
        there = [each[1], each[0]]
        one = per if per[0].isdecimal() else f"one {per}"
        reasons = [
            f"{capital(label)}: {one} is {a} there, and {b} in the other."
            for label, a, b in zip(labels, each, there, strict=True)
        ]
    bad = reasons[1 - chosen]
    if word == "cheaper" and totals[1 - chosen] < totals[chosen] and rng.random() < 0.5:
        prices = [_price(total, sign) for total in totals]
        bad = f"{capital(wrong)}, because {prices[1 - chosen]} is less than {prices[chosen]}."
    return _explained(rng, task, (right, wrong), (reasons[chosen], bad))


def _told(labels: list[str], word: str) -> tuple[str, ...]:
    """Sentences that name the pack or the place."""
    if any(one.startswith(_PLACES) for one in labels):
        return (f"it is {word} {{}}",)
    takes = word not in _DEAR and any("pack" in one or " of " in one for one in labels)
    return (f"{{}} is {word}", "take {}") if takes else (f"{{}} is {word}",)


def _priced_claim(rng: Rng, task: Task, query: str, labels: tuple[str, str], word: str) -> Task:
    """The question with somebody's opinion, and answers that agree or put it right."""
    right, wrong = labels
    agrees = rng.random() < 0.45
    claim, _ = phrasing(rng, "offer_claim")
    says = f"{'yes' if agrees else 'no'}, {right}", f"{'no' if agrees else 'yes'}, {wrong}"
    ends = (f" is {word}", f" is {word}", "")
    good, bad = (f"{capital(one)}{rng.choice(ends)}." for one in says)
    fact = task.principles[0].text.removesuffix(f", so {right}")
    principle = replace(task.principles[0], text=f"{fact}, so {says[0]}")
    said = claim.format(z=right if agrees else wrong, w=word)
    task = replace(
        task, query=f"{query} {said}", principles=(principle, *task.principles[1:]),
        wrong=task.wrong[:1],
    )  # fmt: skip
    return _explained(rng, task, says, (good, bad), 1.0)


def _compound(big: str, small: str, count: int, rest: int) -> tuple[str, str]:
    """So many of a large unit and a rest, and what shows how many small ones that is."""
    factor = _FACTOR[big]
    unit = _SINGLE.get(big, big) if count == 1 else big
    less = _SINGLE.get(small, small) if rest == 1 else small
    text = f"{count} {unit} {rest} {less}"
    total = f"{count * factor} + {rest} = {count * factor + rest} {small}"
    return text, total if count == 1 else f"{count} x {factor} = {count * factor}, {total}"


def _one_amount(rng: Rng, big: str) -> tuple[str, str, int]:
    """An amount in a large unit, its working, and how many small ones it is."""
    small, factor = _SMALL[big], _FACTOR[big]
    if big in {"m", "metres", "kg", "km", "litres", "l", "tonnes", "euros"}:
        tenths = rng.choice((5, 8, 12, 15, 18, 20, 25, 9, 11, 14, 16, 7, 10, 10, 30))
        value = tenths * factor // 10
        if factor >= 100 and rng.random() < 0.25:
            value = rng.randint(3, 11) * factor // 4
        text = f"{digits(value / factor)} {big}"
        if value == factor:
            text = f"1 {_SINGLE.get(big, big)}"
        half = f"half a {_SINGLE.get(big, big)}"
        if value == factor // 2 and rng.random() < 0.6:
            return half, f"{half} is {factor} / 2 = {value} {small}", value
        return text, f"{text} is {value} {small}", value
    count = rng.randint(1, 2 if factor == 60 else 3)
    parts = range(5, 60, 5) if factor == 60 else range(1, factor)
    rest = rng.choice(parts)
    text, how = _compound(big, small, count, rest)
    shown = text
    if big in {"h", "hours"} and rng.random() < 0.5:
        shown = rng.choice((f"{count} h {rest:02d}", f"{count}h{rest:02d}", f"{count} h {rest}"))
    elif big == "hours":
        shown = text.replace(f" {rest}", f" and {rest}")
    return shown, f"{shown} is {how}", count * factor + rest


def _verb(word: str) -> str:
    """Of a person or thing that is compared: it is longer, has more, takes less time."""
    return "takes" if word.endswith(" time") else "has" if word in {"more", "less"} else "is"


def _mixed(rng: Rng) -> Task:
    """Two amounts, one in a large unit or in two units, the other in the small one."""
    question, first, second, dimension, *words = rng.choice(rows("mixed_units"))
    big = rng.choice(_BIG[dimension])
    text, how, value = _one_amount(rng, big)
    small, factor = _SMALL[big], _FACTOR[big]
    steps = {7: (1, 2, 3), 12: (1, 2, 3), 24: (1, 2, 4), 60: (5, 10, 15, 2)}
    step = rng.choice(steps.get(factor, (factor // 10, factor // 20, factor // 5)))
    other = value + step * rng.choice((-1, 1))
    unit = {"minutes": "min", "min": "minutes"}.get(small, small) if rng.random() < 0.3 else small
    plain = f"{other} {unit}"
    up = rng.random() < 0.5
    word = rng.choice(words[0].split("/") if up else words[1].split("/"))
    more, less = (text, plain) if value > other else (plain, text)
    names = {text: first, plain: second}
    x, y = text, plain
    if rng.random() < 0.5:
        x, y, names = plain, text, {plain: first, text: second}
    query = question.format(x=x, y=y, w=word)
    chosen, left = (more, less) if up else (less, more)
    here, there = (str(value), str(other))
    named = first != "-"
    right, wrong = (names[chosen], names[left]) if named else (chosen, left)
    others = words[1 if up else 0].split("/")
    opposite = _TURNED[word] if _TURNED.get(word) in others else others[0]
    fact = f"{how}, {plain}: {compared(here, there)}, "
    if named:
        fact = f"{names[text]} {how}, {names[plain]} {plain}: {compared(here, there)}, "
    verbs = [_verb(one) if named else "is" for one in (word, opposite)]
    fact += f"{right} {verbs[0]} {word}, {wrong} {verbs[1]} {opposite}"
    task = short_task(
        rng, "mixed units", query, "right comparison", fact, right, [wrong],
        say=(f"{{}} {verbs[0]} {word}", f"it's {{}} that {verbs[0]} {word}"),
    )  # fmt: skip
    by = f"{abs(value - other)} {small}"
    if rng.random() < 0.5:
        bad, good = (f"{capital(one)}, by {by}." for one in (wrong, right))
    else:
        good = f"{capital(right)}, because {text} is {value} {small}."
        bad = f"{capital(wrong)}, because {text} is {2 * other - value} {small}."
    return _explained(rng, task, (right, wrong), (good, bad))


_SCALES = (("a kilo", "1 kg", "1000 g", 1000, "g"), ("1 kg", "1 kg", "1000 g", 1000, "g"),
           ("a tonne", "1 tonne", "1000 kg", 1000, "kg"),
           ("a pound", "1 pound", "16 ounces", 16, "ounces"),
           ("half a kilo", "half a kilo", "500 g", 500, "g"),
           ("two kilos", "2 kilos", "2000 g", 2000, "g"))  # fmt: skip


def _stuff(rng: Rng) -> tuple[str, str]:
    """Something light and something dense."""
    light, dense = zip(*rows("light_and_dense"), strict=True)
    return rng.choice(light), rng.choice(dense)


def _trick(rng: Rng) -> Task:
    """Light and dense stuff: what is given, a weight or a volume, decides."""
    light, dense = _stuff(rng)
    up = rng.random() < 0.75
    word, opposite = ("heavier", "lighter") if up else ("lighter", "heavier")
    draw = rng.random()
    if draw < 0.25:
        return _same_volume(rng, light, dense, word, opposite)
    text, bare, same, size, small = rng.choice(_SCALES)
    if draw < 0.45:
        return _same_weight(rng, light, dense, text, word)
    step = rng.choice((1, 2) if size == 16 else (size // 10, size // 20, size // 5))
    other = size + step * rng.choice((-1, -1, 1))
    big, little = (light, dense) if rng.random() < 0.75 else (dense, light)
    amounts = [f"{text} of {big}", f"{other} {small} of {little}"]
    chosen = big if (size > other) == up else little
    wrong = little if chosen == big else big
    x, y = amounts if rng.random() < 0.6 else amounts[::-1]
    question = rng.choice(rows("weight_questions"))[0].format(x=x, y=y, w=word)
    fact = f"{bare} of {big} is {same}, {other} {small} of {little}: "
    fact += f"{compared(str(size), str(other))}, {chosen} {word}, {wrong} {opposite}"
    right = f"the {chosen}"
    task = short_task(
        rng, "trick weight", question, "right comparison", fact, right, [f"the {wrong}"],
        far=["both weigh the same"] if rng.random() < 0.3 else (), noun=False,
    )  # fmt: skip
    more, less = ("more", "less") if size > other else ("less", "more")
    good = f"{capital(right)}, because {bare} is {same} and that is {more} than {other} {small}."
    bad = f"The {wrong}, because {bare} is {same} and that is {less} than {other} {small}."
    if rng.random() < 0.5 and (wrong == dense) == up:
        bad = rng.choice((
            f"The {wrong}, because {dense} always beats {light} on the scales.",
            f"The {wrong}, since {light} weighs hardly anything.",
            f"The {wrong}, as everybody knows how heavy {dense} is.",
        ))  # fmt: skip
    return _explained(rng, task, (right, f"the {wrong}"), (good, bad))


def _same_weight(rng: Rng, light: str, dense: str, text: str, word: str) -> Task:
    """The same weight of both."""
    x, y = rng.sample((f"{text} of {light}", f"{text} of {dense}"), 2)
    question = rng.choice(rows("weight_questions"))[0].format(x=x, y=y, w=word)
    said = ("both weigh the same", "both are equal", "neither", "both are equally heavy")
    wrong = f"the {dense if word == 'heavier' else light}"
    right = rng.choice(said)
    task = short_task(
        rng, "trick weight", question, "right comparison",
        f"{text} of {light}, {text} of {dense}: the same weight", right, [wrong], noun=False,
    )  # fmt: skip
    good = f"{capital(right)}, because {text} is {text}."
    reason = "more" if word == "heavier" else "less"
    stuff = dense if word == "heavier" else light
    bad = f"{capital(wrong)}, because there is {reason} weight in {stuff}."
    return _explained(rng, task, (right, wrong), (good, bad), 0.3)


def _same_volume(rng: Rng, light: str, dense: str, word: str, opposite: str) -> Task:
    """The same volume of both."""
    vessel = rng.choice(("a litre", "a bucket", "a cup", "a box", "a bag", "a spoonful", "a truck",
                         "one litre", "a jar", "a sack", "a cubic metre", "a bathtub"))  # fmt: skip
    x, y = rng.sample((f"{vessel} of {light}", f"{vessel} of {dense}"), 2)
    question = rng.choice(rows("weight_questions"))[0].format(x=x, y=y, w=word)
    heavy = word == "heavier"
    right, wrong = (dense, light) if heavy else (light, dense)
    full = rng.random() < 0.4
    there = f"{vessel} of " if full else "the "
    near = [f"{there}{wrong}", rng.choice(("both weigh the same", "neither, it is the same"))]
    fact = f"{vessel} of {light}, {vessel} of {dense}: the same room, no weight given, "
    fact += f"and {right} {word}, {wrong} {opposite}"
    task = short_task(
        rng, "trick weight", question, "right comparison", fact, f"{there}{right}",
        rng.sample(near, 2), noun=False,
    )  # fmt: skip
    good = f"{capital(there)}{right}, because it is {'denser' if heavy else 'less dense'}."
    if rng.random() < 0.5:
        bad, said = f"They weigh the same, because both are {vessel}.", "both weigh the same"
    else:
        bad = f"{capital(there)}{wrong}, because it is {'denser' if heavy else 'less dense'}."
        said = f"{there}{wrong}"
    return _explained(rng, task, (f"{there}{right}", said), (good, bad), 0.3)


KINDS: dict[str, Kind] = {
    "unit price": _unit_price,
    "mixed units": _mixed,
    "trick weight": _trick,
}
