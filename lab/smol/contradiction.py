"""A kind of task about texts that say one thing and its opposite."""

from __future__ import annotations

from typing import Any

from lab.smol.item import (
    NEAR,
    PARTLY,
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
    short_task,
)
from lab.smol.tables import Group, facts, rows, texts
from lab.smol.writing import RELEVANT

_ENDINGS = (
    " Feel free to ask if anything is unclear, I am glad to go on.",
    " That is the main thing to know, and it is easier than it sounds.",
    " Hope that helps!",
    " I hope this is of some use to you and wish you a nice day.",
)
_TWO = (
    *("Write two sentences for my story.", "Give me two lines for an exercise in reading."),
    *("Make up something short about anything you like.", "Two sentences, please, on any topic."),
    *("tell me something in two sentences", "I need an example text, two sentences long."),
    *("Start a little story for me.", "Write a short note that I can use as a sample."),
    *("Can you come up with a two-line text?", "Say something that makes sense."),
    *("Write the beginning of a diary entry.", "Describe a day at our house in two sentences."),
    *("two short sentences for a children's book please", "Give me a line or two of dialogue."),
)
_GO_ON = (
    *('Continue this: "{c}"', "{c} <- add one sentence that fits", "Go on from here: {c}"),
    *('My story begins with "{c}" What comes next?', "{c} Write the next sentence."),
    *("Add a sentence to this note: {c}", 'What could follow after "{c}"?', "{c} Then?"),
    *("Finish my text. It starts: {c}", "I wrote: {c} Help me to go on with one more sentence."),
)
_BOTH = (
    *('Can both be true? "{c}" "{o}"', "{c} {o} Do these two sentences agree?"),
    *("Does this fit together? {c} {o}", 'Is there room for both: "{c}" and "{o}"?'),
    *("Somebody told me: {c} {o} Is that possible?", "Can it be that {c} {o} Yes or no?"),
    *("yes or no, do they go together: {c} {o}", "Read this: {c} {o} Can both statements hold?"),
)
_SURE = (
    *("That is well known.", "You can look that up anywhere.", "I am quite sure of it."),
    *("Many people learn that at school.", "Good question, by the way.", "I like that fact."),
    *("Let me know if there is more.", "It comes up in quizzes now and then."),
)
_BUT = ("", "", "Then again, ", "And ", "But ", "At the same time, ", "No, wait: ", "Also, ")


def _fits(first: str, second: str) -> str:
    return f"{quoted(first, 12)} and {quoted(second, 12)} can both be true."


def _clashes(first: str, second: str) -> str:
    return f"{quoted(first, 12)} and {quoted(second, 12)} cannot both be true."


def _against_itself(rng: Rng) -> Task:
    """Two sentences that go together, or not."""
    claim, same, against = rng.choice(rows("contradiction"))
    return Task(
        "contradiction",
        rng.choice(_TWO),
        (Principle("no contradiction", 80, "both sentences can be true"), manner(rng)),
        Answer(f"{claim} {same}", _fits(claim, same), RIGHT),
        (Answer(f"{claim} {against}", _clashes(claim, against), NEAR),),
    )


def _goes_on(rng: Rng) -> Task:
    """A sentence that goes on from one in the request, or denies it."""
    claim, same, against = rng.choice(rows("contradiction"))
    return Task(
        "contradiction",
        rng.choice(_GO_ON).format(c=claim),
        (Principle("no contradiction", 80, f"must fit {quoted(claim, 12)}"), manner(rng)),
        Answer(same, _fits(claim, same), RIGHT),
        (Answer(against, _clashes(claim, against), NEAR),),
    )


def _both_true(rng: Rng) -> Task:
    """A yes-or-no question about two sentences."""
    claim, same, against = rng.choice(rows("contradiction"))
    agrees = rng.random() < 0.5
    other = same if agrees else against
    right, wrong = ("yes", "no") if agrees else ("no", "yes")
    verb = "can" if agrees else "cannot"
    first, second = rng.sample((claim, other), 2)
    return short_task(
        rng, "contradiction", rng.choice(_BOTH).format(c=first, o=second), "right conclusion",
        f"{quoted(first, 12)} and {quoted(second, 12)} {verb} both be true, so {right}", right,
        [wrong], noun=False,
    )  # fmt: skip


def _two_answers(rng: Rng) -> Task:
    """A fact, and in the bad response another one that cannot hold beside it."""
    group = rng.choice(_SINGLE)
    subject, right = rng.choice(group.pairs)
    wrong = rng.choice(sorted({answer for _, answer in group.pairs} - {right}))
    said, denied = (capital(group.fact.format(s=subject, a=one)) + "." for one in (right, wrong))
    sure = rng.choice(_SURE)
    but = rng.choice(_BUT)
    again = but + (denied if not but else group.fact.format(s=subject, a=wrong) + ".")
    return Task(
        "contradiction",
        capital(rng.choice(group.ask).format(s=subject)),
        (
            Principle("no contradiction", 60, "it should say one thing only"),
            Principle("true answer", 40, group.fact.format(s=subject, a=right)),
        ),
        Answer(f"{said} {sure}", _fits(said, sure), RIGHT),
        (Answer(f"{said} {again}", _clashes(said, again), NEAR),),
    )


_SINGLE: tuple[Group, ...] = tuple(
    facts()[name]
    for name in (
        *("capital", "continent", "author", "planet", "number of", "inventor", "landmark"),
        *("animal class", "city country", "century", "composer", "month length"),
    )
)
"""Facts with one answer only, which are said in a sentence that denies all others."""


def _takes_back(rng: Rng) -> Task:
    """A good answer that ends by calling itself wrong."""
    entry: dict[str, Any] = rng.choice(texts()["open"])
    good = entry["a"]
    denial = rng.choice(
        (
            *("Not true.", "But all of that is wrong.", "Never do any of this."),
            *("On the other hand, none of this is true.", "But everything I just said is false."),
            *("Actually, do the exact opposite of all that.", "Forget that, it is nonsense."),
        )
    )
    close = rng.choice(("", *_ENDINGS))
    return Task(
        "contradiction",
        entry["q"],
        (
            Principle("no contradiction", 50, "it should not take back what it says"),
            Principle(rng.choice(RELEVANT), 50, f"it should {entry['about']}"),
        ),
        Answer(
            f"{good}{close}",
            f"{quoted(good, 5)} and {ending(good + close)} can both be true.",
            RIGHT,
        ),
        (
            Answer(
                f"{good} {denial}",
                f"{quoted(good, 5)} and {ending(denial)} cannot both be true.",
                PARTLY / 2,
            ),
        ),
    )


def _contradiction(rng: Rng) -> Task:
    (make,) = rng.choices(
        (_against_itself, _goes_on, _both_true, _two_answers, _takes_back), (25, 20, 20, 20, 15)
    )
    return make(rng)


KINDS: dict[str, Kind] = {"contradiction": _contradiction}
