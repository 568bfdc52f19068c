"""Is another wording of a principle better? Accepted only on held-out labels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal

import numpy as np

from deemster.aggregators import win_shares
from deemster.aggregators.base import Floats
from deemster.backends import Backend
from deemster.errors import InputError
from deemster.judges import BaseJudge, Judge
from deemster.judges.calibrator_fit import folds
from deemster.principles.bank_records import name_key
from deemster.principles.rewording import write_wordings
from deemster.schemas import Count, Principle, Record, Sample, Verdict
from deemster.suites.metrics import Bootstrap, Estimate
from deemster.suites.metrics.estimate import DEFAULT, tidy
from deemster.suites.principle_check import LEAST, sign_test
from deemster.suites.vote_budget import is_over_budget

_ALPHA = 0.05
_FEWEST_MOVED = 6
"""Held-out items on which the wordings must differ before random signs can reach p < 0.05."""


class Wording(Record):
    """One wording, on all labelled samples."""

    description: str
    agreement: Estimate
    """With the labels, ties on top shared."""
    gain: Estimate | None
    """Over the present wording; None for that itself."""


class Rewording(Record):
    """What trying other wordings gave."""

    judge: str
    principle: str
    n: Count
    """Labelled comparisons that were scored by every wording."""
    unscored: Count
    """Those that were not, and are left out: a judge that failed says nothing about a wording."""
    votes: Count
    """Drawn for all wordings together."""
    wordings: tuple[Wording, ...]
    """The present one first."""
    best: Count
    """Number of the one that is best on all samples."""
    held_out: Estimate
    """Gain of the wording that is best on four fifths of the samples, on the others."""
    p_value: float
    """Two-sided, of no held-out gain, by random signs."""
    conclusion: Literal["accepted", "not better", "too few labels"]
    principles: tuple[Principle, ...]
    """The rubric: with the best wording if that is accepted, else as it was."""


def find_principle(principles: Sequence[Principle], name: str) -> int:
    """Place of a principle, by its name without case and punctuation.

    Raises:
        InputError: there is none.
    """
    for place, one in enumerate(principles):
        if name_key(one.name) == name_key(name):
            return place
    known = ", ".join(repr(one.name) for one in principles)
    raise InputError(f"no principle {name!r}; the judge has: {known}")


def rewordable(judge: BaseJudge) -> Judge:
    """The judge, if it has fixed principles.

    Raises:
        InputError: it has none.
    """
    if not isinstance(judge, Judge) or not judge.principles:
        raise InputError(
            f"judge {judge.name!r} has no fixed principles to reword; give it some, e.g. "
            "principles: FILE.yaml (deemster principles mine makes a bank of those that a judge "
            "writes itself)"
        )
    return judge


def labelled_comparisons(samples: Sequence[Sample]) -> list[Sample]:
    """Those with a labelled best and without principles of their own.

    Raises:
        InputError: fewer than 20.
    """
    found = [one for one in samples if one.best is not None and not one.principles]
    if len(found) < LEAST:
        raise InputError(
            f"{len(found)} labelled comparisons of {len(samples)} samples; {LEAST} or more are "
            "needed"
        )
    return found


async def reword(
    judge: Judge,
    samples: Sequence[Sample],
    name: str,
    writer: Backend,
    *,
    n: int = 3,
    seed: int = 0,
    in_flight: int = 64,
    bootstrap: Bootstrap = DEFAULT,
) -> Rewording:
    """Let a model reword a principle, and accept that only if it is better on held-out labels.

    Every wording, the present one too, is asked afresh with a seed that is not the judge's own:
    the votes that made the principle look poor are not counted again.

    Args:
        judge: with fixed principles; see `rewordable`.
        samples: see `labelled_comparisons`.
        name: of the principle.
        writer: the model that writes wordings.
        n: how many.
        seed: of the writer's draw, the folds and the random signs.
        in_flight: samples judged at a time.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: there is no such principle, the budget ended before all were judged, or fewer
            than 20 comparisons were scored by every wording.
        BackendError: the model that writes did not answer.
        ParseError: it wrote something else.
    """
    place = find_principle(judge.principles, name)
    present = judge.principles[place]
    written = await write_wordings(writer, judge.principles, place, n=n, seed=seed)
    rubrics = [_with(judge.principles, place, text) for text in (present.description, *written)]
    table, votes = await _try_all(judge, samples, rubrics, in_flight=in_flight)
    gains = held_out_gains(table, seed=seed)
    best = int(table.mean(axis=0).argmax())
    p = sign_test(gains, seed=seed)
    conclusion = _conclusion(gains, p, best)
    return Rewording(
        judge=judge.name,
        principle=present.name,
        n=len(table),
        unscored=len(samples) - len(table),
        votes=votes,
        wordings=tuple(
            Wording(
                description=rubric[place].description,
                agreement=bootstrap.mean(table[:, c]),
                gain=bootstrap.difference(table[:, c], table[:, 0]) if c else None,
            )
            for c, rubric in enumerate(rubrics)
        ),
        best=best,
        held_out=bootstrap.difference(gains, np.zeros(len(gains))),
        p_value=tidy(p) or 0.0,
        conclusion=conclusion,
        principles=rubrics[best if conclusion == "accepted" else 0],
    )


async def _try_all(
    judge: Judge,
    samples: Sequence[Sample],
    rubrics: Sequence[tuple[Principle, ...]],
    *,
    in_flight: int,
) -> tuple[Floats, int]:
    """(I, C) share of the win of the labelled best by rubric, and how many votes that took."""
    fresh = copy.copy(judge)
    fresh.seed = (judge.seed + 1) % 2**63
    shares: list[list[float | None]] = []
    votes = 0
    for rubric in rubrics:
        given = [one.model_copy(update={"principles": rubric}) for one in samples]
        verdicts = await fresh.score_all(given, in_flight=in_flight)
        if any(map(is_over_budget, verdicts)):
            raise InputError("the budget was spent before all wordings were tried; raise it")
        votes += sum(len(verdict.votes) for verdict in verdicts)
        shares.append([_share(v, s) for v, s in zip(verdicts, samples, strict=True)])
    rows = [row for row in zip(*shares, strict=True) if None not in row]
    if len(rows) < LEAST:
        raise InputError(
            f"only {len(rows)} of {len(samples)} comparisons were scored by every wording; {LEAST} "
            "or more are needed: see why votes fail with deemster run"
        )
    return np.array(rows, dtype=float), votes


def held_out_gains(table: Floats, *, seed: int = 0) -> Floats:
    """(I,) gain over the present wording of the one that is best on the other folds.

    Args:
        table: (I, C) share of the win of the labelled best by wording, the present one first.
        seed: of the folds.
    """
    found = np.zeros(len(table))
    for inside in folds(len(table), seed=seed):
        chosen = int(table[~inside].mean(axis=0).argmax())  # of equal ones the first: no change
        found[inside] = table[inside, chosen] - table[inside, 0]
    return found


def _conclusion(
    gains: Floats, p: float, best: int
) -> Literal["accepted", "not better", "too few labels"]:
    if best and p < _ALPHA and gains.mean() > 0:
        return "accepted"
    moved = int((np.abs(gains) > 1e-12).sum())
    return "too few labels" if best and moved < _FEWEST_MOVED else "not better"


def _with(rubric: Sequence[Principle], place: int, description: str) -> tuple[Principle, ...]:
    return tuple(
        one.model_copy(update={"description": description}) if i == place else one
        for i, one in enumerate(rubric)
    )


def _share(verdict: Verdict, sample: Sample) -> float | None:
    if verdict.rewards is None or sample.best is None:
        return None
    return float(win_shares(np.array(verdict.rewards))[sample.best])
