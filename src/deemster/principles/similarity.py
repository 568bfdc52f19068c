"""How alike short texts are, by their words: TF-IDF vectors and average-linkage groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.intp]
_WORD = re.compile(r"\w+")
_STEM = 5
_WIDE = "\u2e80"
"""Scripts from here on (CJK) are written without spaces."""


def stems(text: str) -> list[str]:
    """The words of a text without stop words, each cut to its first five letters.

    Cutting joins the forms of a word (calculate, calculation). CJK text gives pairs of characters.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # noqa: PLC0415 - slow to import

    found: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if max(word) >= _WIDE:
            found += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
        elif word not in ENGLISH_STOP_WORDS:
            found.append(word[:_STEM])
    return found


def tfidf(tokens: Sequence[Sequence[str]]) -> Any:  # noqa: ANN401 - scipy.sparse
    """(T, words) sparse rows of length 1 for T texts, rare words counting more.

    The row of a text without words is all 0.
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - slow to import
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    if not any(tokens):
        return csr_matrix((len(tokens), 1))
    return TfidfVectorizer(analyzer=list, sublinear_tf=True).fit_transform(tokens)


def group_vectors(
    vectors: Any,  # noqa: ANN401 - dense or sparse
    counts: npt.NDArray[np.float64],
    *,
    threshold: float,
    head: int = 2500,
) -> Labels:
    """Average-linkage clusters by cosine distance: a group number, from 0, for each row.

    Args:
        vectors: (P, D), rows of length 1 or all 0.
        counts: (P,), how often each row's text was seen.
        threshold: mean cosine distance up to which groups are merged, above 0 and up to 1.
        head: most rows clustered at once. Of more, the most frequent ones are clustered and the
            others join the nearest group within the threshold; those without such a group are
            clustered in turn. So memory stays at `head` squared for any P.
    """
    labels = np.full(len(counts), -1, dtype=np.intp)
    left = np.argsort(-counts, kind="stable")
    n_groups = 0
    while len(left):
        top, left = left[:head], left[head:]
        labels[top] = n_groups + _cluster(vectors[top], threshold)
        new = int(labels[top].max()) + 1 - n_groups
        if len(left):
            member = np.zeros((new, len(top)))
            member[labels[top] - n_groups, np.arange(len(top))] = 1
            member /= member.sum(axis=1, keepdims=True)
            near = dense(vectors[left] @ (member @ vectors[top]).T)
            best = near.argmax(axis=1)
            fits = near[np.arange(len(left)), best] >= 1 - threshold
            labels[left[fits]] = n_groups + best[fits]
            left = left[~fits]
        n_groups += new
    return labels


def dense(array: Any) -> npt.NDArray[np.float64]:  # noqa: ANN401 - dense or sparse
    """A NumPy array of a dense or a sparse one."""
    full = array.toarray() if hasattr(array, "toarray") else array
    return np.asarray(full, dtype=float)


def _cluster(vectors: Any, threshold: float) -> Labels:  # noqa: ANN401 - dense or sparse
    from sklearn.cluster import AgglomerativeClustering  # noqa: PLC0415 - slow to import

    n = vectors.shape[0]
    if n < 2:
        return np.zeros(n, dtype=np.intp)
    distance = np.clip(1 - dense(vectors @ vectors.T), 0, 1)
    np.fill_diagonal(distance, 0)
    model = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=threshold
    )
    return np.asarray(model.fit_predict(distance), dtype=np.intp)


class TextIndex:
    """Finds the most similar of some texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - slow

        tokens = [stems(text) for text in texts]
        self._model = TfidfVectorizer(analyzer=list, sublinear_tf=True) if any(tokens) else None
        self._rows = None if self._model is None else self._model.fit_transform(tokens)

    def nearest(self, text: str) -> tuple[int, float] | None:
        """Position and similarity, 0..1, of the nearest text; the first of several.

        The cosine of the words counts only for the share of the words that the index knows: a
        question about new things is not near just because "what is the capital" is.

        Returns:
            None if neither side has words.
        """
        tokens = stems(text)
        if self._model is None or not tokens:
            return None
        near = dense(self._rows @ self._model.transform([tokens]).T)[:, 0]
        best = int(near.argmax())
        known = sum(token in self._model.vocabulary_ for token in tokens) / len(tokens)
        return best, float(near[best]) * known
