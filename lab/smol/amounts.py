"""Names, days and numbers as people write them, and the mistakes that people make with them."""

from __future__ import annotations

from fractions import Fraction

from lab.smol.item import Rng

NAMES = (
    *("Anna", "Ben", "Maria", "Tom", "Lucy", "Omar", "Priya", "Jack", "Sofia", "Leo", "Nina"),
    *("Sam", "Emma", "Carlos", "Yuki", "Fatima", "Paul", "Zoe", "Ivan", "Grace", "Kofi", "Linh"),
    *("Mrs Lee", "Mr Brown", "Uncle Joe", "Noah", "Mia", "Ravi", "Elif", "Pedro", "Hana"),
)
THINGS = (
    *("apples", "books", "pencils", "marbles", "cookies", "stickers", "eggs", "coins", "cards"),
    *("oranges", "shells", "balloons", "photos", "tickets", "stamps", "sweets", "plants", "nails"),
    *("screws", "chairs", "bottles", "letters", "candles", "buttons", "lemons", "biscuits"),
    *("crayons", "tomatoes", "towels", "plates", "bulbs", "batteries", "leaflets", "muffins"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def in_words(value: int) -> str:
    """A number from 0 to 9,999 in words."""
    if value < 20:
        return _ONES[value]
    if value < 100:
        ten, one = divmod(value, 10)
        return _TENS[ten - 2] + (f"-{_ONES[one]}" if one else "")
    size, name = (1000, "thousand") if value >= 1000 else (100, "hundred")
    high, rest = divmod(value, size)
    link = " and " if rest < 100 else " "
    return f"{in_words(high)} {name}" + (f"{link}{in_words(rest)}" if rest else "")


def digits(value: float | Fraction) -> str:
    """A number with the digits it needs, as the teacher writes it: 12, 3.5, 1200."""
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def cash(cents: int, sign: str) -> str:
    """An amount of money, as people write it in one currency."""
    whole, rest = divmod(cents, 100)
    number = f"{whole}.{rest:02d}" if rest else str(whole)
    if sign in {"$", "£", "€"}:
        return sign + number
    return f"{number} {sign.removesuffix('s') if cents == 100 else sign}"


def written(rng: Rng, text: str) -> str:
    """A number of an answer as somebody may write it: 9, nine, 1,200."""
    if not text.isdecimal():
        return text
    value = int(text)
    if 1000 <= value < 1_000_000 and rng.random() < 0.5:
        return f"{value:,}"
    if value <= 100 and rng.random() < 0.15:
        return in_words(value)
    return text


def asked(rng: Rng, *values: float) -> list[str]:
    """Numbers of a question, all in words or all in digits."""
    if all(value == int(value) and value <= 100 for value in values) and rng.random() < 0.12:
        return [in_words(int(value)) for value in values]
    commas = rng.random() < 0.5
    return [f"{int(v):,}" if v >= 1000 and commas and v == int(v) else digits(v) for v in values]


def near(rng: Rng, value: float, count: int = 2) -> list[str]:
    """Numbers that a slip makes of a value: off by one or ten, digits swapped, a lost zero."""
    step = 1 if value == int(value) else 0.5
    steps = [step, -step, 2 * step, -2 * step]
    if value > 12:
        steps += [10, -10]
    found = {digits(value + one) for one in steps if value + one >= 2}
    text = digits(value)
    if text.isdecimal() and len(text) > 1 and text[-1] not in {"0", text[-2]}:
        found.add(text[:-2] + text[-1] + text[-2])
    found -= {text}
    close = sorted(one for one in found if not one.startswith("0"))
    return rng.sample(close, min(count, len(close)))


def people(rng: Rng) -> dict[str, str]:
    """What fills `{n}`, `{m}` and `{t}`."""
    n, m = rng.sample(NAMES, 2)
    return {"n": n, "m": m, "t": rng.choice(THINGS)}
