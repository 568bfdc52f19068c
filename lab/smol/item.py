"""What a kind of task makes: a question, what decides it, and answers that are examined."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

Rng = random.Random

RIGHT, PARTLY, NEAR, FAR = 1.0, 0.5, 0.2, 0.0
"""Grades: right, partly right, wrong but close, wrong."""


@dataclass(frozen=True)
class Principle:
    """A criterion as the teacher writes it."""

    name: str
    weight: int
    """Percent."""
    text: str = ""
    """What it means for this request, with the truth that decides where there is one."""


@dataclass(frozen=True)
class Answer:
    """A response, and what the teacher says about it in one sentence."""

    text: str
    finding: str
    grade: float
    padded: bool = False
    """Whether it is wordier than it should be; costs a point, decides nothing."""


@dataclass(frozen=True)
class Task:
    """A request with answers of certain quality."""

    kind: str
    query: str
    principles: tuple[Principle, ...]
    right: Answer
    wrong: tuple[Answer, ...]
    """At least one, each of a lower grade than `right`."""
    reference: str | None = None


Kind = Callable[[Rng], Task]
"""Draws a task of one kind."""

_PLAIN = (
    *("{a}", "{a}.", "It's {a}.", "The answer is {a}.", "That's {a}.", "It is {a}."),
    *("I'd say {a}.", "{a}, I believe.", "Answer: {a}", "That would be {a}.", "Sure, it's {a}."),
    *("I think it's {a}.", "{a}!", "You're looking for {a}.", "it's {a}", "The answer: {a}."),
    *("**{a}**", "Should be {a}.", "Definitely {a}.", "Hi! It's {a}.", "Easy, that's {a}."),
    *("{a}. I checked it twice.", "{a}, pretty sure about that one.", "Without a doubt: {a}."),
    *("It's {a}. Let me know if you need anything else.", "{a}, hope that helps!"),
    *("If I'm not mistaken, it's {a}.", "Everyone knows it's {a}.", "My answer is {a}."),
)
_CLAUSE = (
    *(
        "{a}",
        "{a}.",
        "{a}!",
        "I'd say {a}.",
        "{a}, I think.",
        "Answer: {a}",
        "{a}, hope this helps.",
    ),
    *("Definitely {a}.", "I would answer: {a}.", "{a}, I checked.", "My answer: {a}."),
)
_PADDED = (
    "Great question! Many people wonder about that. After thinking it over: {a}.",
    "Thanks for asking! I am happy to help you today. Here is what you want: {a}. Have fun!",
    "There is a lot one could say here, and it is an interesting topic, but in short: {a}.",
    "Well, let me think about this for a moment. Hmm. Right, so I would have to say {a}.",
)
_IS_RIGHT = (
    "It says {a}, which is right.",
    "It says {a}, which is right.",
    "It says {a}: correct.",
)
_IS_WRONG = ("It says {w}, but {a} is right.", "It says {w}, not {a}.")
"""All say first what the response says: what comes next is then a comparison of two near words."""
_NONE = (
    *("I don't know.", "Sorry, I can't say.", "Good question!", "It depends.", "No idea, sorry."),
    *("I'm not able to help with that.", "Please look it up online.", "Hard to say, honestly."),
    *("I cannot answer that.", "Ask someone else, please.", "That is an interesting question."),
)
MANNERS = (
    *("clear wording", "to the point", "direct answer", "plain language", "brief and clear"),
    *("easy to follow", "no padding", "helpful tone"),
)
"""Names of a second principle that decides nothing by itself."""


_ONCE = re.compile(r"\b(?:1|one) times\b")
_AMOUNT = re.compile(r"[$£€]|(?:\.00)?(?: dollars?| euros?| pounds?|$)")


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def quoted(text: str, words: int = 7) -> str:
    """How a response begins, in quotation marks.

    A small model judges better what it has just copied, and the reader sees what is meant.
    """
    first = text.strip().partition("\n")[0].replace('"', "'").split()
    shown = " ".join(first[:words])
    more = " ..." if len(first) > words else ""
    return f'"{shown.rstrip(",;:") if more else shown.rstrip(".")}{more}"'


def ending(text: str, words: int = 4) -> str:
    """How a response ends, in quotation marks."""
    return f'"{" ".join(text.replace(chr(34), chr(39)).split()[-words:])}"'


def numbered(items: Sequence[str], between: str = ", ") -> str:
    """Things counted one by one: "1 tea, 2 coffee"."""
    return between.join(f"{i} {item}" for i, item in enumerate(items, 1))


def concluded(fact: str, right: str) -> str:
    """The truth with the answer at its end, in the words of the responses."""
    if fact.endswith(right.removeprefix("because ")):
        return fact
    head, _, last = fact.rpartition(", so ")
    if head and last.isdecimal() and last == _AMOUNT.sub("", right):
        return f"{head}, so {right}"  # "so 8" becomes "so $8"
    return f"{fact}, so {right}"


def manner(rng: Rng, weight: int = 20) -> Principle:
    """A second principle."""
    return Principle(rng.choice(MANNERS), weight)


def spoken(rng: Rng, text: str, sentence: str | None, *, noun: bool) -> tuple[str, bool]:
    """A short answer as somebody would write it, and whether that is padded.

    Args:
        rng: draws the wording.
        text: the bare answer.
        sentence: the answer as a sentence of its own, used now and then.
        noun: whether it can stand after "it's".
    """
    draw = rng.random()
    if draw < 0.08:
        return rng.choice(_PADDED).format(a=text), True
    if sentence is not None and draw < 0.35:
        return f"{capital(sentence)}.", False
    return capital(rng.choice(_PLAIN if noun else _CLAUSE).format(a=text)), False


def short_task(  # noqa: PLR0917 - every kind calls it, in this order
    rng: Rng,
    kind: str,
    query: str,
    name: str,
    fact: str,
    right: str,
    wrong: Sequence[str],
    *,
    say: str | Sequence[str] = (),
    far: Sequence[str] = (),
    noun: bool = True,
    because: Mapping[str, str] = MappingProxyType({}),
    write: Callable[[Rng, str], str] | None = None,
) -> Task:
    """A question with one short right answer.

    Args:
        rng: draws wordings.
        kind: of the task.
        query: the question.
        name: of the deciding principle.
        fact: the truth as a clause, without a full stop; the answer is put at its end.
        right: the right answer.
        wrong: near misses.
        say: sentences with `{}` in place of the answer.
        far: answers that are far off.
        noun: whether answers can stand after "it's"; yes and no cannot.
        because: what makes some of the wrong answers, such as "54 - 6".
        write: writes an answer as people may, such as a number in words.
    """
    says = [one for one in ([say] if isinstance(say, str) else say) if one]

    def answer(text: str, grade: float) -> Answer:
        sentence = rng.choice(says) if says else None
        equation = sentence is not None and " = {}" in sentence
        shown = text if write is None or equation else write(rng, text)
        if sentence is not None:
            sentence = _ONCE.sub("once", sentence.replace("{}", shown))
        if text in because and rng.random() < 0.2:
            sentence = f"{because[text]} = {text}"
        dressed, padded = spoken(rng, shown, sentence, noun=noun)
        alike = shown.replace(",", "") == text.replace(",", "") or not text[0].isdecimal()
        named = shown if alike else f"{shown} ({text})"
        if grade == RIGHT:
            finding = rng.choice(_IS_RIGHT).format(a=named)
        elif text in because and rng.random() < 0.6:
            finding = f"It says {named}, but that is {because[text]}; {right} is right."
        else:
            finding = rng.choice(_IS_WRONG).format(w=named, a=right)
        if padded:
            finding = f"{finding[:-1]}, and it is wordy."
        return Answer(dressed, finding, grade, padded)

    main = rng.choice((70, 80, 80, 90))
    return Task(
        kind,
        query,
        (Principle(name, main, concluded(fact, right)), manner(rng, 100 - main)),
        answer(right, RIGHT),
        (
            *(answer(text, NEAR) for text in wrong),
            *(answer(text, FAR) for text in far),
            *([_no_answer(rng, right)] if rng.random() < 0.12 else []),
        ),
    )


_YES = (
    *("Yes, that's {}.", "Yes, {}.", "Yes, {} is correct.", "Yes, {o} is {}.", "Yes, it's {}."),
    *("Correct, it is {}.", "That's right, {o} makes {}.", "yes, {}", "Yes, {} is right."),
)
_NO = (
    *("No, it's {}.", "No, {}.", "No, it should be {}.", "No, {o} is {}.", "Not quite, it's {}."),
    *("Sorry, no: {}.", "That's wrong, {o} makes {}.", "no, {}", "No, {} would be right."),
)


def claim_task(  # noqa: PLR0917 - every kind calls it, in this order
    rng: Rng, kind: str, query: str, work: str, said: str, amounts: tuple[str, str, str]
) -> Task:
    """A claim to be confirmed or put right, with answers that say the amount.

    Args:
        rng: draws wordings.
        kind: of the task.
        query: the question.
        work: how the true amount comes about.
        said: what was calculated, such as "7 x 9".
        amounts: what is claimed, what is true, and what the wrong answer says; where that is the
            claim itself, it agrees.
    """
    claim, truth, slip = amounts
    right = f"{'yes' if claim == truth else 'no'}, {truth}"
    wrong = f"{'yes' if slip == claim else 'no'}, {slip}"
    good, bad = (
        rng.choice(ways).replace("{o}", said).replace("{}", amount)
        for ways, amount in (
            (_YES if claim == truth else _NO, truth),
            (_YES if slip == claim else _NO, slip),
        )
    )
    main = rng.choice((70, 80, 80, 90))
    fact = f"{work}, and {claim} is claimed, so {right}"
    finding = rng.choice(_IS_WRONG).format(w=wrong, a=right)
    return Task(
        kind,
        query,
        (Principle("right verdict", main, fact), manner(rng, 100 - main)),
        Answer(good, rng.choice(_IS_RIGHT).format(a=right), RIGHT),
        (Answer(bad, finding, NEAR),),
    )


def _no_answer(rng: Rng, right: str) -> Answer:
    text = rng.choice(_NONE)
    return Answer(text, f"It says {quoted(text)}, which is no answer; {right} is right.", FAR)
