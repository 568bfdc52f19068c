"""Removes from training data what evaluation sets contain, by shared word n-grams."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.training.data.instructions import Instruction

Item = TypeVar("Item", Sample, Instruction)
_WORD = re.compile(r"\w+")
_LONGEST_GRAM = 100


class Overlap(NamedTuple, Generic[Item]):
    """An item left out, and why."""

    item: Item
    evaluation: str
    """The evaluation set and the sample there: `NAME/ID`."""
    gram: str
    """The first words that both have in a row."""


class Decontaminated(NamedTuple, Generic[Item]):
    """What may be trained on, and what may not."""

    kept: list[Item]
    removed: list[Overlap[Item]]

    @property
    def counts(self) -> dict[str, int]:
        """How many are kept, and how many are removed because of each evaluation set."""
        by_set = Counter(overlap.evaluation.partition("/")[0] for overlap in self.removed)
        return {
            "kept": len(self.kept),
            "removed": len(self.removed),
            **{f"removed by {name}": count for name, count in sorted(by_set.items())},
        }


def decontaminate(
    train: Iterable[Item],
    evaluation: Mapping[str, Iterable[Sample]] | Iterable[Sample],
    *,
    n: int = 13,
) -> Decontaminated[Item]:
    """Remove the items that share a run of n words with an evaluation set.

    Compared are queries (all their turns in one) and responses. Words are letters and digits
    without case and punctuation. A query of fewer than n words counts as one run, found where it
    is repeated whole; a response of fewer is not compared ("Yes." is in every set). Instructions
    that a whole set repeats ("... duplicate that letter five times ...") count like any words:
    where both sides use them, a larger n keeps more.

    Args:
        train: samples or instructions.
        evaluation: evaluation sets by name, or one without a name.
        n: words in a row, 1 to 100; 13 is usual.

    Raises:
        InputError: n is not in range.
    """
    if not 1 <= n <= _LONGEST_GRAM:
        raise InputError(f"n must be from 1 to {_LONGEST_GRAM} words, got {n}")
    sets = evaluation if isinstance(evaluation, Mapping) else {"evaluation": evaluation}
    # Hashes, not texts: an evaluation set has millions of n-grams.
    known: dict[int, str] = {}
    for name, samples in sets.items():
        for number, sample in enumerate(samples):
            for gram in _grams(sample, n):
                known.setdefault(hash(gram), f"{name}/{sample.id or number}")
    result = Decontaminated[Item]([], [])
    for item in train:
        found = next((gram for gram in _grams(item, n) if hash(gram) in known), None)
        if found is None:
            result.kept.append(item)
        else:
            result.removed.append(Overlap(item, known[hash(found)], " ".join(found)))
    return result


def _grams(item: Sample | Instruction, n: int) -> Iterator[tuple[str, ...]]:
    if isinstance(item, Instruction):
        query, responses = item.messages[:-1], item.messages[-1:]
    else:
        query, responses = item.query, item.responses
    asked = _WORD.findall("\n".join(turn.text for turn in query).casefold())
    if 0 < len(asked) < n:
        yield tuple(asked)
    for words in (asked, *(_WORD.findall(turn.text.casefold()) for turn in responses)):
        for start in range(len(words) - n + 1):
            yield tuple(words[start : start + n])
