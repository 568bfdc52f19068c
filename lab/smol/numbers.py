"""Kinds of tasks with numbers: sums in words, stories, money, percent, units, comparisons."""

from __future__ import annotations

from fractions import Fraction

from lab.smol.item import Kind, Rng, Task, short_task

_NAMES = (
    *("Anna", "Ben", "Maria", "Tom", "Lucy", "Omar", "Priya", "Jack", "Sofia", "Leo", "Nina"),
    *("Sam", "Emma", "Carlos", "Yuki", "Fatima", "Paul", "Zoe", "Ivan", "Grace"),
)
_THINGS = (
    *("apples", "books", "pencils", "marbles", "cookies", "stickers", "eggs", "coins", "cards"),
    *("oranges", "shells", "balloons", "photos", "tickets", "stamps", "sweets", "plants"),
)
_SUM = (
    *("What is {x} + {y}?", "What is {x} plus {y}?", "{x} + {y} = ?", "Add {x} and {y}."),
    *("what's {x} and {y} together", "Sum of {x} and {y}?", "How much is {x} plus {y}?"),
    *("Work out {x} + {y}.", "can you add {x} to {y} for me", "calculate {x}+{y}"),
    "{n} has {x} {t} and gets {y} more. How many {t} does {n} have now?",
    "There are {x} {t} in one box and {y} in another. How many {t} in total?",
    "I bought {x} {t} on Monday and {y} on Tuesday. How many did I buy?",
    "{n} scored {x} points, then {y} more. What's the total?",
    "If I drive {x} km before lunch and {y} km after, how far is that?",
    "{n} collected {x} {t}; {m} collected {y}. How many do they have together?",
    "my rent is {x} and power is {y}, what do I pay altogether?",
)
_DIFFERENCE = (
    *("What is {x} - {y}?", "What is {x} minus {y}?", "{x} - {y} = ?", "Subtract {y} from {x}."),
    *("what's {x} take away {y}", "How much is {x} less {y}?", "{x} minus {y} please"),
    *("What's the difference between {x} and {y}?", "calculate {x}-{y}"),
    "{n} had {x} {t} and gave {y} to {m}. How many {t} are left?",
    "A shop had {x} {t} and sold {y}. How many remain?",
    "I had {x} euros and spent {y}. What is left?",
    "There are {x} pages in my book and I've read {y}. How many to go?",
    "{n} is {x} years old, {m} is {y}. How many years apart are they?",
    "of {x} guests, {y} already left. how many are still here?",
)
_PRODUCT = (
    *("What is {x} times {y}?", "What is {x} x {y}?", "{x} * {y} = ?", "Multiply {x} by {y}."),
    *("what's {x} multiplied by {y}", "How much is {x} times {y}?", "calculate {x} × {y}"),
    "{n} buys {x} boxes with {y} {t} each. How many {t} is that?",
    "There are {x} rows with {y} chairs. How many chairs?",
    "A ticket costs {y} dollars. What do {x} tickets cost?",
    "I run {y} km a day. How far do I run in {x} days?",
    "{x} children get {y} {t} each. How many {t} do we need?",
)
_QUOTIENT = (
    *("What is {z} divided by {y}?", "{z} / {y} = ?", "Divide {z} by {y}.", "what's {z} ÷ {y}"),
    "{y} friends share {z} {t} equally. How many does each get?",
    "{n} puts {z} {t} into {y} bags, the same number in each. How many per bag?",
    "A rope of {z} metres is cut into {y} equal pieces. How long is each?",
    "we split a bill of {z} dollars between {y} people. how much each?",
)
_UNITS = (  # one of the first is how many of the second
    *(("km", "metres", 1000), ("kilometres", "metres", 1000), ("metres", "centimetres", 100)),
    *(("kg", "grams", 1000), ("kilograms", "grams", 1000), ("litres", "millilitres", 1000)),
    *(("hours", "minutes", 60), ("minutes", "seconds", 60), ("days", "hours", 24)),
    *(("weeks", "days", 7), ("years", "months", 12), ("dozen", "pieces", 12)),
    *(("feet", "inches", 12), ("yards", "feet", 3), ("centimetres", "millimetres", 10)),
    *(("euros", "cents", 100), ("centuries", "years", 100), ("tonnes", "kilograms", 1000)),
)
_CONVERT = (
    *("How many {b} are {x} {a}?", "Convert {x} {a} to {b}.", "{x} {a} in {b}?"),
    *("what's {x} {a} in {b}", "I need {x} {a} in {b}, please.", "{x} {a} = how many {b}?"),
    "The manual says {x} {a}, but I only know {b}. How many is that?",
)


def _fill(rng: Rng, template: str, **values: object) -> str:
    n, m = rng.sample(_NAMES, 2)
    return template.format(n=n, m=m, t=rng.choice(_THINGS), **values)


def _off(rng: Rng, value: int) -> tuple[list[str], list[str]]:
    """Two numbers close to a value, and one far from it."""
    steps = [1, -1, 2, -2, 10, -10] if value > 12 else [1, -1, 2, -2, 3]
    near = {str(value + step) for step in rng.sample(steps, 3)} - {str(value)}
    digits = str(value)
    if len(set(digits[-2:])) == 2 and digits[-1] != "0":
        near.add(digits[:-2] + digits[-1] + digits[-2])
    close = sorted(text for text in near if not text.startswith(("-", "0")))
    return rng.sample(close, min(2, len(close))), [str(value * 3 + rng.randint(11, 60))]


def _small(rng: Rng) -> int:
    return rng.randint(2, 12) if rng.random() < 0.4 else rng.randint(5, 99)


def _sum(rng: Rng) -> Task:
    x, y = _small(rng), _small(rng)
    near, far = _off(rng, x + y)
    query = _fill(rng, rng.choice(_SUM), x=x, y=y)
    return short_task(
        rng, "sum", query, "right sum", f"{x} + {y} = {x + y}", str(x + y), near, far=far,
        say=(
            f"{x} + {y} is {{}}", "altogether that makes {}", "if you add them up you get {}",
            f"{x} plus {y} makes {{}}", f"{x} + {y} = {{}}", "in total it's {}",
        ),
    )  # fmt: skip


def _difference(rng: Rng) -> Task:
    x, y = sorted((_small(rng) + 3, _small(rng)), reverse=True)
    x += x == y
    near, far = _off(rng, x - y)
    query = _fill(rng, rng.choice(_DIFFERENCE), x=x, y=y)
    return short_task(
        rng, "difference", query, "right difference", f"{x} - {y} = {x - y}", str(x - y), near,
        far=[*far, str(x + y)], say=(
            f"{x} minus {y} is {{}}", "that leaves {}", f"take {y} from {x} and you have {{}}",
            f"{x} - {y} = {{}}", "there are {} left",
        ),
    )  # fmt: skip


def _product(rng: Rng) -> Task:
    x, y = rng.randint(2, 10), rng.randint(2, 12)
    near, far = _off(rng, x * y)
    query = _fill(rng, rng.choice(_PRODUCT), x=x, y=y)
    return short_task(
        rng, "product", query, "right product", f"{x} x {y} = {x * y}", str(x * y),
        [*near, str(x * (y + 1))], far=[*far, *([] if x + y == x * y else [str(x + y)])],
        say=(
            f"{x} times {y} is {{}}", f"{x} x {y} = {{}}", "multiply them and you get {}",
            "that makes {} in all",
        ),
    )  # fmt: skip


def _quotient(rng: Rng) -> Task:
    x, y = rng.randint(2, 12), rng.randint(2, 10)
    near, far = _off(rng, x)
    query = _fill(rng, rng.choice(_QUOTIENT), z=x * y, y=y)
    return short_task(
        rng, "quotient", query, "right quotient", f"{x * y} / {y} = {x}", str(x), near, far=far,
        say=(
            f"{x * y} divided by {y} is {{}}", "each gets {}", f"{x * y} / {y} = {{}}",
        ),
    )  # fmt: skip


def _percent(rng: Rng) -> Task:
    share = rng.choice((10, 20, 25, 50, 5, 75, 30))
    whole = rng.choice((20, 40, 60, 80, 100, 120, 200, 400))
    part = Fraction(share * whole, 100)
    value = int(part) if part.denominator == 1 else float(part)
    query = rng.choice(
        (
            f"What is {share}% of {whole}?",
            f"{share} percent of {whole}?",
            f"how much is {share}% of {whole}",
            f"A {share}% tip on a bill of {whole} dollars: how much?",
            f"Of {whole} people {share}% said yes. How many is that?",
            f"I get a discount of {share}% on {whole} euros. How much do I save?",
        )
    )
    wrong = {str(int(value) + 5), str(int(value) + 10), str(share)} - {str(value)}
    return short_task(
        rng, "percent", query, "right percentage", f"{share}% of {whole} is {value}", str(value),
        rng.sample(sorted(wrong), 2), far=[str(whole + share)], say=f"{share}% of {whole} is {{}}",
    )  # fmt: skip


def _money(rng: Rng) -> Task:
    price, count = rng.randint(2, 9), rng.randint(1, 4)
    cost = price * count
    paid = next(note for note in (5, 10, 20, 50) if note > cost)
    left = paid - cost
    thing = rng.choice(("coffee", "sandwich", "notebook", "ticket", "magazine", "ice cream"))
    many = f"one {thing}" if count == 1 else f"{count} of them"
    query = rng.choice(
        (
            f"A {thing} costs {price} dollars. I buy {many} and pay with a {paid}. My change?",
            f"How much change do I get from {paid} euros if I pay {cost}?",
            f"{rng.choice(_NAMES)} has {paid} dollars and spends {cost}. How much is left?",
            f"i paid with a {paid} pound note for something that was {cost}. what do i get back",
        )
    )
    near, _ = _off(rng, left)
    return short_task(
        rng, "money", query, "right change", f"{paid} - {cost} = {left}", str(left), near,
        far=[str(paid + cost)],
        say=("you get {} back", "the change is {}", f"{paid} - {cost} = {{}}"),
    )  # fmt: skip


def _units(rng: Rng) -> Task:
    big, small, factor = rng.choice(_UNITS)
    count = rng.randint(2, 9)
    value = count * factor
    query = rng.choice(_CONVERT).format(a=big, b=small, x=count)
    wrong = {str(value * 10), str((count + 1) * factor), str(value // 10), str(count + factor)}
    near = sorted(wrong - {str(value), "0", str(count)})
    return short_task(
        rng, "units", query, "right conversion", f"{count} {big} are {value} {small}", str(value),
        rng.sample(near, 2), say=f"{count} {big} are {{}} {small}",
    )  # fmt: skip


def _bigger(rng: Rng) -> Task:
    if rng.random() < 0.3:
        x, y = (f"0.{digits}" for digits in rng.sample(("5", "45", "9", "12", "3", "27", "8"), 2))
    else:
        base = rng.randint(10, 999)
        x, y = str(base), str(base + rng.choice((1, 9, 10, 90, 100)))
        if rng.random() < 0.5:
            x, y = y, x
    high, low = (x, y) if float(x) > float(y) else (y, x)
    more = rng.random() < 0.6
    right, wrong = (high, low) if more else (low, high)
    word = rng.choice(("bigger", "larger", "greater") if more else ("smaller", "less"))
    query = rng.choice(
        (
            f"Which is {word}, {x} or {y}?",
            f"Which number is {word}: {x} or {y}?",
            f"{x} or {y} - which one is {word}?",
            f"Is {x} or {y} {word}?",
        )
    )
    return short_task(
        rng, "comparison", query, "right comparison", f"{high} is more than {low}", right, [wrong],
        say=f"{{}} is {word}",
    )  # fmt: skip


def _sequence(rng: Rng) -> Task:
    start, step = rng.randint(1, 12), rng.choice((2, 3, 4, 5, 10))
    numbers = [start + step * i for i in range(4)]
    following = numbers[-1] + step
    shown = ", ".join(map(str, numbers))
    query = rng.choice(
        (
            f"What number comes next: {shown}, ...?",
            f"Continue the series {shown}",
            f"{shown} - what's next?",
            f"next number in {shown}?",
        )
    )
    near, far = _off(rng, following)
    return short_task(
        rng, "sequence", query, "right next number",
        f"it goes up by {step}, so {numbers[-1]} + {step} = {following}", str(following), near,
        far=far, say="the next number is {}",
    )  # fmt: skip


def _parity(rng: Rng) -> Task:
    number = rng.randint(2, 200)
    word, other = ("odd", "even") if number % 2 else ("even", "odd")
    query = rng.choice(
        (
            f"Is {number} even or odd?",
            f"{number}: odd or even?",
            f"would you call {number} an even or an odd number",
        )
    )
    return short_task(
        rng, "parity", query, "right kind of number", f"{number} ends in {number % 10}, so {word}",
        word, [other], say=f"{number} is {{}}",
    )  # fmt: skip


def _fraction(rng: Rng) -> Task:
    word, times, up = rng.choice(
        (("half", 2, False), ("a third", 3, False), ("a quarter", 4, False), ("double", 2, True))
    )
    small = rng.randint(3, 30)
    given, value = (small, small * times) if up else (small * times, small)
    of = "" if up else " of"
    query = rng.choice(
        (
            f"What is {word}{of} {given}?",
            f"{word}{of} {given}?",
            f"The recipe needs {given} grams, but I want {word}{of} that. How many grams?",
            f"how much is {word}{of} {given}",
        )
    )
    near, far = _off(rng, value)
    return short_task(
        rng, "fraction", query, "right amount", f"{word}{of} {given} is {value}", str(value), near,
        far=far, say=f"{word}{of} {given} is {{}}",
    )  # fmt: skip


def _sentence_check(rng: Rng) -> Task:
    """A yes-or-no question about a sum."""
    x, y = _small(rng), _small(rng)
    truth = x + y
    claim = truth if rng.random() < 0.5 else truth + rng.choice((1, -1, 2, 10))
    right, wrong = ("yes", "no") if claim == truth else ("no", "yes")
    query = rng.choice(
        (
            f"Is {x} + {y} equal to {claim}?",
            f"I got {claim} for {x} + {y}. Is that right?",
            f"true or false (say yes or no): {x} plus {y} makes {claim}",
        )
    )
    return short_task(
        rng,
        "check",
        query,
        "right verdict",
        f"{x} + {y} = {truth}, so {right}",
        right,
        [wrong],
        noun=False,
    )


KINDS: dict[str, Kind] = {
    "sum": _sum,
    "difference": _difference,
    "product": _product,
    "quotient": _quotient,
    "percent": _percent,
    "money": _money,
    "units": _units,
    "comparison": _bigger,
    "sequence": _sequence,
    "parity": _parity,
    "fraction": _fraction,
    "check": _sentence_check,
}
