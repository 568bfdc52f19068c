"""Working that a small model can follow: facts of one digit, one after the other.

The calculation comes first, as it was asked, then the steps: `28 + 15: 20 + 10 = 30, 8 + 5 = 13,
30 + 13 = 43`. Measured: a model of 135 million parameters knows most sums of two digits between 0
and 9, but can't add tens and ones in its head.
"""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction

from lab.smol.amounts import cash, digits

_PLACES = (100, 10, 1)
_KNOWN = 20
"""Differences up to here are known by heart."""


def added(x: float, y: float) -> str:
    """A sum and how it comes about: "12 + 7: 2 + 7 = 9, 10 + 9 = 19"."""
    if int(x) != x or int(y) != y:
        return f"{digits(x)} + {digits(y)} = {digits(x + y)}"
    pairs = [(a, b) for a, b in zip(_places(x), _places(y), strict=True) if a or b]
    steps = [f"{digits(a)} + {digits(b)} = {digits(a + b)}" for a, b in pairs if a and b]
    parts = [a + b for a, b in pairs]
    return _told(f"{digits(x)} + {digits(y)}", steps, parts, x + y)


def taken(x: float, y: float) -> str:
    """A difference and how it comes about: "43 - 15: 43 - 20 = 23, 23 + 5 = 28".

    By the next ten whatever the digits are. Measured: a small model that counts up in sums of its
    own does not find the end, and it does not see beforehand whether a digit is too small.
    """
    left = f"{digits(x)} - {digits(y)}"
    ten = -(-y // 10) * 10
    if int(x) != x or int(y) != y or x <= _KNOWN or ten == y:
        return f"{left} = {digits(x - y)}"
    if ten > x:  # both between the same tens
        return f"{left}: {digits(x % 10)} - {digits(y % 10)} = {digits(x - y)}"
    to = f"{left}: {digits(x)} - {digits(ten)} = {digits(x - ten)}"
    return f"{to}, {digits(x - ten)} + {digits(ten - y)} = {digits(x - y)}"


def multiplied(x: float, y: float) -> str:
    """A product and how it comes about: "7 x 24: 7 x 20 = 140, 7 x 4 = 28, 140 + 28 = 168"."""
    whole, split = sorted((x, y), key=lambda one: (sum(map(bool, _places(one))), one))
    parts = [part for part in _places(split) if part]
    left = f"{digits(x)} x {digits(y)}"
    if len(parts) < 2:
        return f"{left} = {digits(x * y)}"
    steps = [f"{digits(whole)} x {digits(part)} = {digits(whole * part)}" for part in parts]
    total = " + ".join(digits(whole * part) for part in parts)
    return f"{left}: {', '.join(steps)}, {total} = {digits(x * y)}"


def by_fives(x: int, y: int) -> str:
    """A product, the hard ones by five times first: a claim in the question is easily copied."""
    if not (5 < x < 10 and 5 < y < 10):
        return multiplied(x, y)
    steps = f"5 x {y} = {5 * y}, {x - 5} x {y} = {(x - 5) * y}"
    return f"{x} x {y}: {steps}, {5 * y} + {(x - 5) * y} = {x * y}"


def divided(z: int, y: int) -> str:
    """A quotient without a rest: "84 / 7: 10 x 7 = 70, 2 x 7 = 14, 10 + 2 = 12"."""
    parts = [part for part in _places(z // y) if part]
    steps = [f"{digits(part)} x {y} = {digits(part * y)}" for part in parts]
    if len(parts) == 1:
        return f"{z} / {y}: {steps[0]}, so {z // y}"
    return _told(f"{z} / {y}", steps, parts, z // y)


def shared_out(z: int, y: int) -> str:
    """A quotient, with what is left after the tens: "84 / 7: 10 x 7 = 70, 84 - 70 = 14, ..."."""
    parts = [part for part in _places(z // y) if part]
    if len(parts) == 1:
        return divided(z, y)
    steps, left = [f"{z} / {y}: "], z
    for part in parts:
        done = int(part * y)
        steps.append(f"{digits(part)} x {y} = {done}, ")
        if left > done:
            steps.append(f"{left} - {done} = {left - done}, ")
        left -= done
    return f"{''.join(steps)}{' + '.join(digits(part) for part in parts)} = {z // y}"


def counted_up(cost: int, paid: int) -> str:
    """The change in cents to the next whole amount, then in whole amounts."""
    if cost % 100 == 0:
        return taken(paid // 100, cost // 100)
    full = -(-cost // 100)
    left = f"{paid // 100} - {cost / 100:.2f}: "
    steps = f"{left}{cost / 100:.2f} + {(full - cost / 100):.2f} = {full}"
    whole, rest = paid // 100 - full, (paid - cost) % 100
    return f"{steps}, {taken(paid // 100, full)}, {whole} + 0.{rest:02d} = {whole}.{rest:02d}"


def added_cash(x: int, y: int) -> str:
    """Two prices in cents: "1.80 + 2.20: 1 + 2 = 3, 80 + 20 = 100 cents, 3 + 1 = 4"."""
    (a, b), (c, d) = divmod(x, 100), divmod(y, 100)
    cents, whole = b + d, a + c
    left = f"{x / 100:.2f} + {y / 100:.2f}: {a} + {c} = {whole}"
    if not cents:
        return left
    steps, total = f"{left}, {b} + {d} = {cents} cents", cash(x + y, "").strip()
    if cents < 100:
        return f"{steps}, so {total}"
    return f"{steps}, {whole} + {cash(cents, '').strip()} = {total}"


def totalled(count: int, price: int) -> str:
    """Several times a price in cents: "4 x 2 = 8, 4 x 0.50 = 2, 8 + 2 = 10"."""
    whole, cents = divmod(price, 100)
    if not cents:
        return multiplied(count, whole)
    amounts = [cash(count * part, "$")[1:] for part in (whole * 100, cents)]
    left = f"{count} x {whole}.{cents:02d}: "
    steps = f"{left}{count} x {whole} = {amounts[0]}, {count} x 0.{cents:02d} = {amounts[1]}"
    return f"{steps}, {' + '.join(amounts)} = {cash(count * price, '$')[1:]}"


def percentage(share: int, whole: int, part: int) -> str:
    """How a part is found: by halves, or by a tenth."""
    half, tenth = digits(whole / 2), digits(whole / 10)
    if share == 50:
        return f"50% of {whole} is half of it, {part}"
    if share in {25, 75}:
        quarter = f"half of {whole} is {half}, half of that is {digits(whole / 4)}"
        return quarter if share == 25 else f"{quarter}, and {added(whole / 2, whole / 4)}"
    if share == 10:
        return f"10% of {whole} is {whole} / 10 = {part}"
    tenths = f"10% of {whole} is {tenth}"
    if share == 5:
        return f"{tenths}, so 5% is half of that, {part}"
    if share == 15:
        return f"{tenths}, 5% is {digits(whole / 20)}, and {added(whole / 10, whole / 20)}"
    return f"{tenths}, and {multiplied(share // 10, whole / 10)}"


def percentage_of(share: int, whole: int, part: int) -> str:
    """How many percent a part is: by tenths, and half a tenth."""
    tenth = whole / 10
    if share == 50:
        return f"{part} of {whole}: half of {whole} is {part}, so 50%"
    tens = share // 10
    steps = f"{part} of {whole}: 10% of {whole} is {digits(tenth)}"
    if tens:
        steps += f", {tens} x {digits(tenth)} = {digits(tens * tenth)}"
    if share % 10 and tens:
        steps += f", {digits(part)} - {digits(tens * tenth)} = {digits(part - tens * tenth)}"
    if share % 10:
        steps += f", {digits(tenth / 2)} is half of {digits(tenth)}"
    return f"{steps}, so {share}%"


def aged(born: int, now: int) -> str:
    """The years from one to another: "to 2000: 100 - 84: ... = 16, to 2013: 13, 16 + 13: ..."."""
    century = -(-born // 100) * 100
    if century == born:
        return f"{now} - {born} = {now - born}"
    if now <= century:
        return f"{now} - {born}: {taken(now - century + 100, born % 100)}"
    before, after = century - born, now - century
    told = f"to {century}: {taken(100, born % 100)}"
    return f"{told}, to {now}: {after}, {added(before, after)}" if after else told


def compared(x: str, y: str) -> str:
    """What shows which of two numbers is more: how many digits they have, or the first that differ.

    Both begin alike, "63 has 2 digits, 73 has 2: 6 is less than 7", so that nothing is compared
    before they are counted.
    """
    if "of" in x:
        parts = [int(one.split()[2]) for one in (x, y)]
        return f"{x} is {'more' if parts[0] < parts[1] else 'less'} than {y}"
    a, b = x.lstrip("-"), y.lstrip("-")
    less = Fraction(a) < Fraction(b)
    if x != a:  # both are below zero
        return (
            f"{a} is {'less' if less else 'more'} than {b}, so {x} is {'more' if less else 'less'}"
        )
    if "." in a + b:
        wholes = [one.partition(".")[0] for one in (a, b)]
        if wholes[0] != wholes[1]:
            return f"before the point {compared(*wholes)}"
        unlike = _unlike(a, b)
        return f"{a} and {b}: {unlike[0]} is {'less' if less else 'more'} than {unlike[1]}"
    counted = f"{a} has {len(a)} digit{'s' * (len(a) > 1)}, {b} has {len(b)}"
    if len(a) != len(b):
        return counted
    p, q = _unlike(a, b)
    return f"{counted}: {p} is {'less' if less else 'more'} than {q}"


def less(x: str, y: str) -> str:
    """Which of two whole numbers is less: "80 and 60: 8 is more than 6, 60 is less"."""
    shown = compared(x, y)
    if len(x) == len(y):
        shown = shown.partition(": ")[2]
        if len(x) == 1:
            return shown
        shown = f"{x} and {y}: {shown}"
    return f"{shown}, {min(x, y, key=int)} is less"


def _unlike(a: str, b: str) -> tuple[str, str]:
    """The first digits that differ."""
    return next((p, q) for p, q in itertools.zip_longest(a, b, fillvalue="0") if p != q)


def _told(left: str, steps: list[str], parts: list[float], value: float) -> str:
    """The steps, and the parts put together: nothing is left to be done in one's head.

    Measured: with "2 + 7 = 9, so 19" a small model forgot the ten, and wrote 29.
    """
    right = digits(value)
    whole = f"{left} = {right}"
    if len(parts) < 2 or not steps:
        return f"{left}: {steps[0]}" if steps and whole not in steps else whole
    return f"{left}: {', '.join(steps)}, {' + '.join(digits(part) for part in parts)} = {right}"


def _places(value: float) -> list[float]:
    """A number by hundreds, tens, ones and what is below."""
    parts: list[float] = []
    exact = Decimal(digits(value))
    for place in _PLACES:
        parts.append(float(exact // place * place))
        exact %= place
    return [*parts, float(exact)]
