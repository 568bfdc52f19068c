"""Kinds of tasks with time and order: weekdays, dates, ages, who is taller, sorting."""

from __future__ import annotations

from lab.smol.amounts import DAYS, MONTHS, NAMES, in_words
from lab.smol.item import (
    Kind,
    Rng,
    Task,
    capital,
    short_task,
)
from lab.smol.kinds.clock import shown
from lab.smol.kinds.dates import ordinal, stepped, weekday_more, years_more
from lab.smol.kinds.earlier import dated, in_time, is_it, late
from lab.smol.kinds.numbers import ask
from lab.smol.kinds.ordering import sort
from lab.smol.kinds.plans import read_back
from lab.smol.tables import phrasing
from lab.smol.working import taken

_EVENTS = (
    *("the concert", "my exam", "the meeting", "our wedding", "the deadline", "the match"),
    *("the dentist appointment", "the party", "the trip", "the delivery", "choir practice"),
    *("the school play", "my driving test", "the staff dinner", "the inspection", "bin day"),
)


def _weekday(rng: Rng) -> Task:
    other = rng.random()
    if other > 0.65:
        return weekday_more(rng)
    if other < 0.25:
        return _named_day(rng) if other < 0.1 else _date(rng) if other < 0.18 else _apart(rng)
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
        rng, "weekday", query, "right weekday", stepped(start, step, back=back), right, wrong,
        say=sentence,
    )  # fmt: skip


_NAMED_DAYS = (
    *("the day before yesterday", "yesterday", "today", "tomorrow", "the day after tomorrow"),
)


def _named_day(rng: Rng) -> Task:
    """From one of yesterday, today and tomorrow to another."""
    here, there = rng.sample(range(5), 2)
    start = rng.randrange(7)
    be = ["was", "was", "is", "is", "is"]
    path = range(here, there + (1 if there > here else -1), 1 if there > here else -1)
    days = {i: DAYS[(start + i - here) % 7] for i in path}
    right = days[there]
    given = f"{_NAMED_DAYS[here]} {be[here]} {days[here]}"
    asked = "was" if there < 2 else "is" if there == 2 else rng.choice(("is", "will be"))
    target = _NAMED_DAYS[there]
    query = rng.choice(
        (
            "If {g}, what day {w} {t}?",
            "{G}. What day {w} {t}?",
            "{G}. So which weekday {w} {t}?",
            "{g}, {t} {w} what day",
            "Suppose {g}. Which day {w} {t}?",
            "Given that {g}, name the weekday that {w} {t}.",
            "{G}, they told me. Then {t} {w} which day?",
            "I lost count. {G}. What about {t}?",
            "We meet {t}. {G}. On what weekday do we meet?",
            "my calendar is gone. {g}. tell me the weekday of {t}",
        )
    ).format(g=given, G=capital(given), w=asked, t=target)
    fact = ", ".join(f"{_NAMED_DAYS[i]} {be[i]} {days[i]}" for i in path)
    wrong = [DAYS[(DAYS.index(right) + shift) % 7] for shift in rng.sample((1, -1, 2, -2), 2)]
    return short_task(
        rng, "weekday", query, "right weekday", fact, right, wrong, say=f"{target} {asked} {{}}"
    )


def _date(rng: Rng) -> Task:
    """The weekday of a date, from that of another one near to it."""
    date, start = rng.randint(1, 22), rng.randrange(7)
    step = rng.choice((1, 2, 3, 4, 5, 6, 7))
    month, sign = rng.choice(MONTHS), rng.choice((1, 1, -1)) if date > 7 else 1
    dates = [date + sign * i for i in range(step + 1)]
    path = [(one, DAYS[(start + one - date) % 7]) for one in dates]
    last, right = path[-1]
    first, name = ordinal(date), DAYS[start]
    query = rng.choice(
        (
            f"{month} {date} is a {name}. What weekday is {month} {last}?",
            f"The {first} is a {name}. Which day is the {ordinal(last)}?",
            f"the {first} of {month} falls on a {name}, so the {ordinal(last)} is a",
            f"If the {first} is a {name}, what day of the week is the {ordinal(last)}?",
            f"My calendar has {name} for the {first}. And for the {ordinal(last)}?",
            f"{name} is the {first}. What is the {ordinal(last)}, then?",
            f"Rent is due on the {ordinal(last)}. The {first} is a {name}. Due on what day?",
            f"We leave on {month} {last}. I know that {month} {date} is a {name}. Weekday?",
            f"the {first} was a {name} - so what was the {ordinal(last)}?",
            f"We meet on the {ordinal(last)} and the {first} is a {name}. Which weekday?",
        )
    )
    apart = taken(max(date, last), min(date, last))
    fact = f"{apart}, {stepped(start, step, back=sign < 0)}"
    wrong = [DAYS[(DAYS.index(right) + shift) % 7] for shift in rng.sample((1, -1, 2, -2), 2)]
    return short_task(rng, "weekday", query, "right weekday", fact, right, wrong, say="it is a {}")


def _apart(rng: Rng) -> Task:
    """How many days or months from one to another; which comes right after or before."""
    names = DAYS if rng.random() < 0.6 else MONTHS
    thing = "day" if names is DAYS else "month"
    start, step = rng.randrange(len(names)), rng.randint(2, 5)
    path = [names[(start + i) % len(names)] for i in range(step + 1)]
    counted = ", ".join(f"{i} {name}" for i, name in enumerate(path[1:], 1))
    if rng.random() < 0.4:
        query = rng.choice(
            (
                f"How many {thing}s is it from {path[0]} to {path[-1]}?",
                f"It's {path[0]}. How many {thing}s until {path[-1]}?",
                f"{thing}s between {path[0]} and {path[-1]}, counting the last one?",
                f"I start in {path[0]} and stop in {path[-1]}. How many {thing}s later is that?"
                if names is MONTHS
                else f"I slept from {path[0]} night to {path[-1]} night. How many nights later?",
            )
        )
        return short_task(
            rng, "weekday", query, f"right number of {thing}s", counted + f", so {step}", str(step),
            [str(step + 1), str(step - 1)], say=f"it is {{}} {thing}s",
        )  # fmt: skip
    after = rng.random() < 0.6
    a, b = path[:2]
    given, right = (a, b) if after else (b, a)
    word = "after" if after else "before"
    query = rng.choice(
        (
            f"Which {thing} comes {word} {given}?",
            f"What {thing} is right {word} {given}?",
            f"{given}: the {thing} {word} that?",
            f"My kid wants to know which {thing} we have just {word} {given}.",
            f"name the {thing} {word} {given}",
            f"Fill in the gap: the {thing} {word} {given} is ...",
            f"We just had {given}. Which {thing} was next?"
            if after
            else f"It is {given} now. Which {thing} was it just now?",
            f"In the list of {thing}s, what stands directly {word} {given}?",
            f"{word} {given} comes which {thing}",
        )
    )
    if rng.random() < 0.4:
        steps = rng.choice((2, 3))
        far = [names[(start + (i if after else -i)) % len(names)] for i in range(steps + 1)]
        query = f"Which {thing} is {steps} {thing}s {word} {far[0]}?"
        right, given = far[-1], far[0]
        fact = stepped(start, steps, back=not after, names=names)
    else:
        fact = f"{a} and then {b}, so {right}"
    place = names.index(right)
    wrong = sorted({names[(place + shift) % len(names)] for shift in (1, -1, 2)} - {right})
    return short_task(
        rng, "weekday", query, f"right {thing}", fact, right, rng.sample(wrong, 2), say="it's {}"
    )


def _born(rng: Rng) -> Task:
    """Who was born earlier is older."""
    year = rng.randint(1930, 2010)
    later = year + rng.choice((1, 2, 3, 5, 8, 10, 12, 20))
    n, m = rng.sample(NAMES, 2)
    years = {n: year, m: later}
    if rng.random() < 0.5:
        years = {n: later, m: year}
    old = rng.random() < 0.5
    oldest, youngest = sorted(years, key=lambda name: years[name])
    ordered = (oldest, youngest) if old else (youngest, oldest)
    question, sentence = phrasing(rng, "born")
    word = "older" if old else "younger"
    query = question.format(n=n, m=m, x=years[n], y=years[m], w=word)
    return short_task(
        rng, "before or after", query, "right order",
        f"{word} is asked: {n} {years[n]}, {m} {years[m]}: {year} is before {later}, "
        f"{oldest} is older, {youngest} is younger",
        ordered[0], [ordered[1]],
        say=sentence.replace("{a}", "{}").replace("{w}", word),
    )  # fmt: skip


def _earlier(rng: Rng) -> Task:
    other = rng.random()
    if other < 0.78:
        (make,) = rng.choices((_born, in_time, dated, late), (12, 24, 32, 10))
        return make(rng)
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
    if rng.random() < 0.2:
        side = rng.choice(("before", "after"))
        asking = rng.choice(
            ("Is {x} {w} {y}?", "does {x} come {w} {y}", "Is it right that {x} is {w} {y}?")
        )
        query = asking.format(x=x, y=y, w=side)
        return is_it(rng, query, x, y, side, truth="before" if x == a else "after")
    query, sentence = ask(rng, key, x=x, y=y, w=word)
    pair = ("first", "last") if word in {"first", "last"} else ("earlier", "later")
    return short_task(
        rng, "before or after", query, "right order",
        f"{word} is asked: {a} is {pair[0]}, {b} is {pair[1]}", right, [wrong], say=sentence,
    )  # fmt: skip


def _years(rng: Rng) -> Task:
    if rng.random() < 0.45:
        return years_more(rng)
    born = rng.randint(1880, 2010)
    years = rng.randint(5, min(80, 2030 - born))
    now = born + years
    if rng.random() < 0.55:
        query, sentence = ask(rng, "years_old", x=str(born), y=str(now))
        right, fact = years, taken(now, born)
    else:
        query, sentence = ask(rng, "years_born", x=str(years), y=str(now))
        right, fact = born, taken(now, years)
    wrong = {right + 1, right - 1, right + 10, right - 2, right + 100, abs(right - 10)} - {right, 0}
    return short_task(
        rng, "years", query, "right number", fact, str(right),
        [str(value) for value in rng.sample(sorted(wrong), 2)], say=sentence,
    )  # fmt: skip


_CHANGES = (  # what was planned, the words before it, possible values, the principle
    ("the meeting", "in", ("room 4", "room 12", "the library", "the canteen"), "right place"),
    ("the party", "at", ("Anna's house", "the park", "the beach", "the club"), "right place"),
    ("the train", "from", ("platform 2", "platform 5", "platform 9"), "right platform"),
    ("the lesson", "with", ("Mrs Lee", "Mr Brown", "Miss Ito", "Mr Diaz"), "right teacher"),
    ("the talk", "at", ("2 pm", "3 pm", "4:30 pm", "11 am", "noon"), "right time"),
    ("dinner", "at", ("six", "seven", "half past seven", "eight"), "right time"),
    ("the ticket", "for", ("12 euros", "15 euros", "9 euros", "20 euros"), "right price"),
    ("the trip", "in", ("April", "June", "September", "October"), "right month"),
    ("the picnic", "by", ("the lake", "the river", "the old mill"), "right place"),
    ("the flight", "from", ("gate A3", "gate B7", "gate C12"), "right gate"),
)
_CHANGED = (
    "{E} was planned {p} {x}. It has been changed, now it is {p} {y}. {q}",
    "First it said {p} {x}, but {e} is {p} {y} after all. {q}",
    "update: {e} is not {p} {x}, it's {p} {y}. {q}",
    "{E} is {p} {y} instead of {p} {x}. {q}",
    "I wrote down that {e} is {p} {x}. Then a message came: {p} {y}. {q}",
    "Forget what I said about {e}. It isn't {p} {x} but {p} {y}. {q}",
    "Old plan: {e} {p} {x}. New plan: {e} {p} {y}. {q}",
    "They switched {e} from {x} to {y}. {q}",
    "Because of a mistake {e} was listed {p} {x}; right is {p} {y}. {q}",
)
_NOW = (
    *("What is right now?", "So what counts?", "What do I tell the others?", "What's the latest?"),
    *("which one is it now", "What should I write down?", "Where do we stand?"),
)


def _changed(rng: Rng) -> Task:
    """Something other than a day has changed."""
    what, before, values, name = rng.choice(_CHANGES)
    old, new = rng.sample(values, 2)
    query = rng.choice(_CHANGED).format(
        e=what, E=capital(what), p=before, x=old, y=new, q=rng.choice(_NOW)
    )
    return short_task(
        rng, "changed plan", query, name, f"it is {new} now", new, [old],
        say=f"{what} is {before} {{}} now",
    )  # fmt: skip


def _due(rng: Rng) -> Task:
    if rng.random() < 0.6:
        return read_back(rng)
    if rng.random() < 0.4:
        return _changed(rng)
    event = rng.choice(_EVENTS)
    day, moved = rng.sample(DAYS, 2)
    hour, other = rng.sample(range(1, 12), 2)
    query, sentence = ask(
        rng, "plan", e=event, E=capital(event), d=day, m=moved, h=str(hour), k=str(other)
    )
    return short_task(
        rng, "changed plan", query, "right day", f"it moved to {moved}", moved, [day],
        say=sentence,
    )  # fmt: skip


KINDS: dict[str, Kind] = {
    "weekday": _weekday,
    "before or after": _earlier,
    "years": _years,
    "changed plan": _due,
    "sorting": sort,
}
