"""Which of two things was before the other, with yes or no, before or after, and in time or not."""

from __future__ import annotations

import re

from lab.smol.amounts import DAYS, MONTHS
from lab.smol.item import Rng, Task, capital, short_task
from lab.smol.kinds.clock import shown
from lab.smol.tables import rows

_FIRST = (
    *("Which came first, {x} or {y}?", "What came first: {x} or {y}?", "Earlier: {x} or {y}?"),
    *("{x} or {y}, what was first?", "Which of these is earlier, {x} or {y}?"),
    *("Tell me what comes before the other, {x} or {y}.", "first of the two: {x}, {y}"),
    *("put in order of time, what is first: {x}, {y}", "Between {x} and {y}, what is earlier?"),
    *("Of {x} and {y}, which one comes earlier?", "We are betting: {x} or {y}, what was first?"),
    *("What do I put first on my timeline, {x} or {y}?", "what is older in time: {x}, {y}"),
)  # fmt: skip
_LAST = (
    *("Which came later, {x} or {y}?", "{x} or {y}: what is later?", "the later one: {x} / {y}"),
    *("Of {x} and {y}, what comes last?", "Which one is more recent, {x} or {y}?"),
    *("Does {x} or {y} come later?", "On a timeline, which is further on, {x} or {y}?"),
    *("Which of the two is the more recent one: {x} or {y}?", "What followed later, {x} or {y}?"),
)
_BEFORE = (
    *("Does {x} come before {y}?", "Is {x} before {y}?", "was {x} earlier than {y}"),
    *("Is it true that {x} comes before {y}?", "{x} is earlier than {y}, right?"),
    *("yes or no: {x} comes before {y}", "{x} before {y}, yes or no?", "true? {x} before {y}"),
    *("My teacher says {x} comes before {y}. Is she right?", "So {x} was first and {y} later?"),
    *("Do I put {x} before {y} on the timeline?", "Was {x} there earlier than {y}?"),
    *("I think {x} comes ahead of {y}. Am I right?", "is {x} older than {y} in time"),
    *("In order of time, does {x} stand before {y}?", "Does {x} lie further back than {y}?"),
    *("{x} first, then {y}: is that the right order?", "Could you confirm that {x} precedes {y}?"),
    *("Yes/no, please: is {x} the earlier one, compared with {y}?",),
    *("Dad swears {x} comes before {y}. Does he have it right?", "Did {x} come before {y}?"),
    *("{x} precedes {y}. Correct?", "Was {x} the first of the two, before {y}?"),
    *("quiz night, yes or no: {x} earlier than {y}", "hubby says {x} was before {y}, true"),
    *(
        "We argue at the table: was {x} before {y}?",
        "{x} ahead of {y} in time? A yes or no will do.",
    ),
)
_AFTER = (
    *("Does {x} come after {y}?", "Is {x} after {y}?", "was {x} later than {y}"),
    *("Is it true that {x} comes after {y}?", "{x} is later than {y}, right?"),
    *("yes or no: {x} comes after {y}", "{x} after {y}, yes or no?", "true? {x} after {y}"),
    *("My teacher says {x} comes after {y}. Is she right?", "{x} behind {y} in time, yes?"),
    *("We argue at the table: was {x} after {y}?", "Was {x} the second of the two, after {y}?"),
    *("Do I put {x} after {y} on the timeline?", "Is {x} more recent than {y}?"),
    *("I think {x} comes behind {y} in time. Am I right?", "Does {x} follow {y} in time?"),
    *("{x} second, {y} first: is that the right order?", "Did {x} come after {y}?"),
    *("Yes/no, please: is {x} the later one, compared with {y}?", "{x} follows {y}. Correct?"),
    *("Dad swears {x} comes after {y}. Is he right?", "Would you say {x} is after {y}?"),
    *("quiz night, yes or no: {x} later than {y}", "Did {x} only come once {y} was past?"),
)
_EITHER = (
    *("Is {x} before or after {y}?", "Does {x} come before or after {y}?", "{x} before/after {y}?"),
    *("was {x} before or after {y}", "{x} - was that before {y} or after it?"),
    *("One word, before or after: {x} comes ... {y}.", "Do I put {x} before or after {y}?"),
    *("Did {x} come before {y} or after?", "Before {y} or after it, where does {x} belong?"),
    *("My pupils ask if {x} was before or after {y}.", "Fill in before or after: {x} ___ {y}"),
    *("Seen from {y}, is {x} before or after?", "In time, is {x} before {y} or after?"),
)  # fmt: skip
_MADE_BEFORE = (  # an invention and an invention
    *("Was {x} invented before {y}?", "Did {x} exist before {y} did?", "Is {x} older than {y}?"),
    *("did people have {x} before they had {y}", "Was {x} around before {y}?"),
    *("Is {x} an older invention than {y}?", "{x} was invented earlier than {y}, true?"),
    *(
        "Was there {x} before there was {y}? My wife says so.",
        "Do we have {x} for longer than {y}?",
    ),
    *("True or not, yes or no: {x} was invented before {y}.", "was {x} first and {y} second"),
    *(
        "A bet in the pub: was {x} invented earlier than {y}?",
        "Had {x} been there before {y} came?",
    ),
    *("yes/no: {x} came on the market earlier than {y}", "{x} predates {y}, doesn't it?"),
    *("For a quiz I claim that {x} was invented before {y}. Does that hold?",),
    *("Did somebody invent {x} before somebody invented {y}?", "{x} before {y}? Yes or no."),
)
_MADE_AFTER = (
    *("Was {x} invented after {y}?", "Is {x} younger than {y}?", "Is {x} a newer thing than {y}?"),
    *("did people have {x} only after they had {y}", "Was {x} invented later than {y}?"),
    *(
        "Do we have {x} for a shorter time than {y}?",
        "{x} is a later invention than {y}, isn't it?",
    ),
    *(
        "Did it take until after {y} for {x} to be invented?",
        "yes/no: {x} came on the market later than {y}",
    ),
    *("For a quiz I claim that {x} was invented after {y}. Does that hold?",),
    *("{x} was invented after {y}, true?", "yes or no, {x} came later than {y}"),
    *("A bet in the pub: was {x} invented later than {y}?", "was {y} first and {x} second"),
    *("Did the world see {x} only after {y}?", "{x} after {y}? Yes or no."),
    *("My son says {x} was invented after {y}. Is it so?", "Is {x} more recent than {y}?"),
)
_ALREADY = (  # an invention, and a clause
    *("When {c}, had {x} been invented already?", "Was {x} already around when {c}?"),
    *("Did {x} already exist when {c}?", "when {c} was there {x} yet"),
    *("In the year when {c}, did people know {x}?", "Had {x} been invented by the time {c}?"),
    *("{C}. Did the world have {x} by then?", "Could anybody have had {x} when {c}?"),
    *("In my novel somebody uses {x} on the day when {c}. Is that possible?",),
    *("In a film I saw {x} in the very scene when {c}. Could that be right?",),
    *("Was it possible to see {x} when {c}?", "did they have {x} in the days when {c}"),
    *("My daughter asks if there was {x} when {c}. Was there?", "{x} when {c}: possible?"),
    *("Was {x} older than the day when {c}?", "By the time {c}, was {x} known?"),
    *("I draw {x} in a picture of the year when {c}. Does that fit history?",),
)
_NOT_YET = (
    *("Was {x} invented only after {c}?", "When {c}, was {x} still to be invented?"),
    *("Did {x} only come after {c}?", "is it right that {x} did not exist yet when {c}"),
    *("{C}. Was {x} still unknown then?", "Did people still have to do without {x} when {c}?"),
    *("Was {x} not there yet when {c}?", "I say nobody had {x} when {c}. Right?"),
    *("Did {x} come too late for the day when {c}?", "{x} after the day when {c}, yes or no?"),
    *("{C}. Did {x} come later than that?", "was {x} only invented once {c}"),
    *("Would {x} be an error in a film about the time when {c}?", "{x} came after {c}, right?"),
)
_DID_BEFORE = (  # a clause after "did", and a clause
    *("Did {d} before {c}?", "Did {d} earlier than {e}?", "yes or no, did {d} before {c}"),
    *("Did {d} before {e}, yes or no?", "did {d} even before {c}? I have to know for a quiz"),
    *("I wonder, did {d} before {c}?", "Quick: did {d} before {c}?"),
    *("Did {d} at a time when {e} was still to come?", "Did {d} first, and was {e} later?"),
    *("Did {d} earlier, before {c}?", "did {d} prior to {e}"),
    *("Homework, question 4: did {d} before {c}?", "Did {d} in the time before {c}?"),
    *("My dad bets a beer on it: did {d} before {c}?", "Did {d} ahead of {e}?"),
)
_DID_AFTER = (
    *("Did {d} after {c}?", "Did {d} later than {e}?", "yes or no, did {d} after {c}"),
    *("Did {d} after {e}, yes or no?", "did {d} only after {c}? I have to know for a quiz"),
    *("Homework, question 4: did {d} after {c}?", "Did {d} in the time after {c}?"),
    *("My dad bets a beer on it: did {d} after {c}?", "Did {d} behind {e} in time?"),
    *("I wonder, did {d} after {c}?", "Quick: did {d} after {c}?", "Did {d} once {c}?"),
    *("Did {d} at a time when {e} was past already?", "Was {e} first, and did {d} later?"),
)


_VERBS = {"is": "are", "was": "were", "does": "do", "comes": "come", "precedes": "precede",
          "follows": "follow"}  # fmt: skip
_HEAD = re.compile(r" (?:of|on|in|at|by|from|to|for|with|everywhere|being)\b")


_SINGLE = ("elevenses", "news", "Athens", "lens", "afterwards")


def _many(thing: str) -> bool:
    """Whether it takes "are": candles, the pyramids, the first steps on the Moon."""
    *before, last = _HEAD.split(thing)[0].split()
    deed = (before or [last])[0].endswith("ing") or last in _SINGLE
    named = thing[0].isupper() and not thing[:2].isupper()
    return not (deed or named) and (last == "teeth" or re.search(r"[^sui']s$", last) is not None)


def _agreed(text: str, *things: str) -> str:
    """The text with its verbs as the things need them."""
    for one in filter(_many, things):
        for verb, verbs in _VERBS.items():
            text = re.sub(
                rf"({re.escape(one)}) {verb}\b", rf"\1 {verbs}", text, flags=re.IGNORECASE
            )
            for a, b in ((verb, verbs), (capital(verb), capital(verbs))):
                text = re.sub(rf"\b{a} (?={re.escape(one)})", f"{b} ", text)
    return text


def _since(gap: int) -> str:
    """A span of years in words."""
    if gap >= 200:
        return "centuries"
    if gap >= 100:
        return "more than a century"
    return "decades" if gap >= 25 else "years"


def _year(year: int) -> str:
    return f"{-year} BC" if year < 0 else str(year)


def is_it(rng: Rng, query: str, x: str, y: str, side: str, *, truth: str) -> Task:
    """A yes-or-no question whether x is before or after y."""
    right, wrong = ("yes", "no") if side == truth else ("no", "yes")
    first, last = (x, y) if truth == "before" else (y, x)
    bare = rng.random() < 0.5

    def told(rng: Rng, word: str) -> str:
        a, b = (first, last) if word == right else (last, first)
        why = rng.choice((f"{a} comes first", f"{b} is later", f"first {a}, then {b}"))
        return word if bare else f"{word}, {_agreed(why, x, y)}"

    return short_task(
        rng, "before or after", _agreed(query, x, y), "right order",
        f"asked is {x} {side} {y}; {_meant(x, first, side)}, so {right}", right, [wrong],
        noun=False, write=told,
    )  # fmt: skip


def _meant(x: str, first: str, side: str) -> str:
    """From earlier or later to before or after, and whether that is what was asked."""
    truth, word = ("before", "earlier") if x == first else ("after", "later")
    no = "" if truth == side else f", not {side}"
    return f"{_agreed(f'{x} is', x)} {word}, {word} is {truth}{no}"


def in_time(rng: Rng) -> Task:
    """Two things that follow each other in time: inventions, wars, meals, what one does."""
    chain = rng.choice(rows("in_time"))
    i, j = sorted(rng.sample(range(len(chain)), 2))
    a, b = chain[i], chain[j]
    x, y = rng.sample((a, b), 2)
    draw, fact = rng.random(), _agreed(f"{a} is earlier, {b} is later", a, b)
    if draw < 0.4:
        early = draw < 0.24
        query = rng.choice(_FIRST if early else _LAST).format(x=x, y=y)
        right, wrong = (a, b) if early else (b, a)
        word = "first" if early else "later"
        return short_task(
            rng, "before or after", capital(query), "right order", f"{word} is asked: {fact}",
            right, [wrong], say=f"{{}} came {word}",
        )  # fmt: skip
    truth = "before" if x == a else "after"
    if draw < 0.52:
        query = capital(rng.choice(_EITHER).format(x=x, y=y))
        other = "after" if truth == "before" else "before"
        return short_task(
            rng, "before or after", _agreed(query, x, y), "right order",
            f"asked is {x}; {_meant(x, a, truth)}", truth, [other],
            say=_agreed(f"{x} comes {{}} {y}", x), noun=False,
        )  # fmt: skip
    side = "before" if draw < 0.76 else "after"
    query = rng.choice(_BEFORE if side == "before" else _AFTER).format(x=x, y=y)
    return is_it(rng, capital(query), x, y, side, truth=truth)


def dated(rng: Rng) -> Task:
    """Two things of history with their years."""
    draw = rng.random()
    while True:
        if draw < 0.35:
            one, other = rng.sample(rows("inventions"), 2)
        elif draw < 0.7:
            one, other = rng.choice(rows("inventions")), rng.choice(rows("happenings"))
        else:
            one, other = rng.sample(rows("happenings"), 2)
        x, y = one[0], other[0]
        years = int(one[-1]), int(other[-1])
        if abs(years[0] - years[1]) >= 12:
            break
    truth = "before" if years[0] < years[1] else "after"
    side = rng.choice(("before", "after"))
    early = side == "before"
    if draw < 0.35:
        query = rng.choice(_MADE_BEFORE if early else _MADE_AFTER).format(x=x, y=y)
    elif draw < 0.7:
        clause = other[1]
        lead = rng.choice(_ALREADY if early else _NOT_YET)
        query = lead.format(x=x, c=clause, C=capital(clause))
    else:
        query = rng.choice(_DID_BEFORE if early else _DID_AFTER).format(d=one[2], c=other[1], e=y)
    either = rng.random() < 0.2
    if either:
        query = rng.choice(_EITHER).format(x=x, y=y)
    return _by_years(rng, capital(query), (x, y), years, truth if either else side, either=either)


def _by_years(
    rng: Rng, query: str, both: tuple[str, str], years: tuple[int, int], side: str, *, either: bool
) -> Task:
    """Years are compared, then the order is, then comes yes or no."""
    x, y = both
    truth = "before" if years[0] < years[1] else "after"
    first, last = (x, y) if truth == "before" else (y, x)
    early, late = sorted(years)
    span = _since(late - early)
    opposite = {"before": "after", "after": "before", "yes": "no", "no": "yes"}
    right = truth if either else "yes" if side == truth else "no"
    bare = rng.random() < 0.45

    def told(rng: Rng, word: str) -> str:
        if bare:
            return word
        a, b = (first, last) if word == right else (last, first)
        reasons = (
            *(f"{a} came first", f"{a} is {span} older", f"{b} came {span} later"),
            *(f"{a} came {span} earlier", f"first {a}, {span} later {b}"),
            f"{a} is from {_year(early)}, {b} from {_year(late)}",
        )
        why = f"by {span}" if either else _agreed(rng.choice(reasons), x, y)
        return f"{word}, {why}"

    asked = f"{x} before or after {y}" if either else f"{x} {side} {y}"
    dates = f"{x} {_year(years[0])}, {y} {_year(years[1])}"
    compared = f"{_year(early)} is before {_year(late)}"
    return short_task(
        rng, "before or after", _agreed(query, x, y), "right order",
        f"asked is {asked}: {dates}; {compared}; {_meant(x, first, side)}, so {right}", right,
        [opposite[right]], noun=False, write=told,
    )  # fmt: skip


_LIMITS = (  # what is due, what somebody did
    *(("the deadline is", "the file came in"), ("the offer ends", "I ordered")),
    *(("the form is due", "he handed it in"), ("rent is due", "I paid")),
    *(("the last day to sign up is", "she signed up"), ("the book is due back", "I returned it")),
    *(("entries close", "ours was sent"), ("the exam paper is due", "Emil gave it in")),
    *(("the voucher runs out", "we used it"), ("the ticket sale stops", "I bought mine")),
    *(("the milk is good until", "I drank it"), ("the bill must be paid by", "they paid")),
)


def _limit(rng: Rng) -> tuple[str, str, str, str, str, str]:
    """What is due, what was done, an earlier and a later time, how they compare, how far apart."""
    limit, did = rng.choice(_LIMITS)
    draw = rng.random()
    if draw < 0.6:
        i, j = sorted(rng.sample(range(1, 29), 2))
        month, form = rng.choice(MONTHS), rng.choice(("{d} {m}", "{m} {d}"))
        a, b = (form.format(d=day, m=month) for day in (i, j))
        return (
            limit,
            f"{did} on",
            a,
            b,
            f"{i} is smaller than {j}, so {a} is before {b}",
            _days(j - i),
        )
    if draw < 0.8:
        i, j = sorted(rng.sample(range(6), 2))
        a, b = DAYS[i], DAYS[j]
        return limit, f"{did} in the same week, on", a, b, f"{a} is before {b}", _days(j - i)
    start, more = rng.randint(8, 20) * 60 + rng.choice((0, 15, 30)), rng.choice((5, 15, 30, 60))
    half = rng.random() < 0.6
    a, b = (shown(one, half=half) for one in (start, start + more))
    return limit, f"{did} at", a, b, f"{a} is before {b}", f"{more} minutes"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


_IN_TIME = (
    *("Was that in time?", "In time, yes or no?", "Did that make it?", "Early enough?"),
    *("Is that still in time?", "That was all right, wasn't it?", "so was it in time"),
)
_TOO_LATE = (
    *("Was that too late?", "Too late, yes or no?", "Was it late?", "Over the limit?"),
    *("Did it miss the limit?", "That's overdue, isn't it?", "so was it too late"),
)


def late(rng: Rng) -> Task:
    """Whether something was in time or too late."""
    limit, did, a, b, compared, gap = _limit(rng)
    good = rng.random() < 0.5
    end, done = (b, a) if good else (a, b)
    told = rng.choice(
        (
            f"{capital(limit)} {end}. {capital(did)} {done}.",
            f"{capital(did)} {done}. {capital(limit)} {end}.",
            f"{limit} {end}, {did} {done}.",
        )
    )
    asked = rng.random() < 0.5
    question = rng.choice(_IN_TIME if asked else _TOO_LATE)
    right = "yes" if asked == good else "no"
    where = "before the limit, which is in time" if good else "after the limit, which is late"
    bare = rng.random() < 0.4

    def write(_: Rng, answer: str) -> str:
        side = "before" if (answer == "yes") == asked else "after"
        return answer if bare else f"{answer}, {gap} {side} the limit"

    return short_task(
        rng, "before or after", f"{told} {question}", "right order",
        f"asked is {'in time' if asked else 'too late'}: limit {end}, done {done}; {compared}; "
        f"done {where}, so {right}",
        right, ["no" if right == "yes" else "yes"], noun=False, write=write,
    )  # fmt: skip
