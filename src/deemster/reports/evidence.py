"""Evidence for a weakness: the queries it affects and what the judges said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from deemster.reports.loss_columns import PrincipleLosses
from deemster.reports.losses import JudgedItem
from deemster.reports.weakness_records import Quote, SubsetShare

_QUOTES = 5
_LONGEST = 360
_TERMS = 8
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n+")  # noqa: RUF001 - full-width stops end sentences
_WORD = re.compile(r"\w{3,}")


def subset_shares(lost: Sequence[JudgedItem], hit: Sequence[JudgedItem]) -> tuple[SubsetShare, ...]:
    """Per subset with a hit: lost items, and those charged."""
    every = Counter(item.subset for item in lost)
    if set(every) <= {""}:
        return ()
    charged = Counter(item.subset for item in hit)
    ordered = sorted(charged, key=lambda name: (-charged[name], name))
    return tuple(SubsetShare(subset=s, lost=every[s], charged=charged[s]) for s in ordered)


def terms(hit: Sequence[JudgedItem], missed: Sequence[JudgedItem]) -> tuple[str, ...]:
    """Words more frequent in the queries of `hit` than of `missed`, most distinctive first.

    A word must be in 3 or more queries of `hit`, and its chi-squared statistic against `missed`
    must be one that chance rarely gives (10.8, p = 0.001).
    """
    if len(hit) < 3 or len(missed) < 3:
        return ()
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415 - slow to import
    from sklearn.feature_selection import chi2  # noqa: PLC0415

    counter = CountVectorizer(binary=True, stop_words="english", min_df=3, max_features=5000)
    queries = [item.query[:4000] for item in (*hit, *missed)]
    try:
        words = counter.fit_transform(queries)
    except ValueError:  # no word occurs often enough
        return ()
    side = np.arange(len(queries)) < len(hit)
    score = np.nan_to_num(chi2(words, side)[0])
    inside = np.asarray(words[side].sum(axis=0)).ravel()
    outside = np.asarray(words[~side].sum(axis=0)).ravel()
    telling = (inside >= 3) & (score >= 10.8) & (inside * len(missed) > outside * len(hit))
    names = counter.get_feature_names_out()
    order = sorted(np.flatnonzero(telling), key=lambda i: (-score[i], names[i]))
    return tuple(str(names[i]) for i in order[:_TERMS])


def quotes(
    hit: Sequence[JudgedItem],
    losses: PrincipleLosses,
    cost: Mapping[str, float],
    names: Mapping[int, str],
) -> tuple[Quote, ...]:
    """The critiques of the items it cost most.

    Args:
        hit: the charged items.
        losses: those of all items.
        cost: reward lost to it, by item id.
        names: the principles of the group by number.
    """
    found = []
    for item in sorted(hit, key=lambda one: (-cost[one.id], one.id))[:_QUOTES]:
        of_group = [row for row in item.losses if losses.principle[row] in names]
        row = max(of_group, key=losses.gap.__getitem__)
        name = names[losses.principle[row]]
        found.append(
            Quote(
                item=item.id,
                draw=losses.draw[row],
                principle=name,
                text=passage(losses.quote[row], name),
            )
        )
    return tuple(found)


def passage(critique: str, about: str) -> str:
    """The sentence of a critique that shares most words with `about`, and what follows it.

    At most 360 characters; the first sentence if none shares a word.
    """
    sentences = [s.strip() for s in _SENTENCE.split(critique) if s.strip()]
    if not sentences:
        return ""
    wanted = {word[:5] for word in _WORD.findall(about.casefold())}
    overlap = [len(wanted & {w[:5] for w in _WORD.findall(s.casefold())}) for s in sentences]
    start = int(np.argmax(overlap))
    text = sentences[start]
    for sentence in sentences[start + 1 :]:
        if len(text) + len(sentence) + 1 > _LONGEST:
            break
        text = f"{text} {sentence}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"
