"""What `smol` was trained on, as the check that warns of other requests.

The data are drawn from templates, so that held-out data of the same templates would set thresholds
that people's wording never passes. The thresholds are therefore those of kinds that the counts have
not seen: each kind in turn is left out and measured by the counts of the others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from deemster.backends.domain import Domain, Encode, Likelihood
from deemster.dialects import open_dialect
from deemster.schemas import Sample
from deemster.training.prompts import training_messages
from lab.smol.generator import generate

Counts = dict[int, Counter[int]]
_NONE = Likelihood(-np.inf, -np.inf)


def prompt_of(sample: Sample) -> str:
    """What the judge reads about a sample, the responses in the given order."""
    order = tuple(range(len(sample.responses)))
    return training_messages(sample, open_dialect("smol"), order=order, seed=0)[-1].text


def everyday(
    encode: Encode, *, items: int = 16_000, seed: int = 0, measured: int = 3_000
) -> Domain:
    """The domain of the training data.

    Args:
        encode: by the base's tokenizer.
        items: how many of the data are counted.
        seed: that they are drawn with.
        measured: how many of them, evenly over the kinds, are measured with their kind left out.
    """
    drawn = [(one.sample.subset, prompt_of(one.sample)) for one in generate(items, seed=seed)]
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for kind, prompt in drawn:
        by_kind[kind].append(prompt)
    return fit_apart(encode, by_kind, each=max(1, measured // len(by_kind)))


def fit_apart(
    encode: Encode, by_kind: Mapping[str, Sequence[str]], *, each: int, share: float = 0.001
) -> Domain:
    """A domain with thresholds that prompts of kinds it has not seen may fall below.

    Args:
        encode: from text to tokens.
        by_kind: the prompts.
        each: how many of a kind are measured.
        share: of the measured ones that each threshold may refuse.
    """
    counts = {kind: _count(encode, prompts) for kind, prompts in by_kind.items()}
    whole = _sum(counts.values())
    found = []
    for kind, prompts in by_kind.items():
        rest = Domain(_without(whole, counts[kind]), _NONE)
        found += [rest.likelihood(encode, prompt) for prompt in prompts[:each]]
    query, prompt = (
        float(np.quantile([getattr(one, name) for one in found], share))
        for name in ("query", "prompt")
    )
    longest = max(len(encode(one)) for prompts in by_kind.values() for one in prompts)
    fitted = Domain(whole, Likelihood(query, prompt), longest=longest)
    refused = sum(not fitted.covers(one) for one in found) / len(found)
    return Domain(whole, fitted.least, {"prompts of unseen kinds refused": refused}, longest)


def _count(encode: Encode, prompts: Sequence[str]) -> Counts:
    """How often a token followed another; -1 is the start, as `Domain` has it."""
    counts: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for prompt in prompts:
        ids = encode(prompt)
        for before, token in zip([-1, *ids], ids, strict=False):
            counts[before][token] += 1
    return counts


def _sum(many: Iterable[Counts]) -> Counts:
    total: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for counts in many:
        for before, after in counts.items():
            total[before].update(after)
    return total


def _without(whole: Counts, part: Counts) -> Counts:
    """Counts that are left; `-` of a Counter leaves out what is gone."""
    return {
        before: after - part[before] if before in part else after for before, after in whole.items()
    }
