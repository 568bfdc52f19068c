"""How time and memory grow with the run: the store, figures, weaknesses, the report, votes.

python -m benchmarks.growth [--items 1000 10000 50000] [--votes 1000000] [--k 4]
    [--parts store summary …] [--keep DIR] [--json FILE]
python -m benchmarks --take growth FILE     writes FILE's figures into docs/benchmarks.md

Runs are made up (no model is called): two policies of which one has a planted weakness, votes with
principles, weights and critiques of a few hundred characters, texts that compress as prose does.
Every part runs in a process of its own and is measured in CPU seconds on one thread, so that a
busy machine does not count; only the browser's time to open a report is what a clock shows.
FILE keeps what it has of other sizes and parts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import numpy as np

from deemster.aggregators import Ballot, Sum, TopK, confidences
from deemster.judges import decide
from deemster.reports import find_weaknesses, write_report
from deemster.reports.collect import MOST_ITEMS
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
from deemster.suites import load_suite
from deemster.suites.comparing import compare_runs
from deemster.suites.engines import Work
from deemster.suites.rescoring import rescore_run
from deemster.suites.runner import run_suite
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
POOL = 5_000
"""Verdicts that are made; those of further items have the same votes. Making them takes longer
than what is measured."""


@lru_cache(maxsize=1)
def passages() -> list[str]:
    """2,000 texts of 60 words, of which some are frequent: they compress as prose does."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    words = ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(4_000)]
    places = np.minimum(rng.zipf(1.1, (2_000, 60)) - 1, rng.integers(0, 4_000, (2_000, 60)))
    return [" ".join(words[place] for place in row) + "." for row in places]


def samples(n: int) -> Iterator[Sample]:
    """Pairs of answers of two policies, 1,000 characters each."""
    texts = passages()
    for i in range(n):
        yield Sample(
            id=f"i{i}",
            query=f"Question number {i}, about {SUBJECTS[i % len(SUBJECTS)]}: which is better?",
            responses=[
                f"Answer {side} to {i}. " + " ".join(texts[(7 * i + j) % 2_000] for j in part)
                for side, part in enumerate((range(3), range(3, 6)))
            ],
            ground_truth=(1.0, 0.0),
            policies=("small", "large"),
            subset=f"s{i % 5}",
        )


@lru_cache(maxsize=POOL)
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
        critiques=tuple(Critique(response=n, text=passages()[rng.integers(2_000)]) for n in (0, 1)),
        usage=Usage(calls=1, tokens_in=900, tokens_out=300, seconds=float(rng.lognormal())),
    )


def store(folder: Path, n: int, k: int) -> None:
    """Make the run that the other parts read."""
    info = JudgeInfo(name="judge", model="made-up", aggregator="sum", k=k)
    with RunStore(folder, write=True) as run:
        run.set_judges([info])
        judged = ((sample, verdict(i % POOL, k, info)) for i, sample in enumerate(samples(n)))
        deque(run.adding(judged), maxlen=0)


def weakness(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    with RunStore(folder) as run:
        find_weaknesses(run.verdicts(0), policy="small", versus="large")


def report(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    write_report([folder], folder / "report.html")


def summary(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    with RunStore(folder) as run:
        summarise_verdicts(run.verdicts(0), run.judges()[0])


def rescore(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    shutil.rmtree(folder / "again", ignore_errors=True)
    rescore_run(folder, out=folder / "again", aggregator="median", k=max(1, k - 1))


def compare(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    compare_runs(folder, folder / "again")


def suite(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    """Read the samples of a suite, once."""
    assert sum(1 for _ in load_suite(_suite_of(folder, n)).samples()) == n


def begin(folder: Path, n: int, k: int) -> None:  # noqa: ARG001 - as the other parts
    """Begin a run of a suite, up to the first chunk that goes to a judge, here or on a cluster."""
    shutil.rmtree(folder / "begun", ignore_errors=True)
    asyncio.run(run_suite(load_suite(_suite_of(folder, n)), folder / "begun", engine=_OneChunk(n)))


@dataclass(frozen=True)
class _OneChunk:
    """An engine that reads its first chunk and leaves the rest to another run."""

    n: int

    async def judge_all(self, work: Work) -> bool:
        (todo,) = work.todo
        assert len(todo) == self.n
        assert [work.store.sample(position) for position in todo[:16]]
        return True


def _suite_of(folder: Path, n: int) -> Path:
    path, data = folder / "suite.yaml", folder / "data.jsonl"
    if not data.exists():
        with data.open("w", encoding="utf-8") as file:
            file.writelines(f"{sample.model_dump_json()}\n" for sample in samples(n))
    judge = "{model: hosted_vllm/none, options: {api_base: 'http://127.0.0.1:9/v1'}}"
    path.write_text(f"name: many\ndata: {{path: {data}}}\njudges: {judge}\n", encoding="utf-8")
    return path


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
    "rescore": rescore,
    "compare": compare,
    "suite": suite,
    "begin": begin,
    "votes": votes,
}


def exponents(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """By part, the power of the number of items that its seconds grow with; 1 is in proportion.

    The slope of a line through the logarithms of all sizes of 10,000 items and more, where the
    imports hardly count. Parts of fewer than two such sizes are left out.
    """
    found = {}
    for part in PARTS:
        sizes = sorted((int(n), one[part]["cpu_s"]) for n, one in runs.items() if part in one)
        large = [(n, seconds) for n, seconds in sizes if n >= 10_000]
        if len(large) > 1:
            logs = [[math.log(value) for value in column] for column in zip(*large, strict=True)]
            power = round(linear_regression(*logs).slope, 2)
            found[part] = {"from": large[0][0], "to": large[-1][0], "power": power}
    return found


def opened(page: Path, rounds: int = 5) -> dict[str, float] | None:
    """Seconds until Chromium shows the list of items, and until all is there; medians of 5.

    None without Selenium, Chromium and its driver.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver and find_spec("selenium")):
        return None
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.wait import WebDriverWait

    options = ChromeOptions()
    options.binary_location = chromium
    options.page_load_strategy = "none"
    for switch in ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"):
        options.add_argument(switch)
    shown: list[float] = []
    complete: list[float] = []
    for _ in range(rounds):
        chrome = Chrome(options=options, service=Service(driver))
        try:
            start = time.perf_counter()
            chrome.get(page.as_uri())
            for times, state in (
                (shown, "document.querySelectorAll('#list tbody tr').length > 0"),
                (complete, "document.readyState === 'complete'"),
            ):
                WebDriverWait(chrome, 120, poll_frequency=0.02).until(
                    lambda d, state=state: d.execute_script(f"return {state}")
                )
                times.append(time.perf_counter() - start)
        finally:
            chrome.quit()
    return {"shown_s": round(median(shown), 2), "complete_s": round(median(complete), 2)}


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


def figures(
    sizes: Sequence[int], parts: Sequence[str], k: int, keep: Path | None
) -> Iterator[tuple[str, str, Any]]:
    """(size, part, figures), each as soon as it is measured."""
    for n in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = (keep or Path(name)) / f"run{n}"
            folder.mkdir(parents=True, exist_ok=True)
            for part in parts:
                if part == "weakness" and n > MOST_ITEMS:
                    continue  # the report's is of so many: each takes kilobytes
                yield f"{n}", part, measured(part, folder, n, k)
                if part == "store":
                    yield f"{n}", "run_mb", _megabytes(folder / "run.sqlite")
                if part == "report":
                    yield f"{n}", "html_mb", _megabytes(folder / "report.html")
                    yield f"{n}", "page", opened(folder / "report.html")


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 1)


def main(
    sizes: Sequence[int] = SIZES,
    n_votes: int = VOTES,
    k: int = 4,
    *,
    parts: Sequence[str] = tuple(PARTS)[:-1],
    keep: Path | None = None,
    file: Path | None = None,
) -> dict[str, Any]:
    """Every part at every size; `file` takes each figure as it comes, beside those it has."""
    found: dict[str, Any] = {"runs": {}}
    if file is not None and file.exists():
        found = json.loads(file.read_text("utf-8"))
    found["k"] = k
    if n_votes:
        found["votes"] = {"n": n_votes, **measured("votes", Path(), n_votes, 8)}
    for n, part, figure in figures(sizes, parts, k, keep):
        found["runs"].setdefault(n, {})[part] = figure
        found["exponents"] = exponents(found["runs"])
        if file is not None:
            file.write_text(json.dumps(found, indent=2), "utf-8")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=SIZES)
    parser.add_argument("--votes", type=int, default=VOTES, help="0: leave them out")
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS)[:-1], default=tuple(PARTS)[:-1])
    parser.add_argument("--keep", type=Path, help="where runs stay, or are from an earlier call")
    parser.add_argument("--json", type=Path, help="file of figures to add to")
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        part, folder, n, k = given.part
        print(json.dumps(run_part(part, Path(folder), int(n), int(k))))
    else:
        made = main(
            given.items, given.votes, given.k, parts=given.parts, keep=given.keep, file=given.json
        )
        print(json.dumps(made, indent=2))
