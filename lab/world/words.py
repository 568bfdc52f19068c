"""Words of the synthetic world; those of `HELD_OUT` appear in the split `words` alone."""

from __future__ import annotations

import random
from importlib import resources

import yaml

_NOUNS = yaml.safe_load(
    resources.files(__package__).joinpath("words.yaml").read_text(encoding="utf-8")
)
TRAIN: tuple[str, ...] = tuple(_NOUNS["train"])
HELD_OUT: tuple[str, ...] = tuple(_NOUNS["held_out"])
COLOURS = (
    "red", "blue", "green", "yellow", "black", "white", "brown", "pink", "grey", "purple",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_ONSETS = (
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z",
    "br", "cl", "dr", "fl", "gr", "pl", "sh", "st", "th", "tr",
)  # fmt: skip
_VOWELS = ("a", "a", "e", "e", "i", "o", "o", "u", "u", "ai", "ee", "oo", "ou", "ea")
_CODAS = (
    "", "", "", "b", "ck", "d", "g", "l", "ll", "m", "n", "nd", "ng", "nt", "p", "r", "rn", "rt",
    "s", "ss", "st", "t", "tt", "x",
)  # fmt: skip
_ENDINGS = ("", "", "", "y", "e", "er", "le", "en")


def pseudo_word(rng: random.Random) -> str:
    """A made-up word of up to three syllables, so that copying does not depend on known words."""
    syllables = rng.choice((1, 2, 2))
    stem = "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(syllables)
    )
    ending = rng.choice(_ENDINGS)
    return stem + ending if stem[-1] not in "aeiou" else stem
