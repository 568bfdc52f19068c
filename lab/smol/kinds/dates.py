"""More forms of the kinds about weekdays and years: days in a row, next week, ages to come."""

from __future__ import annotations

from collections.abc import Sequence

from lab.smol.amounts import DAYS, in_words, written
from lab.smol.item import Rng, Task, short_task
from lab.smol.kinds.numbers import ask
from lab.smol.working import added, taken

_SPANS = (  # as said from today, and the days
    *(("a week from today", 7), ("this day next week", 7), ("a fortnight from today", 14)),
    *(("a week from tomorrow", 8), ("a week tomorrow", 8), ("in a week and a day", 8)),
    *(("a week from yesterday", 6), ("a week and two days from today", 9), ("in ten days", 10)),
    *(("two weeks from tomorrow", 15), ("in a week less a day", 6), ("in 11 days", 11)),
    *(("in two weeks", 14), ("in a fortnight", 14), ("three weeks from today", 21)),
    *(("three days from tomorrow", 4), ("two days after tomorrow", 3), ("in 12 days", 12)),
    *(("the day after tomorrow", 2), ("in 13 days", 13), ("four days from tomorrow", 5)),
)


def ordinal(number: int) -> str:
    """A place in a row: 1st, 22nd, 13th."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in {11, 12, 13} else ending}"


def weekday_more(rng: Rng) -> Task:
    """Days in a row, the same day of another week, every few days, from yesterday on."""
    return rng.choice((_row, _row, _week, _every, _turned))(rng)


def _day(rng: Rng, asked: tuple[str, str], fact: str, right: int, slips: list[int]) -> Task:
    query, sentence = asked
    name = DAYS[right % 7]
    wrong = list(dict.fromkeys(DAYS[(right + one) % 7] for one in slips if one % 7))
    return short_task(rng, "weekday", query, "right weekday", fact, name, wrong[:2], say=sentence)


def _number(rng: Rng, value: int) -> str:
    return in_words(value) if rng.random() < 0.5 else str(value)


def _row(rng: Rng) -> Task:
    """The last of some days in a row, the first one counted or not."""
    start, count = rng.randrange(7), rng.randint(2, 5)
    after = rng.random() < 0.5
    asked = ask(
        rng, "weekday_row_after" if after else "weekday_row", d=DAYS[start], s=_number(rng, count)
    )
    first = 1 if after else 0
    more = count + first - 1
    fact = f"{count} after {DAYS[start]}: " if after else f"{taken(count, 1)} after the first: "
    fact += stepped(start, more)
    slips = [-1 if after else 1, rng.choice((1, -1, 2))]
    return _day(rng, asked, fact, start + first + count - 1, slips)


def _week(rng: Rng) -> Task:
    """Weeks are the same day again; what is left is counted."""
    start = rng.randrange(7)
    text, days = rng.choice(_SPANS)
    asked = ask(rng, "weekday_week", d=DAYS[start], s=text)
    told = f"{text} is {days} days from today: {stepped(start, days)}"
    return _day(rng, asked, told, start + days, rng.sample((1, -1, 2), 2))


def stepped(start: int, step: int, *, back: bool = False, names: Sequence[str] = DAYS) -> str:
    """A day or a month, and which one is so many later: "Monday + 10 days = Thursday"."""
    there = names[(start + (-step if back else step)) % len(names)]
    unit = f"{'day' if names is DAYS else 'month'}{'s' * (step != 1)}"
    return f"{names[start % len(names)]} {'-' if back else '+'} {step} {unit} = {there}"


def _every(rng: Rng) -> Task:
    """The next times of what comes every few days."""
    start, step, times = rng.randrange(7), rng.choice((2, 2, 3, 3, 4, 5)), rng.choice((2, 3))
    names = ("second", "third")
    asked = ask(rng, "weekday_every", d=DAYS[start], s=_number(rng, step), w=names[times - 2])
    told = [f"first {DAYS[start]}"]
    told += [f"{names[i - 1]} {stepped(start + (i - 1) * step, step)}" for i in range(1, times)]
    slips = [rng.choice((1, -1)), step, 1, -1]
    return _day(rng, asked, ", ".join(told), start + step * (times - 1), slips)


def _turned(rng: Rng) -> Task:
    """From the day that yesterday was, or tomorrow is, to one some days from today."""
    today, step, back = rng.randrange(7), rng.randint(2, 4), rng.random() < 0.4
    key = "weekday_from_tomorrow" if back else "weekday_from_yesterday"
    given = DAYS[(today + (1 if back else -1)) % 7]
    asked = ask(rng, key, d=given, s=_number(rng, step))
    sign = -1 if back else 1
    day = "tomorrow" if back else "yesterday"
    fact = f"{day} {given}: today {stepped(DAYS.index(given), 1, back=back)}"
    fact += f", {stepped(today, step, back=back)}"
    return _day(rng, asked, fact, today + sign * step, [-sign, sign])


def years_more(rng: Rng) -> Task:
    """The year of an age, anniversaries in order, ages to come and past, of two people."""
    return rng.choice((_year_of, _year_of, _anniversary, _later, _ago, _both))(rng)


def _year_of(rng: Rng) -> Task:
    born = rng.randint(1930, 2022)
    age = rng.choice((5, 6, 10, 12, 15, 16, 18, 18, 21, 25, 30, 40, 50, 60, 65, 67, 70, 75, 80))
    asked = ask(rng, "years_ahead", x=str(born), y=str(age))
    fact = f"{born} and {age} more: {added(born, age)}"
    return _count(rng, asked, fact, born + age, [10, -10, 1, -1])


def _count(rng: Rng, asked: tuple[str, str], fact: str, right: int, slips: list[int]) -> Task:
    query, sentence = asked
    wrong = [str(right + one) for one in slips if right + one > 0]
    plain = right > 1000
    name = "right year" if plain else "right age"
    return short_task(
        rng, "years", query, name, fact, str(right), rng.sample(wrong, 2), say=sentence,
        write=None if plain else written,
    )  # fmt: skip


def _anniversary(rng: Rng) -> Task:
    born = rng.randint(1900, 2015)
    age = rng.choice(
        (5, 10, 15, 18, 20, 25, 30, 35, 40, 45, 50, 60, 70, 75, 80, rng.randint(3, 90))
    )
    query, sentence = ask(rng, "years_nth", x=str(born), y=str(born + age))
    wrong = [ordinal(age + one) for one in (10, -10, 1, -1, 5) if age + one > 1]
    return short_task(
        rng, "years", query, "right number", f"{taken(born + age, born)}, the {ordinal(age)}",
        ordinal(age), rng.sample(wrong, 2), say=(sentence, sentence, "the {}"), noun=False,
    )  # fmt: skip


def _later(rng: Rng) -> Task:
    age, years = rng.randint(18, 64), rng.randint(2, 35)
    asked = ask(rng, "age_later", x=str(age), y=_number(rng, years))
    fact = f"later is older: {added(age, years)}"
    return _count(rng, asked, fact, age + years, [10, -10, 1, -1])


def _ago(rng: Rng) -> Task:
    age = rng.randint(28, 90)
    years = rng.randint(3, age - 18)
    asked = ask(rng, "age_ago", x=str(age), y=_number(rng, years))
    fact = f"earlier is younger: {taken(age, years)}"
    return _count(rng, asked, fact, age - years, [10, -10, 1, -1])


def _both(rng: Rng) -> Task:
    """Two people grow older together: the difference stays."""
    young, apart, when = rng.randint(3, 12), rng.randint(2, 9), rng.randint(14, 60)
    asked = ask(rng, "age_both", x=str(young), y=str(young + apart), z=str(when))
    fact = (
        f"{young + apart} - {young} = {apart} years apart, that stays, "
        f"so older at {when}: {added(when, apart)}"
    )
    slips = [1, -1, -apart, 10]
    return _count(rng, asked, fact, when + apart, slips)
