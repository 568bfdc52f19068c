"""Sentences in which people make a mistake: by hand, and made of verbs and people."""

from __future__ import annotations

from dataclasses import dataclass

from lab.smol.item import Rng, capital
from lab.smol.tables import rows


@dataclass(frozen=True)
class Slip:
    """A sentence with a gap, the words that belong there, and some that do not."""

    rule: str
    right: str
    wrong: tuple[str, str]
    frame: str

    def sentence(self, words: str) -> str:
        """With these words in the gap."""
        return capital(self.frame.replace("{}", words))

    def around(self, words: str) -> str:
        """The words in the gap with their neighbour, as they stand in the sentence."""
        if " " in self.right:
            return words
        before, _, after = self.frame.partition("{}")
        first = before.split()[-1:]
        if first and first[0][-1].isalnum():
            return f"{first[0]} {words}"
        rest = after.split()[:1] if after.startswith(" ") else []
        return " ".join([words, *(one.rstrip(".,?!") for one in rest)])


def drawn(rng: Rng) -> Slip:
    """A slip of the table or a made one."""
    if rng.random() < 0.4:
        return _made(rng)
    rule, right, first, second, *frames = rng.choice(rows("slips"))
    return Slip(rule, right, (first, second), rng.choice(frames))


_PEOPLE = (
    *("Tom", "Priya", "my wife", "my brother", "Ahmed", "the cook", "Grandad", "my boss", "Olga"),
    *("the caretaker", "Lucy", "my neighbour", "Sergeant Hill", "Mum", "Kofi", "my flatmate"),
    *("our drummer", "the new nurse", "Wei", "my aunt", "Dr Bell", "Nadia", "the builder"),
)
_PAIR_DID = (
    *("late for the show", "on the roof", "in the same class", "too tired to cook", "stuck in mud"),
    *("at the market", "first in the queue", "the only guests", "very proud of the cake", "lost"),
    *(
        "ill on Monday",
        "at the meeting",
        "out of petrol",
        "in hospital",
        "happy with the room",
    ),
)
_MANY = (
    *(
        "the shelves",
        "my uncles",
        "the lamps",
        "our hens",
        "these boots",
        "the drums",
        "your tyres",
    ),
    *(
        "the nurses",
        "both lifts",
        "the oars",
        "the buckets",
        "those pears",
        "her plants",
        "the maps",
    ),
)
_STATE = (
    *("ready", "too old", "in the van", "downstairs", "very clean", "wet", "for sale", "cheap"),
    *("missing", "new", "in the way", "not far from here", "fine", "noisy", "heavy"),
)
_EACH = (
    *(
        "rooms",
        "boats",
        "vans",
        "players",
        "songs",
        "tables",
        "pupils",
        "houses",
        "bikes",
        "horses",
    ),
)
_OWNED = ("a number", "a name", "its own lock", "a blue label", "two sides", "a small fault")
_WHEN = ("Yesterday", "Last night", "Last year", "In 2019", "Two days ago", "Last Sunday")


def _made(rng: Rng) -> Slip:
    """A slip made of a verb, a pair of people, things."""
    draw = rng.random()
    if draw < 0.2:
        return _pair(rng)
    if draw < 0.3:
        return _many(rng)
    one = rng.choice((*_PEOPLE, "he", "she"))
    past = rng.random() < 0.6
    return rng.choice(_of_past(rng, one) if past else _of_present(rng, one))


def _of_present(rng: Rng, one: str) -> list[Slip]:
    """With "does" and "doesn't"."""
    base, third, *_, rest = rng.choice(rows("verbs"))
    rule, asks = "then the verb has no s", rng.choice(("", "When ", "Why ", "How often "))
    return [
        Slip(
            f'with one person it is "doesn\'t", {rule}',
            f"{one} doesn't {base}",
            (f"{one} don't {base}", f"{one} doesn't {third}"),
            f"{{}} {rest}.",
        ),
        Slip(
            f'with one person it is "does", {rule}',
            f"does {one} {base}",
            (f"does {one} {third}", f"do {one} {base}"),
            f"{asks}{{}} {rest}?",
        ),
    ]


def _of_past(rng: Rng, one: str) -> list[Slip]:
    """With "did", "didn't", "has", or a time that has passed."""
    base, third, past, done, false, rest = rng.choice(rows("verbs"))
    when, asks = rng.choice(_WHEN), rng.choice(("", "When ", "Why ", "Where "))
    near = past if past != base else third
    mixed = next(word for word in (past, base, third) if word != done)
    return [
        Slip(
            f'after "did" comes the base form "{base}"',
            f"did {one} {base}",
            (f"did {one} {near}", f"did {one} {false}"),
            f"{asks}{{}} {rest}?",
        ),
        Slip(
            f'after "didn\'t" comes the base form "{base}"',
            f"didn't {base}",
            (f"didn't {near}", f"didn't {false}"),
            f"{one} {{}} {rest}.",
        ),
        Slip(
            f'with "{when}" the simple past is used',
            f"{one} {past}",
            (f"{one} has {done}", f"{one} {false}"),
            f"{when} {{}} {rest}.",
        ),
        Slip(
            f'with one person it is "has", then the third form "{done}"',
            f"has {done}",
            (f"has {mixed}", f"have {done}"),
            f"{one} {{}} {rest}.",
        ),
    ]


def _many(rng: Rng) -> Slip:
    """One of several things, or all of them."""
    if rng.random() < 0.5:
        many, state = rng.choice(_MANY), rng.choice(_STATE)
        right, wrong = rng.choice((("are", "is"), ("were", "was")))
        return Slip(
            f'"{many}" are more than one, so the verb is "{right}"',
            f"{many} {right}",
            (f"{many} {wrong}", f"{many} be"),
            f"{{}} {state}.",
        )
    lead, things = rng.choice(("each", "every one", "only one")), rng.choice(_EACH)
    return Slip(
        f'"{lead}" counts as one, so the verb is "has"',
        f"{things} has",
        (f"{things} have", f"{things} having"),
        f"{lead} of the {{}} {rng.choice(_OWNED)}.",
    )


def _pair(rng: Rng) -> Slip:
    """Two people, of whom the subject or the object is "I", "me" and so on."""
    who = rng.choice(_PEOPLE)
    subject, thing = rng.choice((("I", "me"), ("I", "me"), ("he", "him"), ("she", "her")))
    other = rng.choice((who, who, "he", "she")) if subject == "I" else who
    strange = {"he": "him", "she": "her"}.get(other, other)
    if rng.random() < 0.3:
        frame = rng.choice(
            (
                "They invited {}.",
                "This cake is for {}.",
                "Nobody told {}.",
                "The bus left without {}.",
                "She sat behind {}.",
                "Come with {}!",
                "He paid {} in cash.",
                "The dog followed {} home.",
            )
        )
        return Slip(
            f'after a verb or a small word it is "{thing}"',
            f"{strange} and {thing}",
            (f"{strange} and {subject}", f"{subject} and {strange}"),
            frame,
        )
    verb, false = rng.choice((("were", "was"), ("were", "was"), ("have been", "has been")))
    wrong = rng.sample(
        (
            f"{thing} and {strange} {false}",
            f"{strange} and {thing} {verb}",
            f"{other} and {subject} {false}",
            f"{thing} and {strange} {verb}",
        ),
        2,
    )
    return Slip(
        f'as the subject it is "{subject}", and two people "{verb}"',
        f"{other} and {subject} {verb}",
        (wrong[0], wrong[1]),
        f"{{}} {rng.choice(_PAIR_DID)}.",
    )
