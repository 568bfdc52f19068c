"""How time and memory grow with the run: the store, the summary, the report, votes.

python -m benchmarks.growth [--items 1000 10000 50000] [--votes 1000000] [--k 4]

Runs are made up (no model is called): two policies of which one has a planted weakness, votes with
principles, weights and critiques of a few hundred characters. Every part runs in a process of its
own and is measured in CPU seconds on one thread, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deemster.aggregators import Ballot, Sum, TopK, confidences
from deemster.judges import decide
from deemster.reports import find_weaknesses, write_report
from deemster.schemas import (
    Critique,
    JudgeInfo,
    Judgment,
    Principle,
    Sample,
    Scale,
    Usage,
    Verdict,
    normalise_weights,
)
from deemster.suites.store import RunStore
from deemster.suites.summaries import summarise_verdicts

SIZES = (1_000, 10_000, 50_000)
VOTES = 1_000_000
RESAMPLES = 1_000
BALLOTS = 4_096
"""Held at once."""
SCALE = Scale(low=1, high=10)
COMMON = (
    *("arithmetic", "word limit", "tone", "language", "clarity", "depth", "relevance"),
    *("structure", "helpfulness", "creativity", "safety", "evidence", "completeness", "style"),
    *("accuracy", "code quality", "citations", "formatting", "reasoning", "originality"),
)
RARE = [
    f"{field} {matter}"
    for field in (
        *("medical", "legal", "financial", "historical", "musical", "culinary", "athletic"),
        *("botanical", "nautical", "political", "religious", "statistical", "chemical"),
    )
    for matter in (
        *("terminology", "units", "examples", "warnings", "sources", "dates", "names"),
        *("conventions", "background", "caveats", "procedure", "comparisons"),
    )
]
SUBJECTS = (*COMMON, *RARE)
LIKELIHOOD = np.array([*[10.0] * len(COMMON), *[1.0] * len(RARE)])
LIKELIHOOD /= LIKELIHOOD.sum()
WORDINGS = ("{}", "Quality of {}", "{} of the answer", "How good the {} is", "{}, as asked")
PASSAGE = "It says what was asked for and gives a reason, but the second step is hard to follow. "


def samples(n: int) -> Iterator[Sample]:
    """Pairs of answers of two policies, 1,000 characters each."""
    for i in range(n):
        yield Sample(
            id=f"i{i}",
            query=f"Question number {i}, about {SUBJECTS[i % len(SUBJECTS)]}: which is better?",
            responses=[f"answer one to {i} " * 60, f"answer two to {i} " * 60],
            ground_truth=(1.0, 0.0),
            policies=("small", "large"),
            subset=f"s{i % 5}",
        )


def verdict(i: int, k: int, info: JudgeInfo) -> Verdict:
    """Votes by weights alone; the smaller policy loses more where the first subject weighs."""
    rng = np.random.default_rng(i)
    ease = rng.normal()
    votes = [vote(rng, draw, ease) for draw in range(k)]
    return decide(votes, n=2, k=k, reducer=Sum(), info=info, min_valid=1)


def vote(rng: np.random.Generator, draw: int, ease: float) -> Judgment:
    chosen = rng.choice(len(SUBJECTS), 4, replace=False, p=LIKELIHOOD)
    principles = normalise_weights(
        [
            Principle(
                name=WORDINGS[rng.integers(len(WORDINGS))].format(SUBJECTS[subject]),
                description=f"About {SUBJECTS[subject]}.",
                weight=float(rng.integers(1, 5)),
            )
            for subject in chosen
        ]
    )
    planted = sum(p.weight for p, subject in zip(principles, chosen, strict=True) if not subject)
    gap = ease + rng.normal() - 4 * planted
    return Judgment(
        draw=draw,
        order=(0, 1) if draw % 2 == 0 else (1, 0),
        scores=tuple(float(np.clip(round(6 + side * gap), 1, 10)) for side in (0.5, -0.5)),
        scale=SCALE,
        principles=tuple(principles),
        critiques=tuple(Critique(response=n, text=PASSAGE * 4) for n in (0, 1)),
        usage=Usage(calls=1, tokens_in=900, tokens_out=300, seconds=float(rng.lognormal())),
    )


def store(folder: Path, n: int, k: int) -> None:
    """Make the run that the other parts read."""
    info = JudgeInfo(name="judge", model="made-up", aggregator="sum", k=k)
    with RunStore(folder, write=True) as run:
        run.set_judges([info])
        run.add_samples(samples(n))
        with run.transaction():
            for i in range(n):
                run.put_in_transaction(0, i, verdict(i, k, info))


def weakness(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    with RunStore(folder) as run:
        find_weaknesses(run.verdicts(0), policy="small", versus="large")


def report(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    write_report([folder], folder / "report.html")


def summary(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    with RunStore(folder) as run:
        summarise_verdicts(run.verdicts(0), run.judges()[0])


def votes(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    """`Sum` and `TopK() >> Sum()` over n votes in ballots of k, each with its confidence."""
    rng = np.random.default_rng(0)
    for start in range(0, n // k, BALLOTS):
        shape = (min(BALLOTS, n // k - start), k)
        ballots = Ballot(
            scores=rng.integers(1, 11, (*shape, 2)).astype(float),
            weights=np.ones(shape),
            meta=rng.random(shape),
            judges=np.zeros(shape, dtype=np.intp),
            by_principle=np.full((*shape, 2), np.nan),
        )
        for reducer in (Sum(), TopK() >> Sum()):
            leaders = reducer.reduce(ballots).argmax(axis=-1)
            confidences(reducer, ballots, leaders, seed=0, resamples=RESAMPLES)


PARTS: dict[str, Callable[[Path, int, int], None]] = {
    "store": store,
    "summary": summary,
    "weakness": weakness,
    "report": report,
    "votes": votes,
}


def measured(part: str, folder: Path, n: int, k: int) -> dict[str, float]:
    """One part in a process of its own: CPU seconds and peak memory."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", "--part", part, str(folder), str(n), str(k)],
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    one: dict[str, float] = json.loads(found.stdout)
    return one


def run_part(part: str, folder: Path, n: int, k: int) -> dict[str, float]:
    start = time.process_time()
    PARTS[part](folder, n, k)
    seconds = time.process_time() - start
    # The kernel's own account of this process: that of its parent counts the parent's too.
    status = Path("/proc/self/status").read_text("utf-8")
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    return {"cpu_s": round(seconds, 1), "peak_mb": round(peak)}


def main(sizes: Sequence[int] = SIZES, n_votes: int = VOTES, k: int = 4) -> dict[str, Any]:
    """Every part at every size."""
    found: dict[str, Any] = {"k": k, "runs": []}
    for n in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "run"
            row: dict[str, Any] = {"items": n}
            for part in ("store", "summary", "weakness", "report"):
                row[part] = measured(part, folder, n, k)
            row["run_mb"] = round((folder / "run.sqlite").stat().st_size / 1e6, 1)
            row["html_mb"] = round((folder / "report.html").stat().st_size / 1e6, 1)
            found["runs"].append(row)
    if n_votes:
        found["votes"] = {"n": n_votes, **measured("votes", Path(), n_votes, 8)}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=SIZES)
    parser.add_argument("--votes", type=int, default=VOTES)
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        part, folder, n, k = arguments.part
        print(json.dumps(run_part(part, Path(folder), int(n), int(k))))
    else:
        print(json.dumps(main(arguments.items, arguments.votes, arguments.k), indent=2))
