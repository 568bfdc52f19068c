"""The study from its files: every figure once, in one record."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deemster.errors import InputError
from deemster.suites.metrics import Bootstrap
from deemster.suites.metrics.estimate import DEFAULT
from deemster.suites.summaries import write_json
from lab.study import contrasts
from lab.study.claims import all_claims
from lab.study.files import Source, find_sources, read, read_training
from lab.study.measure import Gap, Key, Measurements, measure
from lab.study.records import MetaRM, Saving, Score, Setting, Study
from lab.study.table import Figure

FILE = "study.json"


def analyse(folder: Path, *, bootstrap: Bootstrap = DEFAULT) -> Study:
    """Compute all figures of a study's files.

    Raises:
        InputError: the folder, a file's name or a file's content is not as expected.
    """
    sources = find_sources(folder)
    training = read_training(folder)
    found = measure(sources, contrasts.wanted, bootstrap)
    if not found.splits:
        raise InputError(
            f"study folder {str(folder)!r} has no item with 2 or more responses; sample some"
        )
    keys = found.keys

    return Study(
        setting=_setting(sources, found, bootstrap),
        claims=all_claims(found),
        paper=contrasts.shapes(found),
        accuracy=_accuracy(found),
        guided=contrasts.contrasts(found, contrasts.guided(keys)),
        aggregators=contrasts.contrasts(found, contrasts.aggregated()),
        cooled=contrasts.contrasts(found, contrasts.cooled()),
        ablations=contrasts.contrasts(found, contrasts.ablations(keys)),
        baselines=contrasts.contrasts(found, contrasts.baselines(keys)),
        failures={key.model: found.get(key) for key in keys if key.what == "failed"},
        domains=_domains(found),
        stopping=_stopping(found),
        spreads=dict(found.spreads),
        meta_rm=_meta_rm(found),
        training=dict(training),
    )


def write_study(study: Study, path: Path) -> None:
    """Write the record as JSON, in one step."""
    write_json(path, study.model_dump(mode="json"))


def _setting(sources: Iterable[Source], found: Measurements, bootstrap: Bootstrap) -> Setting:
    seeds: dict[str, set[int]] = {}
    votes: dict[str, int] = {}
    temperature: dict[str, float] = {}
    scalar: set[str] = set()
    for source in sources:
        scored = read(source)
        seeds.setdefault(source.model, set()).add(source.seed)
        votes[source.model] = scored.scores.shape[1]
        if scored.temperature is not None:
            temperature[source.model] = scored.temperature
        if source.scalar:
            scalar.add(source.model)
    return Setting(
        items={split: data.rows.n_items for split, data in found.splits.items()},
        seeds={model: tuple(sorted(given)) for model, given in seeds.items()},
        votes=votes,
        temperature=temperature,
        scalar=tuple(sorted(scalar)),
        resamples=bootstrap.resamples,
        level=bootstrap.level,
        seed=bootstrap.seed,
    )


def _accuracy(found: Measurements) -> dict[str, dict[str, dict[str, Score]]]:
    table: dict[str, dict[str, dict[str, Score]]] = {}
    for key in found.keys:
        if key.what != "right" or key.domain:
            continue
        for split, figure in found.get(key).items():
            tied, lot, unscored = (
                round(found.note(key.model, key.rule, split, what), 10)
                for what in ("tied", "lot", "unscored")
            )
            score = Score(accuracy=figure, ties=tied, lot=lot, unscored=unscored)
            table.setdefault(key.model, {}).setdefault(split, {})[key.rule] = score
    return table


def _domains(found: Measurements) -> dict[str, dict[str, dict[str, dict[str, Figure]]]]:
    table: dict[str, dict[str, dict[str, dict[str, Figure]]]] = {}
    for key in found.keys:
        if key.domain:
            for split, figure in found.get(key).items():
                by_domain = table.setdefault(key.model, {}).setdefault(split, {})
                by_domain.setdefault(key.domain, {})[key.rule] = figure
    return table


def _stopping(found: Measurements) -> dict[str, dict[str, dict[str, Saving]]]:
    table: dict[str, dict[str, dict[str, Saving]]] = {}
    for key in found.keys:
        if key.what != "votes":
            continue
        accuracy = Key(key.model, key.rule)
        change = found.get(Gap(accuracy, Key(key.model, f"vote@{contrasts.MOST}")))
        for split, votes in found.get(key).items():
            if split in change:
                table.setdefault(key.model, {}).setdefault(split, {})[key.rule] = Saving(
                    votes=votes, accuracy=found.get(accuracy)[split], change=change[split]
                )
    return table


def _meta_rm(found: Measurements) -> dict[str, dict[str, MetaRM]]:
    table: dict[str, dict[str, MetaRM]] = {}
    for split, by_model in found.auc.items():
        for model, overall in by_model.items():
            within = found.get(Key(model, "meta", "auc")).get(split)
            if within is not None:
                table.setdefault(model, {})[split] = MetaRM(overall=overall, within=within)
    return table
