"""From files to figures: columns by split, their means, differences and intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from deemster.suites.metrics.estimate import Bootstrap, Estimate, Floats
from lab.study import meta_auc
from lab.study.files import HELD_OUT, MAIN, SPLITS, Scored, Source, read
from lab.study.records import MEAN
from lab.study.stopping import fit_spreads, stopped
from lab.study.table import Figure, Rows, figures, pooled
from lab.study.voting import Rates, failures, greedy_rates, vote_rates


class Key(NamedTuple):
    """A figure per item: of a model, by a rule."""

    model: str
    rule: str
    what: str = "right"
    """`right`, or `votes` (drawn), `failed` (share of judgments), `auc` (within the item)."""
    domain: str = ""
    """Only its items; all if empty."""


class Gap(NamedTuple):
    """The first figure minus the second, item by item."""

    high: Key
    low: Key


Measured = dict[Key | Gap, Figure]
BY_DOMAIN = ("vote@1", "greedy", "vote@8", "vote@32", "half@32")
"""Rules that are broken down by domain."""


@dataclass(frozen=True, eq=False)
class SplitData:
    """One split, item by item."""

    rows: Rows
    columns: dict[Key, Floats] = field(default_factory=dict)
    """(rows,), NaN where a file does not have the item."""
    notes: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    """By model and rule: means of `tied`, `lot`, `unscored`."""
    auc: dict[str, tuple[Estimate, Floats]] = field(default_factory=dict)
    """By model, overall; see `meta_auc.overall`."""


def load_split(
    split: str, sources: Iterable[Source], spreads: Mapping[str, float], bootstrap: Bootstrap
) -> SplitData:
    """Everything that is computed from votes, per item; files are read one at a time.

    Raises:
        InputError: a file cannot be read, or files disagree on an item.
    """
    by_model: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        by_model[source.model].append(source)
    every = [source for group in by_model.values() for source in group]
    data = SplitData(Rows(split, ((one.seed, one.path.name, read(one)) for one in every)))
    for model, group in by_model.items():
        _load_model(data, model, group, spreads.get(model), bootstrap)
    for key in list(data.columns):
        if key.model in MAIN and key.rule in BY_DOMAIN and key.what == "right":
            for domain in np.unique(data.rows.domains).tolist():
                inside = data.rows.domains == domain
                data.columns[key._replace(domain=domain)] = np.where(
                    inside, data.columns[key], np.nan
                )
    return data


def _load_model(
    data: SplitData,
    model: str,
    sources: Sequence[Source],
    spread: float | None,
    bootstrap: Bootstrap,
) -> None:
    rated = []
    notes: dict[tuple[str, str], list[Floats]] = defaultdict(list)
    for source in sources:
        scored = read(source)
        where = data.rows.where(source.seed, scored)
        columns, by_rule = _per_item(source, scored, spread)
        for rule, rates in by_rule.items():
            columns[Key(model, rule)] = rates.right
            for what in ("tied", "lot", "unscored"):
                notes[rule, what].append(getattr(rates, what))
        for key, values in columns.items():
            data.columns.setdefault(key, data.rows.empty())[where] = values
        if np.isfinite(scored.meta).any():
            rated.append((scored, data.rows.units[where]))
    for (rule, what), parts in notes.items():
        mean = round(float(np.concatenate(parts).mean()), 10)
        data.notes.setdefault((model, rule), {})[what] = mean
    found = meta_auc.overall(rated, data.rows.n_items, bootstrap) if rated else None
    if found is not None:
        data.auc[model] = found


def _per_item(
    source: Source, scored: Scored, spread: float | None
) -> tuple[dict[Key, Floats], dict[str, Rates]]:
    """Figures of a file per item (I,), and rates by rule."""
    model = source.model
    rates = vote_rates(scored, baseline=source.scalar)
    columns: dict[Key, Floats] = {}
    greedy = greedy_rates(scored)
    if greedy is not None:
        rates["greedy"] = greedy
    if not source.scalar:
        columns[Key(model, "sampled", "failed")] = failures(scored)
    if model in MAIN:
        for rule, one in stopped(scored, spread).items():
            columns[Key(model, rule, "votes")] = one.used
            rates[rule] = one.rates
    if np.isfinite(scored.meta).any():
        columns[Key(model, "meta", "auc")] = meta_auc.within_items(scored)
    return columns, rates


@dataclass(frozen=True, eq=False)
class Measurements:
    """All figures of a study, by split; `MEAN` is the mean of the held-out splits."""

    splits: dict[str, SplitData]
    figures: dict[str, Measured]
    auc: dict[str, dict[str, Estimate]]
    """By split, by model."""
    spreads: Mapping[str, float]
    """By model; see `fit_spreads`."""

    def get(self, key: Key | Gap) -> dict[str, Figure]:
        """By split; without the splits where it was not measured."""
        return {split: found[key] for split, found in self.figures.items() if key in found}

    def note(self, model: str, rule: str, split: str, what: str) -> float:
        """Mean share of `tied`, `lot` or `unscored`, which must have been measured."""
        parts = HELD_OUT if split == MEAN else (split,)
        return float(np.mean([self.splits[part].notes[model, rule][what] for part in parts]))

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every figure of a model in any split, in the order of the files."""
        found = {key: None for split in self.figures.values() for key in split}
        return tuple(key for key in found if isinstance(key, Key))


def measure(
    sources: Sequence[Source],
    wanted: Callable[[Sequence[Key]], Iterable[Gap]],
    bootstrap: Bootstrap,
) -> Measurements:
    """Compute everything.

    Args:
        sources: the files.
        wanted: chooses the differences to compute, given the available figures.
        bootstrap: how intervals are drawn.
    """
    spreads = fit_spreads(sources)
    splits: dict[str, SplitData] = {}
    found: dict[str, Measured] = {}
    auc: dict[str, dict[str, Estimate]] = defaultdict(dict)
    parts: dict[Key | Gap, list[tuple[Figure, Floats]]] = defaultdict(list)
    auc_parts: dict[str, list[tuple[Figure, Floats]]] = defaultdict(list)
    for number, split in enumerate(SPLITS):
        own = replace(bootstrap, seed=bootstrap.seed + number)
        data = load_split(split, [one for one in sources if one.split == split], spreads, own)
        if not data.rows.n_items:
            continue
        columns = dict[Key | Gap, Floats](data.columns.items())
        for gap in wanted(list(data.columns)):
            columns[gap] = data.columns[gap.high] - data.columns[gap.low]
        splits[split] = data
        shares = {key for key in data.columns if key.what in {"right", "failed"}}
        found[split], draws = figures(data.rows, columns, own, shares=shares)
        if split in HELD_OUT:
            for key, figure in found[split].items():
                parts[key].append((figure, draws[key]))
        for model, (estimate, areas) in data.auc.items():
            auc[split][model] = estimate
            if split in HELD_OUT:
                auc_parts[model].append((Figure(**estimate.model_dump()), areas))
    whole = len(HELD_OUT)
    found[MEAN] = {
        key: pooled(given, bootstrap)[0] for key, given in parts.items() if len(given) == whole
    }
    for model, given in auc_parts.items():
        if len(given) == whole:
            mean = pooled(given, bootstrap)[0]
            auc[MEAN][model] = Estimate(value=mean.value, low=mean.low, high=mean.high, n=mean.n)
    return Measurements(splits, found, dict(auc), spreads)
