"""Tasks about words: copying them, looking facts up, writing under rules, form and tone."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lab.world.item import Check, Criterion, Draft
from lab.world.solving import Solution, choose_answers, compare, solved, swapped
from lab.world.split import Split
from lab.world.templates import WORDINGS
from lab.world.words import COLOURS


def word_lists(rng: random.Random, split: Split, n: int) -> Draft:
    """Three to five words to be said backwards.

    They are numbered, and the numbers counted down: a model of this size finds the word after a
    number, but not the one before a word of several tokens.
    """
    items = split.words(rng, rng.choice((3, 4, 4, 5)))
    right = items[::-1]

    def wrong() -> str:
        other = right.copy()
        kind = rng.random()
        if kind < 0.2:
            return " ".join(items)
        i, j = rng.sample(range(len(other)), 2)
        if kind < 0.8:
            other[i], other[j] = other[j], other[i]
        else:
            other[i] = split.words(rng, 1, without=tuple(items))[0]
        return " ".join(other)

    answers = choose_answers(rng, n, " ".join(right), wrong)
    query = split.query(rng, WORDINGS["reverse"]).format(items=" ".join(items))
    numbered = [f"{i} {word}" for i, word in enumerate(items, 1)]
    steps = f"{' '.join(numbered)} ; {' '.join(numbered[::-1])}"
    solution = Solution(right, swapped(rng, right), steps)
    return solved(query, answers, "reverse order", "list", solution)


def facts(rng: random.Random, split: Split, n: int) -> Draft:
    """A colour looked up among three or four given ones."""
    things = split.words(rng, rng.choice((3, 4)))
    colours = rng.sample(COLOURS, len(things))
    stated = " ".join(
        f"The {thing} is {colour}." for thing, colour in zip(things, colours, strict=True)
    )
    pick = rng.randrange(len(things))
    key, right = things[pick], colours[pick]

    def wrong() -> str:
        return rng.choice(colours if rng.random() < 0.7 else COLOURS)

    answers = choose_answers(rng, n, right, wrong)
    slip = rng.choice([colour for colour in colours if colour != right])
    query = split.query(rng, WORDINGS["fact"]).format(facts=stated, key=key)
    solution = Solution([right], [slip], f"{key} is {right}")
    return solved(query, answers, "agrees with the facts", "short", solution)


def spelling(rng: random.Random, split: Split, n: int) -> Draft:
    """A word spelt letter by letter."""
    word = next(w for w in iter(lambda: split.word(rng), "") if 3 <= len(w) <= 7)

    def wrong() -> str:
        letters = list(word)
        i = rng.randrange(len(letters))
        if rng.random() < 0.4 and i + 1 < len(letters):
            letters[i], letters[i + 1] = letters[i + 1], letters[i]
        else:
            letters[i] = rng.choice("abcdefghijklmnoprstuvw")
        return "-".join(letters)

    answers = choose_answers(rng, n, "-".join(word), wrong)
    slip = list(word)
    slip[rng.randrange(len(slip))] = rng.choice("aeiounrst")
    query = split.query(rng, WORDINGS["spell"]).format(word=word)
    solution = Solution(list(word), slip, joiner="-")
    return solved(query, answers, "correct letters", "list", solution)


_NAMES = {
    "count": "number of words",
    "contains": "uses the word",
    "starts": "first word",
    "ends": "last word",
}


def writing(rng: random.Random, split: Split, n: int) -> Draft:
    """A line under one rule: its length, or a word it must use."""
    return _line(rng, split, n, [rng.choice(("count", "contains"))])


def two_rules(rng: random.Random, split: Split, n: int) -> Draft:
    """A line under two or three rules; the wrong ones break one or two of them."""
    kinds = rng.sample(tuple(_NAMES), rng.choice((2, 3, 3)))
    return _line(rng, split, n, kinds)


@dataclass(frozen=True)
class _Rules:
    """What a line must be like."""

    kinds: list[str]
    words: dict[str, str]
    """What it must contain, start with and end with."""
    count: int


def _line(rng: random.Random, split: Split, n: int, kinds: list[str]) -> Draft:
    special = dict(zip(("contains", "starts", "ends"), split.words(rng, 3), strict=True))
    asked = rng.randint(3, 6)
    rules = _Rules(kinds, special, asked)
    best = rng.randrange(n) if n > 1 or rng.random() < 0.5 else -1
    answers = []
    for i in range(n):
        broken = set() if i == best else set(rng.sample(kinds, 1))
        if i != best and len(kinds) > 1 and rng.random() < 0.2:
            broken = set(rng.sample(kinds, 2))
        answers.append(_make_line(rng, split, rules, broken))
    solution = _make_line(rng, split, rules, set())
    criteria = tuple(
        Criterion(
            _NAMES[kind],
            tuple(_line_check(kind, line.split(), rules) for line in answers),
        )
        for kind in kinds
    )
    asks = [
        split.query(rng, WORDINGS[f"rule_{kind}"]).format(n=asked, word=special.get(kind, ""))
        for kind in kinds
    ]
    said = asks[0] if len(asks) == 1 else f"{', '.join(asks[:-1])} and {asks[-1]}"
    wording = split.query(rng, WORDINGS["write"])
    return Draft(wording.format(rules=said), tuple(answers), criteria, "quoted", solution)


def _make_line(rng: random.Random, split: Split, rules: _Rules, broken: set[str]) -> str:
    kinds, special, asked = rules.kinds, rules.words, rules.count
    length = asked + rng.choice((1, -1, 1, 2)) if "count" in broken else asked
    length = max(length, 3)
    if "count" in broken and length == asked:
        length += 1
    line = split.words(rng, length, without=tuple(special.values()))
    if "starts" in kinds and "starts" not in broken:
        line[0] = special["starts"]
    if "ends" in kinds and "ends" not in broken:
        line[-1] = special["ends"]
    if "contains" in kinds and "contains" not in broken:
        free = range(int("starts" in kinds), length - int("ends" in kinds))
        line[rng.choice(free)] = special["contains"]
    return " ".join(line)


def _line_check(kind: str, line: list[str], rules: _Rules) -> Check:
    if kind == "count":
        walk = " ".join(f"{i} {word}" for i, word in enumerate(line, 1))
        compared = compare([str(rules.count)], [str(len(line))])
        return Check(f"{walk} ; {compared.evidence}", compared.ok)
    want = rules.words[kind]
    if kind == "contains":
        ok = want in line
        seen = line[: line.index(want) + 1] if ok else line
        walk = " , ".join(f"{want} {word}" for word in seen)
        return Check(f"{walk} {'found' if ok else 'none'}", ok)
    return compare([want], [line[0] if kind == "starts" else line[-1]])


_POLITE = (
    "Please hand me the {word}",
    "May I have the {word} please",
    "Could I get the {word} please",
    "Please let me have the {word}",
    "I would like the {word} please",
)
_RUDE = (
    "Hand me the {word}",
    "Give me the {word} now",
    "I want the {word}",
    "The {word} , quick",
    "Get me the {word}",
)


def form_and_tone(rng: random.Random, split: Split, n: int) -> Draft:
    """Capital letters or politeness; the content is the same or as good."""
    return (_capitals if rng.random() < 0.5 else _politeness)(rng, split, n)


def _capitals(rng: random.Random, split: Split, n: int) -> Draft:
    text = f"the {split.word(rng)} is {rng.choice(COLOURS)}"
    words = text.split()

    def wrong() -> str:
        upper = [rng.random() < 0.6 for _ in words]
        upper[rng.randrange(len(words))] = False
        return " ".join(word.upper() if up else word for word, up in zip(words, upper, strict=True))

    answers = choose_answers(rng, n, text.upper(), wrong)
    checks = []
    for answer in answers:
        said = answer.split()
        low = next((i for i, word in enumerate(said) if not word.isupper()), None)
        shown = said if low is None else said[: low + 1]
        end = "all" if low is None else "small"
        checks.append(Check(f"{' '.join(shown)} {end}", low is None))
    wording = split.query(rng, WORDINGS["capitals"])
    return Draft(
        wording.format(text=text), answers, (Criterion("capital letters", tuple(checks)),),
        "quoted", text.upper(),
    )  # fmt: skip


def _politeness(rng: random.Random, split: Split, n: int) -> Draft:
    word = split.word(rng)
    polite = rng.choice(_POLITE).format(word=word)
    answers = choose_answers(rng, n, polite, lambda: rng.choice(_RUDE).format(word=word))
    checks = []
    for answer in answers:
        ok = "please" in answer.lower()
        checks.append(Check("says please" if ok else "no please", ok))
    wording = split.query(rng, WORDINGS["polite"])
    return Draft(
        wording.format(word=word), answers, (Criterion("polite wording", tuple(checks)),),
        "quoted", polite,
    )  # fmt: skip
