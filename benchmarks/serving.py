"""Requests per second of `deemster serve`, and what it makes of clients that misbehave.

The server is a process of its own with a judge that costs no model (`fake:`); the clients are
another. CPU is the server's alone, so the clients' is not in it. Rounds are short, and the medians
of the rounds are reported, because other work on the machine comes and goes. `/healthz` of the same
server is what a route costs that judges nothing.

    python -m benchmarks.serving [--clients 64] [--seconds 5] [--rounds 5]
    python -m benchmarks.serving --abuse 600
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

MODEL = "fake:Analysis:\n- Response 1: fine\n- Response 2: poor\nScores: \\boxed{7, 4}"
SAMPLE = {"query": "What is 2+2?", "responses": ["It is 4. " * 20, "It is 5. " * 20]}
GOOD = json.dumps(SAMPLE).encode()
JSON = {"Content-Type": "application/json"}


@contextmanager
def server(*options: str) -> Iterator[tuple[int, int]]:
    """`deemster serve` on a free port: its port and its process id. It must end with status 0."""
    command = [sys.executable, "-m", "deemster", "serve", "--port", "0", "--model", MODEL]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while (found := re.search(r"http://[\d.]+:(\d+)", said)) is None:
            line = process.stderr.readline()
            assert line, said
            said += line
        drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        try:
            yield int(found[1]), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=60)
            drain.wait()
    assert status == 0, status


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


async def load(
    port: int,
    ask: Callable[[aiohttp.ClientSession], Awaitable[int]],
    *,
    clients: int,
    seconds: float,
) -> list[float]:
    """Latencies of requests that clients send one after the other, each over its connection."""
    times: list[float] = []
    end = time.monotonic() + seconds

    async def client() -> None:
        base = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(base, connector=aiohttp.TCPConnector()) as session:
            while time.monotonic() < end:
                began = time.monotonic()
                assert await ask(session) == 200
                times.append(time.monotonic() - began)

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


async def score(session: aiohttp.ClientSession) -> int:
    async with session.post("/v1/score", data=GOOD, headers=JSON) as response:
        await response.read()
        return response.status


async def health(session: aiohttp.ClientSession) -> int:
    async with session.get("/healthz") as response:
        await response.read()
        return response.status


def speed(*, clients: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Medians of interleaved rounds: rate, latency, the server's CPU per request."""
    routes = {"/v1/score": score, "/healthz": health}
    found: dict[str, dict[str, list[float]]] = {name: {} for name in routes}
    with server() as (port, pid):
        asyncio.run(load(port, score, clients=4, seconds=1))
        for _ in range(rounds):
            for name, ask in routes.items():
                spent, began = cpu_seconds(pid), time.monotonic()
                times = sorted(asyncio.run(load(port, ask, clients=clients, seconds=seconds)))
                took = time.monotonic() - began
                for figure, value in (
                    ("requests/s", len(times) / took),
                    ("p50 ms", 1e3 * times[len(times) // 2]),
                    ("p99 ms", 1e3 * times[int(len(times) * 0.99)]),
                    ("CPU ms per request", 1e3 * (cpu_seconds(pid) - spent) / len(times)),
                ):
                    found[name].setdefault(figure, []).append(value)
    return {
        name: {
            figure: {"median": statistics.median(values), "range": [min(values), max(values)]}
            for figure, values in figures.items()
        }
        for name, figures in found.items()
    } | {"load average": os.getloadavg()[0], "clients": clients, "rounds": rounds}


# What clients do wrong. Each takes a connection of its own and says what came of it.


async def _talk(port: int, head: bytes, parts: Iterator[bytes] | list[bytes]) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head)
        with suppress(ConnectionError):
            for part in parts:
                if reader.at_eof() or writer.is_closing():
                    break
                writer.write(part)
                await asyncio.wait_for(writer.drain(), 10)
        with suppress(ConnectionError, TimeoutError):
            line = await asyncio.wait_for(reader.readline(), 30)
            return line.split(b" ")[1].decode() if b" " in line else "closed"
        return "closed"
    finally:
        writer.close()


def _head(length: int | None, path: str = "/v1/score") -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", size)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def honest(port: int) -> str:
    return await _talk(port, _head(len(GOOD)), [GOOD])


async def huge(port: int) -> str:
    part = b" " * 65_536
    return await _talk(port, _head(100_000_000), (part for _ in range(1526)))


async def huge_in_chunks(port: int) -> str:
    part = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    return await _talk(port, _head(None), (part for _ in range(1526)))


async def broken(port: int) -> str:
    bodies = (b'{"query": ', b"[" * 200_000, b"\xff" * 1000, b"[" + b"[]," * 900_000 + b"[]]", b"")
    body = random.choice(bodies)
    return await _talk(port, _head(len(body)), [body])


async def no_http(port: int) -> str:
    return await _talk(port, random.randbytes(300) + b"\r\n\r\n", [])


async def slow(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_head(len(GOOD)))
        for byte in GOOD[:40]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)
            if reader.at_eof() or writer.is_closing():
                break
        line = await asyncio.wait_for(reader.readline(), 30)
        return line.split(b" ")[1].decode() if b" " in line else "closed"
    except (ConnectionError, TimeoutError):
        return "closed"
    finally:
        writer.close()


async def leaves(port: int) -> str:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_head(len(GOOD)) + GOOD[: random.choice((10, len(GOOD)))])
    await asyncio.sleep(random.random() / 100)
    writer.close()
    return "left"


KINDS = (honest, honest, huge, huge_in_chunks, broken, no_http, slow, leaves)
EXPECTED = {
    "honest": {"200", "429"},
    "huge": {"413", "closed"},
    "huge_in_chunks": {"413", "closed"},
    "broken": {"400", "408", "413"},
    "no_http": {"400", "closed"},
    "slow": {"408", "closed"},
    "leaves": {"left"},
}


def abuse(seconds: float, *, at_once: int = 24) -> dict[str, Any]:
    """Mixed abuse for some time: what came of each kind, and the server's memory meanwhile.

    `flat`: the median memory of the last third is at most 5 % and 8 MB above that of the second.
    """
    with server("--body-timeout", "2", "--in-flight", "4", "--queue", "16") as (port, pid):
        outcomes: Counter[tuple[str, str]] = Counter()
        memory: list[float] = []

        async def run() -> None:
            end = time.monotonic() + seconds

            async def client(number: int) -> None:
                kind = KINDS[number % len(KINDS)]
                while time.monotonic() < end:
                    outcomes[kind.__name__, await kind(port)] += 1

            async def watch() -> None:
                while time.monotonic() < end:
                    memory.append(memory_mb(pid))
                    await asyncio.sleep(min(seconds / 60, 1))

            await asyncio.gather(watch(), *(client(number) for number in range(at_once)))
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                assert await score(session) == 200  # as good as before
                async with session.get("/metrics") as response:
                    left = await response.text()
            assert "\ndeemster_samples 0\n" in left

        asyncio.run(run())
    third = len(memory) // 3
    before, after = (
        statistics.median(memory[third : 2 * third]),
        statistics.median(memory[2 * third :]),
    )
    return {
        "outcomes": {f"{kind} {what}": times for (kind, what), times in sorted(outcomes.items())},
        "memory_mb": {"second third": before, "last third": after, "highest": max(memory)},
        "memory_mb_over_time": [round(one) for one in memory[:: max(len(memory) // 20, 1)]],
        "flat": after <= before * 1.05 and after <= before + 8,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--abuse", type=float, metavar="SECONDS")
    given = parser.parse_args(arguments)
    if given.abuse is not None:
        print(json.dumps(abuse(given.abuse), indent=1))
        return
    found = speed(clients=given.clients, seconds=given.seconds, rounds=given.rounds)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
