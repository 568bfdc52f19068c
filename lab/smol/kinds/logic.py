"""A kind of task about conclusions: who is first, if and then, all and none, what is left over."""

from __future__ import annotations

from lab.smol.amounts import NAMES
from lab.smol.item import Kind, Rng, Task, capital, short_task
from lab.smol.kinds.inference import member, sign, therefore, three
from lab.smol.kinds.numbers import ask
from lab.smol.tables import rows

_MORE = (  # comparative, superlative, opposite superlative
    *(("taller", "tallest", "shortest"), ("older", "oldest", "youngest")),
    *(("faster", "fastest", "slowest"), ("heavier", "heaviest", "lightest")),
    *(("richer", "richest", "poorest"), ("louder", "loudest", "quietest")),
    *(("stronger", "strongest", "weakest"), ("younger", "youngest", "oldest")),
    *(("shorter", "shortest", "tallest"), ("slower", "slowest", "fastest")),
    *(("further north", "furthest north", "furthest south"), ("cleverer", "cleverest", "dullest")),
    *(("busier", "busiest", "least busy"), ("happier", "happiest", "saddest")),
)
_PLACED = (  # relation, who has everybody on that side, who has nobody
    ("is left of", "furthest to the left", "furthest to the right"),
    ("is right of", "furthest to the right", "furthest to the left"),
    ("lives above", "at the top", "at the bottom"),
    ("lives below", "at the bottom", "at the top"),
    ("stands in front of", "first in the line", "last in the line"),
    ("stands behind", "last in the line", "first in the line"),
    ("finished before", "the winner", "the last to finish"),
    ("finished after", "the last to finish", "the winner"),
    ("was born before", "the oldest", "the youngest"),
    ("arrived after", "the last to come", "the first to come"),
    ("arrived before", "the first to come", "the last to come"),
    ("beat", "the best of the three", "the worst of the three"),
    ("earns more than", "the best paid", "the worst paid"),
)
_OWNED = (
    *(("a cat", "a dog", "a fish"), ("the red car", "the blue car", "the green car")),
    *(("tea", "coffee", "juice"), ("the soup", "the salad", "the pizza")),
    *(("the violin", "the drums", "the flute"), ("a bike", "a scooter", "a sledge")),
    *(("room 1", "room 2", "room 3"), ("the hat", "the scarf", "the gloves")),
    *(("history", "biology", "art"), ("the window seat", "the aisle seat", "the middle seat")),
)


def _chain(rng: Rng) -> Task:
    a, b, c = rng.sample(NAMES, 3)
    draw = rng.random()
    if draw < 0.6:
        more, most, least = rng.choice(_MORE)
        facts = [f"{a} is {more} than {b}", f"{b} is {more} than {c}"]
        if draw < 0.15:  # one of them said the other way round
            opposite = next((m for m, top, _ in _MORE if top == least), None)
            if opposite is not None:
                facts[1] = f"{c} is {opposite} than {b}"
    else:
        relation, most, least = rng.choice(_PLACED)
        facts = [f"{a} {relation} {b}", f"{b} {relation} {c}"]
    if rng.random() < 0.4:
        facts.reverse()
    told = rng.choice((f"{facts[0]}. {facts[1]}.", f"{facts[0]}, and {facts[1]}."))
    order = f"{a}, {b}, {c}"
    if rng.random() < 0.12:
        query = f"{told} {rng.choice(('Who is in the middle?', 'Who is between the others?'))}"
        return short_task(
            rng, "logic", query, "right conclusion", f"in order {order}, so in the middle is {b}",
            b, [a, c], say="{} is in the middle",
        )  # fmt: skip
    top = rng.random() < 0.6
    right, word = (a, most) if top else (c, least)
    if draw < 0.6:
        query, sentence = ask(rng, "logic", f=told, w=word)
    else:
        question = rng.choice(("Who is {w}?", "So who is {w}?", "Which of them is {w}?"))
        query, sentence = f"{told} {question.format(w=word)}", f"{{}} is {word}"
    wrong = [name for name in (a, b, c) if name != right]
    return short_task(
        rng, "logic", query, "right conclusion",
        f"{_the(word)} is asked, and in order {order}: {a} is {_the(most)}, {c} is {_the(least)}",
        right, wrong, say=sentence,
    )  # fmt: skip


def _the(word: str) -> str:
    return (
        word if word.startswith(("the ", "at ", "first ", "last ", "furthest ")) else f"the {word}"
    )


def _implied(rng: Rng) -> Task:
    """What follows from "if", and what does not."""
    if_so, then, fact, question, against, back = rng.choice(rows("conditions"))
    rule = rng.choice((f"If {if_so}, {then}.", f"{capital(then)} if {if_so}."))
    draw = rng.random()
    if draw < 0.45:
        told, asking, right, why = fact, question, "yes", f"the rule says then {then}"
    elif draw < 0.75:
        told, asking, right = against, back, "no"
        why = f"if {if_so}, {then}, and that is not so"
    else:
        told, asking, right = f"{capital(then)}.", f"{back[:-1]} for sure?", "no"
        why = "there may be another reason"
    query = f"{rule} {told} {asking}"
    if rng.random() < 0.4:
        query += rng.choice((" Yes or no?", " yes or no", " Answer yes or no."))
    wrong = "no" if right == "yes" else "yes"
    return short_task(
        rng, "logic", query, "right conclusion", f"{why}, so {right}", right, [wrong], noun=False
    )


def _quantified(rng: Rng) -> Task:
    """All, some and no members of a class."""
    many, one, more, single = rng.choice(rows("classes"))
    name, draw = rng.choice(NAMES), rng.random()
    if draw < 0.35:
        told, asked = f"All {many} are {more}. {name} is {one}.", f"Is {name} {single}?"
        right, why = "yes", f"{name} is {one}, and all of them are {more}"
    elif draw < 0.6:
        told, asked = f"All {many} are {more}. {name} is not {single}.", f"Can {name} be {one}?"
        right, why = "no", f"{one} would be {single}, which {name} is not"
    elif draw < 0.8:
        told = f"Some {many} are {more}. {name} is {one}."
        asked, right = f"Must {name} be {single}?", "no"
        why = f"only some {many} are {more}"
    else:
        told, asked = f"No {many} are {more}. {name} is {one}.", f"Is {name} {single}?"
        right, why = "no", f"{name} is {one}, and none of them are {more}"
    wrong = "no" if right == "yes" else "yes"
    opening = rng.choice(("", "", "Suppose this is true. ", "a puzzle: ", "Take it as given: "))
    return short_task(
        rng, "logic", f"{opening}{told} {asked}", "right conclusion", f"{why}, so {right}", right,
        [wrong], noun=False,
    )  # fmt: skip


def _left_over(rng: Rng) -> Task:
    """Three people and three things: who has what is left over?"""
    names, things = rng.sample(NAMES, 3), rng.sample(rng.choice(_OWNED), 3)
    (a, b, c), (x, y, z) = names, things
    listed, shown = rng.sample(names, 3), rng.sample(things, 3)
    told = (
        f"{listed[0]}, {listed[1]} and {listed[2]} each have one of these: {shown[0]}, {shown[1]} "
        f"and {shown[2]}. {a} has {x}. {b} does not have {z}."
    )
    if rng.random() < 0.5:
        asking, right, wrong = f"Who has {z}?", c, [b, a]
        say = f"{{}} has {z}"
    else:
        asking, right, wrong = f"What does {b} have?", y, [z, x]
        say = f"{b} has {{}}"
    fact = f"{a} has {x}, {b} can't have {z} and so has {y}, {c} has {z}"
    return short_task(
        rng, "logic", f"{told} {asking}", "right conclusion", fact, right, wrong, say=say
    )


def _logic(rng: Rng) -> Task:
    (make,) = rng.choices(
        (_chain, _implied, _quantified, _left_over, therefore, member, sign, three),
        (18, 8, 8, 8, 17, 14, 17, 14),
    )
    return make(rng)


KINDS: dict[str, Kind] = {"logic": _logic}
