"""What `make demo` runs: a small real judge on twelve everyday questions, and on yours.

    make demo
    make demo ASK="Who wrote Hamlet?" A="Jane Austen." B="William Shakespeare."

The first run fetches the judge's base, SmolLM2-135M-Instruct. Where that cannot be done, the
embedded demonstration model shows how voting works instead.
"""

from __future__ import annotations

import argparse
import asyncio
import runpy
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deemster import InputError, Judge, Sample, Verdict
from deemster.backends.model_fetch import fetch
from deemster.backends.shipped import BASE, smol_base, smol_part
from deemster.cli.render import representative
from deemster.data.samples import read_samples
from deemster.schemas import as_query, as_responses

HERE = Path(__file__).parent
DATA = HERE / "data" / "everyday.jsonl"
K = 8
NAMES = "ABCDEFGH"


def main() -> None:
    asked = arguments()
    try:
        smol_part()
        if smol_base() is None:
            print(f"fetching {BASE}, the base of the judge (up to 270 MB, once) …", file=sys.stderr)
            fetch(BASE)
    except InputError as error:
        print(f"deemster: {error}; nano, the demonstration model, instead", file=sys.stderr)
        runpy.run_path(str(HERE / "voting.py"), run_name="__main__")
        return
    asyncio.run(show(questions(asked)))


def arguments() -> tuple[str, list[str]] | None:
    """The user's question and its answers; None if there is none."""
    parser = argparse.ArgumentParser(description="A small judge on everyday questions.")
    parser.add_argument("--ask", metavar="QUESTION", help="a question of your own")
    parser.add_argument("--response", "-r", action="append", default=[], metavar="ANSWER",
                        help="an answer to it; repeat for several")  # fmt: skip
    given = parser.parse_args()
    if (given.ask is None) != (not given.response):
        parser.error("give --ask with at least one --response")
    return None if given.ask is None else (given.ask, given.response)


def questions(asked: tuple[str, list[str]] | None) -> list[Sample]:
    """Those of the file, after the user's own."""
    own = []
    if asked is not None:
        query, responses = asked
        own = [Sample(id="yours", query=as_query(query), responses=as_responses(responses))]
    return [*own, *read_samples(DATA)]


async def show(samples: Sequence[Sample]) -> None:
    """Judge them one after the other and print what the judge says."""
    right = known = 0
    begun = time.perf_counter()
    async with Judge("smol", k=K) as judge:
        for number, sample in enumerate(samples, 1):
            verdict = await judge.score(sample.query, sample.responses)
            print(f"\n{number}. {sample.query[-1].text}")
            print_verdict(sample, verdict)
            if sample.best is not None:
                known += 1
                right += verdict.best == sample.best
    seconds = (time.perf_counter() - begun) / len(samples)
    print(
        f"\n{right} of {known} as people answered; {K} votes a question, {seconds:.1f} s each. "
        "docs/smol.md has the measurements, docs/backends.md how to use a larger model."
    )


def print_verdict(sample: Sample, verdict: Verdict) -> None:
    """Answers with their mean scores, and one of the votes in its own words."""
    scores = verdict.scores or (None,) * len(sample.responses)
    for name, response, score in zip(NAMES, sample.responses, scores, strict=False):
        shown = "" if score is None else f"  [{score:.1f} of 10]"
        print(f"  {name}  {response.text}{shown}")
    if verdict.rewards is None:
        print(f"  no verdict: {verdict.n_valid} of {verdict.k} votes valid")
        return
    sure = "" if verdict.confidence is None else f", confidence {verdict.confidence:.2f}"
    best = "no winner" if verdict.best is None else f"{NAMES[verdict.best]} is best"
    print(f"  {best}{sure}")
    vote = representative(verdict)
    for principle in () if vote is None else vote.principles:
        about = f": {principle.description}" if principle.description else ""
        print(f"     {principle.name} ({principle.weight:.0%}){about}")
    for critique in () if vote is None else sorted(vote.critiques, key=lambda one: one.response):
        print(f"     on {NAMES[critique.response]}: {critique.text}")
    for warning in verdict.warnings:
        print(f"     warning: {warning}")


if __name__ == "__main__":
    main()
