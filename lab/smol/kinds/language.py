"""Kinds about language: answers in an asked language, sentences to check, mend or choose."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.smol.item import (
    NEAR,
    RIGHT,
    Answer,
    Kind,
    Principle,
    Rng,
    Task,
    capital,
    manner,
    quoted,
)
from lab.smol.kinds.numbers import ask
from lab.smol.kinds.slips import drawn
from lab.smol.tables import rows

_NAMES = ("English", "French", "Spanish", "German", "Italian")
_MARKS = ("in English", "en français", "en español", "auf Deutsch", "in italiano")
_SLOT = re.compile(r"\{([^/{}]+)/([^{}]+)\}")


@dataclass(frozen=True)
class Said:
    """A question and its answers in five languages, each answer with `{right/wrong}`."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]


def _table(key: str) -> tuple[str, ...]:
    """Words or a template in the five languages."""
    return {name: tuple(cells) for name, *cells in rows("said")}[key]


def _said(rng: Rng) -> Said:
    """One of the table, or made of numbers, days, months, opposites."""
    draw = rng.random()
    if draw < 0.6:
        row = rng.choice(rows("polyglot"))
        return Said(row[:5], row[5:])
    if draw < 0.75:
        return _sum(rng)
    key = rng.choice(("days", "months", "opposites"))
    words = [line.split() for line in _table(key)]
    size = len(words[0])
    at = rng.randrange(size)
    right = at ^ 1 if key == "opposites" else (at + 1) % size
    wrong = rng.choice([n for n in range(size) if n not in {at, right}])
    return Said(
        tuple(q.format(w=line[at]) for q, line in zip(_table(f"next {key}"), words, strict=True)),
        tuple(
            a.format(w=line[at], a=f"{{{line[right]}/{line[wrong]}}}")
            for a, line in zip(_table(f"next {key} answer"), words, strict=True)
        ),
    )


def _sum(rng: Rng) -> Said:
    x, y = rng.randint(1, 9), rng.randint(1, 9)
    if x <= y:
        y = min(y, 12 - x)
        signs, value = _table("plus"), x + y
    else:
        signs, value = _table("minus"), x - y
    wrong = rng.choice([n for n in (value - 1, value + 1, value + 2) if 1 <= n <= 12])
    names = [line.split() for line in _table("numbers")]
    return Said(
        tuple(q.format(x=x, y=y, s=sign) for q, sign in zip(_table("sum"), signs, strict=True)),
        tuple(
            a.format(x=x, y=y, s=sign, a=f"{{{line[value - 1]}/{line[wrong - 1]}}}")
            for a, sign, line in zip(_table("sum answer"), signs, names, strict=True)
        ),
    )


def _filled(answer: str, *, right: bool, bare: bool) -> str:
    """An answer with the right or the wrong word, or this word alone."""
    if not bare:
        return _SLOT.sub(lambda found: found[1 if right else 2], answer)
    found = _SLOT.search(answer)
    return capital(found[1 if right else 2]) if found else answer


def _answered_in(rng: Rng) -> Task:
    """A plain question whose answer has to be in a certain language."""
    said = _said(rng)
    asked = rng.choice((1, 2, 3, 3, 4, 1, 2, 3, 0))
    query, mark, other = _wished(rng, said, asked)
    bare = rng.random() < 0.3
    right = _filled(said.answers[asked], right=True, bare=bare)
    strange = _filled(said.answers[other], right=True, bare=bare)
    if strange.lower() == right.lower():
        bare = False
        right, strange = (_filled(said.answers[n], right=True, bare=False) for n in (asked, other))
    wrong = _filled(said.answers[asked], right=False, bare=bare)
    meant, false = (_filled(said.answers[0], right=r, bare=bare) for r in (True, False))
    whole = _filled(said.answers[0], right=True, bare=False)
    if not bare and rng.random() < 0.2:
        right, strange, wrong = (one.removesuffix(".") for one in (right, strange, wrong))
    name = _NAMES[asked]
    but = f"is {name}, but " + (f"it means {quoted(false)}, not" if asked else "not")
    means = "" if asked == 0 else f" for {quoted(meant)}"
    return Task(
        "answer in language",
        query,
        (
            Principle("asked language", 60, mark),
            Principle("right answer", 40, f"it means {quoted(whole, 12)}"),
        ),
        Answer(right, f"{quoted(right)} is {name}{means}, as asked.", RIGHT),
        (
            Answer(strange, f"{quoted(strange)} is {_NAMES[other]}, not {name}.", NEAR),
            Answer(wrong, f"{quoted(wrong)} {but} {quoted(meant)}.", NEAR),
        ),
    )


def _wished(rng: Rng, said: Said, asked: int) -> tuple[str, str, int]:
    """A request, what says which language is asked, and the language of a wrong answer."""
    draw = rng.random()
    name, mark = _NAMES[asked], _MARKS[asked]
    other = 0 if asked and rng.random() < 0.75 else rng.choice([n for n in range(5) if n != asked])
    if draw < 0.15:  # no wish: the language of the question
        query, told = said.questions[asked], f"{name}, like the question"
    elif draw < 0.5 or asked == 0:  # asked for in English
        base = other if asked == 0 else rng.choice((0, 0, 0, 0, asked))
        query, _ = ask(rng, "answer_in", q=said.questions[base], l=name)
        told = f'{name}, as "{name}" says'
    else:  # asked for in that language
        template = rng.choice(rows("answer_in_own"))[asked - 1]
        query = template.format(q=said.questions[rng.choice((0, asked))])
        told = f'{name}, as "{mark}" says'
    return (query.lower() if rng.random() < 0.12 else capital(query)), told, other


_FINE = (
    *("It is fine as it is.", "Leave it as it is.", "That sentence is correct.", "All correct."),
    *("This is good English.", "There is nothing to change.", "I'd keep it just like that."),
    *("Nothing wrong with it.", "It's correct as it stands.", "The grammar is right."),
    *("Fine, send it.", "Correct as written.", "Perfect the way it is.", "Right, keep it."),
)
_FINE_YES = (
    *("Yes, it is fine.", "Yes, that is correct.", "Yes, it's right as it stands.", "yes"),
    *("Yes, that's good English.", "Yes, keep it.", "Yes, no mistake there.", "Yes."),
)
_FINE_NO = (
    *("No, it is correct.", "No, nothing is wrong with it.", "No, leave it as it is.", "no"),
    *("No, that is good English.", "No, the sentence is fine.", "No mistakes, it's right.", "No."),
)
_FAULTY = (
    *('It should be "{}"', 'Write "{}"', 'Better: "{}"', 'I would change it to "{}"'),
    *('Not quite: write "{}"', 'Almost, but it should be "{}"', 'I\'d rather write "{}"'),
    *('There is a slip: it should read "{}"', 'Correct is "{}"', 'Make it "{}"'),
)
_FAULTY_NO = (
    *('No, it should be "{}"', 'No, better write "{}"', 'No. The right form is "{}"'),
    *('No, say "{}"', 'No, correct would be "{}"', 'No, change it to "{}"'),
)
_FAULTY_YES = (
    *('Yes, it should be "{}"', 'Yes, write "{}"', 'Yes: the right form is "{}"'),
    *('Yes, make it "{}"', 'Yes, change it to "{}"', 'Yes, there is: write "{}"'),
)


def _checked(rng: Rng) -> Task:
    """A sentence that is right or not, and whether it is left alone or changed, and how."""
    slip = drawn(rng)
    right, (bad, worse) = slip.right, rng.sample(slip.wrong, 2)
    is_right, plain, shows_all = (rng.random() < share for share in (0.5, 0.4, 0.65))
    asks_fault = rng.random() < 0.5
    given = right if is_right else bad
    key = "checked_fault" if asks_fault else "checked_fine"
    query, _ = ask(rng, key, w=slip.sentence(given))
    fine, faulty = _replies(plain=plain, asks_fault=asks_fault)
    reason = f" {capital(slip.rule)}." if rng.random() < 0.2 else ""
    left = rng.choice(fine)
    left = f"{left.rstrip('.!')}.{reason}" if reason else left
    shown = quoted(slip.around(right))

    def change(words: str) -> Answer:
        to = slip.sentence(words) if shows_all else slip.around(words)
        text = rng.choice(faulty).format(to) + ("" if shows_all else ".") + reason
        makes = f"It makes it {quoted(slip.around(words))}"
        if words == right:
            return Answer(text, f"{makes}, which is right.", RIGHT)
        return Answer(text, f"{makes}, but {shown} is right.", NEAR)

    leaves = f"{quoted(left, 4)} leaves {quoted(slip.around(given))}"
    if is_right:
        fact = f"{slip.rule}: {shown} is right"
        answers = [Answer(left, f"{leaves}, which is right.", RIGHT), change(bad), change(worse)]
    else:
        fact = f"{slip.rule}: {quoted(slip.around(bad))} should be {shown}"
        kept = Answer(left, f"{leaves}, but {shown} is right.", NEAR)
        answers = [change(right), kept, change(worse)]
    return Task(
        "sentence check",
        query,
        (Principle("correct grammar", 80, fact), manner(rng)),
        answers[0],
        tuple(answers[1:]),
    )


def _replies(*, plain: bool, asks_fault: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ways to say that a sentence is fine, and ways to change it."""
    if plain:
        return _FINE, _FAULTY
    return (_FINE_NO, _FAULTY_YES) if asks_fault else (_FINE_YES, _FAULTY_NO)


def _mended(rng: Rng) -> Task:
    """A faulty sentence, mended or made wrong in another way."""
    slip = drawn(rng)
    bad, worse = rng.sample(slip.wrong, 2)
    query, _ = ask(rng, "grammar", w=slip.sentence(bad))
    shown = quoted(slip.around(slip.right))
    draw = rng.random()
    lead = rng.choice(("", "", "", "It should be: ", "Correct: ", "Better: ", "Write: "))
    dressed = '"{}"' if draw < 0.15 else lead + "{}"

    def answer(words: str, grade: float) -> Answer:
        has = f"It has {quoted(slip.around(words))}"
        text = dressed.format(slip.sentence(words))
        if grade == RIGHT:
            return Answer(text, f"{has}, which is right.", RIGHT)
        return Answer(text, f"{has}, which should be {shown}.", grade)

    fact = f"{slip.rule}: {quoted(slip.around(bad))} should be {shown}"
    return Task(
        "mended sentence",
        query,
        (Principle("correct grammar", 70, fact), Principle("same meaning", 30)),
        answer(slip.right, RIGHT),
        (answer(worse, NEAR), answer(bad, NEAR)),
    )


def _makes(words: str, *, whole: bool) -> str:
    return "It has" if whole else f'"{words}" makes it'


def _chosen(rng: Rng) -> Task:
    """Which words belong into a gap, or which of two sentences is right."""
    slip = drawn(rng)
    bad = rng.choice(slip.wrong)
    x, y = rng.sample((slip.right, bad), 2)
    gap = rng.random() < 0.5
    if gap:
        query, _ = ask(rng, "gap", w=slip.sentence("___"), x=x, y=y)
    else:
        query, _ = ask(rng, "correct_sentence", w=f"{slip.sentence(x)} / {slip.sentence(y)}")
    whole = not gap or rng.random() < 0.3

    def answer(words: str) -> str:
        return slip.sentence(words) if whole else words

    shown, false = quoted(slip.around(slip.right)), quoted(slip.around(bad))
    return Task(
        "chosen words",
        query,
        (Principle("correct grammar", 80, f"{slip.rule}: {shown} is right"), manner(rng)),
        Answer(
            answer(slip.right), f"{_makes(slip.right, whole=whole)} {shown}, which is right.", RIGHT
        ),
        (Answer(answer(bad), f"{_makes(bad, whole=whole)} {false}, but {shown} is right.", NEAR),),
    )


KINDS: dict[str, Kind] = {
    "answer in language": _answered_in,
    "sentence check": _checked,
    "mended sentence": _mended,
    "chosen words": _chosen,
}
