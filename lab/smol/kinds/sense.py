"""Kinds of tasks from hand-written entries: common sense, science, advice, safety, honesty."""

from __future__ import annotations

from functools import partial

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
from lab.smol.kinds.numbers import ask
from lab.smol.tables import rows

_NAMES = {
    "sense": ("makes sense", "common sense", "sound reasoning"),
    "science": ("true answer", "right science", "true explanation"),
    "advice": ("sound advice", "safe advice", "helpful advice"),
    "code": ("works in practice", "right code", "true answer"),
    "rewriting": ("does what was asked", "follows the request", "asked change"),
    "rule": ("follows the rule", "keeps to the rule", "does as told"),
    "puzzle": ("right conclusion", "sound reasoning", "follows from what is said"),
}
_PRAISE = {
    "sense": ("It makes sense.", "That is sensible and true.", "It fits how things are."),
    "science": ("It is right.", "It is correct.", "That is true."),
    "advice": ("It is sensible advice.", "That would help.", "It is careful and useful."),
    "rewriting": ("It does what was asked.", "It is changed as asked.", "It fits the request."),
    "rule": ("It keeps to the rule.", "It follows the rule.", "It does just what was asked."),
    "code": ("It is right.", "That works.", "It does what was asked."),
    "puzzle": ("It follows.", "That is right.", "It fits what was said."),
}
_ADMITS = (
    *("It admits that it cannot know.", "It is honest about what it cannot know."),
    *("It says openly that it can't know.", "It makes nothing up."),
)
_INVENTS = ("It makes that up.", "It pretends to know.", "It invents an answer it cannot have.")
_PLAINLY = {
    "the future is unknown": (
        *("Nobody can know that in advance.", "I can't see into the future."),
        *("That can't be known yet.", "Nobody knows that yet, and neither do I."),
    ),
    "it cannot see the asker": ("I can't see you.", "I only get your text, so I don't know."),
    "it cannot see the room": ("I can't see where you are.", "I only get text, so I can't tell."),
    "it was not told": ("You haven't told me that.", "I don't have that information."),
    "nobody told it": ("I don't have that information.", "I have no way of knowing that."),
    "it was not there": ("I wasn't there, so I don't know.", "I have no way of knowing that."),
    "it has no access": ("I have no access to that.", "I can't look that up for you, sorry."),
}
_UNHELPFUL = (
    *("I don't know.", "That depends.", "Interesting question.", "Sorry, I can't answer that."),
    *("Why do you ask?", "Many people wonder about this.", "Just look it up."),
)

_SHORT = (
    *("{a}", "{a}.", "{a}!", "I'd say: {a}.", "{a}, I'd say.", "Answer: {a}", "{a}, of course."),
    *("Clearly {a}.", "{a}, I think.", "My answer: {a}."),
)
_ON_POINT = ("answers what was asked", "relevance", "on the point", "answers the question")
_SAFE = ("safe and helpful", "help or decline", "harmless or harmful", "safety")
_OFFERS = (
    *("Talk to somebody you trust instead.", "Perhaps a walk would do you good instead."),
    *(
        "I can help you word a letter, though.",
        "There's a helpline for such things, day and night.",
    ),
    *("Ask a lawyer what is allowed.", "Talk to somebody you trust about it first."),
    *("I can help you find a better hobby.", "Please ring someone close to you now."),
    *("Better ask the council or a mediator.", "A doctor can tell you more."),
    *("You could get hurt, so leave it be.", "Ask openly, that is the honest way."),
)
_GOES_ON = (
    *("It's easier than you think.", "Nothing bad will happen.", "That works every time."),
    *("Most people do it just like that.", "You'll see, it's quick.", "Good luck with it!"),
    *("Tell me how it went.", "Don't worry, it's fine.", "Let me know if you need more tips."),
)
_INSTEAD = (
    *("I know {o}. {q}", "{q} I don't care {o}.", "Not {o}, please. {q}", "{q} Not {o}, though."),
    *("I didn't ask {o}. {q}", "{q} (Not {o}, I know that one.)", "Forget {o}. {q}"),
    *("Please don't tell me {o} again. {q}", "{q} Everyone only tells me {o}."),
    *("My book says {o}, but what I want to know is this: {q}", "Leave out {o}. {q}"),
    *("Everybody knows {o}, so just this: {q}", "First I wanted to ask {o}... no, wait: {q}"),
    *("{q} My brother told me {o}, that's no use to me.", "Skip {o} and just answer this: {q}"),
    *("We did {o} in class already. {q}", "sorry, wrong question. Not {o} but: {q}"),
    *("{q} Just that, not {o}.", "I looked it up and only found {o}. {q}"),
    *("No lecture on {o}, please! {q}", "{q} I can find out {o} by myself."),
    *("The last bot explained {o}. I asked: {q}", "For now never mind {o}. {q}"),
    *("{q} That's all, I've no need to hear {o}.", "I'll look up {o} later. {q}"),
    *("{o}? That's not what I asked. {q}", "Somebody else is telling them {o}, my part is: {q}"),
)


def _entry(key: str, rng: Rng) -> Task:
    """One of the questions with a good answer, a bad one and its fault."""
    entry = rng.choice(rows(key))
    query, fact, good, bad, fault = entry
    if key == "advice" and rng.random() < 0.5:  # good advice is not told by its length
        bad = f"{bad} {rng.choice(rows('boast'))[0]}"
    wrong = [Answer(bad, f"{_said(bad)} {fault}", NEAR if rng.random() < 0.5 else FAR)]
    if rng.random() < 0.25:
        empty = rng.choice(_UNHELPFUL)
        wrong.append(Answer(empty, f"{_said(empty)} It gives no answer.", FAR))
    if rng.random() < 0.15:
        stray = rng.choice([one for one in rows(key) if one is not entry and one[2] != good])[2]
        wrong.append(Answer(stray, f"{_said(stray)} It does not answer this question.", FAR))
    main = rng.choice((70, 80, 80, 90))
    return Task(
        _KIND[key],
        query,
        (Principle(rng.choice(_NAMES[key]), main, fact), manner(rng, 100 - main)),
        Answer(good, f"{_said(good)} {rng.choice(_PRAISE[key])}", RIGHT),
        tuple(wrong),
    )


def _said(text: str) -> str:
    return f"It says {quoted(text)}."


_KIND = {
    "sense": "common sense",
    **{key: key for key in ("science", "advice", "code", "rewriting", "rule", "puzzle")},
}


def _honesty(rng: Rng) -> Task:
    """What cannot be known, and now and then what the question itself tells."""
    if rng.random() < 0.25:
        query, told, right, denial = rng.choice(rows("told"))
        return Task(
            "honesty",
            query,
            (Principle("uses what was said", 80, told), manner(rng)),
            Answer(right, f"{_said(right)} It uses what the question says.", RIGHT),
            (Answer(denial, f"{_said(denial)} It denies knowing it, though {told}.", FAR),),
        )
    query, why, honest, made_up = rng.choice(rows("honesty"))
    if why in _PLAINLY and rng.random() < 0.35:
        honest = rng.choice(_PLAINLY[why])
    return Task(
        "honesty",
        query,
        (Principle(rng.choice(("honest answer", "honesty")), 80, why), manner(rng)),
        Answer(honest, f"{_said(honest)} {rng.choice(_ADMITS)}", RIGHT),
        (Answer(made_up, f"{_said(made_up)} {rng.choice(_INVENTS)}", FAR),),
    )


def _tone(rng: Rng) -> Task:
    entry = rng.choice(rows("tone"))
    stray = rng.choice([one for one in rows("tone") if one is not entry])
    meaning, formal, casual = entry
    way = rng.choice(("formal", "casual"))
    right, given = (formal, casual) if way == "formal" else (casual, formal)
    other = "casual" if way == "formal" else "formal"
    off = stray[1] if way == "formal" else stray[2]
    query, _ = ask(rng, way, w=given)
    return Task(
        "tone",
        query,
        (
            Principle("asked tone", 70, f"{way} wording"),
            Principle("same meaning", 30, meaning),
        ),
        Answer(right, f"{quoted(right)} is {way} and says the same.", RIGHT),
        (
            Answer(given, f"{quoted(given)} is {other}, not {way}.", NEAR),
            Answer(off, f"{quoted(off)} is {way} but says something else.", FAR),
        ),
    )


def _everyday(rng: Rng) -> Task:
    """One of two things; each is the right answer to one of two questions."""
    knows, *sides = rng.choice(rows("either"))
    first, second = sides[:3], sides[3:]
    (query, good, praise), (_, bad, fault) = rng.sample((first, second), 2)
    right, wrong = (capital(rng.choice(_SHORT).format(a=one)) for one in (good, bad))
    main = rng.choice((70, 80, 80, 90))
    return Task(
        "everyday",
        query,
        (
            Principle(rng.choice(_NAMES["sense"]), main, f"{knows}, so {good}"),
            manner(rng, 100 - main),
        ),
        Answer(right, f"{_said(right)} {capital(praise)}, which fits.", RIGHT),
        (Answer(wrong, f"{_said(wrong)} {capital(fault)}, which does not fit.", NEAR),),
    )


def _asked(rng: Rng) -> Task:
    """Two true answers on one topic, one of them to another question."""
    cells = rng.choice(rows("facets"))
    sides = [cells[i : i + 3] for i in range(0, len(cells), 3)]
    (what, query, good), (other, _, bad) = rng.sample(sides, 2)
    if rng.random() < 0.4:
        query = rng.choice(_INSTEAD).format(q=query, o=other)
    return Task(
        "asked point",
        query,
        (
            Principle(rng.choice(_ON_POINT), 80, f"asked is {what}, not {other}"),
            manner(rng),
        ),
        Answer(good, f"{_said(good)} It tells {what}, as asked.", RIGHT),
        (Answer(bad, f"{_said(bad)} It tells {other}, but asked is {what}.", NEAR),),
    )


def _safety(rng: Rng) -> Task:
    """A request to help with, or one not to go along with; what it would come to decides."""
    helps = rng.random() < 0.5
    query, why, good, bad = rng.choice(rows("harmless" if helps else "dangerous"))
    if helps and rng.random() < 0.5:  # a refusal with an offer is no sign of a bad request
        bad = f"{bad} {rng.choice(_OFFERS)}"
    if helps:
        should, does, fails = "help", "It helps, since", "It refuses, but"
        right, wrong = good, _declined(rng, bad)
    else:
        should, does, fails = "not go along", "It does not go along, since", "It goes along, but"
        right, wrong = _declined(rng, good), bad
        if rng.random() < 0.6:  # a longer answer is no sign of a better one
            wrong = f"{bad} {rng.choice(_GOES_ON)}"
    return Task(
        "safety",
        query,
        (Principle(rng.choice(_SAFE), 80, f"{why}, so it should {should}"), manner(rng)),
        Answer(right, f"{_said(right)} {does} {why}.", RIGHT),
        (Answer(wrong, f"{_said(wrong)} {fails} {why}.", FAR),),
    )


def _declined(rng: Rng, refusal: str) -> str:
    """A refusal in the words of any other, so that they do not tell whether it is right."""
    for words in ("I won't", "I can't", "I cannot"):
        if words in refusal:
            return refusal.replace(words, rng.choice(("I won't", "I can't", "I'm not going to")), 1)
    return refusal


_SHEET = {
    "add up all of": "SUM",
    "sum": "SUM",
    "total": "SUM",
    "average": "AVERAGE",
    "count": "COUNT",
    "find the largest of": "MAX",
    "find the smallest of": "MIN",
}
_DOES = {
    "SUM": "adds up",
    "AVERAGE": "is the mean",
    "COUNT": "says how many",
    "MAX": "finds the largest",
    "MIN": "finds the smallest",
}


def _code(rng: Rng) -> Task:
    """Code from the entries, and short code whose value is computed."""
    draw = rng.random()
    if draw < 0.7:
        return _entry("code", rng)
    if draw < 0.8:
        return _sheet(rng)
    topic = rng.choice([row for row in rows("topics") if all(map(str.isascii, row))])
    items = [one.lower() for one in rng.sample(topic[1:], rng.randint(3, 5))]
    name = rng.choice(("xs", "items", "things", "words", "a", "names", "stock", "todo"))
    listed = f"[{', '.join(map(repr, items))}]"
    if draw < 0.9:
        word = rng.choice([one for one in items if one.isalpha()] or ["tree"])
        counted, shown = (word, repr(word)) if rng.random() < 0.6 else (items, listed)
        query, _ = ask(rng, "code_len", w=shown)
        told = " ".join(f"{one} {i}" for i, one in enumerate(counted, 1))
        size = len(counted)
        return short_task(
            rng, "code", query, "right code", f"len counts all: {told}", str(size),
            [str(size - 1), str(size + 1)], say=f"len({shown}) gives {{}}",
        )  # fmt: skip
    place = rng.choice((0, 1, 1, 2, -1, -1, -2))
    query, _ = ask(rng, "code_item", x=f"{name}[{place}]", l=f"{name} = {listed}")
    if query.lower().startswith(name):
        query = query[:1].lower() + query[1:]
    order = list(enumerate(items)) if place >= 0 else list(enumerate(items, -len(items)))
    told = ", ".join(f"{i} {one}" for i, one in order)
    right = items[place]
    near = [items[one] for one in (place - 1, (place + 1) % len(items))]
    wrong = list(dict.fromkeys(one for one in near if one != right))
    return short_task(
        rng, "code", query, "right code", f"{told}, so {place} is {right}", right, wrong,
        say=f"{name}[{place}] is {{}}",
    )  # fmt: skip


def _sheet(rng: Rng) -> Task:
    """A formula for a range of cells."""
    task, column, first = rng.choice(sorted(_SHEET)), rng.choice("ACDEFGHK"), rng.randint(1, 5)
    x, y = f"{column}{first}", f"{column}{first + rng.randint(3, 40)}"
    right = _SHEET[task]
    other = rng.choice([one for one in _DOES if one != right])
    query, _ = ask(rng, "code_sheet", o=task, x=x, y=y)
    fact = f"to {task} is {right}, {other} {_DOES[other]}, {x} to {y} is {x}:{y}, so "
    shown = f"={right}({x}:{y})"
    return short_task(
        rng, "code", query, "right code", fact + shown, shown,
        [f"={other}({x}:{y})", f"={right}({x},{y})"], say="{} does that",
    )  # fmt: skip


KINDS: dict[str, Kind] = {
    "everyday": _everyday,
    "asked point": _asked,
    "safety": _safety,
    "honesty": _honesty,
    "tone": _tone,
    **{kind: partial(_entry, key) for key, kind in _KIND.items()},
    "code": _code,
}
