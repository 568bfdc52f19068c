r"""Where a response states its final answer, and which number that is."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from deemster.prompts.normal_form import nfkc

_MARKER = re.compile(
    r"""^[ \t>*_#-]*(?:
        \#\#\#\#
      | (?:(?:the|my|our|so|thus|hence|therefore)[ ,]+)*
        (?:final[ ]|correct[ ]|right[ ])?answer(?:[ ]is)?[ ]*[:=*]+
      | a[ ]?:
      | (?:[\w, ]{0,40}\b)?(?:the|final|correct)[ ](?:final[ ]|correct[ ]|right[ ])?
        answer[ ]is\b[ :=*]*
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_EXPONENT = r"(?:[eE][-+]?\d+\b|\s?(?:[x×*·]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?\{?[-+]?\d+\}?)"
# Repetitions are bounded where a long text could otherwise be searched again and again.
_DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,100}(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_NUMBER = re.compile(
    r"(?<![\w^_./])(?<!\^\{)(?P<sign>[-+−])?(?:[$€£¥₹]\s?|\\\$\s?)?(?P<sign2>[-+−])?"
    rf"(?:\\[dtc]?frac\s?\{{\s?(?P<top>[-+−]?{_DIGITS})\s?\}}"
    rf"\s?\{{\s?(?P<bottom>[-+−]?{_DIGITS})\s?\}}"
    r"|\\[dtc]?frac\s?(?P<t1>\d)\s?(?P<b1>\d)"
    r"|(?:(?P<whole>\d{1,9})[ ]{1,2})?(?P<over>\d{1,15})\s?/\s?(?P<under>\d{1,15})(?![\d/])"
    rf"|(?P<plain>{_DIGITS})(?P<exponent>{_EXPONENT})?"
    r"(?:\s?(?:\^|\*\*)\s?\{?(?P<power>\d{1,2})\}?)?)"
    r"(?P<percent>\s?(?:\\?%|percent\b|per cent\b))?"
)
_BRACE = re.compile(r"\\boxed\{|\\fbox\{|\\[{}\\]|[{}]")
_LONGEST_NUMBER = 1000
"""Digits, written out or not; longer ones are not numbers that anyone answers with."""
_TEN_TO = re.compile(r"10\s?(?:\^|\*\*)\s?\{?([-+]?\d+)\}?|[eE]([-+]?\d+)")


class Number(NamedTuple):
    """A number as stated."""

    value: Fraction
    percent: bool
    """Whether a percent sign follows; `value` is the number before it."""
    text: str


def boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{...}` with balanced braces, or None."""
    open_braces: list[int | None] = []
    last, content = -1, None
    for match in _BRACE.finditer(text):
        if match[0] == "}":
            start = open_braces.pop() if open_braces else None
            if start is not None and start > last:
                last, content = start, text[start : match.start()]
        elif match[0].endswith(("boxed{", "fbox{")):
            open_braces.append(match.end())
        elif match[0] == "{":
            open_braces.append(None)
    return content


def final_answer(text: str) -> str:
    r"""The part of a response that states its answer.

    The last `\boxed{...}`; else what follows the last line start such as "Answer:", "A:", "####"
    or "The answer is" on its line; else the last line that is not blank; else nothing.
    """
    if (inside := boxed(text)) is not None:
        return inside.strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for i in range(len(lines) - 1, -1, -1):
        if found := _MARKER.match(lines[i]):
            rest = lines[i][found.end() :].strip(" \t*_")
            # "Answer:" alone on its line announces the next one.
            if rest or i + 1 < len(lines):
                return rest or lines[i + 1]
    return lines[-1] if lines else ""


def numbers(text: str) -> list[Number]:
    r"""Every number in a text, in order, exact.

    Read are: signs, currency signs, thousands separators (a comma before three digits, thin
    spaces, LaTeX's), decimals, `1.5e3`, `1.5 x 10^3`, `2^10`, `3/4`, `1 3/4`, `\frac{3}{4}`,
    percent. Exponents of units (`cm^2`) and digits inside words (`x2`) are not numbers. A
    comma is never a decimal point.
    """
    found = (_read(match) for match in _NUMBER.finditer(_plain(text)))
    return [number for number in found if number is not None]


def _plain(text: str) -> str:
    # NFKC would turn a superscript into a digit: "5 m²" must not read 52.
    text = re.sub("[²³¹⁰-⁹]", "", text)
    # Thin and unbreakable spaces; after NFKC they are plain ones, which part numbers.
    text = re.sub(r"(?<=\d)[\u2009\u202f\u00a0](?=\d{3}(?!\d))", ",", text)
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)  # 1½ is one and a half, not 11/2
    text = nfkc(text).replace("\N{FRACTION SLASH}", "/")
    text = re.sub(r"\{,\}|\\,|,\\!", ",", text).replace("\\!", "").replace("−", "-")
    text = text.replace("\\left", "").replace("\\right", "")
    return re.sub(r"\\(?:text|mathrm|mathbf|textbf)\s?\{([^{}]*)\}", r" \1 ", text)


def _read(match: re.Match[str]) -> Number | None:
    if len(match[0]) > _LONGEST_NUMBER:
        return None
    parts = match.groupdict()
    try:
        value = _value(parts)
    except (ZeroDivisionError, ValueError):
        return None
    for sign in (parts["sign"], parts["sign2"]):
        if sign and sign in "-−":
            value = -value
    return Number(value, bool(parts["percent"]), match[0].strip())


def _value(parts: dict[str, str | None]) -> Fraction:
    if parts["top"] is not None:
        return _fraction(parts["top"]) / _fraction(parts["bottom"])
    if parts["t1"] is not None:
        return _fraction(parts["t1"]) / _fraction(parts["b1"])
    if parts["over"] is not None:
        part = _fraction(parts["over"]) / _fraction(parts["under"])
        return part + _fraction(parts["whole"] or "0")
    found = _TEN_TO.search(parts["exponent"] or "")
    exponent = int(found[1] or found[2]) if found else 0
    power = int(parts["power"] or 1)
    # What a few characters can ask for must not take longer than what is written out.
    if (len(parts["plain"] or "") + abs(exponent)) * power > _LONGEST_NUMBER:
        raise ValueError("a number of too many digits")
    return (_fraction(parts["plain"]) * Fraction(10) ** exponent) ** power


def _fraction(digits: str | None) -> Fraction:
    return Fraction((digits or "").replace(",", "").replace("−", "-"))
