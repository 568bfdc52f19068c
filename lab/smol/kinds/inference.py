"""Conclusions from rules on all of a group, from signs, and from the order of three."""

from __future__ import annotations

from lab.smol.amounts import NAMES
from lab.smol.item import Rng, Task, capital, short_task
from lab.smol.tables import rows

_SO = (
    *("So?", "Therefore?", "What follows?", "Hence?", "And so?", "What can we conclude?"),
    *("What does that mean for {n}?", "What do we know about {n}?", "Conclusion, please."),
    *("so what", "Draw the conclusion.", "Then ...?", "What must be true then?", "Consequently?"),
    *("Finish the argument.", "What's the logical next line?", "Which conclusion is valid?"),
    *("What do these two sentences tell us together?", "Complete: therefore, ..."),
    *("my logic homework: complete it", "Put the two together. Result?", "What follows for {n}?"),
    *("And what do you make of {n}?", "Fill in what has to follow.", "so then", "Ergo?"),
    *("What may I conclude from that?", "Which sentence comes next?", "Your conclusion?"),
)
_EVERY = (
    *("Every {g} {p}.", "Every {g} {p}.", "Each {g} {p}.", "All {m} {v}.", "All {m} {v}."),
    *("Any {g} {p}, no exceptions.", "All {m} {v}, every one of them.", "every {g} {p}."),
    *("It is a rule here that every {g} {p}.", "Without exception, all {m} {v}."),
    *("I was told that all {m} {v}.", "Take it as sure that all {m} {v}."),
)
_THINGS = ("this one", "the new one", "mine", "the one over there", "the one I mean", "that one")
_ASIDES = (
    *("", "", "", "", " I met a friend yesterday.", " It's a rainy day.", " My sister told me so."),
    *(" We have known each other for 3 years.", " I like riddles.", " That's all I know."),
)
_WHENEVER = (
    *("Whenever {p}, {q}.", "Whenever {p}, {q}, always.", "If {p}, {q}.", "when {p}, {q}."),
    *("Each time {p}, {q}.", "{Q} whenever {p}.", "Every time that {p}, {q}.", "if {p} then {q}."),
    *("I know for sure that if {p}, {q}.", "{Q} if {p}, without exception.", "When {p}, {q}."),
    *("It never fails: if {p}, {q}.", "In case {p}, {q}.", "As soon as {p}, {q}, no exceptions."),
    *("Rule of the house: if {p}, {q}.", "it's always like this: when {p}, {q}."),
)  # fmt: skip
_NOW = (
    *("{Now}.", "Now {now}.", "Right now {now}.", "At the moment {now}.", "Today {now}."),
    *("I see that {now}.", "{Now}, I just checked.", "It is certain that {now}.", "{Now} now."),
)
_CERTAIN = (
    *("Does it follow that {x}?", "So {x}, yes or no?", "Is it certain that {x}?"),
    *("Can I be sure that {x}?", "Must it be that {x}?", "Does this prove that {x}?"),
    *("do we know that {x}", "May I conclude that {x}?", "Is it safe to say that {x}?"),
    *("My brother says this means that {x}. Is he right?", "Then {x} for sure?"),
    *("Do these facts force us to say that {x}?", "Is this valid: therefore {x}?"),
    *("Do I know now that {x}?", "Is it right to say: {x}?", "must it be so that {x}"),
    *("Am I right that {x}?", "A colleague concludes that {x}. Does that follow?"),
    *("Can we take it for granted that {x}?", "Would it be a mistake-free conclusion that {x}?"),
    *("With my eyes shut, can I say for certain that {x}?", "Is there no doubt that {x}?"),
    *("So it has to be the case that {x}?", "Would you bet everything on it that {x}?"),
)
_WHAT = (
    *("What follows?", "So?", "What do we know then?", "And what does that tell me?"),
    *("Conclusion?", "What can I conclude?", "Then what is the case?", "What must be so?"),
    *("What does logic tell us?", "Which statement must be true?", "what follows from this"),
    *("Put the two together.", "What has to be so, going by the rule?", "Your verdict?"),
    *(
        "Finish: so ...",
        "What can we be sure of?",
        "And therefore?",
        "Hence?",
        "How do you read it?",
    ),
    *("so what is going on", "Which conclusion is right?", "Therefore?", "What's up, then?"),
)
_EITHER = (
    *("Which is it: {x}, or {y}?", "So {x} or {y}?", "{X}, or {y}?", "which one: {x} / {y}"),
    *("What is true now, that {x} or that {y}?", "Do we know that {x}, or rather that {y}?"),
    *("Choose: {x} or {y}.", "Is the case now that {x}, or that {y}?"),
)
_ORDERED = (  # what is more, what is less, the most, the least, of what
    ("taller", "shorter", "tallest", "shortest", "people"),
    ("older", "younger", "oldest", "youngest", "people"),
    ("faster", "slower", "fastest", "slowest", "people"),
    ("heavier", "lighter", "heaviest", "lightest", "things"),
    ("longer", "shorter", "longest", "shortest", "things"),
    ("bigger", "smaller", "biggest", "smallest", "things"),
    ("more expensive", "cheaper", "most expensive", "cheapest", "things"),
    ("newer", "older", "newest", "oldest", "things"),
    ("stronger", "weaker", "strongest", "weakest", "people"),
    ("warmer", "colder", "warmest", "coldest", "places"),
    ("wetter", "drier", "wettest", "driest", "places"),
    ("higher", "lower", "highest", "lowest", "places"),
    ("richer", "poorer", "richest", "poorest", "people"),
    ("louder", "quieter", "loudest", "quietest", "people"),
)
_ITEMS = {
    "people": NAMES,
    "things": (
        *("the red box", "the blue box", "the green box", "the lamp", "the table", "the sofa"),
        *("the rope", "the ladder", "the plank", "the violin", "the drum", "the harp"),
        *("the van", "the bus", "the bike", "the desk", "the shelf", "the oak", "the birch"),
    ),
    "places": (
        *("Norby", "Elton", "Graz Hill", "Pine Hill", "Sandow", "Kesley", "the north camp"),
        *("the south camp", "the valley", "the harbour", "the old town", "Mount Orr"),
    ),
}
_TOP = (
    *("Who or what is {w}?", "Which of the three is {w}?", "{W} of all?", "so which is {w}"),
    *("Put a name to {w}.", "Tell me which one is {w}.", "And {w} is ...?", "{w} = ?"),
    *("Of these three, which is {w}?", "Name {w} of the three.", "{W} is which one?"),
    *("my kid's riddle: which is {w}", "And now, which of them is {w}?", "{W}, please."),
    *("Sort them in your head: which is {w}?", "Who or what comes out as {w}?", "I need {w}."),
    *("Can you say which is {w}?", "I'm looking for {w}.", "Which one would you call {w}?"),
)


_OPEN = (
    *("Who or what is {w}, {b} or {c}?", "Which is {w}, {b} or {c}?", "{b} or {c}: which is {w}?"),
    *(
        "And of {b} and {c}, which is {w}?",
        "is {b} or {c} {w}",
        "Between {b} and {c}, say the {w}.",
    ),
)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"


def _denied(does: str, do: str) -> tuple[str, str]:
    """What one of them does, denied, and its bare form."""
    for verb, base in (("is", "be"), ("can", "be able to")):
        if does.startswith(f"{verb} "):
            rest = does.removeprefix(f"{verb} ")
            return f"{'is not' if verb == 'is' else 'cannot'} {rest}", f"{base} {rest}"
    return f"does not {do}", do


def _rule(rng: Rng) -> tuple[str, str, str, str, str]:
    """A rule on all of a group, who or what it is about, its group, what it does, denied."""
    if rng.random() < 0.7:
        group, groups, does, do, kind = rng.choice(rows("members"))
        one = _a(group)
    else:
        groups, one, others, single = rng.choice(rows("classes"))
        group, does, do, kind = one.split(" ", 1)[1], f"is {single}", f"are {others}", "person"
    name = rng.choice(_THINGS) if kind == "thing" else rng.choice(NAMES)
    told = rng.choice(_EVERY).format(g=group, p=does, m=groups, v=do)
    return capital(told) if rng.random() < 0.8 else told, name, one, does, _denied(does, do)[0]


def therefore(rng: Rng) -> Task:
    """A rule on all, and one case: what follows, in a sentence."""
    told, name, one, does, denied = _rule(rng)
    group = one.split(" ", 1)[1]
    aside = rng.choice(_ASIDES)
    if rng.random() < 0.65:
        query = f"{told} {capital(name)} is {one}.{aside} {rng.choice(_SO).format(n=name)}"
        fact = f"every {group} {does}, and {name} is {one}"
        right = f"{name} {does}"
        wrong: tuple[str, ...] = (
            *(f"{name} {denied}", f"no {group} {does}"),
            *(f"everyone who {does} is {one}", "nothing follows"),
        )
        if one.split(" ")[0] == "a" and name in _THINGS:
            wrong = (wrong[0], wrong[1], f"whatever {does} is {one}", wrong[3])
    else:
        query = f"{told} {capital(name)} {denied}.{aside} {rng.choice(_SO).format(n=name)}"
        fact = f"every {group} {does}, {name} {denied}"
        right = f"{name} is not {one}"
        wrong = (f"{name} is {one}", f"{name} may be {one}", f"{name} must be {one}")
    return short_task(
        rng, "logic", query, "right conclusion", fact, right, rng.sample(wrong, 2),
        say=("so {}", "therefore {}", "it follows that {}", "{}, that follows"), noun=False,
    )  # fmt: skip


def member(rng: Rng) -> Task:
    """A yes-or-no question on a rule on all; often it only goes one way."""
    told, name, one, does, denied = _rule(rng)
    group = one.split(" ", 1)[1]
    draw = rng.random()
    if draw < 0.36:  # what all do, this one does
        given, asked, right = f"{name} is {one}", f"{name} {does}", "yes"
        why = f"every {group} {does}, and {name} is {one}, so {name} {does}"
        reasons = (f"{one} always {does}", f"that is the rule for every {group}")
        excuses = (f"not every {group} {does}", f"being {one} does not decide that")
    elif draw < 0.5:
        given, asked, right = f"{name} {denied}", f"{name} is {one}", "no"
        why = f"every {group} {does}, {name} {denied}, so {name} is not {one}"
        reasons = ("the rule would be broken", f"{one} {does}, and {name} {denied}")
        excuses = ("nothing speaks against it", f"{name} may well be {one}")
    elif draw < 0.62:
        given, asked, right = f"{name} {denied}", f"{name} is not {one}", "yes"
        why = f"every {group} {does}, {name} {denied}, so {name} is not {one}"
        reasons = ("the rule would be broken", f"{one} {does}, and {name} {denied}")
        excuses = (f"{name} may still be {one}", "the rule says nothing on that")
    elif draw < 0.86:
        given, asked, right = f"{name} {does}", f"{name} is {one}", "no"
        why = f"every {group} {does}, but others may too; {name} {does} and need not be {one}"
        reasons = ("others may do so too", f"not only {one} {does}")
        excuses = (f"only {one} {does}", f"that makes {name} {one}")
    else:
        given, asked, right = f"{name} is not {one}", f"{name} {denied}", "no"
        why = f"every {group} {does}, but others may too, and so may {name}"
        reasons = ("others may do so too", "the rule says nothing on others")
        excuses = (f"only {one} {does}", "the rule leaves out all others")
    question = rng.choice(_CERTAIN).format(x=asked)
    query = f"{told} {capital(given)}.{rng.choice(_ASIDES)} {question}"
    return _yes_no(rng, query, f"asked is if {asked}: {why}", right, (reasons, excuses))


def _yes_no(
    rng: Rng, query: str, fact: str, right: str, whys: tuple[tuple[str, ...], tuple[str, ...]]
) -> Task:
    """Yes or no, bare or with a reason: one for the right word, one for the wrong one."""
    reasons, excuses = whys
    wrong = "no" if right == "yes" else "yes"
    bare, mark = rng.random() < 0.4, rng.choice((",", ",", ";", ":"))

    def told(rng: Rng, word: str) -> str:
        return word if bare else f"{word}{mark} {rng.choice(reasons if word == right else excuses)}"

    return short_task(
        rng, "logic", query, "right conclusion", f"{fact}, so {right}", right, [wrong],
        noun=False, write=told,
    )  # fmt: skip


def sign(rng: Rng) -> Task:
    """Whenever one thing, then another: what is so, and what need not be."""
    p, q, no_q, no_p = rng.choice(rows("signals"))
    rule = rng.choice(_WHENEVER).format(p=p, q=q, Q=capital(q))
    draw = rng.random()
    if draw < 0.3:
        now, right, wrong = p, q, [no_q, "nothing is sure"]
        why = f"if {p}, {q}; now {p}"
    elif draw < 0.7:
        now, right, wrong = no_q, no_p, [p, f"{p} all the same"]
        why = f"if {p}, {q}; now {no_q}"
    elif draw < 0.85:
        now, right, wrong = q, f"it is not sure whether {p}", [f"it is sure that {p}"]
        why = f"if {p}, {q}; that {q} may have other reasons"
    else:
        now, right, wrong = no_p, f"it is not sure whether {q}", [f"it is sure that {no_q}"]
        why = f"the rule is only about when {p}; now {no_p}"
    given = rng.choice(_NOW).format(now=now, Now=capital(now))
    start = f"{capital(rule)} {given}{rng.choice(_ASIDES)}"
    if rng.random() < 0.55:
        asking = rng.choice(_WHAT)
        if rng.random() < 0.35 and draw < 0.7:
            x, y = rng.sample((right, wrong[0]), 2)
            asking = rng.choice(_EITHER).format(x=x, y=y, X=capital(x))
        return short_task(
            rng, "logic", f"{start} {asking}", "right conclusion", why, right, wrong,
            say=("so {}", "therefore {}", "we know then: {}", "{}, that follows"), noun=False,
        )  # fmt: skip
    because: tuple[str, ...] = (f"if {p}, {q}", "the rule says so", f"{q} whenever {p}")
    open_ = ("there may be another reason", "the rule does not go that way", "it can be otherwise")
    if now == no_q:
        because = (f"if {p}, {q}, and {no_q}", "the rule would be broken otherwise")
        open_ = ("there may be another reason", f"{p} for once without it", "one can't tell")
    if draw < 0.7:
        asked, answer = (right, "yes") if draw < 0.5 else (q if now == p else p, "yes")
        if draw >= 0.5:
            answer = "no"
        return _yes_no(
            rng, f"{start} {rng.choice(_CERTAIN).format(x=asked)}",
            f"asked is if {asked}: {why}, so {right}", answer, (because, open_),
        )  # fmt: skip
    asked = p if now == q else no_q
    return _yes_no(
        rng, f"{start} {rng.choice(_CERTAIN).format(x=asked)}",
        f"asked is if {asked}: {why}, so it is not sure", "no", (open_, because),
    )  # fmt: skip


def three(rng: Rng) -> Task:
    """Three people or things in order: the most, the least, two of them, or not known."""
    more, less, most, least, sort = rng.choice(_ORDERED)
    a, b, c = rng.sample(_ITEMS[sort], 3)
    above, below = (f"{a} is {more} than {b}", f"{b} is {more} than {c}")
    if rng.random() < 0.4:
        above = f"{b} is {less} than {a}"
    if rng.random() < 0.4:
        below = f"{c} is {less} than {b}"
    facts = rng.sample((above, below), 2)
    told = rng.choice((f"{facts[0]}. {capital(facts[1])}.", f"{facts[0]}, {facts[1]}."))
    if rng.random() < 0.2:
        told = f"{b} is {less} than {a} but {more} than {c}."
    told = f"{rng.choice(('', '', 'riddle: ', 'We compared them: '))}{told}"
    told = capital(told) + rng.choice(_ASIDES)
    order = f"from {most} to {least}: {a}, {b}, {c}"
    draw = rng.random()
    if draw < 0.55:
        word, right = (f"the {most}", a) if draw < 0.28 else (f"the {least}", c)
        query = f"{told} {rng.choice(_TOP).format(w=word, W=capital(word))}"
        wrong = [one for one in (a, b, c) if one != right]
        return short_task(
            rng, "logic", query, "right conclusion", f"{word} is asked; {order}", right, wrong,
            say=("{} is", f"{{}} is {word}", f"{word} is {{}}"),
        )  # fmt: skip
    if draw < 0.85:
        return _two_of(rng, told, (a, b, c), (more, less), order)
    told = f"{a} is {more} than {b}, and {a} is {more} than {c}."
    query = f"{capital(told)} {rng.choice(_OPEN).format(b=b, c=c, w=more)}"
    return short_task(
        rng, "logic", query, "right conclusion",
        f"both are only compared with {a}, not {b} with {c}", "not known", [b, c],
        say="that is {}",
    )  # fmt: skip


def _two_of(
    rng: Rng, told: str, names: tuple[str, str, str], words: tuple[str, str], order: str
) -> Task:
    """Whether one of three is more than another."""
    more, less = words
    x, y = rng.sample(names, 2)
    true = names.index(x) < names.index(y)
    word = more
    if rng.random() < 0.4:
        word, true = less, not true
    asked = rng.choice(
        (
            "Is {x} {w} than {y}?",
            "So {x} is {w} than {y}, right?",
            "yes or no, {x} {w} than {y}?",
        )
    ).format(x=x, y=y, w=word)
    right = "yes" if true else "no"
    first, second = sorted((x, y), key=names.index)
    compared = f"{first} is {more} than {second}"
    fits, against = f"{x} is {word} than {y}", f"{y} is {word} than {x}"
    return _yes_no(
        rng, f"{told} {capital(asked)}", f"asked is if {x} is {word}; {order}: {compared}",
        right, ((fits if true else against,), (against if true else fits,)),
    )  # fmt: skip
