"""Questions about small texts with days, hours and ranks: which is first, which holds."""

from __future__ import annotations

from lab.smol.amounts import DAYS, MONTHS, NAMES, in_words
from lab.smol.item import Rng, Task, capital, short_task
from lab.smol.kinds.notices import asked_about, joined
from lab.smol.tables import rows

_HOURS = tuple(in_words(i) for i in range(13))


_COMERS = (
    *(
        "the painters",
        "the masons",
        "the snow",
        "the sofa",
        "the plumber",
        "the letter",
        "the vet",
    ),
    *("the delivery", "the inspector", "the new boiler", "my aunt", "the engineer", "the floods"),
    *("the carpet", "the electrician", "the tiles", "the crane", "the guests", "the frost"),
    *("the piano", "the hikers", "the stage crew", "the bill", "the refund", "the swallows"),
)
_WITHIN = {"on ": "This week: ", "in ": "Last year: ", "at ": ""}
_CAME = ("{x} came {t}", "{x} arrived {t}", "{x} got here {t}", "{t} came {x}", "{x}: {t}")
_ASK_FIRST = {
    True: (
        *("What came first?", "which was the first to come", "Who or what was here first?"),
        *("What arrived before all the others?", "the earliest of them was", "Which is earliest?"),
        *("which one goes first on my time line", "What was there at the very beginning?"),
    ),
    False: (
        *("What came last?", "which was the last to come", "Who or what was here last?"),
        *("What arrived after all the others?", "the latest of them was", "Which is the latest?"),
        *("which one goes last on my time line", "What came at the very end?"),
    ),
}


def ordered(rng: Rng) -> Task:
    """Which of several comes first or last, by day, month or hour."""
    count = rng.choice((2, 3, 3, 4))
    chain, before = rng.choice(((DAYS, "on "), (MONTHS, "in "), (_HOURS[6:12], "at ")))
    times = [chain[i] for i in sorted(rng.sample(range(len(chain)), count))]
    things = dict(zip(rng.sample(_COMERS, count), times, strict=True))
    mixed = rng.sample(sorted(things), count)
    form, same = rng.choice(_CAME), rng.random() < 0.7
    clauses = [
        (form if same else rng.choice(_CAME)).format(x=x, t=before + things[x]) for x in mixed
    ]
    early = rng.random() < 0.5
    word = "first" if early else "last"
    time = times[0 if early else -1]
    right = next(x for x in mixed if things[x] == time)
    detail = rng.random() < 0.3

    def name(x: str) -> str:
        return f"{x}, {before}{things[x]}" if detail else x

    listed = ", ".join(f"{x} {things[x]}" for x in mixed)
    text = _WITHIN[before] + joined(rng, clauses)
    return short_task(
        rng, "timetable", asked_about(rng, text, rng.choice(_ASK_FIRST[early])),
        "true to the text", f"{word} is asked: {listed}: {time} is {word}, so {name(right)}",
        name(right), [name(x) for x in mixed if x != right][:2],
        say=f"{{}} came {word}" if not detail else (), noun=not detail,
    )  # fmt: skip


_RACES = (
    *(
        "the three-legged race",
        "the 100 metres",
        "the spelling contest",
        "the cake contest",
        "the slalom",
    ),
    *("the chess cup", "the egg race", "the rowing", "the dance contest", "the quiz", "the relay"),
    *("the pie contest", "the maths contest", "the hill climb", "the talent show", "the regatta"),
)
_RANKS = (
    ("won {r}", "was the winner", "took gold", "came first", "beat all the others"),
    ("came second", "was runner-up", "took silver", "finished second"),
    ("came third", "took bronze", "finished third", "was number three"),
    ("came last", "was the last to finish", "ended up last", "was the slowest of all"),
)
_RANK_ASKED = (
    ("Who got first?", "who is the winner", "Who came first?", "Who gets the gold cup?"),
    ("Who came second?", "who is runner-up", "To whom do I give silver?"),
    ("Who came third?", "who gets bronze", "Who is number three?"),
    ("Who came last?", "who was slowest", "Who ended up at the bottom?"),
)
_RANK_NAMES = ("first", "second", "third", "last")


def ranked(rng: Rng) -> Task:
    """Who won, who came second and who last."""
    places = rng.sample(range(4), rng.choice((2, 3, 3)))
    names, race = rng.sample(NAMES, len(places)), rng.choice(_RACES)
    done = [rng.choice(_RANKS[place]).format(r=race) for place in places]
    clauses = [f"{name} {one}" for name, one in zip(names, done, strict=True)]
    i = rng.randrange(len(places))
    start = rng.choice((f"News from {race}: ", f"About {race}: ", f"It was {race}. ", ""))
    start = start or ("" if any(race in one for one in done) else f"{capital(race)}: ")
    asked = _RANK_NAMES[places[i]]
    said = done[i] if asked in done[i] else f"{done[i]}, that is {asked}"
    return short_task(
        rng, "timetable",
        asked_about(rng, start + joined(rng, clauses).strip(), rng.choice(_RANK_ASKED[places[i]])),
        "true to the text", f"{asked} is asked: {names[i]} {said}, so {names[i]}", names[i],
        [name for name in names if name != names[i]][:2],
        say=("that was {}", "{} did", f"{{}} came {asked}"),
    )  # fmt: skip


_HOUSES = (
    *("the library", "the pool", "the museum", "our shop", "the clinic", "the canteen", "the café"),
    *("the archive", "the help desk", "the zoo", "the gym", "the workshop", "the sauna", "the lab"),
    *(
        "the tip",
        "the town hall",
        "the box office",
        "the youth club",
        "the farm shop",
        "the pharmacy",
    ),
)
_EXCEPTIONS = (
    *("on Fridays", "during Lent", "in winter", "in the holidays", "on Sundays", "in July"),
    *("on match days", "during the fair", "in August", "on market days", "before Christmas"),
    *("on bank holidays", "when it snows", "on pay day", "during the strike", "in Ramadan"),
)


def exception(rng: Rng) -> Task:
    """As a rule this hour; in a special case another one, or one that has to be reckoned."""
    house, case = rng.choice(_HOUSES), rng.choice(_EXCEPTIONS)
    verb = rng.choice(("opens", "closes", "shuts", "starts work"))
    start, shift = rng.randint(4, 10), rng.choice((1, 1, 2))
    later = rng.random() < 0.5
    other = start + shift if later else start - shift
    hour, special = _HOURS[start], _HOURS[other]
    word = "later" if later else "earlier"
    span = "an hour" if shift == 1 else "two hours"
    reckoned = rng.random() < 0.6
    said = f"{span} {word}" if reckoned else f"at {special}"
    text = rng.choice(
        (
            f"{house} {verb} at {hour}, but {case} {said}.",
            f"{house} {verb} at {hour}; {case} it {verb} {said}.",
            f"as a rule {house} {verb} at {hour}. {capital(case)} it {verb} {said}.",
            f"{case} {house} {verb} {said}, otherwise at {hour}."
            if not reckoned
            else f"{house} {verb} at {hour} on normal days and {said} {case}.",
            f"{house}: {verb} at {hour}, {case} {said}.",
        )
    )
    usual = rng.random() < 0.3
    plain = "open" if verb == "opens" else "start work" if "work" in verb else "close"
    question = rng.choice(
        (
            *(f"When does {house} {plain} {{c}}?", f"what time does it {plain} {{c}}"),
            *(f"And {{c}}, when does it {plain}?", f"{{c}} it will {plain} at what time?"),
            *(f"I'm going there {{c}}. When does it {plain}?", f"it {plain}s when {{c}}"),
        )
    ).format(c=rng.choice(("on a normal day", "normally", "as a rule")) if usual else case)
    sign = f"{start} {'+' if later else '-'} {shift} = {other}"
    if usual:
        fact, right = f"normally is asked: it {verb} at {hour}", hour
    else:
        fact, right = f"{case} is asked: {said}", special
        fact += f": {hour}, {span} {word}: {sign}, so {special}" if reckoned else ""
    wrong = {hour, special, _HOURS[2 * start - other]} - {right}
    if usual:
        wrong = {special}
    at = rng.choice(("at {}", "at {} o'clock", "it {v} at {}")).replace("{v}", verb)
    return short_task(
        rng, "timetable", asked_about(rng, capital(text), question), "true to the text", fact,
        right, sorted(wrong), say=at,
    )  # fmt: skip


def ranges(rng: Rng) -> Task:
    """From here to there: who has a day, a letter or an hour in between."""
    days = rng.random() < 0.6
    chain = list(DAYS) if days else [chr(65 + i) for i in range(26)]
    count = rng.choice((2, 3))
    longest = 3 if days else 6
    names, spans, start = rng.sample(NAMES, count), [], 0
    for _ in range(count):
        end = min(start + rng.randint(1, longest) - (count == 3 and days), len(chain) - 1)
        spans.append(chain[start : end + 1])
        start = end + 1
    spans = [one for one in spans if one]
    told_spans = [
        one[0] if len(one) == 1 else f"{one[0]} {rng.choice(('to', 'until'))} {one[-1]}"
        for one in spans
    ]
    form = rng.choice(
        ("{n} cooks {s}", "{n} is on duty {s}", "{n} drives {s}", "{n} has {s}", "{n} works {s}")
        if days
        else ("{n} has the letters {s}", "{n} looks after names from {s}", "{n} does {s}")
    )
    clauses = [form.format(n=n, s=s) for n, s in zip(names, told_spans, strict=False)]
    i = rng.choice([i for i, one in enumerate(spans) if len(one) > 1] or [0])
    asked = rng.choice(spans[i][1:] or spans[i])
    question = rng.choice(
        (
            *("Who is there on {a}?", "who do I call on {a}", "Whose day is {a}?"),
            *("On {a}, who is in?", "It's {a} today. Whom will I meet?"),
        )
        if days
        else (
            *("My name begins with {a}. Whom do I see?", "Who has the letter {a}?"),
            *("who takes care of the {a} people", "The form of Mr {a}. goes to whom?"),
        )
    ).format(a=asked)
    return short_task(
        rng, "timetable", asked_about(rng, joined(rng, clauses), question), "true to the text",
        f"{asked} is asked: {told_spans[i]} is {', '.join(spans[i])}, so {names[i]}", names[i],
        [name for name in names[: len(spans)] if name != names[i]],
        say=("that is {}", "it is {}", "ask for {}"),
    )  # fmt: skip


def gates(rng: Rng) -> Task:
    """Two things begin one after the other; whether one may at a given hour."""
    early, ask_early, late, ask_late = rng.choice(rows("gates"))
    a, c, b = sorted(rng.sample(range(5, 13), 3))
    second = rng.random() < 0.5
    if not second and rng.random() < 0.35:
        a, c = c, a
    elif second and rng.random() < 0.35:
        b, c = c, b
    gate, clause = (b, late) if second else (a, early)
    may = c > gate
    at = "from" if " is " in late or " are " in late else "at"
    parts = [f"{early} from {_HOURS[a]}", f"{late} {at} {_HOURS[b]}"]
    if rng.random() < 0.3:
        parts.reverse()
    text = f"{capital(parts[0])}{rng.choice((', ', '; ', ', and ', ', while '))}{parts[1]}."
    question = rng.choice(
        (
            "I arrive at {c}. {q}",
            "I'm there at {c}. {q}",
            "it is {c} now. {q}",
            "{q} I mean at {c}.",
        )
    ).format(c=_HOURS[c], q=ask_late if second else ask_early)
    yes, no = rng.choice(
        (
            *(("yes", "no"), (f"yes, from {_HOURS[gate]} on", f"no, not before {_HOURS[gate]}")),
            *(("yes, you can", "no, you can't"), ("yes, that's fine", "no, it is too early")),
        )
    )
    order = "after" if may else "before"
    right, wrong = (yes, no) if may else (no, yes)
    other = a if second else b
    if " on" in yes and (other < c) != may:  # the hour of the other thing misleads
        wrong = wrong.replace(_HOURS[gate], _HOURS[other])
    return short_task(
        rng, "timetable", asked_about(rng, text, question), "true to the text",
        f"the text says: {clause} {at if second else 'from'} {_HOURS[gate]}; "
        f"{_HOURS[c]} is {order} {_HOURS[gate]}, so {right}", right, [wrong], noun=False,
    )  # fmt: skip


_KINDS = (ordered, ranked, exception, ranges, gates)


def timetable(rng: Rng) -> Task:
    """A question about days, hours or ranks."""
    return rng.choice(_KINDS)(rng)
