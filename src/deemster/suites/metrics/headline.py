"""Figures per subset and the headline figures that benchmarks make of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from deemster.benchmarks.rm_bench import STYLES
from deemster.errors import InputError
from deemster.schemas import Record
from deemster.suites.metrics.estimate import DEFAULT, Bools, Bootstrap, Estimate, Floats, tidy
from deemster.suites.metrics.items import Item

T = TypeVar("T")
Categories = Mapping[str, Sequence[str]]
"""Category name to the subsets in it."""


def by_subset(items: Sequence[Item], metric: Callable[[Sequence[Item]], T]) -> dict[str, T]:
    """A metric within each subset, subsets sorted by name."""
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        found[item.subset].append(item)
    return {name: metric(found[name]) for name in sorted(found)}


class Headline(Record):
    """A weighted average of categories."""

    value: Estimate
    """None if some category has no scored item: an average of the others is another figure."""
    parts: dict[str, Estimate]


def macro_accuracy(
    items: Sequence[Item],
    categories: Categories | None = None,
    *,
    weights: Mapping[str, float] | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> Headline:
    """Mean over categories of strict accuracy, as RewardBench averages its sections.

    Within a category every scored item counts the same; items are resampled within categories.

    Args:
        items: the run.
        categories: which subsets make a category; not given, each subset is one. Subsets in no
            category are left out.
        weights: of the categories, > 0; 1 where not given (RewardBench gives prior sets 0.5).
        bootstrap: how intervals are drawn.

    Raises:
        InputError: a weight is not above 0 or names no category.
    """
    values = by_subset(items, lambda part: [float(i.right) for i in part if i.right is not None])
    asked = by_subset(items, lambda part: any(item.true_best is not None for item in part))
    if categories is None:
        categories = {name: (name,) for name, some in asked.items() if some}
    rights = {
        name: np.array([v for subset in subsets for v in values.get(subset, ())], dtype=float)
        for name, subsets in categories.items()
    }
    return stratified_mean(rights, weights=weights, bootstrap=bootstrap)


def stratified_mean(
    values: Mapping[str, Floats],
    *,
    weights: Mapping[str, float] | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> Headline:
    """Weighted mean of the means of several strata, each resampled within itself.

    Where all items of a stratum are 0, or all 1, see `Bootstrap.means`. It has no interval if a
    stratum has a single item.

    Args:
        values: one value per item, by stratum.
        weights: of the strata, > 0; 1 where not given.
        bootstrap: how intervals are drawn.
    """
    weights = dict(weights or {})
    unknown = sorted(weights.keys() - values.keys())
    if unknown:
        raise InputError(f"weight for unknown category {unknown[0]!r}; known: {sorted(values)}")
    if any(not 0 < weight < float("inf") for weight in weights.values()):
        raise InputError(f"category weights must be above 0 and finite, got {weights}")
    parts = {name: bootstrap.mean(part) for name, part in values.items()}
    n = sum(len(part) for part in values.values())
    if not values or any(not len(part) for part in values.values()):
        return Headline(value=Estimate(value=None, low=None, high=None, n=n), parts=parts)
    shares = np.array([weights.get(name, 1.0) for name in values])
    shares /= shares.sum()
    value = float(shares @ [part.mean() for part in values.values()])
    if any(len(part) < 2 for part in values.values()):
        # A single item resampled is itself: the interval would be too narrow, even of width 0.
        return Headline(value=Estimate(value=tidy(value), low=None, high=None, n=n), parts=parts)
    draws = np.zeros(bootstrap.resamples)
    for number, (share, part) in enumerate(zip(shares, values.values(), strict=True)):
        # Another seed for each: strata vary independently.
        own = Bootstrap(bootstrap.resamples, seed=bootstrap.seed * 1_000_003 + number)
        draws += share * own.means(part)
    return Headline(value=bootstrap.between(value, draws, n), parts=parts)


class StyleMatrix(Record):
    """RM-Bench: chosen against rejected over three styles, plain to ornate."""

    hard: Headline
    """The chosen response has the plainer style."""
    normal: Headline
    """Both have the same style."""
    easy: Headline
    """The chosen response has the more ornate style."""
    average: Headline
    """Mean of the three, per prompt."""
    matrix: tuple[tuple[float | None, ...], ...]
    """Accuracy by style of the chosen (row) and of the rejected (column), over all prompts."""


class Cell(NamedTuple):
    """Where a pair stands in RM-Bench."""

    domain: str
    prompt: str
    chosen: int
    """Style of the chosen response, 0 (plainest) to 2."""
    rejected: int


def style_cell(item: Item) -> Cell:
    """The cell of a pair as the benchmark adapter `rm-bench` writes it.

    Raises:
        InputError: its metadata do not name its domain and the styles.
    """
    keys = ("domain", "chosen_style", "rejected_style")
    domain, chosen, rejected = (item.metadata.get(key) for key in keys)
    if domain is None or chosen not in STYLES or rejected not in STYLES:
        raise InputError(
            f"item {item.id!r} is no RM-Bench pair: {', '.join(keys)} are "
            f"{(domain, chosen, rejected)!r}; styles are {', '.join(STYLES)}"
        )
    prompt = item.id.rpartition("/")[0]
    return Cell(str(domain), prompt, STYLES.index(str(chosen)), STYLES.index(str(rejected)))


def style_matrix(
    items: Sequence[Item],
    cell: Callable[[Item], Cell] = style_cell,
    *,
    categories: Categories | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> StyleMatrix:
    """RM-Bench's easy, normal and hard accuracy: means over domains of means over prompts.

    Args:
        items: pairs, nine per prompt; an unscored one leaves its cell empty.
        cell: which cell a pair belongs to.
        categories: domains to average together first (`safety` of two); each its own if not given.
        bootstrap: how intervals are drawn; prompts are resampled within categories.
    """
    prompts: dict[tuple[str, str], Floats] = {}
    for item in items:
        at = cell(item)
        own = prompts.setdefault((at.domain, at.prompt), np.full((3, 3), np.nan))
        own[at.chosen, at.rejected] = np.nan if item.right is None else float(item.right)
    domains = np.array([domain for domain, _ in prompts], dtype=object)
    if categories is None:
        categories = {name: (name,) for name in sorted(set(domains))}
    members = {name: np.isin(domains, list(own)) for name, own in categories.items()}
    cells = np.array(list(prompts.values())).reshape(-1, 3, 3)
    ones = np.ones((3, 3), dtype=bool)
    masks = (np.triu(ones, 1), np.eye(3, dtype=bool), np.tril(ones, -1))
    levels = np.stack([_masked_mean(cells, mask) for mask in masks], axis=1)

    def headline(values: Floats) -> Headline:
        known = np.isfinite(values)
        strata = {name: values[own & known] for name, own in members.items()}
        return stratified_mean(strata, bootstrap=bootstrap)

    hard, normal, easy = (headline(column) for column in levels.T)
    return StyleMatrix(
        hard=hard,
        normal=normal,
        easy=easy,
        average=headline(levels.mean(axis=1)),
        matrix=tuple(tuple(_mean_or_none(cells[:, i, j]) for j in range(3)) for i in range(3)),
    )


def _masked_mean(cells: Floats, mask: Bools) -> Floats:
    """(P,): mean of the masked cells that are filled; NaN if none is."""
    inside = cells[:, mask]
    filled = np.isfinite(inside)
    total: Floats = np.where(filled, inside, 0.0).sum(axis=1)
    count = filled.sum(axis=1)
    mean: Floats = np.divide(total, count, out=np.full(len(cells), np.nan), where=count > 0)
    return mean


def _mean_or_none(values: Floats) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None
