"""Working that a small model can follow: it says what to calculate, a calculator what comes out.

Every result stands after a sum in the form that `deemster.backends._local.calculator` works out.
Measured: a model of 135 million parameters knows which sum answers a question long before it can
add tens and ones, and in steps of one digit it slips on the way ("17 x 6: 8 x 6 = 48, 8 x 7 = 56").
"""

from __future__ import annotations

from fractions import Fraction

from lab.smol.amounts import cash, digits


def added(x: float, y: float) -> str:
    """A sum: "12 + 7 = 19"."""
    return f"{digits(x)} + {digits(y)} = {digits(x + y)}"


def taken(x: float, y: float) -> str:
    """A difference: "43 - 15 = 28"."""
    return f"{digits(x)} - {digits(y)} = {digits(x - y)}"


def multiplied(x: float, y: float) -> str:
    """A product: "7 x 24 = 168"."""
    return f"{digits(x)} x {digits(y)} = {digits(x * y)}"


def divided(z: int, y: int) -> str:
    """A quotient without a rest: "84 / 7 = 12"."""
    return f"{z} / {y} = {z // y}"


def changed(cost: int, paid: int) -> str:
    """The change, of cents: "20 - 13.40 = 6.60"."""
    return f"{_money(paid)} - {_money(cost)} = {_money(paid - cost)}"


def added_cash(x: int, y: int) -> str:
    """Two prices in cents: "1.80 + 2.20 = 4"."""
    return f"{_money(x)} + {_money(y)} = {_money(x + y)}"


def totalled(count: int, price: int) -> str:
    """Several times a price in cents: "4 x 2.50 = 10"."""
    return f"{count} x {_money(price)} = {_money(count * price)}"


def percentage(share: int, whole: int, part: int) -> str:
    """A part of a hundred: "15% of 80 is 80 x 15 / 100 = 12"."""
    return f"{share}% of {whole} is {whole} x {share} / 100 = {part}"


def percentage_of(share: int, whole: int, part: int) -> str:
    """How many percent a part is: "12 of 80: 12 x 100 / 80 = 15, so 15%"."""
    return f"{part} of {whole}: {part} x 100 / {whole} = {share}, so {share}%"


def compared(x: str, y: str) -> str:
    """What shows which of two numbers is more: whether the difference is below zero."""
    if "of" in x:
        parts = [int(one.split()[2]) for one in (x, y)]
        return f"{x} is {'more' if parts[0] < parts[1] else 'less'} than {y}"
    a, b = x.lstrip("-"), y.lstrip("-")
    difference = Fraction(a) - Fraction(b)
    shown = f"{a} - {b} = {float(difference):.4f}".rstrip("0").rstrip(".")
    if x != a:  # both are below zero
        return f"{shown}, so {x} is {'more' if difference < 0 else 'less'}"
    return f"{shown}, {x} is {'less' if difference < 0 else 'more'} than {y}"


def less(x: str, y: str) -> str:
    """Which of two whole numbers is less: "80 - 60 = 20, 60 is less"."""
    return f"{taken(int(x), int(y))}, {min(x, y, key=int)} is less"


def _money(cents: int) -> str:
    return cash(cents, "$")[1:]
