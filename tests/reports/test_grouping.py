from __future__ import annotations

import importlib.util
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.planted import DEFECTS, OTHERS

from deemster.errors import InputError
from deemster.reports import Embeddings, PrincipleText, Tfidf
from deemster.reports.grouping import group_principles


def text(name: str, description: str = "", count: int = 1) -> PrincipleText:
    return PrincipleText(Counter({name: count}), [description] if description else [])


def test_paraphrases_fall_into_their_concerns() -> None:
    texts, concerns = [], []
    for concern, names in {**DEFECTS, **OTHERS}.items():
        texts += [text(*pair) for pair in names]
        concerns += [concern] * len(names)
    labels = group_principles(texts, Tfidf()).labels
    from sklearn.metrics import adjusted_rand_score

    assert adjusted_rand_score(concerns, labels) > 0.85


def test_groups_are_numbered_by_count_and_named_by_a_frequent_member() -> None:
    texts = [text("Wit"), text("Tone of voice", count=2), text("Voice and tone", count=30)]
    groups = group_principles(texts, Tfidf())
    assert groups.labels.tolist() == [1, 0, 0]
    assert groups.medoids.tolist() == [2, 0]


def test_many_names_are_clustered_in_parts() -> None:
    rng = np.random.default_rng(0)
    stems = ["zebra", "quartz", "violin", "tundra", "magnet", "walnut"]
    texts = [
        text(f"{stems[i % 6]} {stems[i % 6]}{rng.integers(10**6)} number{i}", count=int(c))
        for i, c in enumerate(rng.integers(1, 50, 1200))
    ]
    groups = group_principles(texts, Tfidf(), head=100)
    for number in set(groups.labels.tolist()):
        members = np.flatnonzero(groups.labels == number)
        assert len({int(m) % 6 for m in members}) == 1
    assert len(groups.medoids) < 60
    assert sorted(set(groups.labels.tolist())) == list(range(len(groups.medoids)))


def test_names_without_words_and_in_other_scripts() -> None:
    texts = [text("!!!"), text("the of"), text("语言一致性"), text("语言一致"), text("礼貌")]
    labels = group_principles(texts, Tfidf()).labels
    assert labels[2] == labels[3] != labels[4]
    assert labels[0] not in labels[2:]
    assert group_principles([text("???")], Tfidf()).medoids.tolist() == [0]
    assert group_principles([], Tfidf()).labels.tolist() == []


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=12, unique=True))
def test_any_names_get_a_label_and_a_medoid_of_their_own_group(names: list[str]) -> None:
    groups = group_principles([text(name) for name in names], Tfidf(), head=5)
    assert len(groups.labels) == len(names)
    for number, medoid in enumerate(groups.medoids):
        assert groups.labels[medoid] == number


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is not None,
    reason="sentence-transformers is installed",
)
def test_embeddings_say_what_to_install() -> None:
    with pytest.raises(InputError, match="needs sentence-transformers: pip install"):
        group_principles([text("a"), text("b")], Embeddings())
