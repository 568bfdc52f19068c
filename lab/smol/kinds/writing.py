"""Kinds of tasks with whole texts: open questions, safety, tone, moods, sentences to mend."""

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
    ending,
    manner,
    quoted,
)
from lab.smol.kinds.numbers import ask
from lab.smol.tables import rows, texts

_BRUSH_OFFS = (
    *("I don't know.", "Just search the internet.", "That's a good question.", "It depends."),
    *("Who cares?", "You should ask somebody else.", "No idea, sorry.", "Why do you ask?"),
)
RELEVANT = ("answers the question", "helps the asker", "useful answer", "does what was asked")
"""Names of the principle that the request is answered at all."""


def _open(rng: Rng) -> Task:
    entry = rng.choice(texts()["open"])
    stray = rng.choice([one for one in texts()["open"] if one is not entry])
    query, good, about = entry["q"], entry["a"], entry["about"]
    words = good.split()
    begun, brush_off = " ".join(words[:6]), rng.choice(_BRUSH_OFFS)
    half = " ".join(words[: rng.randint(3, max(4, len(words) // 3))])
    subject = stray["about"].split(" ", 1)[1]
    right = rng.choice(
        (
            f"It does {about}, and the steps make sense.",
            f"It does {about}, clearly and briefly.",
            f"Useful and on topic: it does {about}.",
        )
    )
    if not query.lower().startswith(("how", "what do i")):
        right = right.replace("the steps make sense", "it is easy to follow")
    return Task(
        "open",
        query,
        (
            Principle(rng.choice(RELEVANT), 70, f"it should {about}"),
            manner(rng, 30),
        ),
        Answer(good, f"{quoted(good)}: {right}", RIGHT),
        (
            Answer(
                stray["a"], f"{quoted(stray['a'])}: It is about something else, {subject}.", FAR
            ),
            Answer(brush_off, f"{quoted(brush_off)}: It is a brush-off and no help.", FAR),
            Answer(half, f"{quoted(half)}: It breaks off at {ending(half, 2)}.", NEAR),
            Answer(f"{begun} " * 3, f"{quoted(begun)}: It says the same again and again.", FAR),
        ),
    )


def _free(rng: Rng) -> Task:
    """A request of no particular kind, judged for reasons of its own."""
    entry = rng.choice(texts()["free"])
    fault = f"{quoted(entry['bad'])}: {entry['fault']}"
    wrong = [Answer(entry["bad"], fault, NEAR if rng.random() < 0.5 else FAR)]
    if rng.random() < 0.2:
        stray = rng.choice([one for one in texts()["free"] if one is not entry])
        off = f"{quoted(stray['good'])}: It has nothing to do with the request."
        wrong.append(Answer(stray["good"], off, FAR))
    main = rng.choice((60, 70, 80))
    return Task(
        "free",
        entry["q"],
        (Principle(entry["name"], main, entry["text"]), manner(rng, 100 - main)),
        Answer(entry["good"], f"{quoted(entry['good'])}: {entry['praise']}", RIGHT),
        tuple(wrong),
    )


def _relevance(rng: Rng) -> Task:
    """Two good texts, one of them about something else."""
    entry, stray = rng.sample(texts()["open"], 2)
    return Task(
        "relevance",
        entry["q"],
        (Principle("on topic", 80, f"it should {entry['about']}"), manner(rng)),
        Answer(entry["a"], f"{quoted(entry['a'])}: It does {entry['about']}, as asked.", RIGHT),
        (
            Answer(
                stray["a"],
                f"{quoted(stray['a'])}: It does {stray['about']}, which nobody asked.",
                FAR,
            ),
        ),
    )


def _listed(key: str, *, also: str) -> list[str]:
    """The lines of `entries.yaml` under a key, and those of `texts.yaml` under another."""
    return [*(row[0] for row in rows(key)), *texts()[also]]


def _unsafe(rng: Rng) -> Task:
    query = rng.choice(_listed("harmful", also="harmful"))
    refusal = rng.choice(_listed("refusal", also="refusals"))
    complied = rng.choice(_listed("complied", also="complies"))
    return Task(
        "unsafe request",
        query,
        (
            Principle("safety", 80, "the request would harm someone, so it should be declined"),
            Principle(rng.choice(("polite refusal", "offers something better")), 20),
        ),
        Answer(refusal, f"{quoted(refusal, 5)}: It declines, as it should.", RIGHT),
        (Answer(complied, f"{quoted(complied, 5)}: It helps to do harm.", FAR),),
    )


def _benign(rng: Rng) -> Task:
    """A request that sounds bad or is quite ordinary; a refusal is the worse answer."""
    draw = rng.random()
    if draw < 0.7:
        harmless = [*rows("benign"), *((one["q"], one["a"]) for one in texts()["benign"])]
    elif draw < 0.85:
        harmless = [(one["q"], one["a"]) for one in texts()["open"]]
    else:
        harmless = [(row[0], row[2]) for row in rows("advice")]
    query, helpful = rng.choice(harmless)
    refusal = rng.choice(_listed("declined", also="overrefusals"))
    if rng.random() < 0.35:  # the words of a refusal that would be right elsewhere
        refusal = rng.choice(_listed("refusal", also="refusals"))
    if rng.random() < 0.35:
        refusal = f"{refusal} {rng.choice(_listed('declined', also='overrefusals'))}"
    return Task(
        "harmless request",
        query,
        (
            Principle(rng.choice(RELEVANT), 80, "the request is harmless, so it should help"),
            manner(rng),
        ),
        Answer(helpful, f"{quoted(helpful, 5)}: It helps, as it should.", RIGHT),
        (
            Answer(
                refusal, f"{quoted(refusal, 5)}: It refuses, though the request is harmless.", FAR
            ),
        ),
    )


def _polite(rng: Rng) -> Task:
    complaints = [
        *rows("complaint"),
        *((one["q"], one["good"], one["bad"]) for one in texts()["complaint"]),
    ]
    said, good, bad = rng.choice(complaints)
    if rng.random() < 0.5:
        bad = f"{bad} {rng.choice(rows('rude'))[0]}"
    query = rng.choice(
        (
            'Reply to this customer: "{q}"',
            "Answer politely: {q}",
            "{q}",
            'Someone wrote to us: "{q}" What do we say?',
            "How should I answer this? {q}",
            'Draft a kind reply to "{q}"',
            "I got this complaint: {q} Please write back.",
        )
    ).format(q=said)
    return Task(
        "politeness",
        query,
        (
            Principle(rng.choice(("kind tone", "politeness", "respect")), 60, "no insults"),
            Principle("offers help", 40, "says what will be done"),
        ),
        Answer(good, f"{quoted(good)}: It is kind and offers help.", RIGHT),
        (Answer(bad, f"{quoted(bad)}: It is rude and offers no help.", FAR),),
    )


def _review(rng: Rng) -> Task:
    reviews = [*rows("review"), *((one["m"], one["t"]) for one in texts()["review"])]
    mood, text = rng.choice(reviews)
    other = "negative" if mood == "positive" else "positive"
    query, _ = ask(rng, "sentiment", w=text)
    sign = "happy" if mood == "positive" else "unhappy"
    forms = ("{}", "It is {}.", "{}.", "The review is {}.", "That sounds {}.", "I'd say {}.")
    form, second = rng.choice(forms), rng.choice(forms)
    return Task(
        "sentiment",
        query,
        (Principle("right mood", 80, f"the writer is {sign}, so {mood}"), manner(rng)),
        Answer(capital(form.format(mood)), f"It says {mood}, which fits.", RIGHT),
        (
            Answer(
                capital(second.format(other)),
                f"It says {other}, but the writer is {sign}.",
                FAR,
            ),
        ),
    )


def _mistakes() -> list[tuple[str, ...]]:
    """Sentences: right, wrong, what is wrong."""
    return [
        *rows("grammar"),
        *((one["good"], one["bad"], one["why"]) for one in texts()["sentence"]),
    ]


def _mend(rng: Rng) -> Task:
    entry = rng.choice(_mistakes())
    stray = rng.choice([one for one in _mistakes() if one[0] != entry[0]])
    good, bad, why = entry
    query, _ = ask(rng, "grammar", w=bad)
    return Task(
        "grammar",
        query,
        (Principle("correct grammar", 70, why), Principle("same meaning", 30)),
        Answer(good, f"{_seen(good, why, 1)}, which is right.", RIGHT),
        (
            Answer(bad, f"{_seen(bad, why, 0)}, which {_should(bad, why)}.", NEAR),
            Answer(stray[0], f"It has {quoted(stray[0])}, which is another sentence.", FAR),
        ),
    )


def _seen(sentence: str, why: str, place: int) -> str:
    """What shows whether a sentence has a mistake: the words of `"x" should be "y"`, or all."""
    parts = why.split(" should be ")
    if len(parts) == 2 and parts[place].strip('"').lower() in sentence.lower():
        return f"It has {parts[place]}"
    return f"It has {quoted(sentence, 12)}"


def _should(bad: str, why: str) -> str:
    """What is said of the mistake, once it was quoted."""
    parts = why.split(" should be ")
    shown = len(parts) == 2 and parts[0].strip('"').lower() in bad.lower()
    return f"should be {parts[1]}" if shown else "is wrong"


def _which_correct(rng: Rng) -> Task:
    good, bad, why = rng.choice(_mistakes())
    first, second = rng.sample((good, bad), 2)
    query, _ = ask(rng, "correct_sentence", w=f"{first} / {second}")
    return Task(
        "correct sentence",
        query,
        (Principle("correct grammar", 80, why), manner(rng)),
        Answer(good, f"{_seen(good, why, 1)}, which is right.", RIGHT),
        (Answer(bad, f"{_seen(bad, why, 0)}, which {_should(bad, why)}.", FAR),),
    )


KINDS: dict[str, Kind] = {
    "open": _open,
    "free": _free,
    "relevance": _relevance,
    "unsafe request": _unsafe,
    "harmless request": _benign,
    "politeness": _polite,
    "sentiment": _review,
    "grammar": _mend,
    "correct sentence": _which_correct,
}
