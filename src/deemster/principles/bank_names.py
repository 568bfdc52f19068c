"""Chooses the wording of a principle that is shown and compared. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from deemster.principles.similarity import group_vectors, stems, tfidf

Wordings = Sequence[tuple[str, str, int]]
"""(name, description, times seen) of one principle, the most seen first."""
_TOLD = 5
"""Descriptions looked at per principle."""


def wording(texts: Wordings) -> tuple[str, str]:
    """The name seen most often, and the description seen most often."""
    names: defaultdict[str, int] = defaultdict(int)
    for name, _, seen in texts:
        names[name] += seen
    name = min(names, key=lambda one: (-names[one], one))
    described = [(seen, text) for _, text, seen in texts if text]
    if not described:
        return name, ""
    return name, min(described, key=lambda one: (-one[0], len(one[1]), one[1]))[1]


def group_by_meaning(texts: Mapping[int, Wordings], *, threshold: float) -> dict[int, int]:
    """Principle to the most seen one (the first of several) of its group."""
    ids = list(texts)
    counts = np.array([sum(seen for *_, seen in texts[one]) for one in ids], dtype=float)
    labels = group_vectors(tfidf([_tokens(texts[one]) for one in ids]), counts, threshold=threshold)
    heads: dict[int, int] = {}
    for place in np.argsort(-counts, kind="stable"):
        heads.setdefault(int(labels[place]), ids[place])
    return {one: heads[int(label)] for one, label in zip(ids, labels, strict=True)}


def _tokens(texts: Wordings) -> list[str]:
    """Words of a principle, its name as much as three mentions in a description."""
    name = stems(texts[0][0])
    said = dict.fromkeys(description for _, description, _ in texts[:_TOLD])
    return [*name, *name, *name, *(stem for line in said for stem in stems(line))]
