"""docs/benchmarks.md from the kept figures: a function for each section, data in, Markdown out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.growth import exponents
from benchmarks.peers.page import peers_section
from benchmarks.tables import table

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
FIGURES = Path(__file__).with_name("figures.json")


def api_section(found: dict[str, Any]) -> str:
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


def judges_section(found: dict[str, Any]) -> str:
    setting = found["setting"]
    rows = [
        [
            f"{case['latency_s']} s, n = {case['n']}",
            name,
            one["votes_per_s"],
            one["cpu_ms_per_vote"],
            " to ".join(map(str, one["cpu_ms_range"])),
            f"{one['ratio']:.0%}",
        ]
        for case in found["cases"]
        for name, one in case["clients"].items()
    ]
    return f"""## Judges at a model behind an API

Whole judges of pairs: prompts, parsing, votes and verdicts, everything but the run's store.
{setting["concurrency"]} requests at a time, {setting["requests"]} requests a round,
{setting["rounds"]} interleaved rounds, medians; every sample is another one. With n = 1 the server
lacks `n`, and each vote is a request. CPU is the client's alone: read it first, because other work
on the machine and the server, on the same cores, move the rates. With n = 4 or 8 the client's
processor, not the latency, bounds the rate. Command: `python -m benchmarks.api_judges`

{table(["latency, n", "client", "votes/s", "CPU ms per vote", "range", "of the bare client"], rows)}

Goal of the project at 0.2 s: with n = 1 at most 0.6 ms a vote and at least 85 % of the bare client,
with n = 4 or 8 at most 0.2 ms. {_goals_of_judges(found)}
"""


def _goals_of_judges(found: dict[str, Any]) -> str:
    met: list[str] = []
    missed: list[str] = []
    for case in found["cases"]:
        if case["latency_s"] != 0.2:
            continue
        for name, one in case["clients"].items():
            if not name.startswith("judge"):
                continue
            alone = case["n"] == 1
            reached = one["cpu_ms_per_vote"] <= (0.6 if alone else 0.2) and (
                not alone or one["ratio"] >= 0.85
            )
            (met if reached else missed).append(
                f"{name.removeprefix('judge, ')} at n = {case['n']}"
            )
    return f"Met: {', '.join(met) or 'none'}. Missed: {', '.join(missed) or 'none'}."


def startup_section(found: dict[str, Any]) -> str:
    rows = [
        [name, one["cpu_s"], " to ".join(map(str, one["range"]))] for name, one in found.items()
    ]
    return f"""## Start-up

CPU seconds of a process until its first verdict is printed, medians of interleaved rounds. Goal of
the project: 4 s with the embedded model, 1.5 s with a model behind an API where LiteLLM is not
needed. Command: `python -m benchmarks.startup`

{table(["", "CPU s", "range"], rows)}
"""


def transformers_section(found: dict[str, Any]) -> str:
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


def path_section(found: dict[str, Any]) -> str:
    setting, prompts, rows = found["setting"], found["prompts"], found["rows"]

    def shown(value: float) -> str:
        return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"

    def lines(ways: dict[str, dict[str, float]], unit: float = 1.0) -> list[list[Any]]:
        return [
            [way, shown(one["seconds"] * unit), shown(one["cpu_seconds"] * unit)]
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


def requests_section(found: dict[str, Any]) -> str:
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


def suite_section(found: dict[str, Any]) -> str:
    return f"""## A suite through the fake backend

Everything but the model: prompts, parsing, votes, the run store, the summary with its intervals.
Command: `python -m benchmarks.suite_run`

{table(["", ""], [[name, value] for name, value in found.items()])}
"""


_PARTS = {
    "store": "store", "summary": "summary", "weakness": "weaknesses", "report": "report",
    "rescore": "rescore", "compare": "compare", "suite": "read the suite",
    "begin": "begin a run",
}  # fmt: skip


def growth_section(found: dict[str, Any]) -> str:
    runs = sorted(((int(n), one) for n, one in found["runs"].items()), key=lambda run: run[0])
    rows: list[list[Any]] = [
        [
            f"{n:,}",
            *(f"{one[p]['cpu_s']} s, {one[p]['peak_mb']} MB" if p in one else "–" for p in _PARTS),
        ]
        for n, one in runs
    ]
    powers = exponents(found["runs"])
    rows.append(["power", *(powers[p]["power"] if p in powers else "–" for p in _PARTS)])
    files = [
        [f"{n:,}", one.get("run_mb", "–"), one.get("html_mb", "–"), *_opened(one.get("page"))]
        for n, one in runs
    ]
    votes = found["votes"]
    return f"""## Growth with the run

Made-up pairs of two policies, {found["k"]} votes an item with critiques of some 450 characters:
storing them, the summary, the weaknesses of one policy, the whole report with those of both,
deciding the run again into a new one, comparing the two, reading the suite's samples, and beginning
a run of them up to the first chunk that goes to a judge, here or on a cluster. CPU seconds on one
thread and peak memory, each in a process of its own and measured once. The imports take 70 to 270
MB of the memory, the made-up votes 130 MB of that of the store. A report of more than 50,000 items
lists so many of them, and analyses as many for weaknesses; – was not measured. The last row is the
power of the number of items that the seconds grow with, fitted from 10,000 on: 1 is in proportion.
Command: `python -m benchmarks.growth`

{table(["items", *_PARTS.values()], rows)}

The files, and the seconds until Chromium shows the list of items of the report, and until it has
read all of it, from the disk: medians of 5, by the clock.

{table(["items", "run, MB", "report, MB", "list shown, s", "all read, s"], files)}

{votes["n"]:,} votes, 8 a ballot, by `Sum` and by `TopK`, each with its confidence by 1,000
resamples: {votes["cpu_s"]} s, {votes["peak_mb"]} MB, making them included. Goal of the project:
20 s.
"""


def ray_section(found: dict[str, Any]) -> str:
    runs = sorted(((int(n), one) for n, one in found["runs"].items()), key=lambda run: run[0])
    rows = [[f"{n:,}", one["cpu_s"], one["peak_mb"], one["end_peak_mb"]] for n, one in runs]
    (few, least), (many, most) = runs[0], runs[-1]
    slope = ""
    if many > few:
        each = (most["peak_mb"] - least["peak_mb"]) * 2**20 / (many - few)
        slope = f" From {few:,} to {many:,} rows that is {each:.0f} bytes more a row."
    return f"""## A data set on a Ray cluster

Made-up pairs of 300 characters, a line of JSON each, for two actors on this machine, in a run that
its budget ends after some hundred verdicts: reading the file twice, checking it, storing it,
planning and sending. CPU seconds of the driver and its peak memory until the first verdict, each
size in a process of its own and measured once.{slope}
Command: `python -m benchmarks.ray_plan`

{table(["rows", "CPU s", "MB until the first verdict", "MB in all"], rows)}
"""


def _opened(page: dict[str, float] | None) -> list[Any]:
    return ["–", "–"] if page is None else [page["shown_s"], page["complete_s"]]


WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "peers": peers_section,
    "api": api_section,
    "judges": judges_section,
    "startup": startup_section,
    "transformers": transformers_section,
    "path": path_section,
    "requests": requests_section,
    "suite": suite_section,
    "growth": growth_section,
    "ray": ray_section,
}
"""In the order of the page."""

_HEAD = """# Benchmarks

`make bench` measures all of it and writes this page, `python -m benchmarks --only NAME …` measures
sections: {names}.
The figures are kept in `benchmarks/figures.json`; `python -m benchmarks --page` makes the page of
them and measures nothing. Shared machines are noisy: read the ratios, not the rates.
"""


def render(figures: Mapping[str, dict[str, Any]]) -> str:
    """The page, of the sections that have figures."""
    parts = [_HEAD.format(names=", ".join(f"`{name}`" for name in WRITERS))]
    for name, write in WRITERS.items():
        if name in figures:
            kept = figures[name]
            parts.append(f"{write(kept['figures']).rstrip()}\n\n{_measured(kept)}\n")
    return "\n".join(parts)


def _measured(kept: dict[str, Any]) -> str:
    load = "" if kept["load"] is None else f", load average {kept['load']:.0f}"
    versions = "".join(f", {name} {number}" for name, number in kept["versions"].items())
    return (
        f"Measured on {kept['date']}: {kept['cores']} cores, {kept['memory_gb']} GB of "
        f"memory{load}{versions}."
    )
