"""`make bench`: run every benchmark on this machine and write docs/benchmarks.md.

Figures are ratios within one run where that is possible: machines differ, ratios less so.
"""

from __future__ import annotations

import argparse
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import (
    api_backend,
    growth,
    local_path,
    local_requests,
    suite_run,
    transformers_backend,
)

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def table(columns: list[str], rows: list[list[Any]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def api_section() -> str:
    found = api_backend.main()
    setting = found["setting"]
    rows = [
        [name, one["votes_per_s"], one["cpu_ms_per_vote"], f"{one['ratio']:.0%}"]
        for name, one in found["clients"].items()
    ]
    return f"""## A model behind an API, against a bare aiohttp client

The same OpenAI-compatible server on loopback answers every request after {setting["latency_s"]} s;
{setting["concurrency"]} requests at a time, {setting["votes"]} requests a round,
{setting["rounds"]} interleaved rounds, medians. CPU is the client's alone. Goal of the project:
85 %. Command: `python -m benchmarks.api_backend`

{table(["client", "votes/s", "CPU ms per vote", "of the bare client"], rows)}
"""


def transformers_section() -> str:
    found = transformers_backend.main()
    rows = [
        ["deemster", found["ours_samples_per_s"], found["ours_tokens_per_s"], found["ratio"]],
        ["`generate`", found["generate_samples_per_s"], found["generate_tokens_per_s"], 1],
    ]
    return f"""## The `transformers` backend against `generate(num_return_sequences=k)`

A random Llama-type model of {found["parameters"] / 1e6:.0f}M parameters, a prompt of
{found["prompt_tokens"]} tokens, k = {found["k"]}, {found["new_tokens"]} new tokens each, one run,
sampling at temperature 1. Goal of the project: 8 times.
Command: `python -m benchmarks.transformers_backend`

{table(["", "samples/s", "tokens/s", "times faster"], rows)}
"""


def path_section(found: dict[str, Any] | None = None) -> str:
    found = local_path.main() if found is None else found
    setting, prompts, rows = found["setting"], found["prompts"], found["rows"]

    def lines(ways: dict[str, dict[str, float]], unit: float = 1.0) -> list[list[Any]]:
        return [
            [way, f"{one['seconds'] * unit:.3g}", f"{one['cpu_seconds'] * unit:.3g}"]
            for way, one in ways.items()
        ]

    return f"""## The parts of the `transformers` backend on the CPU

Random Llama-type models, medians of {setting["rounds"]} interleaved rounds.
Command: `python -m benchmarks.local_path`

A step of {setting["k"]} rows after a prompt of {setting["prompt"]} tokens, beside a process that
is always busy:

{table(["threads", "ms a step", "CPU ms a step"], lines(found["threads"], 1000))}

{prompts["prompts"]} prompts of a judge, two orders of each item, {prompts["tokens"]} tokens in
all, of which {prompts["reused"]} had stood at the beginning of the prompt before; one thread:

{table(["read", "seconds", "CPU seconds"], lines(prompts["ways"]))}

{rows["k"]} draws that end one after the other, the ended ones stepped on with the others or taken
out; one thread:

{table(["ended draws", "seconds", "CPU seconds"], lines(rows["ways"]))}
"""


def requests_section() -> str:
    found = local_requests.main()
    rows = [
        ["one item after the other", found["in_turn_votes_per_s"], 1],
        ["all at once", found["at_once_votes_per_s"], found["ratio"]],
    ]
    return f"""## Many items at a local judge

The embedded model, {found["items"]} items of 2 to 4 responses at k = {found["k"]}. Requests of
several items step together; the verdicts are the same.
Command: `python -m benchmarks.local_requests`

{table(["", "votes/s", "times faster"], rows)}
"""


def suite_section() -> str:
    found = suite_run.main()
    rows = [[name, value] for name, value in found.items()]
    return f"""## A suite through the fake backend

Everything but the model: prompts, parsing, votes, the run store, the summary with its intervals.
Command: `python -m benchmarks.suite_run`

{table(["", ""], rows)}
"""


def growth_section(found: dict[str, Any] | None = None) -> str:
    found = growth.main() if found is None else found
    parts = ("store", "summary", "weakness", "report")
    rows = [
        [
            f"{one['items']:,}",
            *(f"{one[p]['cpu_s']} s, {one[p]['peak_mb']} MB" if p in one else "–" for p in parts),
            one.get("html_mb", "–"),
        ]
        for one in found["runs"]
    ]
    votes = found["votes"]
    return f"""## Growth with the run

Made-up pairs of two policies, {found["k"]} votes an item: making the votes and storing them, the
summary, the weaknesses of one policy, the whole report with those of both. CPU seconds on one
thread and peak memory, each in a process of its own. Command: `python -m benchmarks.growth`

{table(["items", "store", "summary", "weaknesses", "report", "report, MB"], rows)}

{votes["n"]:,} votes, 8 a ballot, by `Sum` and by `TopK`, each with its confidence by 1,000
resamples: {votes["cpu_s"]} s, {votes["peak_mb"]} MB.
"""


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    packages = ("litellm", "instructor", "transformers", "torch", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    sections = [
        api_section(),
        transformers_section(),
        path_section(),
        requests_section(),
        suite_section(),
        growth_section(),
    ]
    PAGE.write_text(
        f"""# Benchmarks

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores
({platform.machine()}), Python {platform.python_version()}, {versions}. Shared machines are noisy:
read the ratios, not the rates.

"""
        + "\n".join(sections),
        encoding="utf-8",
    )
    print(PAGE.read_text("utf-8"))


if __name__ == "__main__":
    main()
