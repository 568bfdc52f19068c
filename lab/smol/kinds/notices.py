"""Questions about small texts with several facts: one clause decides, the others are near it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lab.smol.amounts import NAMES, in_words
from lab.smol.item import (
    FAR,
    NEAR,
    RIGHT,
    Answer,
    Principle,
    Rng,
    Task,
    capital,
    manner,
    quoted,
    short_task,
)
from lab.smol.kinds.numbers import ask
from lab.smol.tables import rows

_SILENT = (
    *("The text doesn't say.", "It doesn't say.", "That isn't mentioned.", "The text is silent."),
    *(
        "There is nothing about that in it.",
        "That is not stated.",
        "We aren't told.",
        "Not stated.",
    ),
    *("The text gives no answer to that.", "No word about that.", "That's left open."),
    *(
        "I can't tell from this text.",
        "From these lines nobody can know.",
        "It says nothing on it.",
    ),
)
_SMALL = re.compile(r"(?<![\w.:])(?:1[0-2]|[1-9])(?![\w.:%])")
_BEGINNINGS = ("in ", "on ", "at ", "by ", "behind ", "before ", "after ", "from ", "near ", "for ")


def asked_about(rng: Rng, text: str, question: str) -> str:
    """A text with a question about it."""
    return ask(rng, "asked", p=text, q=capital(question) if rng.random() < 0.4 else question)[0]


def _variants(cell: str) -> list[str]:
    return cell.split(" / ")


def _values(cell: str) -> list[str]:
    return cell.split("; ")


def _listed(items: Sequence[str], last: str = "and") -> str:
    return f"{', '.join(items[:-1])} {last} {items[-1]}" if len(items) > 1 else items[0]


def joined(rng: Rng, clauses: Sequence[str]) -> str:
    """Clauses as one small text."""
    draw = rng.random()
    if draw < 0.35:
        return " ".join(f"{capital(one)}." for one in clauses)
    if draw < 0.5:
        return f"{capital('; '.join(clauses))}."
    if draw < 0.6 and len(clauses) == 2:
        link = rng.choice(("while", "but", "and"))
        return f"{capital(clauses[0])}, {link} {clauses[1]}."
    if draw < 0.66:
        return "\n" + "\n".join(f"- {one}" for one in clauses) + "\n"
    return f"{capital(_listed(clauses, rng.choice((', and', 'and', ', but'))))}.".replace(" ,", ",")


def other_way(rng: Rng, text: str) -> str:
    """Now and then small numbers in words: "room three" for "room 3"."""
    return worded(text) if rng.random() < 0.25 else text


def worded(text: str) -> str:
    """Numbers up to twelve in words, if they stand alone or before a word."""
    return _SMALL.sub(lambda found: in_words(int(found[0])), text)


def _is_noun(text: str) -> bool:
    return not text.startswith(_BEGINNINGS)


def _looked_up(  # noqa: PLR0917 - in this order everywhere
    rng: Rng, text: str, question: str, asked: str, fact: str, right: str, wrong: Sequence[str],
    say: str,
) -> Task:  # fmt: skip
    """A question about one of the facts; now and then the wrong answer denies that it is there."""
    noun = all(_is_noun(one) for one in (right, *wrong))
    task = short_task(
        rng, "small text", asked_about(rng, text, question), "true to the text",
        f"{asked} is asked, the text says: {fact}", right, wrong, say=say, noun=noun,
        write=other_way,
    )  # fmt: skip
    if rng.random() < 0.3:
        silent = rng.choice(_SILENT)
        finding = f"It says {quoted(silent)}, but the text says {right}."
        task = replace(task, wrong=(*task.wrong, Answer(silent, finding, NEAR)))
    return task


def _open(  # noqa: PLR0917 - in this order everywhere
    rng: Rng, text: str, question: str, asked: str, given: str, made_up: Sequence[str]
) -> Task:
    """A question that the text doesn't answer."""
    right = rng.choice(_SILENT)
    return Task(
        "not in the text",
        asked_about(rng, text, question),
        (
            Principle(
                "true to the text", 80,
                f"{asked} is asked: the text gives {given}, not {asked}, so it doesn't say",
            ),
            manner(rng),
        ),
        Answer(right, f"It says {quoted(right)}, which is true of the text.", RIGHT),
        tuple(
            Answer(one, f"It says {quoted(one)}, which the text does not say.", FAR)
            for one in made_up
        ),
    )  # fmt: skip


def told(rng: Rng, *, missing: bool = False) -> Task:
    """Several people or things, each with its own value: the one that is asked decides."""
    keys, values, clauses, asks, say, back, say_back = rng.choice(rows("each"))
    pools = _values(keys), _values(values)
    count = min(rng.choice((2, 2, 3, 3, 4)), *(len(pool) - 1 for pool in pools))
    k, v = (rng.sample(pool, count + 1) for pool in pools)
    forms = _variants(clauses)
    form = rng.choice(forms)
    same = rng.random() < 0.6
    full = [
        (form if same else rng.choice(forms)).format(k=a, v=b) for a, b in zip(k, v, strict=True)
    ][:count]
    shown = list(full)
    if same and form.startswith("{k} ") and form.endswith(" {v}") and rng.random() < 0.4:
        shown[1:] = [f"{a} {b}" for a, b in zip(k[1:count], v[1:count], strict=True)]
        text = f"{capital(_listed(shown))}."
    else:
        text = joined(rng, full)
    place = rng.randrange(count)
    others = [i for i in range(count) if i != place]
    if missing:
        question = rng.choice(_variants(asks)).format(k=k[count])
        stray = [v[place], v[count]]
        made_up = [_said(rng, say.format(k=k[count], v=one), one) for one in stray]
        return _open(rng, text, question, k[count], _listed(k[:count]), made_up)
    if "{k}" in say and rng.random() < 0.15:
        claim = say.format(k=k[place], v="{}")
        return _claimed(rng, text, claim, full[place], v[place], v[others[0]])
    if rng.random() < 0.6:
        question = rng.choice(_variants(asks)).format(k=k[place])
        return _looked_up(
            rng, text, question, k[place], full[place], v[place],
            [v[i] for i in rng.sample(others, min(2, len(others)))],
            say.format(k=k[place], v="{}"),
        )  # fmt: skip
    question = rng.choice(_variants(back)).format(v=v[place])
    return _looked_up(
        rng, text, question, v[place], full[place], k[place],
        [k[i] for i in rng.sample(others, min(2, len(others)))],
        say_back.format(k="{}", v=v[place]),
    )  # fmt: skip


_CLAIMS = (
    *(
        "{c}, right?",
        "Is it right that {c}?",
        "Does it say that {c}?",
        "So {c}?",
        "{c}, yes or no?",
    ),
    *(
        "I think {c}. Am I right?",
        "true that {c}",
        "My friend says {c}. Is that so?",
        "{c}, isn't that so?",
    ),
)


def _claimed(  # noqa: PLR0917 - called once, in this order
    rng: Rng, text: str, say: str, fact: str, true: str, other: str
) -> Task:
    """Whether the text says what somebody thinks."""
    yes = rng.random() < 0.5
    claim = say.format(true if yes else other)
    question = rng.choice(_CLAIMS).format(c=claim)
    fact = f"{claim} is asked, the text says: {fact}"
    short = rng.random() < 0.6
    if yes:
        right, wrong = ("yes", "no") if short else (f"yes, {true}", f"no, {other}")
        fact = f"{fact}: {true} is right"
    else:
        right, wrong = ("no", "yes") if short else (f"no, {true}", f"yes, {other}")
        fact = f"{fact}: {true}, not {other}"
    return short_task(
        rng, "small text", asked_about(rng, text, question), "true to the text", fact, right,
        [wrong], noun=False,
    )  # fmt: skip


def _said(rng: Rng, sentence: str, bare: str) -> str:
    return f"{capital(sentence if rng.random() < 0.7 else bare)}."


_KIN = ("neighbour", "friend", "cousin", "colleague", "boss", "flatmate", "partner", "teacher")


def twofold(rng: Rng, *, missing: bool = False) -> Task:
    """What each of two people does at each of two moments."""
    verb, values, moments, asks, say = rng.choice(rows("twofold"))
    v, s = rng.sample(_values(values), 4), rng.sample(_values(moments), 3)
    n, m = rng.sample(NAMES, 2)
    kin = rng.choice(("", "", f"{n}'s {rng.choice(_KIN)} "))
    first = f"{n} {verb} {v[0]} {s[0]} and {v[1]} {s[1]}"
    if rng.random() < 0.3:
        first = f"{s[0]} {n} {verb} {v[0]}, {s[1]} {v[1]}"
    only = rng.choice(("", "", "only "))
    moment = rng.choice(s)
    second = f"{kin}{m} {only}{verb} {v[2]} {moment}"
    if not only and moment != s[2] and rng.random() < 0.4:
        second += f" and {v[3]} {s[2]}"
    parts = [first, second]
    if not kin and rng.random() < 0.4:
        parts.reverse()
    text = f"{capital(parts[0])}{rng.choice(('. ', '; ', ', '))}"
    text += f"{capital(parts[1]) if text.endswith('. ') else parts[1]}."
    if missing:
        question = rng.choice(_variants(asks)).format(n=n, s=s[2])
        made_up = [_said(rng, say.format(n=n, v=one, s=s[2]), one) for one in v[1:4]]
        return _open(rng, text, question, f"{n} {s[2]}", f"{n} {s[0]} and {s[1]}", made_up)
    place = rng.randrange(3)
    who, when = (m, moment) if place == 2 else (n, s[place])
    question = rng.choice(_variants(asks)).format(n=who, s=when)
    wrong = [v[2], v[1 - place]] if place < 2 else v[:2]
    return _looked_up(
        rng, text, question, f"{who} {when}", f"{who} {verb} {v[place]} {when}", v[place], wrong,
        say.format(n=who, v="{}", s=when),
    )  # fmt: skip


def instead(rng: Rng) -> Task:
    """This one and not that one."""
    clause, values, asks, say = rng.choice(rows("instead"))
    v, w = rng.sample(_values(values), 2)
    fact = clause.format(v=v, w=w)
    details = ("Bring a drink", "Thanks to all", "See you soon", "There is plenty of room", "Sorry")
    text = f"{capital(fact)}." + (f" {rng.choice(details)}." if rng.random() < 0.3 else "")
    question = rng.choice(_variants(asks))
    if rng.random() < 0.3:
        return _denied(rng, text, question, fact, v, w)
    short = say.format(v="{}")
    return short_task(
        rng, "small text", asked_about(rng, text, question), "true to the text",
        f"the text says: {fact}: not {w} but {v}", v, [w], say=short,
    )  # fmt: skip


def _denied(  # noqa: PLR0917 - called once, in this order
    rng: Rng, text: str, question: str, fact: str, v: str, w: str
) -> Task:
    """Answers that name both: "the bridge, not the church"."""
    form = rng.choice(
        ("{a}, not {b}.", "Not {b} but {a}.", "It is {a} instead of {b}.", "{a}, {b} no.")
    )
    right, wrong = (capital(form.format(a=a, b=b)) for a, b in ((v, w), (w, v)))
    return Task(
        "small text",
        asked_about(rng, text, question),
        (Principle("true to the text", 80, f"the text says: {fact}: not {w} but {v}"), manner(rng)),
        Answer(right, f"It says {v}, not {w}, which is right.", RIGHT),
        (Answer(wrong, f"It says {w}, but {v} is right.", NEAR),),
    )


def did(rng: Rng) -> Task:
    """Who did what, asked for in other words."""
    lines = rng.sample(rows("did"), rng.choice((2, 3, 3, 4)))
    names = rng.sample(NAMES, len(lines))
    clauses = [f"{name} {line[0]}" for name, line in zip(names, lines, strict=True)]
    place = rng.randrange(len(lines))
    question = rng.choice(lines[place][1].split(" ; "))
    others = [name for name in names if name != names[place]]
    return short_task(
        rng, "small text", asked_about(rng, joined(rng, clauses), question), "true to the text",
        f"the text says: {clauses[place]}, so {names[place]}", names[place], others[:2],
        say=("it was {}", "{} did that", "ask {}", f"{{}} {lines[place][0]}"),
    )  # fmt: skip


def noticed(rng: Rng, *, missing: bool = False) -> Task:
    """A notice tells some of what people want to know, and not all."""
    lines = rng.sample(rows("noticed"), rng.choice((3, 4, 4)))
    values = [rng.choice(_values(line[3])) for line in lines]
    clauses = [
        rng.choice(_variants(one[2])).format(v=v) for one, v in zip(lines, values, strict=True)
    ]
    open_line, given = lines[-1], lines[:-1]
    occasion = rng.choice(rows("occasions"))[0]
    text = rng.choice(("{o}: {c}.", "{o}. {C}.", "{o} is coming: {c}.", "News! {o}: {c}."))
    told_clauses = clauses[:-1]
    listed = rng.choice((_listed(told_clauses), ". ".join(map(capital, told_clauses))))
    text = text.format(o=occasion, c=listed, C=capital(listed))
    if missing:
        made_up = [_said(rng, open_line[4].format(v=values[-1]), values[-1])]
        what = _listed([line[0] for line in given])
        task = _open(rng, text, rng.choice(_variants(open_line[1])), open_line[0], what, made_up)
        if rng.random() < 0.5:
            right = rng.choice(
                ("The notice gives no {x}.", "It doesn't mention a {x}.", "No {x} is given there.")
            ).format(x=open_line[0])
            finding = f"It says {quoted(right)}, which is true of the text."
            task = replace(task, right=Answer(right, finding, RIGHT))
        return task
    i = rng.randrange(len(given))
    line = given[i]
    others = [v for v in _values(line[3]) if v != values[i]]
    return _looked_up(
        rng, text, rng.choice(_variants(line[1])), line[0], clauses[i], values[i],
        rng.sample(others, 2), line[4].format(v="{}"),
    )  # fmt: skip


def _direct(rng: Rng) -> Task:
    """A question put directly, about a text that is silent on it."""
    text, question, what, made_up = rng.choice(rows("direct"))
    right = rng.choice(
        (
            *("The text doesn't mention {x}.", "The text says nothing about that.", "Not said."),
            *("It doesn't tell us.", "It doesn't say.", "The text doesn't give {x}."),
            *(
                "You can't tell from these lines.",
                "That isn't stated.",
                "No answer to that in the text.",
            ),
        )
    ).format(x=what)
    about = what.removeprefix("anything about ")
    return Task(
        "not in the text",
        asked_about(rng, text, question),
        (
            Principle(
                "true to the text", 80, f"{about} is asked, the text gives no answer to that"
            ),
            manner(rng),
        ),
        Answer(right, f"It says {quoted(right)}, which is true of the text.", RIGHT),
        (Answer(made_up, f"It says {quoted(made_up)}, which the text does not say.", FAR),),
    )


def missed(rng: Rng) -> Task:
    """A question that the text leaves open."""
    draw = rng.random()
    if draw < 0.3:
        return _direct(rng)
    if draw < 0.6:
        return noticed(rng, missing=True)
    return told(rng, missing=True) if draw < 0.82 else twofold(rng, missing=True)


_KINDS = (told, told, told, twofold, twofold, instead, did, noticed)


def small_text(rng: Rng) -> Task:
    """A question that one of several facts answers."""
    return rng.choice(_KINDS)(rng)
