"""What comes out of a sum at the end of a text, in all the ways it may be written.

Worked out are, each with spaces around its signs:

- sums, differences, products and quotients of plain numbers: `2 + 3 x 4 =`, `7 / 2 =` (3.5, or 3
  rest 1);
- a day of the week or a month, and how much later: `Friday + 10 days =`;
- a time and a while, how long it is to another, and a while in other units: `10.45 + 1 h 30 min =`,
  `9:00 to 10:15 =`, `75 min =`, `1 h 15 min =`.

Sums in quotes are not, and those that a response claims are not where it is said what a response
says: a judge must be able to repeat it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

_NUMBER = r"\d{1,15}(?:,\d{3})*(?:\.\d{1,15})?"
_BEFORE = r"(?<![\w.,^(])"
_SUM = re.compile(rf"{_BEFORE}(?P<sum>{_NUMBER}(?: [-+x×*/÷−] {_NUMBER})+) =(?P<space> ?)$")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_NAMED = re.compile(
    rf"{_BEFORE}(?P<name>{'|'.join((*_DAYS, *_MONTHS))}) (?P<sign>[-+−]) (?P<many>\d{{1,9}}) "
    r"(?P<unit>day|week|month)s? =(?P<space> ?)$"
)
_TIME = r"\d\d?[.:]\d\d(?: ?[ap]m)?"
_WHILE = r"\d{1,9} ?(?:min(?:utes?)?|h(?:ours?)?(?: \d{1,9} ?min(?:utes?)?)?)"
_CLOCK = re.compile(
    rf"{_BEFORE}(?P<time>{_TIME}) (?P<sign>[-+−]) (?P<while>{_WHILE}) =(?P<space> ?)$"
)
_LONG = re.compile(rf"{_BEFORE}(?P<while>{_WHILE}) =(?P<space> ?)$")
_BETWEEN = re.compile(rf"{_BEFORE}(?P<from>{_TIME}) to (?P<to>{_TIME}) =(?P<space> ?)$")
_GOES_ON = re.compile(r"(?:[-+×*/÷−=^(]|\bx) *$")
"""What a sum may not come after: then it is a part of something longer. A `=` may stand there."""
_SAYS = re.compile(
    r"\b(?:says?|said|claim(?:s|ed)?|stat(?:es?|ed)|writes?|wrote|answers?|answered|gives?|gave)\b"
)
_MOST = 10**15
"""Results up to here are worked out: longer numbers are no everyday ones."""
_DECIMALS = 4
"""Most decimals of a result that is worked out."""
_WRITTEN = 2
"""Decimals that a result may have although it needs none, as money has."""
_ALIKE = str.maketrans("×*÷−", "xx/-")


def results(text: str, prompt: str = "") -> list[str]:
    """What may come next, if it is the result of a sum; none if it is not, or is not known.

    Args:
        text: ends in `=`, or a space after that.
        prompt: what the writer has read.
    """
    line = text.rpartition("\n")[2]
    for pattern, value in _WAYS:
        found = pattern.search(line)
        if found is None:
            continue
        before = line[: found.start()]
        if before.count('"') % 2 or _GOES_ON.search(before.removesuffix("= ")):
            return []
        if _SAYS.search(before) and _claimed(found[0], prompt):
            return []
        space = "" if found["space"] else " "
        return [space + spelled for spelled in value(found)]
    return []


def _of_sum(found: re.Match[str]) -> list[str]:
    first, *rest = found["sum"].split(" ")
    terms = [_number(first)]
    for sign, text in zip(rest[::2], rest[1::2], strict=True):
        value = _number(text)
        if sign in "+-−":
            terms.append(value if sign == "+" else -value)
        elif sign in "x×*":
            terms[-1] *= value
        elif value == 0:
            return []
        else:
            terms[-1] /= value
    result = sum(terms, Fraction())
    if abs(result) > _MOST:
        return []
    spelled = _spelled(result) or _rounded(result)
    if result.denominator > 1 and re.fullmatch(r"\d+ [/÷] \d+", found["sum"]):
        spelled.append("{} rest {}".format(*divmod(int(first), int(rest[1]))))
    return spelled


def _of_clock(found: re.Match[str]) -> list[str]:
    time, length = _Time(found["time"]), _minutes(found["while"])
    if not time.hours:
        return []
    return time.shown(time.minutes + (length if found["sign"] == "+" else -length))


def _between(found: re.Match[str]) -> list[str]:
    start, end = _Time(found["from"]), _Time(found["to"])
    sizes = set(start.hours) & set(end.hours)
    spans = {(end.minutes - start.minutes) % (60 * size) for size in sizes}
    return [_lasting(span) for span in spans if span]


def _of_while(found: re.Match[str]) -> list[str]:
    minutes = _minutes(found["while"])
    if "h" in found["while"]:
        return [f"{minutes} min"]
    return [_lasting(minutes)] if minutes >= 60 else []


def _of_name(found: re.Match[str]) -> list[str]:
    names = _DAYS if found["name"] in _DAYS else _MONTHS
    if (names is _MONTHS) != (found["unit"] == "month"):
        return []
    steps = int(found["many"]) * (7 if found["unit"] == "week" else 1)
    place = names.index(found["name"]) + (steps if found["sign"] == "+" else -steps)
    return [names[place % len(names)]]


def _minutes(text: str) -> int:
    parts = re.findall(r"(\d+) ?([hm])", text)
    return sum(int(many) * (60 if unit == "h" else 1) for many, unit in parts)


class _Time:
    """A time of day as somebody wrote it.

    Args:
        text: `10.45`, `09:05`, `9:05 pm`.
    """

    def __init__(self, text: str) -> None:
        hour, self._mark, minute, self._side = re.findall(r"(\d+)([.:])(\d+) ?([ap]?)", text)[0]
        self.minutes = 60 * (int(hour) % 12 if self._side else int(hour)) + int(minute)
        if self._side == "p":
            self.minutes += 12 * 60
        if int(hour) > 24 or int(minute) > 59:
            self.hours: tuple[int, ...] = ()
        elif self._side or hour.startswith("0") or not 0 < int(hour) <= 12:
            self.hours = (24,)
        else:
            self.hours = (24, 12)
        """Hours after which it may be the same again; none if it is no time."""

    def shown(self, minutes: int) -> list[str]:
        """Another time in the ways that this one may be written."""
        hour, minute = divmod(minutes % (24 * 60), 60)
        forms = {f"{hour % 12 or 12}"} if self._side or 12 in self.hours else set()
        if not self._side:
            forms |= {f"{hour}", f"{hour:02}"}
        return [f"{form}{self._mark}{minute:02}" for form in sorted(forms)]


def _lasting(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest))


_WAYS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], list[str]]], ...] = (
    (_SUM, _of_sum),
    (_CLOCK, _of_clock),
    (_BETWEEN, _between),
    (_LONG, _of_while),
    (_NAMED, _of_name),
)


def _claimed(begun: str, prompt: str) -> bool:
    """Whether the prompt has it with a result."""
    return bool(re.search(re.escape(_squeezed(begun)) + r"\d", _squeezed(prompt)))


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text).translate(_ALIKE)


def _number(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))


def _spelled(value: Fraction) -> list[str]:
    """All ways to write a number; none if it does not end."""
    needed = next((n for n in range(_DECIMALS + 1) if (value * 10**n).denominator == 1), None)
    if needed is None:
        return []
    found = []
    for decimals in range(needed, max(needed, _WRITTEN) + 1):
        text = _fixed(value, decimals)
        whole = text.partition(".")[0]
        found += sorted(
            {text, text.replace(whole, f"{int(whole):,}", 1) if value >= 1000 else text}
        )
    return found


def _rounded(value: Fraction) -> list[str]:
    return [_fixed(value, decimals) for decimals in range(1, _DECIMALS + 1)]


def _fixed(value: Fraction, decimals: int) -> str:
    digits = f"{round(abs(value) * 10**decimals):0{decimals + 1}}"
    end = len(digits) - decimals
    text = f"{digits[:end]}.{digits[end:]}" if decimals else digits
    return text if value >= 0 else f"-{text}"
