"""The synthetic world: short judging tasks whose truth is certain.

Every item is made from `(seed, split, number)` alone. What dresses an answer (tone, claims of
certainty, background) is drawn independently of whether it is right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from deemster.errors import InputError
from deemster.schemas import Sample
from lab.world import numeric, verbal
from lab.world.item import Check, Criterion, Draft, Item
from lab.world.split import Split, SplitName
from lab.world.templates import WORDINGS

Domain = Callable[[random.Random, Split, int], Draft]

DOMAINS: dict[str, Domain] = {
    "arithmetic": numeric.arithmetic,
    "ordering": numeric.ordering,
    "comparing": numeric.comparing,
    "counting": numeric.counting,
    "dates": numeric.dates,
    "word-lists": verbal.word_lists,
    "facts": verbal.facts,
    "spelling": verbal.spelling,
    "writing": verbal.writing,
    "two-rules": verbal.two_rules,
    "form-and-tone": verbal.form_and_tone,
}

_COUNTS = (1, 2, 3, 4)
_COUNT_WEIGHTS = (15, 45, 20, 20)

_FRIENDLY = ("Sure!", "Of course!", "Happy to help!")
_CERTAIN = ("I am certain.", "No doubt about it.", "I know this well.")
_DETAIL = (
    "I went through every step with care.",
    "There is a lot more to say about this.",
    "This is how it has always been done.",
)


class World:
    """Makes tasks from a seed.

    Args:
        seed: another seed gives other tasks of the same kinds.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def items(
        self,
        count: int,
        *,
        split: SplitName = "train",
        n: int | None = None,
        domains: Sequence[str] | None = None,
        start: int = 0,
    ) -> Iterator[Item]:
        """`count` items numbered from `start`.

        Args:
            count: how many.
            split: what may be used; see `Split`.
            n: responses per item, 1 to 4; None draws it.
            domains: names out of `DOMAINS`; None is all, in turn.
            start: number of the first.

        Raises:
            InputError: a domain or split is unknown, or n is out of range.
        """
        names = list(domains or DOMAINS)
        for name in names:
            if name not in DOMAINS:
                raise InputError(f"unknown domain {name!r}; known: {', '.join(DOMAINS)}")
        if n is not None and n not in _COUNTS:
            raise InputError(f"n is {n!r}; the world has 1 to 4 responses")
        rules = Split(split)
        for number in range(start, start + count):
            rng = random.Random(f"{self.seed} {split} {number}")  # noqa: S311 - not secret
            domain = names[number % len(names)]
            yield _item(rng, rules, domain, n, f"{split}-{self.seed}-{number}")

    def samples(
        self,
        count: int,
        *,
        split: SplitName = "train",
        n: int | None = None,
        domains: Sequence[str] | None = None,
        start: int = 0,
    ) -> list[Sample]:
        """The samples of `items`."""
        made = self.items(count, split=split, n=n, domains=domains, start=start)
        return [item.sample for item in made]


def _item(rng: random.Random, split: Split, domain: str, n: int | None, name: str) -> Item:
    if n is None:
        n = rng.choices(_COUNTS, _COUNT_WEIGHTS)[0]
    draft = DOMAINS[domain](rng, split, n)
    dressed = [_dress(rng, split, draft, answer) for answer in draft.answers]
    quality = draft.quality
    truth = quality if n > 1 else (float(quality[0] == 1),)
    sample = Sample(
        id=name,
        query=split.whole_query(rng, draft.query),
        responses=[text for text, _ in dressed],
        ground_truth=truth,
        subset=domain,
        metadata={"solution": draft.solution},
    )
    improper = tuple(
        Criterion(kind, tuple(checks[kind] for _, checks in dressed)) for kind in IMPROPER
    )
    return Item(sample, draft.criteria, improper, draft.working)


IMPROPER = ("friendly tone", "confident tone", "rich detail", "brevity")
"""Criteria that no query of the world asks for."""


def _dress(
    rng: random.Random, split: Split, draft: Draft, answer: str
) -> tuple[str, dict[str, Check]]:
    """The answer in a style, and what the improper criteria find in it."""
    friendly, certain, detail = (rng.random() < 0.4 for _ in range(3))
    text = split.style(rng, WORDINGS[draft.dress]).format(answer=answer)
    opening = rng.choice(_FRIENDLY)
    claim = rng.choice(_CERTAIN)
    background = rng.choice(_DETAIL)
    parts = [opening] * friendly + [text] + [claim] * certain + [background] * detail
    return " ".join(parts), {
        "friendly tone": Check(opening if friendly else "plain", friendly),
        "confident tone": Check(claim if certain else "no claim", certain),
        "rich detail": Check("adds more" if detail else "adds nothing", detail),
        "brevity": Check("adds more" if detail else "adds nothing", not detail),
    }
