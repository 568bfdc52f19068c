"""Times of day in many notations, and working with them that a small model can follow.

What is calculated stands as a calculator takes it, see `lab.smol.working`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.smol.amounts import in_words
from lab.smol.item import Rng

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
    """What a time of the question is in digits: "quarter to four is 4:00 - 15 min = 3:45"."""
    text, plain = way.show(minutes), way.plain.show(minutes)
    if way.form != "words":
        return ""
    left = 60 - minutes % 60
    if left < 30:
        return f"{text} is {way.plain.show(minutes + left)} - {left} min = {plain}"
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
    """A time and a span later or earlier: "10:50 + 1 h 45 min = 12:35"."""
    new = way.show(now - span if back else now + span)
    return f"{way.show(now)} {'-' if back else '+'} {counted(span)} = {new}"


def apart(start: int, span: int, way: Way) -> str:
    """How long it is from one time to another: "10:50 to 12:35 = 1 h 45 min"."""
    return f"{way.show(start)} to {way.show(start + span)} = {counted(span)}"


def counted(minutes: int) -> str:
    """A span as the teacher counts it: 1 h 30 min."""
    hours, rest = divmod(minutes, 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{rest} min"] if rest else [])])
