"""Kinds of tasks about a given text: answers from a passage, what it leaves open, summaries."""

from __future__ import annotations

from lab.smol.item import (
    FAR,
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
    short_task,
)
from lab.smol.kinds import notices, timetables
from lab.smol.kinds.numbers import ask
from lab.smol.tables import rows

_NAMES = (
    *("Clara", "Mr. Adams", "Dr. Chen", "Peter", "Mrs. Novak", "Rosa", "Ahmed", "Julia", "Oskar"),
    *("Mei", "Nadia", "Victor", "Ellen", "Tariq", "Bruno", "Hannah"),
)
_PLACES = (
    *("the library", "the market", "the old harbour", "the town hall", "the park", "the museum"),
    *("the station", "the swimming pool", "the school", "the bakery", "the theatre", "the farm"),
)
_TIMES = (
    *("on Monday", "on Tuesday", "on Friday", "on Saturday", "on Sunday", "in the morning"),
    *("at noon", "in the evening", "in March", "in May", "in October", "last summer"),
)
_THINGS = (
    *("a red bicycle", "a wooden boat", "a blue umbrella", "an old clock", "a silver ring"),
    *("a box of books", "a green coat", "a small dog", "a brass lamp", "a painting of a horse"),
)
_PRICES = ("5 euros", "12 dollars", "20 euros", "35 dollars", "8 pounds", "50 euros", "90 dollars")
_REASONS = (
    ("it was raining", "because it was raining"),
    ("the bus was late", "because the bus was late"),
    ("the doors were locked", "because the doors were locked"),
    ("the shop was closed", "because the shop was closed"),
    ("the children were ill", "because the children were ill"),
    ("the road was blocked", "because the road was blocked"),
    ("the battery was empty", "because the battery was empty"),
)


def _asked(rng: Rng, text: str, question: str) -> str:
    return ask(rng, "asked", p=text, q=question)[0]


def _passage(rng: Rng) -> Task:
    if rng.random() < 0.75:
        text, question, fact, right, wrong = rng.choice(rows("passages"))
        return short_task(
            rng, "passage", _asked(rng, text, question), "true to the text",
            f"the text says: {fact}", right, [wrong], noun=False,
        )  # fmt: skip
    a, b = rng.sample(_NAMES, 2)
    x, y = rng.sample(_PLACES, 2)
    s, t = rng.sample(_TIMES, 2)
    i, j = rng.sample(_THINGS, 2)
    p, r = rng.sample(_PRICES, 2)
    text = rng.choice(
        (
            (
                f"{a} went to {x} {s} and bought {i} for {p}. {b} went to {y} {t} and bought {j} "
                f"for {r}."
            ),
            f"{capital(s)} {a} sold {i} at {x} for {p}, while {b} sold {j} at {y} {t} for {r}.",
            f"{a} lost {i} at {x} {s}; it was worth {p}. {b} lost {j} at {y} {t}, worth {r}.",
        )
    )
    bought = "bought" if "bought" in text else "sold" if "sold" in text else "lost"
    verb = {"bought": "buy", "sold": "sell", "lost": "lose"}[bought]
    question, right, wrong, stray, fact = rng.choice(
        (
            (f"What did {a} {verb}?", i, j, p, f"{a} {bought} {i}"),
            (f"Where was {b}?", y, x, t, f"{b} was at {y}"),
            (f"Who {bought} {j}?", b, a, y, f"{b} {bought} {j}"),
            (f"When did {b} {verb} {j}?", t, s, y, f"{b} {bought} it {t}"),
            (f"How much was {i}?", p, r, x, f"{i} was {p}"),
        )
    )
    query = _asked(rng, text, question)
    return short_task(
        rng, "passage", query, "true to the text", f"the text says {fact}", right, [wrong],
        far=[stray], noun=question.startswith(("What", "Who", "How")),
    )  # fmt: skip


def _reason(rng: Rng) -> Task:
    name, place = rng.choice(_NAMES), rng.choice(_PLACES)
    (why, right), (_, wrong) = rng.sample(_REASONS, 2)
    text = rng.choice(
        (
            f"{name} did not reach {place} in time, as {why}.",
            f"Because {why}, {name} stayed at {place} all day.",
            f"{name} left {place} early. The reason was simple: {why}.",
        )
    )
    question = rng.choice((f"Why did that happen to {name}?", f"What was {name}'s reason?", "Why?"))
    query = _asked(rng, text, question)
    return short_task(
        rng,
        "reason",
        query,
        "true to the text",
        f"the text says {why}",
        right,
        [wrong],
        noun=False,
    )


def _not_said(rng: Rng) -> Task:
    if rng.random() < 0.45:
        return notices.missed(rng)
    if rng.random() < 0.5:
        return _left_open(rng, *rng.choice(rows("unsaid")))
    name, place, time = rng.choice(_NAMES), rng.choice(_PLACES), rng.choice(_TIMES)
    thing = rng.choice(_THINGS)
    text = f"{name} found {thing} at {place} {time} and took it home."
    about, made_up = rng.choice(
        (
            ("how much it cost", f"It cost {rng.choice(_PRICES)}."),
            (f"how old {name} is", f"{name} is {rng.randint(20, 70)} years old."),
            ("who had lost it", f"{rng.choice([n for n in _NAMES if n != name])} had lost it."),
            (f"where {name} works", f"{name} works at a bank."),
            ("what the weather was like", "It was raining heavily."),
        )
    )
    return _left_open(rng, text, about, made_up)


def _left_open(rng: Rng, text: str, about: str, made_up: str) -> Task:
    question = rng.choice(
        (
            *("Does the text say {}?", "Can you tell me {}?", "I want to know {}."),
            *("Do we learn {}?", "Please tell me {}.", "What I need to know is {}."),
        )
    )
    query = _asked(rng, text, question.format(about))
    if rng.random() < 0.6:
        made_up = f"{made_up} {rng.choice(rows('sure'))[0]}"
    right = rng.choice(
        (
            f"The text doesn't say {about}.",
            "That is not mentioned in the passage.",
            f"It isn't stated {about}.",
            "The passage leaves that open.",
            "There is nothing about that in the text.",
            f"We aren't told {about}.",
        )
    )
    return Task(
        "not in the text",
        query,
        (Principle("true to the text", 80, f"the text does not say {about}"), manner(rng)),
        Answer(right, f"It says {quoted(right)}, which is true of the text.", RIGHT),
        (Answer(made_up, f"It says {quoted(made_up)}, which the text does not say.", FAR),),
    )


def _summary(rng: Rng) -> Task:
    if rng.random() < 0.6:
        text, short, turned = rng.choice(rows("summary"))
        off = rng.choice([row[1] for row in rows("summary") if row[0] != text])
        return _summed_up(rng, text, short, turned, off)
    name, other = rng.sample(_NAMES, 2)
    place, stray = rng.sample(_PLACES, 2)
    thing, time = rng.choice(_THINGS), rng.choice(_TIMES)
    plot, changed, gist = rng.choice(
        (
            (
                (
                    f"{name} had looked for {thing} for years. {capital(time)} a stranger "
                    f"offered it at {place}, and {name} bought it at once."
                ),
                f"{name} sold {thing} at {place}.",
                f"{name} finally found and bought {thing} at {place}.",
            ),
            (
                (
                    f"{name} and {other} wanted to meet at {place}. {name} waited for an hour, but "
                    f"{other} had forgotten all about it."
                ),
                f"{name} forgot to meet {other} at {place}.",
                f"{other} forgot to meet {name} at {place}.",
            ),
            (
                f"There was a fire at {place} {time}. {name} called for help, and nobody was hurt.",
                f"Several people were hurt in a fire at {place}.",
                f"Thanks to {name}'s call, nobody was hurt in a fire at {place}.",
            ),
            (
                (
                    f"{name} wants to open a café at {place}. The town said no at first, but "
                    f"changed its mind {time}."
                ),
                f"The town will not let {name} open a café at {place}.",
                f"The town now lets {name} open a café at {place}.",
            ),
        )
    )
    return _summed_up(rng, plot, gist, changed, f"{other} had a nice day at {stray}.")


def _summed_up(rng: Rng, plot: str, gist: str, changed: str, stray: str) -> Task:
    query, _ = ask(rng, "summary", w=plot)
    if rng.random() < 0.6:  # a good summary is not told by its length
        changed = f"{changed} {rng.choice(rows('sure'))[0]}"
    return Task(
        "summary",
        query,
        (
            Principle("true to the text", 70, gist.rstrip(".")),
            Principle("covers the main point", 30),
        ),
        Answer(gist, f"It says {quoted(gist, 9)}, as the text does.", RIGHT),
        (
            Answer(changed, f"It says {quoted(changed, 9)}, which turns the facts around.", NEAR),
            Answer(stray, f"It says {quoted(stray, 9)}, which is not in the text.", FAR),
        ),
    )


def _follows(rng: Rng) -> Task:
    name, place, time = rng.choice(_NAMES), rng.choice(_PLACES), rng.choice(_TIMES)
    claim, same, against = rng.choice(
        (
            (f"{name} sold everything {time}.", "has nothing left to sell", "kept it all"),
            (f"{name} is alone at {place}.", "has no company there", "is there with friends"),
            (f"{name} never eats meat.", "does not eat chicken", "had beef for dinner"),
            (f"{name} arrived before everyone else.", "was the first to come", "came last"),
            (f"All the lamps at {place} are off.", "sees no lamp on", "reads by a bright lamp"),
            (f"{name} has been asleep since noon.", "is not awake", "is cooking dinner now"),
        )
    )
    same, against = f"{name} {same}.", f"{name} {against}."
    if rng.random() < 0.6:
        claim, same, against = rng.choice(rows("contradiction"))
    ask_same = rng.random() < 0.5
    second = same if ask_same else against
    right, wrong = ("no", "yes") if ask_same else ("yes", "no")
    query = rng.choice(
        (
            "Do these two sentences contradict each other? {a} {b}",
            "{a} / {b} Is that a contradiction?",
            "Contradiction or not (yes or no)? {a} {b}",
            "1. {a} 2. {b} Do they contradict each other?",
            "my witness said: {a} later: {b} is that contradictory",
            "Is it impossible that both are true? {a} {b}",
        )
    ).format(a=claim, b=second)
    both = f"{quoted(claim, 12)} and {quoted(second, 12)}"
    fact = f"{both} can both be true" if ask_same else f"{both} cannot both be true"
    return short_task(
        rng,
        "two sentences",
        query,
        "right verdict",
        fact,
        right,
        [wrong],
        noun=False,
    )


KINDS: dict[str, Kind] = {
    "passage": _passage,
    "small text": notices.small_text,
    "timetable": timetables.timetable,
    "reason": _reason,
    "not in the text": _not_said,
    "summary": _summary,
    "two sentences": _follows,
}
