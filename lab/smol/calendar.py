"""Kinds of tasks with time and order: weekdays, dates, ages, who is taller, sorting."""

from __future__ import annotations

from itertools import pairwise

from lab.smol.amounts import NAMES, digits, in_words
from lab.smol.clock import shown
from lab.smol.item import (
    NEAR,
    RIGHT,
    Answer,
    Kind,
    Principle,
    Rng,
    Task,
    capital,
    manner,
    short_task,
)
from lab.smol.numbers import ask
from lab.smol.tables import phrasing, rows
from lab.smol.working import aged, back

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_EVENTS = (
    *("the concert", "my exam", "the meeting", "our wedding", "the deadline", "the match"),
    *("the dentist appointment", "the party", "the trip", "the delivery", "choir practice"),
    *("the school play", "my driving test", "the staff dinner", "the inspection", "bin day"),
)
_MORE = (  # comparative, superlative, opposite superlative
    *(("taller", "tallest", "shortest"), ("older", "oldest", "youngest")),
    *(("faster", "fastest", "slowest"), ("heavier", "heaviest", "lightest")),
    *(("richer", "richest", "poorest"), ("louder", "loudest", "quietest")),
    *(("stronger", "strongest", "weakest"), ("younger", "youngest", "oldest")),
    *(("shorter", "shortest", "tallest"), ("slower", "slowest", "fastest")),
)
_WORDS = (
    *("apple", "bridge", "cloud", "dance", "eagle", "forest", "garden", "hotel", "island"),
    *("jacket", "kitchen", "lemon", "mirror", "needle", "orange", "pencil", "queen", "river"),
    *("summer", "table", "valley", "window", "yellow", "zebra", "bread", "candle", "doctor"),
    *("engine", "flower", "guitar", "hammer", "jungle", "ladder", "market", "number", "paper"),
    *("rabbit", "silver", "ticket", "village", "winter"),
)
_WAYS = (
    ("from smallest to largest", "in ascending order", "from low to high"),
    ("from largest to smallest", "in descending order", "starting with the biggest"),
)


def _weekday(rng: Rng) -> Task:
    start, step = rng.randrange(7), rng.randint(1, 6)
    if rng.random() < 0.15:
        step = rng.choice((7, 8, 9, 10, 14))
    draw = rng.random()
    back = draw < 0.35
    day, right = DAYS[start], DAYS[(start + (-step if back else step)) % 7]
    number = in_words(step) if rng.random() < 0.4 else str(step)
    span = f"{number} {'day' if step == 1 else 'days'}"
    if step in {7, 14} and rng.random() < 0.5:
        span = "a week" if step == 7 else "two weeks"
    if draw < 0.15:
        query, sentence = ask(rng, "weekday_ago", s=span, d=day)
    elif draw < 0.6:
        query, sentence = ask(rng, "weekday", s=span, d=day, w="before" if back else "after")
    else:
        query, sentence = ask(rng, "weekday_ahead", s=span, d=day)
    wrong = [DAYS[(DAYS.index(right) + shift) % 7] for shift in rng.sample((1, -1, 2, 3), 2)]
    return short_task(
        rng, "weekday", query, "right weekday", _counted(start, step, back=back), right, wrong,
        say=sentence,
    )  # fmt: skip


def _counted(start: int, step: int, *, back: bool) -> str:
    """The days passed, counted one by one, whole weeks left out."""
    short = step % 7
    path = [DAYS[(start + (-i if back else i)) % 7] for i in range(short + 1)]
    weeks = f"{step - short} days is {DAYS[start]} again" if step >= 7 else ""
    if not short:
        return weeks
    counted = ", ".join(f"{i} {day}" for i, day in enumerate(path[1:], 1))
    where = f"{'back' if back else 'on'} from {path[0]}: {counted}"
    return f"{weeks}, then {where}" if weeks else f"{short} {where}"


def _born(rng: Rng) -> Task:
    """Who was born earlier is older."""
    year = rng.randint(1930, 2010)
    later = year + rng.choice((1, 2, 3, 5, 8, 10, 12, 20))
    n, m = rng.sample(NAMES, 2)
    years = {n: year, m: later}
    if rng.random() < 0.5:
        years = {n: later, m: year}
    old = rng.random() < 0.5
    ordered = sorted(years, key=lambda name: years[name], reverse=not old)
    question, sentence = phrasing(rng, "born")
    word = "older" if old else "younger"
    query = question.format(n=n, m=m, x=years[n], y=years[m], w=word)
    return short_task(
        rng, "before or after", query, "right order",
        f"{n} {years[n]}, {m} {years[m]}: {year} is before {later}, so {ordered[0]}",
        ordered[0], ordered[1:],
        say=sentence.replace("{a}", "{}").replace("{w}", word),
    )  # fmt: skip


def _earlier(rng: Rng) -> Task:
    if rng.random() < 0.25:
        return _born(rng)
    early = rng.random() < 0.5
    draw = rng.random()
    if draw < 0.5:
        first, second = sorted(rng.sample(range(12), 2))
        a, b = MONTHS[first], MONTHS[second]
        form = rng.choice(("{d} {m}", "{m} {d}", "{m}"))
        a, b = (form.format(d=rng.randint(1, 28), m=month) for month in (a, b))
        if rng.random() < 0.25 and form != "{m}":
            i, j = sorted(rng.sample(range(1, 29), 2))
            a, b = (form.format(d=day, m=MONTHS[first]) for day in (i, j))
        key, word = "earlier", "first" if early else "last"
    elif draw < 0.75:
        year = rng.randint(1700, 2015)
        a, b = str(year), str(year + rng.choice((1, 2, 9, 10, 11, 30, 90, 100)))
        key, word = "earlier_year", "earlier" if early else "later"
    else:
        half = rng.random() < 0.6
        start = rng.randint(6, 17) * 60 + rng.choice((0, 15, 30, 45))
        a, b = (shown(one, half=half) for one in (start, start + rng.choice((15, 30, 60, 240))))
        key, word = "earlier_time", "earlier" if early else "later"
    right, wrong = (a, b) if early else (b, a)
    x, y = rng.sample((a, b), 2)
    query, sentence = ask(rng, key, x=x, y=y, w=word)
    return short_task(
        rng, "before or after", query, "right order",
        f"{a} comes before {b}, so the {word} is {right}", right, [wrong], say=sentence,
    )  # fmt: skip


def _years(rng: Rng) -> Task:
    born, years = rng.randint(1880, 2010), rng.randint(5, 80)
    now = born + years
    if rng.random() < 0.55:
        query, sentence = ask(rng, "years_old", x=str(born), y=str(now))
        right, fact = years, aged(born, now)
    else:
        query, sentence = ask(rng, "years_born", x=str(years), y=str(now))
        right, fact = born, back(now, years)
    wrong = {right + 1, right - 1, right + 10, right - 2, right + 100, abs(right - 10)} - {right, 0}
    return short_task(
        rng, "years", query, "right number", fact, str(right),
        [str(value) for value in rng.sample(sorted(wrong), 2)], say=sentence,
    )  # fmt: skip


def _chain(rng: Rng) -> Task:
    more, most, least = rng.choice(_MORE)
    a, b, c = rng.sample(NAMES, 3)
    facts = [f"{a} is {more} than {b}", f"{b} is {more} than {c}"]
    if rng.random() < 0.4:
        facts.reverse()
    told = rng.choice((f"{facts[0]}. {facts[1]}.", f"{facts[0]}, and {facts[1]}."))
    top = rng.random() < 0.6
    right, word = (a, most) if top else (c, least)
    query, sentence = ask(rng, "logic", f=told, w=word)
    wrong = [name for name in (a, b, c) if name != right]
    return short_task(
        rng, "logic", query, "right conclusion",
        f"{most} first: {a}, {b}, {c}, so the {word} is {right}", right, wrong, say=sentence,
    )  # fmt: skip


def _due(rng: Rng) -> Task:
    event = rng.choice(_EVENTS)
    day, moved = rng.sample(DAYS, 2)
    hour, other = rng.sample(range(1, 12), 2)
    query, sentence = ask(
        rng, "plan", e=event, E=capital(event), d=day, m=moved, h=str(hour), k=str(other)
    )
    return short_task(
        rng, "changed plan", query, "right day", f"it moved to {moved}", moved, [day], say=sentence
    )


def _sorted(rng: Rng) -> Task:
    draw = rng.random()
    count = rng.randint(3, 5)
    down = False
    if draw < 0.35:
        ordered = [digits(n) for n in sorted(rng.sample(range(2, 990), count))]
        if rng.random() < 0.3:
            ordered = [digits(n / 10) for n in sorted(rng.sample(range(2, 99), count))]
        down = rng.random() < 0.4
        how = rng.choice(_WAYS[down])
    elif draw < 0.65:
        ordered = sorted(rng.sample(_WORDS, count))
        how = rng.choice(("alphabetically", "in alphabetical order", "from A to Z"))
    else:
        up, opposite, *chain = rng.choice(rows("ordered"))
        places = sorted(rng.sample(range(len(chain)), min(count, len(chain))))
        ordered = [chain[place] for place in places]
        down = rng.random() < 0.35
        how = opposite if down else up
    if down:
        ordered.reverse()
    return _sorting(rng, ordered, how)


def _sorting(rng: Rng, ordered: list[str], how: str) -> Task:
    items = rng.sample(ordered, len(ordered))
    if items == ordered:
        items.reverse()
    query, _ = ask(rng, "sorting", s=", ".join(items), h=how)
    place = rng.randrange(len(ordered) - 1)
    swapped = list(ordered)
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    wrong = [one for one in (swapped, items, ordered[::-1]) if one != ordered]
    return Task(
        "sorting",
        query,
        (Principle("right order", 80, ", then ".join(ordered)), manner(rng)),
        Answer(_listed(rng, ordered), f"It says {', '.join(ordered)}: in order.", RIGHT),
        tuple(
            Answer(
                _listed(rng, one),
                f"It says {', '.join(one)}, with {_misplaced(one, ordered)}.",
                NEAR,
            )
            for one in wrong
        ),
    )


def _listed(rng: Rng, items: list[str]) -> str:
    if rng.random() < 0.2:
        return "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))
    return rng.choice(("{}", "{}", "{}.", "Here you go: {}")).format(", ".join(items))


def _misplaced(items: list[str], ordered: list[str]) -> str:
    """The first two neighbours of a list that are the wrong way round."""
    x, y = next((x, y) for x, y in pairwise(items) if ordered.index(x) > ordered.index(y))
    return f"{x} before {y}"


KINDS: dict[str, Kind] = {
    "weekday": _weekday,
    "before or after": _earlier,
    "years": _years,
    "logic": _chain,
    "changed plan": _due,
    "sorting": _sorted,
}
