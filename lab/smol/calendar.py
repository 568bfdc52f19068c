"""Kinds of tasks with time and order: clocks, dates, ages, who is taller, sorting."""

from __future__ import annotations

from lab.smol.item import Kind, Rng, Task, short_task

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_NAMES = ("Ada", "Bill", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Iris", "Jon", "Kim", "Lars")
_EVENTS = (
    *("the concert", "my exam", "the meeting", "our wedding", "the deadline", "the match"),
    *("the dentist appointment", "the party", "the trip", "the delivery"),
)
_MORE = (  # comparative, superlative, opposite superlative
    *(("taller", "tallest", "shortest"), ("older", "oldest", "youngest")),
    *(("faster", "fastest", "slowest"), ("heavier", "heaviest", "lightest")),
    ("richer", "richest", "poorest"),
)
_WORDS = (
    *("apple", "bridge", "cloud", "dance", "eagle", "forest", "garden", "hotel", "island"),
    *("jacket", "kitchen", "lemon", "mirror", "needle", "orange", "pencil", "queen", "river"),
    *("summer", "table", "valley", "window", "yellow", "zebra"),
)


def _weekday(rng: Rng) -> Task:
    start, step = rng.randrange(7), rng.randint(1, 6)
    back = rng.random() < 0.25
    day, right = DAYS[start], DAYS[(start + (-step if back else step)) % 7]
    unit = "day" if step == 1 else "days"
    when = f"{step} {unit} {'before' if back else 'after'} {day}"
    query = rng.choice(
        (
            f"What day is {step} {unit} {'before' if back else 'after'} {day}?",
            (
                f"Today is {day}. What day {'was it' if back else 'will it be'} {step} {unit} "
                f"{'ago' if back else 'from now'}?"
            ),
            f"which weekday is {when}?",
        )
    )
    wrong = rng.sample([other for other in DAYS if other != right], 2)
    return short_task(
        rng, "weekday", query, "right weekday", f"{when} is {right}", right, wrong,
        say=f"{when} is {{}}",
    )  # fmt: skip


def _clock(rng: Rng) -> Task:
    hour, minute = rng.randint(6, 19), rng.choice((0, 15, 30, 45, 10, 20))
    add = rng.choice((15, 30, 45, 60, 90, 120, 180))
    total = hour * 60 + minute + add
    right, start = _shown(total), _shown(hour * 60 + minute)
    length = f"{add} minutes" if add < 120 else f"{add // 60} hours"
    query = rng.choice(
        (
            f"What time is it {length} after {start}?",
            f"The film starts at {start} and lasts {length}. When does it end?",
            f"It's {start} now. What time will it be in {length}?",
            f"bus leaves {start}, ride takes {length}, arrival?",
            f"I put a cake in the oven at {start} for {length}. When is it done?",
        )
    )
    wrong = {_shown(total + 30), _shown(total - 15), _shown(total + 60)} - {right, start}
    return short_task(
        rng, "clock", query, "right time", f"{start} plus {length} is {right}", right,
        rng.sample(sorted(wrong), 2), say="it will be {}",
    )  # fmt: skip


def _shown(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _earlier(rng: Rng) -> Task:
    first, second = sorted(rng.sample(range(12), 2))
    early = rng.random() < 0.5
    if rng.random() < 0.5:
        a, b = f"{rng.randint(1, 28)} {MONTHS[first]}", f"{rng.randint(1, 28)} {MONTHS[second]}"
    else:
        year = rng.randint(1900, 2015)
        a, b = str(year), str(year + rng.randint(1, 30))
    right, wrong = (a, b) if early else (b, a)
    word = rng.choice(("earlier", "first") if early else ("later", "last"))
    x, y = rng.sample((a, b), 2)
    query = rng.choice(
        (
            f"Which comes {word}, {x} or {y}?",
            f"Which date is {'earlier' if early else 'later'}: {x} or {y}?",
            f"{x} or {y}: which one comes {word}?",
        )
    )
    return short_task(
        rng, "before or after", query, "right order", f"{a} comes before {b}", right, [wrong],
        say=f"{{}} comes {word}",
    )  # fmt: skip


def _years(rng: Rng) -> Task:
    born, years = rng.randint(1940, 2010), rng.randint(5, 60)
    name, now = rng.choice(_NAMES), born + years
    if rng.random() < 0.5:
        query = rng.choice(
            (
                f"{name} was born in {born}. How old did {name} turn in {now}?",
                f"How many years are there from {born} to {now}?",
                f"from {born} to {now}, how many years",
            )
        )
        right, fact = years, f"{now} - {born} = {years}"
    else:
        query = rng.choice(
            (
                f"{name} turned {years} in {now}. In which year was {name} born?",
                f"Which year was {years} years before {now}?",
            )
        )
        right, fact = born, f"{now} - {years} = {born}"
    wrong = rng.sample([right + 1, right - 1, right + 10, right - 2], 2)
    return short_task(
        rng, "years", query, "right number", fact, str(right), [str(value) for value in wrong]
    )


def _chain(rng: Rng) -> Task:
    more, most, least = rng.choice(_MORE)
    a, b, c = rng.sample(_NAMES, 3)
    facts = [f"{a} is {more} than {b}.", f"{b} is {more} than {c}."]
    if rng.random() < 0.4:
        facts.reverse()
    top = rng.random() < 0.6
    right, word = (a, most) if top else (c, least)
    query = f"{' '.join(facts)} {rng.choice((f'Who is the {word}?', f'Which of them is {word}?'))}"
    wrong = [name for name in (a, b, c) if name != right]
    return short_task(
        rng, "logic", query, "right conclusion",
        f"{a}, {b}, {c} in order, so {right} is the {word}", right, wrong,
        say=f"{{}} is the {word}",
    )  # fmt: skip


def _due(rng: Rng) -> Task:
    event = rng.choice(_EVENTS)
    day, hour = rng.choice(DAYS), rng.randint(1, 11)
    moved, other = rng.choice([d for d in DAYS if d != day]), rng.choice((9, 10, 12, 3, 5))
    query = rng.choice(
        (
            (
                f"{event.capitalize()} was on {day} at {hour}, but it moved to {moved} at {other}. "
                f"On which day is it now?"
            ),
            f"They moved {event} from {day} to {moved}. When is it?",
            f"Note: {event} is no longer on {day}. New day: {moved}. So when is it?",
        )
    )
    return short_task(
        rng, "changed plan", query, "right day", f"it moved to {moved}", moved, [day],
        say=f"{event} is on {{}}",
    )  # fmt: skip


def _sorted(rng: Rng) -> Task:
    items = rng.sample(_WORDS, rng.randint(3, 4))
    if rng.random() < 0.4:
        numbers = rng.sample(range(2, 90), len(items))
        items, ordered = [str(n) for n in numbers], [str(n) for n in sorted(numbers)]
        how = rng.choice(("from smallest to largest", "in ascending order"))
    else:
        ordered = sorted(items)
        how = rng.choice(("alphabetically", "in alphabetical order", "from A to Z"))
    if items == ordered:
        items.reverse()
    shown = ", ".join(items)
    query = rng.choice((f"Sort {how}: {shown}", f"Put these {how}: {shown}.", f"{shown} - {how}?"))
    swapped = list(ordered)
    place = rng.randrange(len(ordered) - 1)
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    right = ", ".join(ordered)
    wrong = {", ".join(swapped), shown, ", ".join(reversed(ordered))} - {right}
    return short_task(
        rng, "sorting", query, "right order", f"{ordered[0]} comes first, then {ordered[1]}", right,
        sorted(wrong)[:2],
    )  # fmt: skip


KINDS: dict[str, Kind] = {
    "weekday": _weekday,
    "clock": _clock,
    "before or after": _earlier,
    "years": _years,
    "logic": _chain,
    "changed plan": _due,
    "sorting": _sorted,
}
