"""Times of day in many notations, and working with them that a small model can follow.

A time plus a span goes by the hours first, then by the minutes, over the full hour: `10:50 + 45
min: 10 min to 11:00, 45 = 10 + 35, 11:00 + 35 min = 11:35`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.smol.amounts import in_words
from lab.smol.item import Rng
from lab.smol.working import added, taken

DAY = 24 * 60
WORDS = dict(
    zip(
        range(0, 60, 5),
        (
            *("{h} o'clock", "five past {h}", "ten past {h}", "quarter past {h}"),
            *("twenty past {h}", "twenty-five past {h}", "half past {h}", "twenty-five to {h1}"),
            *("twenty to {h1}", "quarter to {h1}", "ten to {h1}", "five to {h1}"),
        ),
        strict=True,
    )
)
"""How the minutes of a time are spoken, with the hour and the next one."""


@dataclass(frozen=True)
class Way:
    """How times of day are written."""

    form: str
    """ "24" (15:05), "side" (3:05 pm), "bare" (3:05) or "words" (five past three)."""
    mark: str = ":"
    zero: bool = False
    """Whether hours below ten have a zero before them, in 24 hours."""
    tight: bool = False
    """3:05pm without the space, and 3pm for the full hour."""
    digit: bool = False
    """quarter past 3 instead of quarter past three."""
    part: bool = False
    """Whether words say the part of the day."""

    def show(self, minutes: int) -> str:
        """A time of day, in minutes since midnight."""
        hour, minute = divmod(minutes % DAY, 60)
        short = (hour - 1) % 12 + 1
        if self.form == "24":
            return f"{hour:02d}{self.mark}{minute:02d}" if self.zero else self._digits(hour, minute)
        if self.form == "bare":
            return self._digits(short, minute)
        if self.form == "side":
            side = "am" if hour < 12 else "pm"
            if not self.tight:
                return f"{self._digits(short, minute)} {side}"
            return f"{self._digits(short, minute)}{side}" if minute else f"{short}{side}"
        h, h1 = short, short % 12 + 1
        names = (str(h), str(h1)) if self.digit else (in_words(h), in_words(h1))
        said = WORDS[minute].format(h=names[0], h1=names[1])
        return f"{said} {_part(hour)}" if self.part else said

    def _digits(self, hour: int, minute: int) -> str:
        return f"{hour}{self.mark}{minute:02d}"

    @property
    def plain(self) -> Way:
        """The notation to work in."""
        if self.form == "words":
            return Way("side") if self.part else Way("bare")
        return replace(self, tight=False)


def _part(hour: int) -> str:
    if hour < 4 or hour >= 22:
        return "at night"
    noon, evening = 12, 18
    return f"in the {'morning' if hour < noon else 'afternoon' if hour < evening else 'evening'}"


def asked_way(rng: Rng, *, night: bool = False) -> Way:
    """How a question writes its times; over night rarely without the side of the day."""
    mark = "." if rng.random() < 0.25 else ":"
    form = rng.choice(("24", "24", "24", "side", "side", "bare", "bare", "bare", "words", "words"))
    if night and form == "bare":
        form = "24"
    digit, part = rng.random() < 0.4, night or rng.random() < 0.3
    return Way(form, mark, rng.random() < 0.3, rng.random() < 0.4, digit, part)


def answer_way(rng: Rng, given: Way) -> Way:
    """How the answers write theirs: mostly alike, at times otherwise."""
    draw, digit = rng.random(), rng.random() < 0.3
    if draw < 0.6:
        return given
    if draw < 0.66 and given.form in {"24", "bare"}:  # 07:00 beside 7:00, 6:10 pm beside 4:40
        bare = given.form == "bare"
        return replace(given, form="side", tight=digit) if bare else replace(given, zero=True)
    if given.form == "words":
        return Way(given.plain.form, rng.choice(":."), tight=rng.random() < 0.4)
    if draw < 0.84 or given.form == "bare":
        words = Way("words", digit=digit, part=given.form != "bare" and rng.random() < 0.5)
        return words if draw < 0.86 else replace(given, mark=":."[given.mark == ":"])
    return Way("side" if given.form == "24" else "24", given.mark, tight=rng.random() < 0.4)


def read(way: Way, minutes: int) -> str:
    """What a time of the question is in digits: "quarter to four is 15 min before 4:00, 3:45"."""
    text, plain = way.show(minutes), way.plain.show(minutes)
    if way.form != "words":
        return ""
    left = 60 - minutes % 60
    if left < 30:
        return f"{text} is {left} min before {way.plain.show(minutes + left)}, {plain}"
    return f"{text} is {plain}"


def turned(given: Way, way: Way, minutes: int) -> str:
    """The time that was found, in the notation of the answers, if that is another one."""
    found, text = given.plain.show(minutes), way.show(minutes)
    if found == text:
        return ""
    hour, steps = minutes % DAY // 60, []
    if given.plain.form == "24" and way.form != "24" and hour > 12:
        steps.append(f"{hour} - 12 = {hour - 12}")
    if given.plain.form != "24" and way.form == "24" and hour > 12:
        steps.append(f"{hour - 12} + 12 = {hour}")
    left = 60 - minutes % 60
    if way.form == "words" and left < 30:
        following = Way("bare", given.mark).show(minutes + left)
        return ", ".join([*steps, f"{found} is {left} min before {following}, {text}"])
    return ", ".join([*steps, f"{found} is {text}"])


def moved(now: int, span: int, way: Way, *, back: bool = False) -> str:
    """A time and a span later or earlier, step by step."""
    hours, minutes = divmod(span, 60)
    told = []
    if hours:
        told.append(_hours(now, hours, way, back=back))
        now += -hours * 60 if back else hours * 60
    if minutes:
        told.append((_earlier if back else _later)(now, minutes, way))
    return ", ".join(told)


def _sum(x: int, y: int) -> str:
    """A sum of minutes; those of fives are so few that they are known by heart."""
    return f"{x} + {y} = {x + y}" if x % 5 == y % 5 == 0 else added(x, y)


def _rest(x: int, y: int) -> str:
    """A difference of minutes, likewise."""
    return f"{x} - {y} = {x - y}" if x % 5 == y % 5 == 0 else taken(x, y)


def _hours(now: int, count: int, way: Way, *, back: bool) -> str:
    size, low, high = (24, 0, 23) if way.form == "24" else (12, 1, 12)
    hour = now % DAY // 60 if size == 24 else (now % DAY // 60 - 1) % 12 + 1
    new = way.show(now + (-60 if back else 60) * count)
    left, plain = f"{way.show(now)} {'-' if back else '+'} {count} h", hour + count
    if back and hour - count < low:
        more = hour + size
        return f"{left}: {hour} + {size} = {more}, {more} - {count} = {more - count}, so {new}"
    if not back and plain > high:
        return f"{left}: {hour} + {count} = {plain}, {plain} - {size} = {plain - size}, so {new}"
    return f"{left} = {new}"


def _later(now: int, count: int, way: Way) -> str:
    minute, new = now % 60, way.show(now + count)
    to, left = 60 - minute, f"{way.show(now)} + {count} min"
    if not minute:
        return f"{left} = {new}"
    full = way.show(now + to)
    if count < to:
        return f"{left}: {to} min to {full} is more, {_sum(minute, count)}, so {new}"
    if count == to:
        return f"{left}: {to} min to {full}, so {new}"
    rest = count - to
    return f"{left}: {to} min to {full}, {count} = {to} + {rest}, {full} + {rest} min = {new}"


def _earlier(now: int, count: int, way: Way) -> str:
    minute, new = now % 60, way.show(now - count)
    left, full = f"{way.show(now)} - {count} min", way.show(now - minute)
    if not minute:
        return f"{left}: {_rest(60, count)}, so {new}"
    if count < minute:
        return f"{left}: {minute} min to {full} is more, {_rest(minute, count)}, so {new}"
    if count == minute:
        return f"{left}: {minute} min to {full}, so {new}"
    rest = count - minute
    split = f"{minute} min to {full}, {count} = {minute} + {rest}"
    return f"{left}: {split}, {full} - {rest} min: {_rest(60, rest)}, so {new}"


def apart(start: int, span: int, way: Way) -> str:
    """How long it is from one time to another: over the full hours if the minutes get less."""
    end = start + span
    a, b, m, n = way.show(start), way.show(end), start % 60, end % 60
    if m == n:
        return _whole(start, end, way)
    if m < n:
        same = end - n + m
        hours = f"{_whole(start, same, way)}, " if same > start else ""
        rest = f"{_rest(n, m)} min" if m else f"{way.show(same)} to {b} is {n} min"
        return f"{a} to {b}: {n} is more than {m}, {hours}{rest}"
    full, last = start + 60 - m, end - n
    hours = f"{_whole(full, last, way)}, " if last > full else ""
    first = f"{a} to {way.show(full)} is {60 - m} min"
    rest = f"{way.show(last)} to {b} is {n} min, {_sum(60 - m, n)} min" if n else ""
    return f"{a} to {b}: {n} is less than {m}, {first}, {hours}{rest}".removesuffix(", ")


def _whole(start: int, end: int, way: Way) -> str:
    """Whole hours; over noon or midnight in two parts, as the numbers begin again there."""
    a, b, count = way.show(start), way.show(end), (end - start) // 60
    size = 24 if way.form == "24" else 12
    first = start // 60 % size or (0 if size == 24 else 12)
    over = first + count > size and first != size
    if not over:
        return f"{a} to {b} is {count} h"
    upto = size - first
    turn = end - (count - upto) * 60
    middle = "24:00" if size == 24 and not start % 60 else way.show(turn)
    return (
        f"{a} to {middle} is {upto} h, to {b} {count - upto} h, {upto} + {count - upto} = {count} h"
    )
