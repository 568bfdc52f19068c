"""What more votes gain on the same pairs of a run: `python -m lab.smol.gains RUN 1 8`.

A run is a folder of `lab.smol.evaluate` (`build/smol-figures/...`). Both numbers of votes are in
expectation over which of a pair's votes are drawn; the interval is over pairs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deemster.schemas import Judgment
from deemster.suites import RunStore
from deemster.suites.metrics.estimate import Bootstrap, Estimate

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


def gain(pairs: Sequence[Sequence[float]], few: int, many: int) -> Estimate:
    """The mean difference of `many` and `few` votes over pairs, each given by its leads."""
    rng = np.random.default_rng(0)
    apart: npt.NDArray[np.float64] = np.array(
        [right(leads, many, rng) - right(leads, few, rng) for leads in pairs]
    )
    return Bootstrap().difference(apart, np.zeros(len(apart)))


def leads_of(run: Path) -> list[list[float]]:
    """Of every pair of a run, what its valid votes say."""
    found = []
    with RunStore(run) as store:
        for sample, verdict in store.verdicts(0):
            truth = sample.ground_truth
            if truth is None or len(truth) != 2:
                continue
            best = truth.index(max(truth))
            scores = [vote.scores for vote in verdict.votes if isinstance(vote, Judgment)]
            found.append([(one[best] or 0.0) - (one[1 - best] or 0.0) for one in scores])
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("few", type=int)
    parser.add_argument("many", type=int)
    given = parser.parse_args()
    found = gain(leads_of(given.run), given.few, given.many)
    sys.stdout.write(f"{found.value} [{found.low}, {found.high}] of {found.n} pairs\n")


if __name__ == "__main__":
    main()
