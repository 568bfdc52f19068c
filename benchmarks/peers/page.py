"""The section of docs/benchmarks.md about other clients."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.tables import table

BASE = "bare aiohttp"


def peers_section(found: dict[str, Any]) -> str:
    setting, clients = found["setting"], found["clients"]
    ran = {name: one for name, one in clients.items() if "failed" not in one}
    base = _cpu_ms(ran[BASE]) if BASE in ran else None
    alone = setting["at_once"] == 1
    speed = [_speed(name, one, base, alone=alone) for name, one in clients.items()]
    start = [_start(name, one) for name, one in clients.items()]
    does = [[name, _versions(one), one["does"]] for name, one in clients.items()]
    failed = [f"- {name}: {one['failed']}" for name, one in clients.items() if "failed" in one]
    command = (
        f"python -m benchmarks.peers --latency {setting['latency_s']} "
        f"--concurrency {setting['concurrency']} --requests {setting['requests']} "
        f"--rounds {setting['rounds']} --at-once {setting['at_once']}"
    )
    beside = (
        ""
        if alone
        else f" {setting['at_once']} clients ran at a time here, so there are no rates to compare."
    )
    without = f"\nWithout figures:\n\n{chr(10).join(failed)}\n" if failed else ""
    return f"""## Beside other clients and judge libraries

One request to the same OpenAI-compatible server on loopback for each vote: {setting["concurrency"]}
in flight, answered after {setting["latency_s"]} s, {setting["requests"]} votes a round,
{setting["rounds"]} interleaved rounds, medians and ranges. Each library has an environment of its
own, made by the benchmark with the pinned versions, and is used as its documentation says, with the
concurrency that it offers. All get the same critique, in the format that each reads. Every vote is
checked: it must say what the server said. Read the CPU, which is the client's alone: the rates also
depend on what else runs on the cores, the server among it. **The rows do not do the same work**:
the last table says what each does.{beside}
Command: `{command}`

{table(["client", "CPU ms per vote", "range", "of the bare client", "votes/s", "range"], speed)}

The start: CPU seconds until the library is imported and a client is open, and until the first
verdict, from the start of the process; then the peak memory (RSS) of the whole run, and the size of
the environment without bytecode. Command: `{command}`

{table(["client", "open, CPU s", "range", "first verdict, CPU s", "range", "peak MB",
        "packages, MB"], start)}

What is in a vote. Command: `{command}`

{table(["client", "versions", "a vote"], does)}
{without}"""  # fmt: skip


def spread(values: Sequence[float], digits: int) -> tuple[str, str]:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f}", f"{low:,.{digits}f} to {high:,.{digits}f}"


def _cpu_ms(one: dict[str, Any]) -> list[float]:
    return [1000 * figures["cpu_s"] / figures["valid"] for figures in one["rounds"]]


def _speed(name: str, one: dict[str, Any], base: list[float] | None, *, alone: bool) -> list[str]:
    if "failed" in one:
        return [name, *"–––––"]
    cpu = _cpu_ms(one)
    # Of the same round: what else ran on the machine was alike.
    times = (
        "–"
        if base is None
        else f"{statistics.median(a / b for a, b in zip(cpu, base, strict=True)):.1f}×"
    )
    if not alone:
        return [name, *spread(cpu, 2), times, "–", "–"]
    rates = [figures["valid"] / figures["wall_s"] for figures in one["rounds"]]
    return [name, *spread(cpu, 2), times, *spread(rates, 0)]


def _start(name: str, one: dict[str, Any]) -> list[str]:
    size = str(one.get("environment_mb", "–"))
    if "failed" in one:
        return [name, *"–––––", size]

    def of(key: str) -> list[float]:
        return [figures[key] for figures in one["rounds"]]

    memory = f"{statistics.median(of('peak_mb')):.0f}"
    return [name, *spread(of("ready_cpu_s"), 2), *spread(of("first_cpu_s"), 2), memory, size]


def _versions(one: dict[str, Any]) -> str:
    return ", ".join(one["requirements"]).replace("==", " ") or "this version"
