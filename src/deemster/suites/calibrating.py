"""A judge of a stored run against human labels: how far it agrees, and how sure it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deemster.aggregators.base import Floats
from deemster.errors import InputError
from deemster.judges.calibrator import (
    FEATURES,
    Calibrator,
    ChanceMap,
    judge_identity,
    verdict_features,
)
from deemster.judges.calibrator_fit import METHODS, Method, cross_fit_chances, fit, why_not
from deemster.schemas import Count, JudgeInfo, Record, Sample, Verdict
from deemster.suites.labels import Labels, Ratings, own_labels, read_labels
from deemster.suites.metrics import Bootstrap, Calibration, Estimate, calibrate, krippendorff_alpha
from deemster.suites.metrics.estimate import DEFAULT
from deemster.suites.metrics.items import top_set
from deemster.suites.metrics.raters import (
    Ceiling,
    Chance,
    Label,
    Rated,
    agreement_beyond_chance,
    ceiling,
)
from deemster.suites.rescoring import find_judge
from deemster.suites.store import RunStore

_CLIP = 1e-6
"""Confidences are kept this far from 0 and 1 where a logarithm is taken."""


class LabelAgreement(Record):
    """The judge and the raters on some items."""

    n: Count
    """Labelled items that the judge scored."""
    judge: Chance
    """The judge against the consensus of the raters."""
    alpha: Estimate | None
    """Krippendorff's alpha of the raters among themselves; None without a second one."""
    ceiling: Ceiling | None


class Quality(Record):
    """How good confidences are as chances of being right."""

    calibration: Calibration
    log_loss: Estimate


class ConfidenceFit(Record):
    """Confidence before and after, on the same items; after is cross-fitted."""

    method: Method
    features: tuple[str, ...]
    n: Count
    before: Quality | None
    """Resampled confidence; None where there is none (single votes)."""
    after: Quality
    brier_change: Estimate | None
    """Brier score after less before; below 0 is better."""
    log_loss_change: Estimate | None


class CalibrationReport(Record):
    """What `calibrate_run` found."""

    judge: JudgeInfo
    fingerprint: str
    labels: str
    """Where they are from."""
    n_labelled: Count
    n_unscored: Count
    """Labelled items that the judge did not score; they are in no figure."""
    n_split: Count
    """Labelled items on which no label has most raters; only the ceiling uses them."""
    n_unknown: Count
    """Labels of samples that the run does not have."""
    raters: dict[str, int]
    """Labels by rater."""
    overall: LabelAgreement
    subsets: dict[str, LabelAgreement]
    labels_to_halve: Count
    """Further labelled items after which the interval of kappa is about half as wide."""
    confidence: ConfidenceFit | None
    why_none: str


@dataclass(frozen=True)
class _Case:
    subset: str
    rated: Rated
    grades: Mapping[str, Label]
    values: Floats
    raw: float
    right: float
    """NaN without a best response by consensus."""


def calibrate_run(
    run: Path,
    *,
    labels: Path | None = None,
    judge: str | None = None,
    method: Method = "logistic",
    first: int | None = None,
    seed: int = 0,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[CalibrationReport, Calibrator]:
    """Measure a judge against labels and fit its confidence.

    Args:
        run: run directory.
        labels: file of labels, see `read_labels`; None takes the ground truth of the run.
        judge: which judge, where the run has several.
        method: see `fit`.
        first: number of the first response where labels are numbers.
        seed: splits the items into folds.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: there is no such run, judge or file, or nothing to measure.
    """
    if method not in METHODS:
        raise InputError(f"calibration method {method!r}; allowed: {', '.join(METHODS)}")
    with RunStore(run) as store:
        position = find_judge(store, judge)
        info = store.judges()[position]
        rows = list(store.verdicts(position))
    samples = {sample.id: sample for sample, _ in rows}
    given = own_labels(samples) if labels is None else read_labels(labels, samples, first=first)
    cases = _cases(rows, given)
    scored = [case for case in cases if case.rated.judge is not None]
    if not scored:
        raise InputError(f"none of the {len(cases)} labelled samples has rewards")
    overall = _agreement(scored, bootstrap)
    confidence, fitted, why = _confidence(scored, method, seed, bootstrap)
    report = CalibrationReport(
        judge=info,
        fingerprint=judge_identity(info),
        labels="the run's ground truth" if labels is None else str(labels),
        n_labelled=len(cases),
        n_unscored=len(cases) - len(scored),
        n_split=sum(case.rated.consensus is None for case in scored),
        n_unknown=given.unknown,
        raters={name: sum(name in of for of in given.ratings.values()) for name in given.raters},
        overall=overall,
        subsets=_by_subset(scored, bootstrap),
        labels_to_halve=3 * overall.judge.kappa.n,
        confidence=confidence,
        why_none=why,
    )
    return report, Calibrator(
        judge=info,
        fingerprint=report.fingerprint,
        n=overall.n,
        raters=len(report.raters),
        figures=_figures(report),
        chances=fitted,
        why_none=why,
    )


def _cases(rows: Sequence[tuple[Sample, Verdict]], labels: Labels) -> list[_Case]:
    labelled = [(s, v, labels.ratings[s.id]) for s, v in rows if s.id in labels.ratings]
    grades = sorted(
        {rating[0] for s, _, of in labelled if len(s.responses) == 1 for rating in of.values()}
    )
    return [_case(sample, verdict, of, grades) for sample, verdict, of in labelled]


def _case(sample: Sample, verdict: Verdict, ratings: Ratings, grades: Sequence[float]) -> _Case:
    n = len(sample.responses)
    given: dict[str, Label] = {
        name: rating[0] if n == 1 else top_set(rating) for name, rating in ratings.items()
    }
    rated = Rated(n, _said(sample.id, verdict, n, grades), tuple(given.values()))
    best = rated.consensus
    right = np.nan
    if verdict.ranking is not None and isinstance(best, tuple) and len(best) == 1:
        right = float(verdict.ranking[0] == best[0])
    lengths = [len(one.text) for one in sample.responses]
    values = verdict_features(verdict, lengths)
    logit = values[FEATURES.index("confidence")]
    return _Case(sample.subset, rated, given, values, float(1 / (1 + np.exp(-logit))), right)


def _said(key: str, verdict: Verdict, n: int, grades: Sequence[float]) -> Label | None:
    """The judge's label: the responses on top, or the grade nearest to its score."""
    if verdict.rewards is None:
        return None
    if n > 1:
        return top_set(verdict.rewards)
    score = (verdict.scores or verdict.rewards)[0]
    if not grades[0] <= score <= grades[-1]:
        raise InputError(
            f"sample {key!r}: the judge's score {score:g} is off the labels' scale, "
            f"{grades[0]:g} to {grades[-1]:g}; give labels on the judge's own scale"
        )
    return min(grades, key=lambda grade: abs(grade - score))


def _agreement(cases: Sequence[_Case], bootstrap: Bootstrap) -> LabelAgreement:
    rated = [case.rated for case in cases]
    return LabelAgreement(
        n=len(cases),
        judge=agreement_beyond_chance(rated, bootstrap=bootstrap),
        alpha=_alpha(cases, bootstrap),
        ceiling=ceiling(rated, bootstrap=bootstrap),
    )


def _alpha(cases: Sequence[_Case], bootstrap: Bootstrap) -> Estimate | None:
    names = sorted({name for case in cases for name in case.grades})
    if len(names) < 2:
        return None
    single = all(case.rated.n == 1 for case in cases)
    codes: dict[object, float] = {}
    table = np.full((len(names), len(cases)), np.nan)
    for column, case in enumerate(cases):
        for name, label in case.grades.items():
            code = codes.setdefault(label, float(len(codes)))
            table[names.index(name), column] = label if single else code
    return krippendorff_alpha(table, "interval" if single else "nominal", bootstrap=bootstrap)


def _by_subset(cases: Sequence[_Case], bootstrap: Bootstrap) -> dict[str, LabelAgreement]:
    names = sorted({case.subset for case in cases})
    if names == [""]:
        return {}
    return {
        name: _agreement([case for case in cases if case.subset == name], bootstrap)
        for name in names
    }


def _confidence(
    cases: Sequence[_Case], method: Method, seed: int, bootstrap: Bootstrap
) -> tuple[ConfidenceFit | None, ChanceMap | None, str]:
    known = [case for case in cases if not np.isnan(case.right)]
    values = np.array([case.values for case in known]).reshape(-1, len(FEATURES))
    right = np.array([case.right for case in known])
    raw = np.array([case.raw for case in known])
    if why := why_not(values, right):
        return None, None, why
    try:
        fitted = fit(values, right, method=method)
        after = cross_fit_chances(values, right, method=method, seed=seed)
    except InputError as error:  # verdicts look alike, all of them or those of four folds
        return None, None, str(error)
    there = ~np.isnan(after)
    both = there & ~np.isnan(raw)
    compared = bool(both.sum() >= there.sum() / 2)
    use = both if compared else there
    y = right[use]
    found = ConfidenceFit(
        method=method,
        features=fitted.features,
        n=int(use.sum()),
        before=_quality(raw[use], y, bootstrap) if compared else None,
        after=_quality(after[use], y, bootstrap),
        brier_change=bootstrap.mean(
            np.square(after[use] - y) - np.square(raw[use] - y), within=(-1.0, 1.0)
        )
        if compared
        else None,
        log_loss_change=bootstrap.mean(
            _loss(after[use], y) - _loss(raw[use], y), within=(-np.inf, np.inf)
        )
        if compared
        else None,
    )
    return found, fitted, ""


def _quality(stated: Floats, right: Floats, bootstrap: Bootstrap) -> Quality:
    return Quality(
        calibration=calibrate(stated, right, bootstrap=bootstrap),
        log_loss=bootstrap.mean(_loss(stated, right), within=(0.0, np.inf)),
    )


def _loss(stated: Floats, right: Floats) -> Floats:
    p = np.clip(stated, _CLIP, 1 - _CLIP)
    found: Floats = -(right * np.log(p) + (1 - right) * np.log(1 - p))
    return found


def _figures(
    report: CalibrationReport,
) -> dict[str, tuple[float | None, float | None, float | None]]:
    judge = report.overall.judge
    found = {"agreement": judge.agreement, "kappa": judge.kappa, "ac": judge.ac}
    if report.confidence is not None:
        after = report.confidence.after
        found |= {
            "ece": after.calibration.ece,
            "brier": after.calibration.brier,
            "log_loss": after.log_loss,
        }
    return {name: (one.value, one.low, one.high) for name, one in found.items()}
