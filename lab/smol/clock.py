"""A kind of task about the time of day: later, earlier, how long, in words, in 24 hours."""

from __future__ import annotations

from lab.smol.amounts import in_words
from lab.smol.item import Kind, Rng, Task, short_task
from lab.smol.numbers import ask

_QUARTERS = {0: "{h} o'clock", 15: "quarter past {h}", 30: "half past {h}", 45: "quarter to {h1}"}
_MINUTES = {5: "five past {h}", 10: "ten past {h}", 20: "twenty past {h}", 40: "twenty to {h1}"}
_MINUTES |= {50: "ten to {h1}", 55: "five to {h1}", 25: "twenty-five past {h}"}


def _spelled(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} hour{'s' * (hours > 1)}"] if hours else []
    return " ".join([*parts, *([f"{rest} minutes"] if rest else [])])


def _spoken(rng: Rng, minutes: int) -> str:
    named = {30: "half an hour", 90: "an hour and a half", 60: "an hour", 45: "45 minutes"}
    named |= {15: "a quarter of an hour", 150: "two and a half hours", 120: "two hours"}
    if minutes in named and rng.random() < 0.5:
        return named[minutes]
    plain = f"{minutes} minutes"
    return _spelled(minutes) if minutes > 100 or rng.random() < 0.6 else plain


def _said(rng: Rng, text: str) -> str:
    """A time of day as it may be spoken: "half past three in the afternoon" for 15:30."""
    if rng.random() > 0.25:
        return text
    time, _, side = text.partition(" ")
    hour, minute = (int(part) for part in time.split(":"))
    hour = hour % 12 + (12 if side == "pm" else 0) if side else hour
    form = (_QUARTERS | _MINUTES).get(minute)
    if form is None:
        return text
    spoken = form.format(h=in_words((hour - 1) % 12 + 1), h1=in_words(hour % 12 + 1))
    if not side and 1 <= hour <= 12:
        return spoken
    part = "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
    return f"{spoken} in the {part}"


def _lasting(rng: Rng, text: str) -> str:
    """A duration as it may be spoken: "an hour and a half", "90 minutes"."""
    words = text.split()
    minutes = sum(
        int(number) * (60 if unit.startswith("hour") else 1)
        for number, unit in zip(words[::2], words[1::2], strict=True)
    )
    return _spoken(rng, minutes) if rng.random() < 0.4 else text


def shown(minutes: int, *, half: bool = False) -> str:
    """A time of day as 15:05, or as 3:05 pm."""
    hour, minute = divmod(minutes % (24 * 60), 60)
    if half:
        return f"{(hour - 1) % 12 + 1}:{minute:02d} {'am' if hour < 12 else 'pm'}"
    return f"{hour}:{minute:02d}"


def _clock(rng: Rng) -> Task:
    draw = rng.random()
    if draw < 0.15:
        return _clock_words(rng) if draw < 0.1 else _clock_style(rng)
    if draw < 0.35:
        return _between(rng)
    half = rng.random() < 0.35
    start = rng.randint(6, 19) * 60 + rng.choice((0, 0, 15, 30, 45, 10, 20, 5, 50, 40))
    span = rng.choice((15, 20, 25, 30, 40, 45, 50, 60, 75, 80, 90, 100, 120, 150, 180))
    back = draw < 0.55
    end = start - span if back else start + span
    right, given = shown(end, half=half), shown(start, half=half)
    query, sentence = ask(
        rng, "clock_back" if back else "clock_ahead", s=given, d=_spoken(rng, span)
    )
    other = start + span if back else start - span
    slips = {shown(end + shift, half=half) for shift in (30, -15, 60, -60, 10, -10)}
    slips.add(shown(other, half=half))
    if not half and start % 60 + span % 60 >= 60 and not back:  # as if an hour had 100 minutes
        slips.add(f"{start // 60 + span // 60}:{(start % 60 + span % 60) % 100:02d}")
    return short_task(
        rng, "clock", query, "right time", _worked(start, span, back=back, half=half), right,
        rng.sample(sorted(slips - {right, given}), 3), say=sentence, write=_said,
    )  # fmt: skip


def _worked(start: int, span: int, *, back: bool, half: bool) -> str:
    """The hours first, then the minutes up to the full hour, then the others."""
    sign, way = ("-", -1) if back else ("+", 1)
    hours, rest = divmod(span, 60)
    to_hour = (start if back else -start) % 60
    steps = [(hours, "h")]
    steps += [(to_hour, "min"), (rest - to_hour, "min")] if 0 < to_hour < rest else [(rest, "min")]
    now, told = start, []
    for count, unit in steps:
        if count:
            now += way * count * (60 if unit == "h" else 1)
            told.append(f"{sign} {count} {unit} = {shown(now, half=half)}")
    return f"{shown(start, half=half)} {', '.join(told)}"


def _between(rng: Rng) -> Task:
    start = rng.randint(6, 18) * 60 + rng.choice((0, 15, 30, 45, 10, 20))
    span = rng.choice((30, 45, 60, 75, 90, 105, 120, 135, 150, 180, 210, 240, 80, 100, 40))
    half = rng.random() < 0.3
    a, b = shown(start, half=half), shown(start + span, half=half)
    query, sentence = ask(rng, "clock_between", s=a, d=b)
    slips = {_spelled(span + shift) for shift in (60, 30, 15, -15, -10, 10) if span + shift > 0}
    fact = f"{_worked(start, span, back=False, half=half)}, so {_spelled(span)}"
    return short_task(
        rng, "clock", query, "right duration", fact, _spelled(span), rng.sample(sorted(slips), 3),
        say=sentence, write=_lasting,
    )  # fmt: skip


def _clock_words(rng: Rng) -> Task:
    hour = rng.randint(1, 12)
    minute, form = rng.choice(sorted((_QUARTERS | _MINUTES).items()))
    following = hour % 12 + 1
    as_digits = rng.random() < 0.3
    name, then = (str(hour), str(following)) if as_digits else (in_words(hour), in_words(following))
    right = f"{hour}:{minute:02d}"
    said = form.format(h=name, h1=then)
    before = (hour - 2) % 12 + 1
    wrong = {f"{following}:{minute:02d}", f"{hour}:{(60 - minute) % 60:02d}"}
    wrong |= {f"{before}:{minute:02d}", f"{hour}:{(minute + 10) % 60:02d}"}
    if minute > 30:
        to = 60 - minute
        fact = f"{to} minutes before {following}:00: 60 - {to} = {minute}, after {hour}, so {right}"
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


KINDS: dict[str, Kind] = {"clock": _clock}
