"""Kinds of tasks about what was planned, then changed, and is read back."""

from __future__ import annotations

from lab.smol.amounts import in_words
from lab.smol.item import NEAR, RIGHT, Answer, Principle, Rng, Task, capital, manner
from lab.smol.kinds.notices import worded
from lab.smol.tables import rows

_ASKED = (
    *("Read it back to me.", "Read that back?", "So what is it now?", "What's the final version?"),
    *("Say it once more, please.", "what do you have now", "Repeat what we agreed on."),
    *("Can you confirm?", "Confirm, please.", "And now all of it in one line.", "So it is ...?"),
    *("What do I write down?", "What should the note say?", "ok what's the plan", "Got it?"),
    *("Just to be sure: what did I ask for?", "What will you put down?", "Sum it up for me."),
    *("How does it stand now?", "What counts in the end?", "Write the corrected note."),
    *("What do I tell the others?", "Please update it.", "what's the latest", "Your version now?"),
    *("Then what have we got?", "Give me the new one in full.", "Spell out the result."),
    *("Let me hear it.", "What is left of it?", "And what is on the list now?", "Finally that is?"),
)
_TURNS = (
    *("", "", "", "Sorry. ", "Wait. ", "Oh no. ", "Hang on. ", "Update: ", "Small change. "),
    *("Hm, no. ", "One thing: ", "Stop. ", "Correction: ", "A minute later: ", "Then she rang. "),
    *("Actually ... ", "I was wrong. ", "Oops. ", "New message: ", "Hold on. ", "P.S. "),
)
_STAYS = (
    *("{b} stays.", "Still {b}.", "{b} as before.", "Keep {b}.", "The rest stays.", "{b} is fine."),
    *("Nothing else changes.", "{b} is right.", "Don't touch {b}.", "All else the same."),
)
_FEWER = (
    *("{D} fewer, sorry.", "Take {d} off that.", "{D} less, please.", "Make it {d} fewer."),
    *("That is {d} too many.", "{D} too many, I see now.", "Minus {d}.", "I counted {d} too many."),
)
_MORE = (
    *("{D} more, please.", "Add {d} to that.", "{D} on top of it.", "Make it {d} more."),
    *("That is {d} too few.", "{D} too few, I see now.", "Plus {d}.", "I counted {d} too few."),
)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else [in_words(i) for i in range(13)].index(text)


def _reckoned(rng: Rng, old: str) -> tuple[str, str, str, str]:
    """A change by so many: the new number, what is said, how it comes about, the wrong way."""
    value = _number(old)
    step = rng.choice((1, 2, 3)) if value > 4 else 1
    more = (rng.random() < 0.5 and value + step <= 12) or value < 3
    changed = value + step if more else value - step
    new = str(changed) if old.isdecimal() else in_words(changed)
    word = in_words(step)
    said = rng.choice(_MORE if more else _FEWER).format(d=word, D=capital(word))
    sign = "+" if more else "-"
    other = max(2 * value - changed, 1)
    slip = str(other) if old.isdecimal() else in_words(other)
    return new, said, f"{value} {sign} {step} = {changed}, so {new} now, not {old}", slip


def read_back(rng: Rng) -> Task:
    """A request of two parts; one of them changes, or both; the whole is read back."""
    request, *cells, change_a, change_b, forms = rng.choice(rows("plans"))
    counted = [cell.startswith("N ") for cell in cells]
    pools = [cell.removeprefix("N ").split("; ") for cell in cells]
    old = [rng.choice(pool) for pool in pools]
    spare = [rng.choice([v for v in pool if v not in old]) for pool in pools]
    changed = {rng.randrange(2)} if rng.random() < 0.8 else {0, 1}
    new, said, facts, slips = list(old), [], [], []
    for i in sorted(changed):
        ways = (change_a, change_b)[i].split(" / ")
        if counted[i] and len(changed) == 1 and rng.random() < 0.4 and not _twice(counted):
            new[i], words, fact, slip = _reckoned(rng, old[i])
            slips.append([slip if j == i else old[j] for j in range(2)])
        else:
            new[i] = spare[i]
            words = rng.choice(ways).format(x=old[i], y=new[i])
            fact = f"{new[i]} now, not {old[i]}"
        said.append(capital(words))
        facts.append(fact)
    (kept,) = [old[i] for i in range(2) if i not in changed] or [""]
    if kept:
        facts.append(f"{kept} stays")
        if rng.random() < 0.25:
            said.append(capital(rng.choice(_STAYS).format(b=kept)))
    turn = rng.choice(_TURNS)
    query = f"{capital(request.format(a=old[0], b=old[1]))} {turn}{' '.join(said)}"
    form = rng.choice(forms.split(" / "))
    wrongs = [[old[j] if j == i else new[j] for j in range(2)] for i in sorted(changed)]
    wrongs += slips
    if kept and rng.random() < 0.4:
        wrongs.append([new[j] if j in changed else spare[j] for j in range(2)])
    return _task(rng, f"{query} {rng.choice(_ASKED)}", form, "; ".join(facts), new, wrongs)


def _twice(counted: list[bool]) -> bool:
    """Whether "two more" could mean both."""
    return all(counted)


def _task(  # noqa: PLR0917 - called once, in this order
    rng: Rng, query: str, form: str, fact: str, new: list[str], wrongs: list[list[str]]
) -> Task:
    if rng.random() < 0.3:
        new, wrongs = list(map(worded, new)), [list(map(worded, one)) for one in wrongs]
    right = form.format(a=new[0], b=new[1])
    dress = rng.choice(
        ("{}.", "{}", "{}.", "So it is {}.", "Noted: {}.", "{}, got it.", "{}, okay?")
    )

    def shown(values: list[str]) -> str:
        return capital(dress.format(form.format(a=values[0], b=values[1])))

    def fault(values: list[str]) -> str:
        bad, good = next((v, n) for v, n in zip(values, new, strict=True) if v != n)
        return f"It says {values[0]} and {values[1]}: {bad}, but {good} is right."

    return Task(
        "changed plan",
        query,
        (Principle("right change", 80, f"{fact}: {right}"), manner(rng)),
        Answer(shown(new), f"It says {new[0]} and {new[1]}: as changed.", RIGHT),
        tuple(Answer(shown(one), fault(one), NEAR) for one in wrongs),
    )
