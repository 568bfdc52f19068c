"""What one thing gains over another on the same held-out pairs, for the table in docs/smol.md.

    python -m lab.smol.gains RUN:1 RUN:8 --title "8 votes over one"
    python -m lab.smol.gains BEFORE:8 AFTER:8 --title "GRPO, 8 votes"

A run is a folder of `lab.smol.evaluate` (`build/smol-figures/...`), followed by how many votes of a
pair are counted, in expectation over which of them are drawn. The interval is over pairs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deemster.backends.shipped import smol_folder
from deemster.errors import InputError
from deemster.schemas import Judgment
from deemster.suites import RunStore
from deemster.suites.metrics.estimate import Bootstrap, Estimate
from lab.smol.figures import GAINS
from lab.smol.page import note

_DRAWS = 300
"""Subsets of a pair's votes that are averaged over."""


def right(leads: Sequence[float], k: int, rng: np.random.Generator) -> float:
    """How often k of a pair's votes prefer the right response.

    Args:
        leads: of each vote, the right response's score less the other's.
        k: votes, at most as many as there are.
        rng: draws which.
    """
    votes = np.asarray(leads)
    if k >= len(votes):
        return float(votes.sum() > 0)
    return float(
        np.mean([rng.choice(votes, k, replace=False).sum() > 0 for _ in range(_DRAWS)])
        if k > 1
        else (votes > 0).mean()
    )


Leads = Mapping[str, Sequence[float]]
"""By a pair's id, of each vote the right response's score less the other's."""


def gain(before: tuple[Leads, int], after: tuple[Leads, int]) -> Estimate:
    """The mean difference over the pairs that both have; each with how many votes are counted.

    Raises:
        InputError: they have no pair in common.
    """
    rng = np.random.default_rng(0)
    shared = sorted(before[0].keys() & after[0].keys())
    if not shared:
        raise InputError("the runs have no pair in common")
    shares: list[npt.NDArray[np.float64]] = [
        np.array([right(leads[pair], k, rng) for pair in shared]) for leads, k in (after, before)
    ]
    return Bootstrap().difference(*shares)


def leads_of(run: Path, votes: int) -> tuple[str, dict[str, list[float]]]:
    """Which model a run is of, and what its valid votes say of every pair; failed ones say nothing.

    Raises:
        InputError: the run has several judges, a meta RM, or fewer votes than are to be counted.
    """
    found: dict[str, list[float]] = {}
    with RunStore(run) as store:
        judges = store.judges()
        if len(judges) != 1 or judges[0].meta_rm:
            raise InputError(f"{str(run)!r} is not a run of one judge without a meta RM")
        for sample, verdict in store.verdicts(0):
            if len(verdict.votes) < votes:
                raise InputError(f"{str(run)!r} has {len(verdict.votes)} votes of a pair")
            truth = sample.ground_truth
            if truth is None or len(truth) != 2:
                continue
            best = truth.index(max(truth))
            scores = [vote.scores for vote in verdict.votes if isinstance(vote, Judgment)]
            found[sample.id] = [(one[best] or 0.0) - (one[1 - best] or 0.0) for one in scores]
        return judges[0].model, found


def measured(before: str, after: str) -> dict[str, Any]:
    """A part of `figures.json`; its model is that of `after`.

    Args:
        before: RUN:VOTES.
        after: the same.

    Raises:
        InputError: one of them is not of that form, see `leads_of`, or they have no pair in common.
    """
    (_, first), (model, second) = _side(before), _side(after)
    found = gain(first, second)
    return {"model": model, "n": found.n, "gain": [found.value, found.low, found.high]}


def _side(text: str) -> tuple[str, tuple[Leads, int]]:
    run, _, votes = text.rpartition(":")
    if not run or not votes.isdecimal() or int(votes) < 1:
        raise InputError(f"{text!r} is not RUN:VOTES")
    model, leads = leads_of(Path(run), int(votes))
    return model, (leads, int(votes))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", metavar="RUN:VOTES")
    parser.add_argument("after", metavar="RUN:VOTES")
    parser.add_argument("--title", help="put it into figures.json and on the page under this name")
    parser.add_argument(
        "--figures", type=Path, default=smol_folder(), help="folder of figures.json"
    )
    given = parser.parse_args()
    try:
        part = measured(given.before, given.after)
    except InputError as error:
        parser.error(str(error))
    if given.title:
        note(given.figures, f"{GAINS}/{given.title}", part)
    else:
        sys.stdout.write(f"{json.dumps(part)}\n")


if __name__ == "__main__":
    main()
