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
from lab.smol.kinds.writing import RELEVANT
from lab.smol.tables import Group, facts, rows, texts

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
_AGREE = (
    *('Do these two notices agree? "{a}" "{b}"', 'One sign says "{a}" and one says "{b}" Fits?'),
    *("Do these match? A: {a} B: {b}", "A: {a}\nB: {b}\nIs A in line with B?"),
    *('On the door: "{a}" On the website: "{b}" Is that consistent?', "1) {a} 2) {b} Consistent?"),
    *('Our flyer reads "{a}", the poster "{b}". Do they say things that fit together?',),
    *("My colleague wrote: {a} I wrote: {b} Can both stay as they are?",),
    *('two notes from two neighbours: "{a}" and "{b}" - do they go together',),
    *("Witness one: {a} Witness two: {b} Do their statements agree?",),
    *("The mail says: {a} The letter says: {b} Is there no conflict between them?",),
    *('Proofreading our brochure. Page 2: "{a}" Page 7: "{b}" Are these in line?',),
    *("Statement 1: {a} Statement 2: {b} Are they compatible?", "Compatible or not? {a} / {b}"),
    *("I heard this from Ida: {a} And this from Noor: {b} Might they both be right?",),
    *("Can one and the same place say both of these? {a} {b}", "does '{a}' agree with '{b}'?"),
    *("Kiosk sign: {a} Sticker below it: {b} Do the two fit?", "'{a}' '{b}' - in agreement?"),
    *("Shift handover, note from the morning: {a} Note from the evening: {b} Do these agree?",),
    *("The old sheet reads {a} The new one reads {b} Do they go on agreeing?",),
    *("Our teacher gave us two sentences. {a} {b} Are they consistent with each other?",),
    *("Before I print it: {a} and further down {b} Does that go together?",),
    *('In the guide I read "{a}", on the spot I read "{b}". Do the two agree?',),
    *("could somebody mean both of these at once? first: {a} second: {b}",),
    *("Left poster: {a} Right poster: {b} They agree, don't they?",),
)  # fmt: skip
_CLASH = (
    *('Do these notices contradict each other? "{a}" "{b}"', "A: {a} B: {b} Contradiction?"),
    *('One sign says "{a}" and another one "{b}" Is that a contradiction?',),
    *("A: {a}\nB: {b}\nAre A and B in conflict?", "Any conflict here? {a} / {b}"),
    *("My colleague wrote: {a} I wrote: {b} Does one of us have to be wrong?",),
    *("Witness one: {a} Witness two: {b} Do they contradict each other?",),
    *('Page 2: "{a}" Page 7: "{b}" Must I correct one of them because they clash?',),
    *("Statement 1: {a} Statement 2: {b} Are they in conflict?", "do '{a}' and '{b}' clash?"),
    *('On the door: "{a}" On the website: "{b}" Do these exclude each other?',),
    *("The mail says: {a} The letter says: {b} Does the letter say the opposite?",),
    *("I heard this from Ida: {a} And this from Noor: {b} Is one of the two surely wrong?",),
    *("Kiosk sign: {a} Sticker below it: {b} Is there a contradiction between the two?",),
    *("Two notes lay on my desk. {a} {b} Do they bite each other?",),
    *("Note from the morning: {a} Note from the evening: {b} Do they contradict each other?",),
    *("is there a contradiction: {a} {b}", "{a} But also: {b} That's contradictory, isn't it?"),
    *('In the guide I read "{a}", on the spot I read "{b}". Is one against the other?',),
    *("Our teacher gave us two sentences. {a} {b} Do they contradict one another?",),
    *("Left poster: {a} Right poster: {b} Would you call that a contradiction?",),
    *("My uncle first said: {a} Later he said: {b} Did he contradict himself?",),
    *("The ad says {a} The seller says {b} Do the two statements disagree?",),
    *("First line: {a} Last line: {b} Are those opposed to each other?",),
    *("Grandma's version: {a} Grandpa's version: {b} Can't both of them be right?",),
)
_WHICH_CLASHES = (
    *("Which {n} contradicts itself?", "A {n} here is against itself. Which one?"),
    *("Which {n} doesn't make sense in itself?", "find the {n} that contradicts itself"),
    *("Two {n}s. Which of them can't be true as it stands?", "Which {n} is contradictory?"),
    *("I have to mark these {n}s. Which one denies what it has just said?",),
    *("Pick the {n} with the contradiction.", "Which of the two {n}s is at odds with itself?"),
    *("Spot the {n} that doesn't add up.", "One {n} here says a thing and its opposite. Which?"),
    *("My pupils have to find the {n} that can't be right. What is the solution?",),
    *("which one of the {n}s is impossible", "Only one {n} is nonsense. Which one is it?"),
    *("Where is the contradiction, in the first or the second {n}?",),
    *("Editing job: which {n} must go back because it contradicts itself?",),
    *("Name the {n} whose sentences exclude each other.", "Which {n} cannot be true?"),
    *("Which {n} would you send back, as its parts don't fit together?",),
    *("A quiz from the waiting room: which {n} says two things that can't both be so?",),
    *("Which {n} is illogical?", "My aunt sent two {n}s. Which one is not possible?"),
    *("Check these two {n}s for me. Which one has an inner contradiction?",),
)
_WHICH_FITS = (
    *("Which {n} does not contradict itself?", "Which {n} is free of contradictions?"),
    *("The one {n} makes sense, the other denies itself. Name the good one.",),
    *("Which of both {n}s can be true?", "pick the {n} that hangs together"),
    *("Which {n} is consistent?", "Name the {n} whose sentences fit together."),
    *("I can use one of these {n}s only, the one without a contradiction. Which?",),
    *("Which {n} is possible?", "Only one {n} adds up. Which one is it?"),
    *("Choose the {n} that makes sense in itself.", "which {n} is logical"),
)
_TEXTS = (
    *("text", "note", "postcard", "message", "review", "letter", "diary page", "report"),
    *("text", "statement", "notice", "answer", "version", "post", "line"),
)
_LOW = ("The ", "It ", "There ", "We ", "Our ", "He ", "She ", "They ", "Nobody ", "All ", "My ")


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
    end = quoted(close, 8) if close else ending(good)
    return Task(
        "contradiction",
        entry["q"],
        (
            Principle("no contradiction", 50, "it should not take back what it says"),
            Principle(rng.choice(RELEVANT), 50, f"it should {entry['about']}"),
        ),
        Answer(
            f"{good}{close}",
            f"{quoted(good, 5)} and {end} can both be true.",
            RIGHT,
        ),
        (
            Answer(
                f"{good} {denial}",
                f"{quoted(good, 5)} and {quoted(denial, 12)} cannot both be true.",
                PARTLY / 2,
            ),
        ),
    )


def _everyday(rng: Rng) -> Task:
    """An everyday answer whose end denies its beginning, beside one that hangs together."""
    query, claim, fits, clash = rng.choice(rows("everyday"))
    first, must = claim, f"the rest must fit {quoted(claim, 10)}"
    if clash.startswith("// "):
        first, clash = clash.removeprefix("// ").split(" // ")
        must = "the end must fit the beginning"
    stop = all(one.startswith(("so ", "and ", "but ", "it ", "they ")) for one in (fits, clash))
    between = ". " if stop and rng.random() < 0.5 else ", "
    good, bad = (_joined(a, b, between) for a, b in ((claim, fits), (first, clash)))
    closings = (*_ENDINGS, *(f" {one}" for one in _SURE))
    if rng.random() < 0.32:  # the good end is the shorter one more often
        good += rng.choice(closings)
    if rng.random() < 0.15:
        bad += rng.choice(closings)
    return Task(
        "contradiction",
        query,
        (Principle("no contradiction", 80, must), manner(rng)),
        Answer(good, _fits(claim, _bare(fits)), RIGHT),
        (Answer(bad, _clashes(first, _bare(clash)), NEAR),),
    )


def _bare(text: str) -> str:
    return text.removeprefix("and ").removeprefix("so ").removeprefix("but ")


def _joined(first: str, second: str, between: str) -> str:
    if second.startswith("that "):
        return f"{first} {second}"
    return f"{first}{between}{capital(second) if between == '. ' else second}"


def _notices(rng: Rng) -> Task:
    """Whether two notices agree or clash, with the reason in the answers."""
    if rng.random() < 0.6:
        first, same, against, said, denied = rng.choice(rows("notices"))
        fit: tuple[str, ...] = (
            f"both mean {said}",
            f"both say {said}",
            f"both of them tell you: {said}",
        )
        clash: tuple[str, ...] = (
            f"one says {said} and the other says {denied}",
            f"the one means {said}, the other one {denied}",
        )
    else:
        first, same, against = rng.choice(rows("contradiction"))
        fit = ("both can be true", "they go together", "one does not rule out the other")
        clash = ("they can't both be true", "they exclude each other", "one denies the other")
    agrees, asked = rng.random() < 0.5, rng.random() < 0.5
    texts = rng.sample((first, same if agrees else against), 2)
    if not agrees and rng.random() < 0.5:
        texts = [first, against]
    right, wrong = ("yes", "no") if agrees == asked else ("no", "yes")
    bare = rng.random() < 0.35

    def told(rng: Rng, word: str) -> str:
        why = fit if (word == "yes") == asked else clash
        return word if bare else f"{word}, {rng.choice(why)}"

    sure = "can both be true: they agree" if agrees else "cannot both be true: they clash"
    word = "whether they agree" if asked else "whether they clash"
    query = rng.choice(_AGREE if asked else _CLASH).format(a=texts[0], b=texts[1])
    return short_task(
        rng, "contradiction", query.replace('.".', '."').replace('.",', '",'), "right conclusion",
        f"asked is {word}; {quoted(texts[0], 9)} and {quoted(texts[1], 9)} {sure}, so {right}",
        right, [wrong], noun=False, write=told,
    )  # fmt: skip


def _which(rng: Rng) -> Task:
    """Which of two texts contradicts itself, or which one does not."""
    claim, same, against = rng.choice(rows("contradiction"))
    other, fits, _ = (
        (claim, same, against) if rng.random() < 0.35 else rng.choice(rows("contradiction"))
    )
    noun = rng.choice(_TEXTS)
    names = rng.choice((("A", "B"), ("A", "B"), ("1", "2"), ("X", "Y")))
    bad, good = rng.sample(names, 2)
    parts = {bad: (claim, against), good: (other, fits)}
    mark = rng.choice(("'", '"', ""))
    colon = rng.choice((":", ")")) if not mark else ":"
    shown = [f"{name}{colon} {mark}{_told(rng, *parts[name])}{mark}" for name in names]
    asked = rng.random() < 0.7
    lead = rng.choice(_WHICH_CLASHES if asked else _WHICH_FITS).format(n=noun)
    gap = rng.choice((" ", "\n"))
    query = gap.join((lead, *shown) if rng.random() < 0.75 else (*shown, lead))
    label = rng.choice(("{}", f"{noun} {{}}", f"{noun} {{}}", "the one marked {}"))
    right, wrong = (bad, good) if asked else (good, bad)
    judged = "; ".join(
        f"{name}: {quoted(parts[name][0], 8)} and {quoted(parts[name][1], 8)} "
        f"{'cannot' if name == bad else 'can'} both be true"
        for name in names
    )
    word = "which one contradicts itself" if asked else "which one makes sense"
    return short_task(
        rng, "contradiction", query, "right conclusion", f"asked is {word}; {judged}",
        label.format(right), [label.format(wrong)],
        say=("{} contradicts itself", "{} can't be true") if asked
        else ("{} makes sense", "{} hangs together"),
    )  # fmt: skip


def _told(rng: Rng, first: str, second: str) -> str:
    """Two sentences, now and then as one."""
    if first.endswith(".") and second.startswith(_LOW) and rng.random() < 0.35:
        return f"{first[:-1]}, and {second[:1].lower()}{second[1:]}"
    return f"{first} {second}"


def _contradiction(rng: Rng) -> Task:
    (make,) = rng.choices(
        (
            *(_against_itself, _goes_on, _both_true, _two_answers, _takes_back),
            *(_everyday, _notices, _which),
        ),
        (10, 8, 8, 10, 7, 27, 17, 13),
    )
    return make(rng)


KINDS: dict[str, Kind] = {"contradiction": _contradiction}
