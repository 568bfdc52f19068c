"""What a split of the world may use: which numbers, words and templates."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Literal, get_args

from deemster.errors import InputError
from lab.world.templates import WORDINGS, Wordings
from lab.world.words import HELD_OUT, TRAIN, pseudo_word

SplitName = Literal["train", "fresh", "numbers", "words", "templates"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

_HELD_OUT_PERCENT = 15
_PSEUDO = 0.5
_TERSE = 0.25
_SMALL = frozenset(("the", "a", "is", "of", "in", "that", "this", "these", "please", "you", "do"))
_NEW_STYLE = 0.5
_STRANGE = 0.1


@dataclass(frozen=True)
class Split:
    """The choices open to one split.

    `train` and `fresh` draw from the same distribution (with other seeds). `numbers` has only
    numbers that training never saw together; `words` and `templates` have those and, besides,
    held-out words or held-out wordings.

    Raises:
        InputError: the split is unknown.
    """

    name: SplitName

    def __post_init__(self) -> None:
        if self.name not in SPLITS:
            raise InputError(f"unknown split {self.name!r}; known: {', '.join(SPLITS)}")

    def allows(self, *key: object) -> bool:
        """Whether numbers are on this split's side of the hash that holds 15 % out."""
        digest = hashlib.sha256(repr(key).encode()).digest()
        held_out = digest[0] * 100 < _HELD_OUT_PERCENT * 256
        return held_out == (self.name not in {"train", "fresh"})

    def word(self, rng: random.Random) -> str:
        """A noun; in training sometimes one made up on the spot."""
        if self.name == "words":
            return rng.choice(HELD_OUT)
        return pseudo_word(rng) if rng.random() < _PSEUDO else rng.choice(TRAIN)

    def words(self, rng: random.Random, count: int, *, without: tuple[str, ...] = ()) -> list[str]:
        """Different nouns."""
        found: list[str] = []
        while len(found) < count:
            word = self.word(rng)
            if word not in found and word not in without:
                found.append(word)
        return found

    def query(self, rng: random.Random, wordings: Wordings) -> str:
        """A wording of a query."""
        return rng.choice(wordings.held_out if self.name == "templates" else wordings.train)

    def whole_query(self, rng: random.Random, task: str) -> str:
        """A task with what people put around it; outside `templates` sometimes not well-formed.

        Missing small words and strange words around a task keep a model from relying on exact
        wordings.
        """
        words = task.split(" ")
        small = [i for i, word in enumerate(words) if word.lower() in _SMALL]
        if self.name != "templates" and small and rng.random() < _TERSE:
            del words[rng.choice(small)]
        lead, tail = self.query(rng, WORDINGS["leads"]), self.query(rng, WORDINGS["tails"])
        if self.name != "templates" and rng.random() < _STRANGE:
            said = " ".join(self.word(rng) for _ in range(rng.randint(1, 4))).capitalize()
            lead = f"{said}{rng.choice((':', '.', '!'))} "
        if self.name != "templates" and rng.random() < _STRANGE:
            said = " ".join(self.word(rng) for _ in range(rng.randint(1, 4))).capitalize()
            tail = f" {said}."
        return f"{lead}{' '.join(words)}{tail}"

    def style(self, rng: random.Random, wordings: Wordings) -> str:
        """A wording of an answer; in the split `templates` half of them are new."""
        new = self.name == "templates" and rng.random() < _NEW_STYLE
        return rng.choice(wordings.held_out if new else wordings.train)
