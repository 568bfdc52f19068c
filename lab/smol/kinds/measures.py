"""Kinds of tasks with amounts: percent, money, units, parts, durations."""

from __future__ import annotations

from fractions import Fraction

from lab.smol.amounts import cash, digits, in_words, near, written
from lab.smol.item import Kind, Rng, Task, capital, claim_task, short_task
from lab.smol.kinds.numbers import ask
from lab.smol.kinds.times import counted
from lab.smol.working import (
    added,
    changed,
    divided,
    multiplied,
    percentage,
    percentage_of,
    taken,
    totalled,
)

_UNITS = (  # one of the first is how many of the second
    *(("km", "metres", 1000), ("kilometres", "metres", 1000), ("metres", "centimetres", 100)),
    *(("kg", "grams", 1000), ("kilograms", "grams", 1000), ("litres", "millilitres", 1000)),
    *(("hours", "minutes", 60), ("minutes", "seconds", 60), ("days", "hours", 24)),
    *(("weeks", "days", 7), ("years", "months", 12), ("dozen", "pieces", 12)),
    *(("feet", "inches", 12), ("yards", "feet", 3), ("centimetres", "millimetres", 10)),
    *(("euros", "cents", 100), ("centuries", "years", 100), ("tonnes", "kilograms", 1000)),
    *(("decades", "years", 10), ("gallons", "pints", 8), ("stone", "pounds", 14)),
    *(("tablespoons", "teaspoons", 3), ("pounds", "ounces", 16), ("dollars", "cents", 100)),
    *(("m", "cm", 100), ("l", "ml", 1000), ("cm", "mm", 10), ("dollars", "quarters", 4)),
)
_HALVES = {"km", "kilometres", "metres", "kg", "kilograms", "litres", "tonnes", "hours", "m", "l"}
_GOODS = ("coffee", "sandwich", "notebook", "ticket", "magazine", "pen", "melon", "mug", "poster")
_FOODS = ("flour", "sugar", "rice", "butter", "oats", "nuts", "cheese", "cocoa", "pasta")
_PARTS = (  # words, numerator, denominator
    *(("half of", 1, 2), ("one half of", 1, 2), ("a third of", 1, 3), ("a quarter of", 1, 4)),
    *(("a fifth of", 1, 5), ("a tenth of", 1, 10), ("two thirds of", 2, 3)),
    *(("three quarters of", 3, 4), ("three fourths of", 3, 4), ("double", 2, 1), ("twice", 2, 1)),
    *(("three times", 3, 1), ("half of", 1, 2), ("a quarter of", 1, 4), ("double", 2, 1)),
)
_LENGTHS = (  # a time in words, its minutes, what shows them
    ("half an hour", 30, "60 / 2 = 30"),
    ("a quarter of an hour", 15, "60 / 4 = 15"),
    ("three quarters of an hour", 45, "3 x 15 = 45"),
    ("an hour and a half", 90, "60 + 30 = 90"),
    ("one and a half hours", 90, "60 + 30 = 90"),
    ("1.5 hours", 90, "60 + 30 = 90"),
    ("an hour and a quarter", 75, "60 + 15 = 75"),
    ("two and a half hours", 150, "120 + 30 = 150"),
    ("2.5 hours", 150, "120 + 30 = 150"),
    ("an hour and three quarters", 105, "60 + 45 = 105"),
    ("three and a half hours", 210, "180 + 30 = 210"),
    ("a third of an hour", 20, "60 / 3 = 20"),
    ("two and a quarter hours", 135, "120 + 15 = 135"),
)


def _percent(rng: Rng) -> Task:
    share = rng.choice((10, 20, 25, 50, 5, 75, 30, 40, 60, 15, 80))
    whole = rng.choice((20, 40, 60, 80, 120, 160, 200, 240, 300, 400, 500, 600, 800, 900, 50))
    while share * whole % 100:
        whole *= 2
    part = share * whole // 100
    draw = rng.random()
    if draw < 0.22:
        return _percent_change(rng, share, whole, part, up=draw < 0.08)
    if draw < 0.4:
        return _percent_of_what(rng, share, whole, part)
    key = "percent_bare" if draw < 0.6 else "percent_story" if share > 25 else "percent_small"
    query, sentence = ask(rng, key, p=str(share), w=digits(whole))
    slips = {digits(whole - part), str(share), str(part * 10), str(part + 10), digits(part / 10)}
    wrong = sorted(slips - {str(part)})
    return short_task(
        rng, "percent", query, "right percentage", percentage(share, whole, part), str(part),
        [*near(rng, part, 1), *rng.sample(wrong, 2)], say=sentence, write=written,
    )  # fmt: skip


def _percent_change(rng: Rng, share: int, whole: int, part: int, *, up: bool) -> Task:
    query, sentence = ask(rng, "percent_up" if up else "percent_off", p=str(share), w=digits(whole))
    result, other = (whole + part, whole - part) if up else (whole - part, whole + part)
    last = added(whole, part) if up else taken(whole, part)
    asked = f"{whole} and {share}% more" if up else f"{whole} less {share}%"
    wrong = sorted({str(part), str(other), str(abs(whole - share))} - {str(result)})
    return short_task(
        rng, "percent", query, "right result",
        f"{asked}: {percentage(share, whole, part)}, then {last}", str(result),
        [*near(rng, result, 1), *wrong[:2]], say=sentence, write=written,
    )  # fmt: skip


def _percent_of_what(rng: Rng, share: int, whole: int, part: int) -> Task:
    query, sentence = ask(rng, "percent_of_what", x=str(part), w=digits(whole))
    wrong = {f"{part}%", f"{100 - share}%", f"{share + 10}%", f"{share + 5}%"} - {f"{share}%"}
    return short_task(
        rng, "percent", query, "right percentage",
        percentage_of(share, whole, part), f"{share}%",
        rng.sample(sorted(wrong), 2), say=sentence,
    )  # fmt: skip


def _money(rng: Rng) -> Task:
    sign = rng.choice(("$", "£", "€", "dollars", "euros", "pounds", "euros", "dollars"))
    if rng.random() < 0.35:
        return _purchase(rng, sign)
    cost = rng.randint(2, 48) * 100 + rng.choice((0, 0, 0, 50, 50, 25, 80, 20))
    paid = next(note for note in (500, 1000, 2000, 5000) if note > cost + 100)
    left = paid - cost
    wrong = {left + 100, left - 100, left + 1000, left + 50, paid + cost, left - 50}
    names = [cash(one, sign) for one in (paid, cost, left)]
    query, sentence = ask(rng, "change", q=names[0], c=names[1])
    return short_task(
        rng, "money", query, "right change", changed(cost, paid), names[2],
        [cash(one, sign) for one in rng.sample(sorted(n for n in wrong if n > 100), 3)],
        far=[names[1]] if cost != left else [], say=sentence,
    )  # fmt: skip


def _purchase(rng: Rng, sign: str) -> Task:
    price = rng.randint(2, 15) * 100 + rng.choice((0, 0, 0, 50, 50, 20))
    count = rng.randint(2, 9)
    total = price * count
    one, right = cash(price, sign), cash(total, sign)
    query, sentence = ask(rng, "purchase", x=count, c=one, thing=rng.choice(_GOODS))
    wrong = {total + price, price + 100 * count, total + 1000, total - 100} - {total}
    return short_task(
        rng, "money", query, "right total", totalled(count, price), right,
        [cash(cents, sign) for cents in rng.sample(sorted(wrong), 2)], say=sentence,
    )  # fmt: skip


def _bill(rng: Rng) -> Task:
    """Whether somebody has added up several pieces of one price rightly."""
    sign = rng.choice(("$", "£", "€", "euros", "pounds"))
    price = rng.randint(1, 9) * 100 + rng.choice((0, 50, 50, 50, 20, 25, 10))
    count = rng.randint(2, 8)
    total = price * count
    slip = total + rng.choice((100, -100, 200, 50, -50, count * 50))
    slip = slip if slip > 0 else total + 100
    claim = total if rng.random() < 0.45 else slip
    if claim != total and rng.random() < 0.3:
        slip = total + rng.choice((150, 300, 400))
        slip = slip if slip != claim else total + 500
    one, *amounts = (cash(cents, sign) for cents in (price, claim, total, slip))
    query, _ = ask(rng, "bill", x=str(count), c=one, a=amounts[0], thing=rng.choice(_GOODS))
    work = totalled(count, price)
    said = f"{count} times {one}"
    claimed, true, other = amounts
    return claim_task(rng, "bill", query, work, said, (claimed, true, other))


def _units(rng: Rng) -> Task:
    big, small, factor = rng.choice(_UNITS)
    count: Fraction = Fraction(rng.randint(2, 12))
    draw = rng.random()
    if big in _HALVES and draw < 0.3:
        count = Fraction(rng.choice((3, 5, 7, 9)), 2)
    value = count * factor
    given, unit, target, right = digits(count), big, small, value
    be = "are"
    fact = f"1 {_single(big)} is {factor} {small}, so {multiplied(float(count), factor)}"
    if big in _HALVES and 0.3 <= draw < 0.38:
        given, unit, right, be = (
            f"half a{'n' if big == 'hours' else ''}",
            _single(big),
            (Fraction(factor, 2)),
            "is",
        )
        fact = f"1 {unit} is {factor} {small}, and {factor} / 2 = {digits(right)}"
    elif count == Fraction(3, 2):
        given = rng.choice(("one and a half", "1.5", "1 1/2"))
    elif draw > 0.6:
        given, unit, target, right = digits(value), small, big, count
        fact = f"{factor} {small} are 1 {_single(big)}, and {_shared(value, factor)}"
    query, sentence = ask(rng, "units", x=_typed(rng, given), p=unit, q=target, be=be)
    number = digits(right)
    slips = {digits(right * 10), digits(right / 10), digits(right + 1), digits(right * 2)}
    slips |= {digits(count + factor)} if target == small else {digits(value * factor)}
    if factor in {12, 24, 60, 7, 16, 14} and target == small:
        slips |= {digits(count * 10), digits(count * 100)}
    slips -= {number, given, "0"}
    wrong = rng.sample(sorted(slips), 2)
    if rng.random() < 0.55:  # with units, so that one may be wrong
        named = f"{number} {target}"
        stray = [f"{given} {target}" if rng.random() < 0.5 else f"{number} {unit}"]
        wrong = [*(f"{one} {target}" for one in wrong), *(one for one in stray if one != named)]
        number = named
    else:
        sentence = sentence.replace("{}", f"{{}} {target}")
    return short_task(
        rng, "units", query, "right conversion", fact, number, wrong,
        say=sentence, write=with_comma,
    )  # fmt: skip


def _shared(value: Fraction, factor: int) -> str:
    if value % factor:
        return f"{digits(value)} / {factor} = {digits(value / factor)}"
    return divided(int(value), factor)


def _typed(rng: Rng, given: str) -> str:
    if given.isdecimal() and int(given) <= 12 and rng.random() < 0.2:
        return in_words(int(given))
    return with_comma(rng, given)


def with_comma(rng: Rng, text: str) -> str:
    """A large number as people may write it, with what stands after it."""
    number, _, unit = text.partition(" ")
    if number.isdecimal() and int(number) >= 1000 and rng.random() < 0.5:
        return f"{int(number):,} {unit}".strip()
    return text


def _single(unit: str) -> str:
    """One of a unit."""
    irregular = {"feet": "foot", "centuries": "century", "inches": "inch", "dozen": "dozen"}
    if unit in {"stone", "kg", "km", "m", "l", "cm", "mm", "ml", "g"}:
        return unit
    return irregular.get(unit, unit.removesuffix("s"))


def _fraction(rng: Rng) -> Task:
    word, over, under = rng.choice(_PARTS)
    part = rng.choice((rng.randint(2, 12), rng.randint(10, 60), 100, 150, 250))
    whole = part * under
    value = part * over
    story = rng.random() < 0.5
    key = "fraction_bare" if not story else "double_story" if under == 1 else "fraction_story"
    units = ("grams", "ounces") if whole > 40 else ("grams", "cups", "spoons", "ounces")
    unit = rng.choice(units)
    query, sentence = ask(
        rng, key, f=word, w=whole if whole < 100 else str(whole), u=unit, thing=rng.choice(_FOODS)
    )
    if under == 1:
        fact = f"{word} {whole} is {multiplied(over, whole)}"
    elif over == 1:
        fact = f"{word} {whole} is {divided(whole, under)}"
    else:
        fact = f"{divided(whole, under)}, and {multiplied(over, part)}"
    slips = {str(whole * 2), str(whole * under), str(whole // 2), str(part), str(whole - 1)}
    slips |= {str(whole + value), str(whole - under)} - {"0"}
    wrong = [one for one in near(rng, value, 2) if one not in slips]
    return short_task(
        rng, "fraction", query, "right amount", fact, str(value), wrong,
        far=rng.sample(sorted(slips - {str(value), "0", "1"}), 2), say=sentence, write=written,
    )  # fmt: skip


def _duration(rng: Rng) -> Task:
    draw = rng.random()
    hours, minutes = rng.randint(1, 4), rng.choice((5, 10, 15, 20, 25, 35, 40, 45, 50))
    unit = "hour" if hours == 1 else "hours"
    spelled = f"{hours} {unit} and {minutes} minutes"
    total = hours * 60 + minutes
    if draw < 0.35:
        query, sentence = ask(rng, "duration_back", x=str(total))
        wrong = [
            f"{hours} {unit} and {minutes + 5} minutes",
            f"{total // 100} hour{'s' * (total // 100 != 1)} and {total % 100} minutes",
            f"{hours + 1} hours and {minutes} minutes",
        ]
        wrong = [one for one in wrong if one != spelled and not one.startswith("0")]
        return short_task(
            rng, "duration", query, "right duration",
            f"{total} min = {counted(total)}", spelled, wrong,
            say=sentence,
        )  # fmt: skip
    if draw < 0.6:
        forms = [spelled, f"{hours} h {minutes} min"]
        if hours == 1:
            forms.append(f"an hour and {minutes} minutes")
        text, value = rng.choice(forms), total
        how = f"{counted(total)} = {total} min"
    else:
        text, value, how = rng.choice(_LENGTHS)
    query, sentence = ask(rng, "duration", d=text)
    slips = {value + 10, value - 10, value + 30, value * 10 // 6, value + 5} - {value}
    return short_task(
        rng, "duration", capital(query) if query[0].isalpha() else query, "right duration", how,
        str(value), [str(one) for one in rng.sample(sorted(slips), 3)], say=sentence,
        write=written,
    )  # fmt: skip


KINDS: dict[str, Kind] = {
    "percent": _percent,
    "money": _money,
    "bill": _bill,
    "units": _units,
    "fraction": _fraction,
    "duration": _duration,
}
