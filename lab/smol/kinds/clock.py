"""Kinds of tasks about the time of day: later, earlier, how long, in words, in 24 hours, plans."""

from __future__ import annotations

from lab.smol.amounts import digits, in_words
from lab.smol.item import Kind, Rng, Task, short_task
from lab.smol.kinds.numbers import ask
from lab.smol.kinds.times import (
    DAY,
    WORDS,
    Way,
    answer_way,
    apart,
    asked_way,
    counted,
    moved,
    read,
    turned,
)

_SPANS = (
    *(15, 20, 25, 30, 30, 35, 40, 45, 45, 50, 55, 60, 65, 70, 75, 80, 90, 90, 95, 100, 105, 110),
    *(120, 125, 135, 140, 150, 150, 155, 165, 180, 195, 200, 210, 225, 240, 270),
)
_LONG = (360, 390, 405, 420, 435, 450, 465, 480, 495, 510, 525, 540, 570, 600, 630)
"""Of a night."""
_TIMES = "at {}", "at {}", "", ""
"""A time as answered: with "at" or as the phrasing has it."""


def _spelled(minutes: int, link: str = " ") -> str:
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} hour{'s' * (hours > 1)}"] if hours else []
    return link.join([*parts, *([f"{rest} minutes"] if rest else [])])


def _named(minutes: int) -> list[str]:
    """A span in the words that there are for it."""
    hours, rest = divmod(minutes, 60)
    if hours == 0:
        return {30: ["half an hour"] * 2, 15: ["a quarter of an hour"]}.get(rest, [])
    if rest == 0:
        return ["an hour", "one hour"] if hours == 1 else [f"{in_words(hours)} hours"]
    found = [f"an hour and {rest} minutes", f"an hour {in_words(rest)}"] if hours == 1 else []
    if rest == 30:
        one = ["an hour and a half", "an hour and a half", "one and a half hours"]
        more = [f"{in_words(hours)} and a half hours"] * 2 + [f"{hours} and a half hours"]
        found = [*(one if hours == 1 else more), f"{digits(hours + 0.5)} hours"]
    if rest in {15, 45}:
        quarter = "a quarter" if rest == 15 else "three-quarter"
        found.append(f"{in_words(hours)} and {quarter} hours" if hours > 1 else found[0])
    return found


def _spoken(rng: Rng, minutes: int) -> str:
    """A span as somebody says or types it."""
    named = _named(minutes)
    if named and rng.random() < 0.5:
        return rng.choice(named)
    if minutes < 60 or (minutes <= 120 and rng.random() < 0.3):
        return f"{minutes} {rng.choice(('minutes', 'minutes', 'min', 'mins'))}"
    hours, rest = divmod(minutes, 60)
    tight = f"{hours}h{rest:02d}" if rest else f"{hours}h"
    return rng.choice((_spelled(minutes), _spelled(minutes, " and "), counted(minutes), tight))


def _gloss(text: str, minutes: int) -> str:
    """What a span is in hours and minutes, where its words say it otherwise."""
    parts = counted(minutes)
    if text in {parts, _spelled(minutes)} or (minutes < 60 and text[0].isdecimal()):
        return ""
    if minutes > 60 and text.startswith(str(minutes)) and minutes % 60:
        return f"{minutes} min = {parts}"
    return f"{text} is {parts}"


def shown(minutes: int, *, half: bool = False) -> str:
    """A time of day as 15:05, or as 3:05 pm."""
    return Way("side" if half else "24").show(minutes)


def _clock(rng: Rng) -> Task:
    draw = rng.random()
    if draw < 0.12:
        return _clock_words(rng) if draw < 0.08 else _clock_style(rng)
    night, back = rng.random() < 0.18, rng.random() < 0.48
    five = rng.random() < 0.92
    if night:
        start = rng.randrange(300, 585, 15) if back else rng.randrange(18 * 60, DAY, 15)
        span = rng.choice(_LONG)
        key = "night_back" if back else "night_ahead"
    else:
        start = rng.randint(6, 19) * 60 + (rng.randrange(0, 60, 5) if five else rng.randrange(60))
        span = rng.choice(_SPANS)
        ahead = ("clock_ahead", "clock_ahead", "clock_ends")
        key = rng.choice(("clock_back", "clock_latest", "clock_latest") if back else ahead)
    given = asked_way(rng, night=night)
    if not five and not night:
        given = Way(rng.choice(("24", "bare")), given.mark)
    way = answer_way(rng, given) if five or night else given
    text = _spoken(rng, span)
    query, sentence = ask(rng, key, s=given.show(start), d=text)
    end = start - span if back else start + span
    fact = _working(start, [(text, span)], given, way, back=back)
    right, wrong = _ends(rng, start, end, span, way)
    return short_task(
        rng, "clock", query, "right time", fact, right, wrong, say=(sentence, rng.choice(_TIMES))
    )


def _working(
    start: int, spans: list[tuple[str, int]], given: Way, way: Way, *, back: bool = False
) -> str:
    """What is asked, then what is written in words, then the steps, then the answer."""
    told, now = [read(given, start)], start
    for text, span in spans:
        told += [_gloss(text, span), moved(now, span, given.plain, back=back)]
        now += -span if back else span
    told.append(turned(given, way, now))
    what = "earlier is asked" if back else "later is asked"
    return f"{what}: {', '.join(one for one in told if one)}"


def _ends(rng: Rng, start: int, end: int, span: int, way: Way) -> tuple[str, list[str]]:
    """The right time and three wrong ones, all written alike."""
    right = way.show(end)
    other = 2 * start - end
    far = [start + (end > start or -1) * (span % 60), other, end + 120, end - 120]
    close = [end + one for one in (10, -10, 10, -10, 60, -60, 60, -60, 30, 20, -20, 15, -15)]
    if way.form == "words":
        close = [one for one in close if one % 60 in WORDS]
        far = [one for one in far if one % 60 in WORDS]
    slips = dict.fromkeys(way.show(one) for one in rng.sample(close, len(close)))
    slips = {one: None for one in slips if one != right}
    wrong = list(slips)[:3]
    extra = [one for one in map(way.show, far) if one not in {right, *wrong}]
    if extra and rng.random() < 0.4:
        wrong[2] = rng.choice(extra)
    return right, wrong


def _between(rng: Rng) -> Task:
    """How long from one time to another."""
    night = rng.random() < 0.15
    if night:
        start, span = rng.randrange(20 * 60, DAY, 5), rng.choice(_LONG)
    else:
        noon = rng.random() < 0.35
        start = rng.randrange(10 * 60 if noon else 360, 780 if noon else 1140, 5)
        span = rng.randrange(20, 300, 5)
    given = asked_way(rng, night=night)
    a, b = given.show(start), given.show(start + span)
    query, sentence = ask(
        rng, "night_between" if night else rng.choice(("clock_between", "clock_long")), s=a, d=b
    )
    told = [read(given, start), read(given, start + span), apart(start, span, given.plain)]
    values = [span, *_lasting(rng, start, span)]
    form = rng.randrange(5 if span <= 200 else 4)
    texts = [_length(one, form) for one in values]
    if form == 4 and span > 60:
        told.append(f"{counted(span)} = {span} min")
    return short_task(
        rng, "clock span", query, "right duration", ", ".join(one for one in told if one),
        texts[0], texts[1:], say=sentence,
    )  # fmt: skip


def _length(minutes: int, form: int) -> str:
    """A span as answered; all answers of a task have the same form."""
    if form == 4:
        return f"{minutes} minutes"
    if form == 3:
        return (_named(minutes) or [_spelled(minutes, " and ")])[0]
    return (_spelled(minutes), _spelled(minutes, " and "), counted(minutes))[form]


def _lasting(rng: Rng, start: int, span: int) -> list[int]:
    """Wrong spans: an hour or ten minutes off, the minutes the wrong way round."""
    near = [10, -10, 10, -10, 60, 60, -60, 30, 20, -20, 5, -5, 15]
    m, n = start % 60, (start + span) % 60
    if n < m:  # as if the smaller were taken from the larger
        near += [2 * (m - n) - 60, 2 * (m - n)] * 2
    slips = [span + one for one in rng.sample(near, len(near)) if span + one > 5 and one]
    return list(dict.fromkeys(slips))[:3]


def _twice(rng: Rng) -> Task:
    """Two spans after each other, later or earlier."""
    back = rng.random() < 0.4
    start = rng.randrange(7 * 60, 20 * 60, 5)
    spans = [rng.randrange(5, 65, 5), rng.choice((10, 15, 20, 25, 30, 35, 40, 45, 60, 90))]
    rng.shuffle(spans)
    given = asked_way(rng)
    way, texts = answer_way(rng, given), [_spoken(rng, span) for span in spans]
    query, sentence = ask(
        rng, "clock_twice_back" if back else "clock_twice",
        s=given.show(start), d=texts[0], e=texts[1],
    )  # fmt: skip
    end = start - sum(spans) if back else start + sum(spans)
    fact = _working(start, list(zip(texts, spans, strict=True)), given, way, back=back)
    right, wrong = _ends(rng, start, end, sum(spans), way)
    half = way.show(end + spans[1] if back else end - spans[1])
    if half not in {right, *wrong}:
        wrong[0] = half
    return short_task(
        rng, "clock plan", query, "right time", fact, right, wrong, say=(sentence, "at {}")
    )


def _every(rng: Rng) -> Task:
    """The third or fourth of what comes again and again."""
    span = rng.choice((10, 12, 15, 20, 25, 30, 40, 45, 60, 90, 120, 180, 240))
    start, which = rng.randrange(6 * 60, 13 * 60, 5), rng.choice((2, 3, 3, 3))
    given = Way(rng.choice(("24", "24", "bare", "side")), rng.choice("::."))
    names = ("first", "second", "third")
    text = _spoken(rng, span)
    query, sentence = ask(rng, "clock_every", s=given.show(start), d=text, w=names[which - 1])
    told = [_gloss(text, span), f"first {given.show(start)}"]
    told += [
        f"{names[i]} {moved(start + (i - 1) * span, span, given.plain)}" for i in range(1, which)
    ]
    end = start + (which - 1) * span
    right = given.show(end)
    wrong = [given.show(end + span), given.show(end - span), given.show(end + 10)]
    return short_task(
        rng, "clock plan", query, "right time", ", ".join(one for one in told if one), right,
        list(dict.fromkeys(one for one in wrong if one != right)), say=sentence,
    )  # fmt: skip


def _in_time(rng: Rng) -> Task:
    """Whether one is in time."""
    start, span = rng.randrange(7 * 60, 20 * 60, 5), rng.choice(_SPANS[:26])
    missing = rng.random() < 0.4
    late = missing == (rng.random() < 0.5)
    limit = start + span + rng.choice((5, 10, 10, 15, 20, 25, 40)) * (-1 if late else 1)
    given = asked_way(rng)
    if limit <= start or (given.plain.form == "bare" and start < 12 * 60 <= start + span + 60):
        given = Way("24")
    limit = max(limit, start + 5)
    late = start + span > limit
    text = _spoken(rng, span)
    query, answers = ask(
        rng, "clock_misses" if missing else "clock_makes",
        s=given.show(start), d=text, e=given.show(limit),
    )  # fmt: skip
    plain = given.plain
    there, end = plain.show(start + span), plain.show(limit)
    told = _working(start, [(text, span)], given, plain).removeprefix("later is asked: ")
    side = "after" if late else "before"
    word = "too late" if late else "in time"
    ending = [read(given, limit), f"{there} is {side} {end}: {word}"]
    fact = ", ".join(one for one in (told, *ending) if one)
    yes, no = (one.strip() for one in answers.split("/"))
    right, wrong = (yes, no) if late == missing else (no, yes)
    return short_task(
        rng, "clock plan", query, "right answer", f"{fact}, so {right}", right, [wrong], noun=False
    )


def _plan(rng: Rng) -> Task:
    draw = rng.random()
    return _twice(rng) if draw < 0.5 else _every(rng) if draw < 0.7 else _in_time(rng)


def _clock_words(rng: Rng) -> Task:
    hour = rng.randint(1, 12)
    minute, form = rng.choice(sorted(WORDS.items()))
    following = hour % 12 + 1
    as_digits = rng.random() < 0.3
    name, then = (str(hour), str(following)) if as_digits else (in_words(hour), in_words(following))
    right = f"{hour}:{minute:02d}"
    said = form.format(h=name, h1=then)
    before = (hour - 2) % 12 + 1
    wrong = {f"{following}:{minute:02d}", f"{hour}:{(60 - minute) % 60:02d}"}
    wrong |= {f"{before}:{minute:02d}", f"{hour}:{(minute + 10) % 60:02d}"}
    if minute > 30:
        fact = f"{following}:00 - {60 - minute} min = {right}"
    else:
        fact = f"{minute} minutes after {hour}:00 is {right}" if minute else f"on the hour, {right}"
    query, sentence = ask(rng, "clock_words", s=said)
    return short_task(
        rng, "clock", query, "right time", fact, right, rng.sample(sorted(wrong - {right}), 2),
        say=sentence,
    )  # fmt: skip


def _clock_style(rng: Rng) -> Task:
    """Between 15:05 and 3:05 pm."""
    minutes = rng.randint(1, 23) * 60 + rng.choice((0, 0, 15, 30, 45, 5, 20))
    long, short = shown(minutes), shown(minutes, half=True)
    to_long = rng.random() < 0.6
    right, given = (long, short) if to_long else (short, long)
    hour = minutes // 60
    fact = f"{given} is {right}"
    if hour > 12:
        step = f"{hour - 12} + 12 = {hour}" if to_long else f"{hour} - 12 = {hour - 12}"
        fact = f"{step}, so {fact}"
    turned = shown(minutes + 12 * 60, half=not to_long)
    shifts = [shown(minutes + shift, half=not to_long) for shift in (60, -60, 120, -120)]
    query, sentence = ask(rng, "clock_24" if to_long else "clock_12", s=given)
    return short_task(
        rng, "clock", query, "right time", fact, right, [turned, rng.choice(shifts)], say=sentence
    )


KINDS: dict[str, Kind] = {"clock": _clock, "clock span": _between, "clock plan": _plan}
