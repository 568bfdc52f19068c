"""Grouping principles by meaning: judges name the same thing in many ways."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from deemster.errors import InputError
from deemster.extras import need_package
from deemster.principles.similarity import Labels, dense, group_vectors, stems, tfidf
from deemster.reports.losses import PrincipleText


class Grouper(Protocol):
    """Finds principles that mean the same."""

    @property
    def name(self) -> str:
        """What records call it."""
        ...

    def vectors(self, texts: Sequence[PrincipleText]) -> Any:  # noqa: ANN401 - dense or sparse
        """(P, D) rows of length 1 (or all 0) whose dot product is similarity."""
        ...

    @property
    def threshold(self) -> float:
        """Mean cosine distance, 0..1, up to which groups are merged."""
        ...


@dataclass(frozen=True)
class Tfidf:
    """By the words of names and descriptions, rare words counting more. Needs no model.

    Words are cut to their first five letters, which joins their forms (calculate, calculation);
    names count as much as three mentions in a description.

    Args:
        threshold: mean cosine distance, above 0 and up to 1, up to which groups are merged.
    """

    threshold: float = 0.82

    @property
    def name(self) -> str:
        """`tfidf`."""
        return "tfidf"

    def vectors(self, texts: Sequence[PrincipleText]) -> Any:  # noqa: ANN401 - scipy.sparse
        """(P, words), sparse; a principle of stop words alone is all 0."""
        return tfidf([_tokens(text) for text in texts])


@dataclass(frozen=True)
class Embeddings:
    """By sentence embeddings; needs the package `sentence-transformers` and a model of it.

    Args:
        model: a directory or a repository that `sentence-transformers` can open.
        threshold: mean cosine distance, above 0 and up to 1, up to which groups are merged.
    """

    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    threshold: float = 0.45

    @property
    def name(self) -> str:
        """`embeddings` and the model."""
        return f"embeddings:{self.model}"

    def vectors(self, texts: Sequence[PrincipleText]) -> Any:  # noqa: ANN401 - dense array
        """(P, D), dense.

        Raises:
            InputError: the package is not installed.
        """
        need_package(
            "sentence-transformers", f"grouping by {self.name!r}", otherwise="group by 'tfidf'"
        )
        module = importlib.import_module("sentence_transformers")
        lines = [f"{t.name}: {' '.join(t.descriptions)}".rstrip(": ") for t in texts]
        encoder = module.SentenceTransformer(self.model)
        return np.asarray(encoder.encode(lines, normalize_embeddings=True), dtype=float)


@dataclass(frozen=True)
class Groups:
    """Principles sorted into groups."""

    labels: Labels
    """(P,): the group of each principle, numbered from 0 by falling count."""
    medoids: Labels
    """(G,): the principle nearest to all of its group, by count."""


def group_principles(
    texts: Sequence[PrincipleText], grouper: Grouper, *, head: int = 2500
) -> Groups:
    """Average-linkage clustering by cosine distance.

    Args:
        texts: P principles with distinct names.
        grouper: how alike they are.
        head: most principles clustered at once. Of more, the most frequent ones are clustered and
            the others join the nearest group within the threshold; those without such a group are
            clustered in turn. So memory stays at `head` squared for any P.
    """
    if not texts:
        empty = np.zeros(0, dtype=np.intp)
        return Groups(empty, empty)
    if not 0 < grouper.threshold <= 1:
        raise InputError(f"threshold must be above 0 and at most 1, got {grouper.threshold!r}")
    vectors = grouper.vectors(texts)
    counts = np.array([text.count for text in texts], dtype=float)
    labels = group_vectors(vectors, counts, threshold=grouper.threshold, head=head)
    return _named(labels, vectors, counts)


def _named(labels: Labels, vectors: Any, counts: npt.NDArray[np.float64]) -> Groups:  # noqa: ANN401
    """Number the groups by falling count and find their medoids."""
    totals = np.bincount(labels, weights=counts)
    order = np.argsort(-totals, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    labels = place[labels].astype(np.intp)
    by_group = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[by_group], np.arange(len(order) + 1))
    medoids = np.zeros(len(order), dtype=np.intp)
    for group, (start, end) in enumerate(itertools.pairwise(starts)):
        members = by_group[start:end]
        own = vectors[members]
        centre = dense(own.T @ counts[members])
        nearness = dense(own @ centre) * (1 + np.log(counts[members]))
        medoids[group] = members[int(np.argmax(nearness))]
    return Groups(labels, medoids)


def _tokens(text: PrincipleText) -> list[str]:
    name = stems(text.name)
    return [*name, *name, *name, *(stem for line in text.descriptions for stem in stems(line))]
