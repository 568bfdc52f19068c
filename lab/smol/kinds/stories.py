"""Kinds of tasks that take two or three steps: what is left of an amount, whether it is enough.

The teacher first writes which numbers belong to the question: "60 less 12 and 18".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lab.smol.amounts import cash, in_words, written
from lab.smol.item import NEAR, RIGHT, Answer, Kind, Principle, Rng, Task, manner, short_task
from lab.smol.kinds.numbers import ask, operation, strayed
from lab.smol.working import (
    added,
    added_cash,
    changed,
    divided,
    multiplied,
    percentage,
    taken,
    totalled,
)

_SIGNS = ("$", "£", "€", "dollars", "euros", "pounds", "euros", "dollars")
_NOTES = {
    500: ("a fiver", "a five", "a 5", "a five euro note", "a five pound note", "a 5 dollar bill"),
    1000: ("a tenner", "a ten", "a 10", "a ten pound note", "a ten euro note", "a 10 dollar bill"),
    2000: ("a twenty", "a 20", "a twenty dollar bill", "a 20 euro note", "a 20 pound note"),
    5000: ("a fifty", "a 50", "a fifty euro note", "a 50 pound note"),
    10000: ("a hundred", "a 100", "a hundred dollar bill"),
}
_NAMES = re.compile("euro|pound|dollar")
_CURRENCY = {one: one.removesuffix("s") for one in _SIGNS} | {
    "$": "dollar",
    "£": "pound",
    "€": "euro",
}


def _prices(rng: Rng, sign: str, *cents: int) -> list[str]:
    """Amounts of a question: the first with its currency, the others often without."""
    draw = rng.random()
    shown = [cash(one, sign) for one in cents]
    if draw < 0.1 and len(sign) > 1 and all(c % 100 == 0 and c <= 10000 for c in cents):
        return [cash(one, sign).replace(str(one // 100), in_words(one // 100)) for one in cents]
    if len(sign) > 1 and draw < 0.6:
        return [shown[0], *(cash(one, "").strip() for one in cents[1:])]
    if draw > 0.85:
        return [cash(one, "").strip() for one in cents]
    return shown


def _amount(  # noqa: PLR0917 - every kind of the file calls it, in this order
    rng: Rng,
    kind: str,
    asking: tuple[str, str],
    fact: str,
    cents: int,
    slips: Mapping[str, int],
    sign: str,
    sum_: str = "",
) -> Task:
    """A task whose answer is an amount of money.

    Args:
        rng: draws the slips and wordings.
        kind: of the task.
        asking: the question, and a sentence that answers it.
        fact: the truth.
        cents: the right amount.
        slips: wrong amounts by what makes them.
        sign: of the currency.
        sum_: the calculation, if it may stand before the answer.
    """
    draw, even = rng.random(), all(one % 100 == 0 for one in (cents, *slips.values()))
    bare = draw < 0.4

    def shown(value: int) -> str:
        if draw > 0.85 or (not even and draw > 0.5):
            number = f"{value / 100:.2f}"
            return sign + number if len(sign) == 1 else f"{number} {sign}"
        return cash(value, "").strip() if bare else cash(value, sign)

    steps = [100, -100, 200, -200, 1000, -1000, *([] if even else [50, -50, 10])]
    close = {cents + one for one in steps if cents + one > 0 and cents != one}
    because = {shown(n): how for how, n in slips.items() if n > 0 and n != cents}
    near_by = [shown(one) for one in rng.sample(sorted(close), 2)]
    return short_task(
        rng, kind, asking[0], "right amount", fact, shown(cents),
        [one for one in near_by if one not in because],
        far=[*because, *list(because)[:1]], because=because,
        say=[asking[1], asking[1], *([f"{sum_} = {{}}"] if sum_ else [])],
        write=written if bare else None,
    )  # fmt: skip


def _left_of(rng: Rng, parts: Sequence[int]) -> int:
    """What somebody had, in cents: mostly a round amount."""
    total = sum(parts) // 100
    if rng.random() < 0.75:
        step = 10 if total < 100 else 50
        return (total // step + rng.randint(1, 3)) * step * 100
    return (total + rng.randint(2, 40)) * 100


def _spent(rng: Rng, most: int) -> int:
    return (rng.randint(1, most) * 5 if rng.random() < 0.3 else rng.randint(2, most)) * 100


def _spending(rng: Rng) -> Task:
    sign = rng.choice(_SIGNS)
    draw = rng.random()
    if draw < 0.35:
        return _packs(rng, sign)
    y, z = _spent(rng, 30), _spent(rng, 25)
    if rng.random() < 0.25:
        y, z = y * 3, z * 2
    x = _left_of(rng, (y, z))
    a, b, c = x // 100, y // 100, z // 100
    given = dict(zip("xyz", _prices(rng, sign, x, y, z), strict=True))
    if draw > 0.9 and y > 100 and z > 100:
        x = (b + c - rng.randint(1, min(b, c, 20))) * 100
        given["x"] = _prices(rng, sign, x)[0]
        asking = strayed(rng, ask(rng, "spending_short", **given))
        fact = f"{b} and {c}, less {x // 100}: {added(b, c)}, {taken(b + c, x // 100)}"
        slips = {f"{b} + {c}": y + z, f"{x // 100} - {b}": x - y}
        return _amount(rng, "spending", asking, fact, y + z - x, slips, sign)
    if draw < 0.5:
        asking = strayed(rng, ask(rng, "spending_gain", **given))
        fact = f"{a} less {b}, then {c} more: {taken(a, b)}, {added(a - b, c)}"
        slips = {f"{a} - {b}": x - y, f"{a} - {b} - {c}": x - y - z, f"{a} + {c}": x + z}
        return _amount(rng, "spending", asking, fact, x - y + z, slips, sign, f"{a} - {b} + {c}")
    asking = strayed(rng, ask(rng, "spending_two", **given), 0.2)
    fact = f"{a} less {b} and {c}: {taken(a, b)}, {taken(a - b, c)}"
    slips = {f"{a} - {b}": x - y, f"{a} - {c}": x - z, f"{b} + {c}": y + z}
    return _amount(rng, "spending", asking, fact, x - y - z, slips, sign, f"{a} - {b} - {c}")


def _packs(rng: Rng, sign: str) -> Task:
    """Several things at one price, now and then with another one, paid from an amount."""
    n, price = rng.randint(2, 6), rng.randint(2, 12) * 100 + rng.choice((0, 0, 0, 50))
    other = rng.randint(2, 12) * 100 if rng.random() < 0.55 and price % 100 == 0 else 0
    cost = n * price
    x = _left_of(rng, (cost, other))
    names = _prices(rng, sign, x, price, other or 100)
    given = dict(zip("xyz", names, strict=True))
    count = in_words(n) if rng.random() < 0.5 else str(n)
    key = "spending_packs_plus" if other else "spending_packs"
    asking = strayed(rng, ask(rng, key, n_=count, **given), 0.2)
    a, one, b = x // 100, cash(price, "").strip(), other // 100
    rest, spent = x - cost, cash(cost, "").strip()
    slips = {f"{a} - {one}": x - price, f"{n} x {one}": cost}
    left = f"{a} less {n} x {one}"
    if not other:
        fact = f"{left}: {totalled(n, price)}, {changed(cost, x)}"
        return _amount(rng, "spending", asking, fact, rest, slips, sign, f"{a} - {spent}")
    slips = {f"{a} - {spent}": rest, f"{a} - {one} - {b}": x - price - other}
    slips[f"{a} - {b}"] = x - other
    fact = f"{left} and {b}: {totalled(n, price)}, {taken(a, cost // 100)}, "
    fact += taken(rest // 100, b)
    return _amount(
        rng, "spending", asking, fact, rest - other, slips, sign, f"{a} - {spent} - {b}"
    )  # fmt: skip


def _change(rng: Rng) -> Task:
    """The change from a note for one thing or two, mostly with cents."""
    sign = rng.choice(_SIGNS[:6])
    y = rng.randint(1, 12) * 100 + rng.choice((20, 30, 40, 50, 60, 80, 90, 0))
    z = rng.randint(1, 9) * 100 + rng.choice((20, 30, 40, 50, 60, 70, 80, 0, -y % 100))
    two = rng.random() < 0.65
    cost = y + z if two else y
    x = rng.choice([note for note in _NOTES if note > cost][:2])
    names = _prices(rng, sign, y, z)
    bare = [f"{one / 100:.2f}" for one in (y, z)] if rng.random() < 0.4 else names
    notes = [one for one in _NOTES[x] if _CURRENCY[sign] in one or not _NAMES.search(one)]
    note = rng.choice(notes) if rng.random() < 0.6 else cash(x, sign)
    asking = ask(rng, "change_two" if two else "change_note", x=note, y=bare[0], z=bare[1])
    asking = strayed(rng, asking)
    one, other, paid = f"{y / 100:.2f}", f"{z / 100:.2f}", x // 100
    slips = {f"{paid} - {one}": x - y, f"{paid} - {other}": x - z}
    fact = changed(y, x)
    if two:
        fact = f"{one} and {other} from {paid}: {added_cash(y, z)}, {changed(cost, x)}"
        slips[f"{one} + {other}"] = cost
    slips = {how: n for how, n in slips.items() if n != x - cost} if two else {}
    return _amount(rng, "change", asking, fact, x - cost, slips, sign)


_LEFT = (  # yes and no, about an amount that is left
    ("Yes, {l} is left, and that is enough.", "No, {l} is left, and that is too little."),
    ("Yes, you have {l} left.", "No, you have only {l} left."),
    ("Yes, with {l} left it works out.", "No, with {l} left it doesn't work out."),
    ("Yes: {l} left against {w}.", "No: {l} left against {w}."),
    ("yes, there's {l} left", "no, there's {l} left"),
    ("Sure, {l} is still there.", "Sorry, only {l} is still there."),
    ("You can: {l} is left over.", "You can't: {l} is left over."),
    ("Yes, since {l} remains.", "No, since {l} remains."),
    ("Yes", "No"),
    ("Yes, you can.", "No, you can't."),
)
_COST = (  # yes and no, about what it costs in all
    ("Yes, it costs {l}, so it is enough.", "No, it costs {l}, so it isn't enough."),
    ("Yes, {l} is all you need.", "No, you would need {l}."),
    ("Yes: {l} against {w}.", "No: {l} against {w}."),
    ("yes, it comes to {l}", "no, it comes to {l}"),
    ("Sure, the total is {l}.", "Sorry, the total is {l}."),
    ("That's enough: {l} in all.", "That's not enough: {l} in all."),
    ("Yes", "No"),
    ("Yes, that's enough.", "No, that's not enough."),
)


def _afford(rng: Rng) -> Task:
    """Whether an amount is enough for one more thing, or for several."""
    sign, enough = rng.choice(_SIGNS), rng.random() < 0.5
    if rng.random() < 0.35:
        n, price = rng.randint(2, 8), rng.randint(2, 15)
        need = n * price
        gap = rng.choice((0, 1, 2, 3, 5, 8)) if enough else -rng.choice((1, 2, 3, 4, 5))
        have = max(need + gap, 2)
        total, each = _prices(rng, sign, have * 100, price * 100)
        count = in_words(n) if rng.random() < 0.4 else str(n)
        asking = strayed(rng, ask(rng, "enough", x=total, y=each, n_=count))
        fact = f"{n} x {price} out of {have}: {multiplied(n, price)}, "
        shown, wrong = need, rng.choice((price * (n + 1), need + 10, price * (n - 1)))
        return _verdict(rng, asking[0], fact, (have, need), (shown, wrong), sign)
    y, z, want = (_spent(rng, 12) // 100 for _ in range(3))
    gap = rng.choice((0, 1, 2, 3, 5, 8)) if enough else -rng.choice((1, 1, 2, 3, 4))
    left = max(want + gap, 1)
    have = left + y + z
    shown_prices = _prices(rng, sign, *(100 * one for one in (have, y, z, want)))
    given = dict(zip("xyzw", shown_prices, strict=True))
    asking = strayed(rng, ask(rng, "afford", **given))
    fact = f"{have} less {y} and {z}, for {want}: {taken(have, y)}, {taken(have - y, z)}, "
    wrong = rng.choice((have - y, have - z, max(want - 2, 1) if left >= want else want + 2))
    return _verdict(rng, asking[0], fact, (left, want), (left, wrong), sign)


def _verdict(  # noqa: PLR0917 - both of the kinds above call it, in this order
    rng: Rng, query: str, fact: str, pair: tuple[int, int], shown: tuple[int, int], sign: str
) -> Task:
    """A task answered by yes or no and an amount.

    Args:
        rng: draws the wording.
        query: the question.
        fact: the working so far, with a comma at its end.
        pair: what there is, and what it has to be enough for.
        shown: the amount that answers name, and one that is wrong.
        sign: of the currency.
    """
    have, need = pair
    yes = have >= need
    fact += f"{taken(have, need)}, so {'yes' if yes else 'no'}"
    left = shown[0] == have
    words = rng.choice(_LEFT if left else _COST)
    other = cash((need if left else have) * 100, sign)

    def answer(verdict: bool, amount: int, grade: float) -> Answer:
        text = words[not verdict].format(l=cash(amount * 100, sign), w=other)
        said = ("yes" if verdict else "no") + (f" and {amount}" if "{l}" in words[0] else "")
        if grade == RIGHT:
            return Answer(text, f"It says {said}, which is right.", grade)
        right = ("yes" if yes else "no") + (f" and {shown[0]}" if "{l}" in words[0] else "")
        return Answer(text, f"It says {said}, but {right} is right.", grade)

    return Task(
        "afford", query, (Principle("right verdict", 80, fact), manner(rng, 20)),
        answer(yes, shown[0], RIGHT), tuple(answer(not yes, amount, NEAR) for amount in shown),
    )  # fmt: skip


def _splitting(rng: Rng) -> Task:
    """A bill of two amounts by people, groups that are needed, or a share and a rest."""
    n, share, draw = rng.randint(2, 8), rng.randint(3, 15), rng.random()
    if draw < 0.35:
        total = n * share
        y = rng.randint(1, total - 1)
        y, z = max(y, total - y), min(y, total - y)
        sign = rng.choice(_SIGNS)
        names = _prices(rng, sign, y * 100, z * 100)
        count = in_words(n) if rng.random() < 0.5 else str(n)
        asking = strayed(rng, ask(rng, "splitting", x=names[0], y=names[1], n_=count))
        fact = f"{y} and {z} by {n}: {added(y, z)}, {divided(total, n)}"
        slips = {f"{y} + {z}": total * 100}
        if y % n == 0:
            slips[f"{y} / {n}"] = y // n * 100
        return _amount(rng, "splitting", asking, fact, share * 100, slips, sign)
    return _groups(rng, n + 1, share) if draw < 0.7 else _share_and_rest(rng, n + 1, share)


def _groups(rng: Rng, n: int, share: int) -> Task:
    """How many cars, boxes or rows of `n` are needed: a rest needs one too."""
    rest = 0 if rng.random() < 0.2 else rng.randint(1, n - 1)
    total = n * share + rest
    asking = strayed(rng, ask(rng, "groups", x=total, y=n))
    fact = f"{total} in groups of {n}: "
    slips = {f"{total} - {n}": str(total - n)}
    if rest:
        fact += f"{total} / {n} = {share} rest {rest}, the rest needs one, {added(share, 1)}"
        slips[f"{total} / {n}"] = str(share)
    else:
        fact += divided(total, n)
    return operation(rng, "splitting", asking, fact, share + bool(rest), slips)


def _share_and_rest(rng: Rng, n: int, share: int) -> Task:
    rest = rng.randint(1, n - 1)
    total = n * share + rest
    query, sentence = strayed(rng, ask(rng, "share_and_rest", x=total, y=n))
    words = rng.choice(("{}, rest {}", "{} each, {} left over", "{} each and {} over", "{} r {}"))
    pairs = {(share - 1, rest), (share + 1, rest), (share, rest - 1), (share, rest + 1)}
    return short_task(
        rng, "splitting", query, "right share and rest", f"{total} / {n} = {share} rest {rest}",
        words.format(share, rest),
        [words.format(*pair) for pair in rng.sample(sorted(pairs), 2)],
        say=sentence, noun=False,
    )  # fmt: skip


def _rate(rng: Rng) -> Task:
    """What some things cost when the price of others is given."""
    n, m = rng.sample(range(2, 11), 2)
    one, sign = rng.randint(2, 12), rng.choice(_SIGNS)
    total = n * one
    names = _prices(rng, sign, total * 100)
    counts = [in_words(k) if rng.random() < 0.5 else str(k) for k in (n, m)]
    if rng.random() < 0.3:
        asking = ask(rng, "rate_one", x=names[0], n_=counts[0])
        fact = f"{n} cost {total}, 1 costs {divided(total, n)}"
        slips = {f"{total} - {n}": (total - n) * 100, f"{total} / 2": total * 50}
        return _amount(rng, "rate", strayed(rng, asking), fact, one * 100, slips, sign)
    asking = ask(rng, "rate", x=names[0], n_=counts[0], m_=counts[1])
    fact = f"{n} cost {total}, 1 costs {divided(total, n)}, {m} cost {multiplied(m, one)}"
    slips = {f"{total} + {m}": (total + m) * 100, f"{m} x {total}": m * total * 100}
    slips[f"{total} - {n} + {m}"] = (total - n + m) * 100
    return _amount(rng, "rate", strayed(rng, asking), fact, m * one * 100, slips, sign)


def _saving(rng: Rng) -> Task:
    """How long somebody has to save, with something there already or not."""
    weeks, step = rng.randint(2, 12), rng.choice((2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 50))
    have = rng.choice((0, 5, 10, 12, 20, 30, 40))
    goal, sign = weeks * step + have, rng.choice(_SIGNS)
    names = _prices(rng, sign, goal * 100, step * 100, have * 100)
    given = dict(zip("xyz", names, strict=True))
    asking = strayed(rng, ask(rng, "saving_more" if have else "saving", **given))
    fact = f"{goal} less {have}: {taken(goal, have)}, " if have else f"{goal} by {step}: "
    fact += divided(goal - have, step)
    slips = {f"{goal} / {step}": str(goal // step)} if goal % step == 0 else {}
    slips[f"{goal} - {step}"] = str(goal - step)
    return operation(rng, "saving", asking, fact, weeks, slips)


def _discount(rng: Rng) -> Task:
    """A price less a share or with a tip: the new price, or what the share comes to."""
    share = rng.choice((10, 10, 20, 20, 25, 25, 50, 30, 5, 40, 15))
    whole = rng.choice((20, 30, 40, 50, 60, 80, 90, 120, 150, 160, 200, 250, 300, 400, 500, 800))
    whole *= 1 if share * whole % 100 == 0 else 2
    whole *= 1 if share * whole % 100 == 0 else 2
    part, sign, draw = share * whole // 100, rng.choice(_SIGNS), rng.random()
    (price,) = _prices(rng, sign, whole * 100)
    key = "discount_price" if draw < 0.5 else "discount_saved" if draw < 0.75 else "discount_tip"
    asking = strayed(rng, ask(rng, key, x=price, p=str(share)))
    how = percentage(share, whole, part)
    if key == "discount_saved":
        fact, right = f"{share}% of {whole}, no more: {how}", part
        slips = {
            f"{whole} - {part}": (whole - part) * 100,
            f"{whole} - {share}": (whole - share) * 100,
        }
    elif key == "discount_price":
        fact, right = f"{whole} less {share}%: {how}, {taken(whole, part)}", whole - part
        slips = {f"{share}% of {whole}": part * 100, f"{whole} - {share}": (whole - share) * 100}
    else:
        fact, right = f"{whole} and {share}% more: {how}, {added(whole, part)}", whole + part
        slips = {f"{share}% of {whole}": part * 100, f"{whole} + {share}": (whole + share) * 100}
    return _amount(rng, "discount", asking, fact, right * 100, slips, sign)


KINDS: dict[str, Kind] = {
    "spending": _spending,
    "change": _change,
    "afford": _afford,
    "splitting": _splitting,
    "rate": _rate,
    "saving": _saving,
    "discount": _discount,
}
