"""What eight bits cost a judge: accuracy, memory and speed beside full precision, on the CPU.

    python -m lab.eight_bit OUT nano                      # 400 tasks of its own world
    python -m lab.eight_bit OUT smol --limit 40           # everyday pairs, spread evenly
    python -m lab.eight_bit OUT smol=hf:PATH --limit 40   # the same, by another adapter
    python -m lab.eight_bit OUT nano --table              # what there is, as a table
    python -m lab.eight_bit OUT layer                     # microseconds of one linear layer

Greedy, two votes a task, in two orders. Each task (with `--together`, as many) is judged in `full`
(float32) and in `int8` (`quantization: int8`) before the next, and is written to OUT at once: the
same command goes on where it ended. Give tasks judged together a folder of their own, since their
speed is another.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deemster import Judge
from deemster.backends._local.quantization import config_of, quiet_torchao
from deemster.backends.shipped import package_folder
from deemster.backends.transformers import TransformersBackend
from deemster.schemas import Sample
from deemster.suites.metrics.estimate import Estimate
from deemster.suites.metrics.noninferiority import non_inferiority
from lab.nano.measure import pairs_or_more
from lab.smol.measure import held_out
from lab.world import World

KINDS = ("full", "int8")
MARGIN = 0.005
"""What eight bits may cost in accuracy: half a point."""
_PAIRS = 400
_FRESH = 20_001
"""A world whose items no training drew."""


def samples_of(name: str, limit: int | None) -> list[Sample]:
    """Pairs that the model has not learnt from."""
    if name == "nano":
        return pairs_or_more(World(_FRESH), limit or _PAIRS, "fresh")
    return held_out(limit)


async def opened(name: str, model: str, kind: str) -> tuple[Judge, int]:
    """A judge of a kind, loaded, and the bytes of its weights."""
    backend = TransformersBackend(
        model.removeprefix("hf:"),
        device="cpu",
        threads=1,
        quantization="int8" if kind == "int8" else None,
    )
    await backend.preload()
    loaded = backend._model  # noqa: SLF001 - there is no public way to the weights
    if loaded is None:
        raise RuntimeError("the model is not loaded")
    network = loaded.runner.model
    size = sum(map(held, network.parameters()))
    return Judge(backend, dialect=name, k=2, temperature=0.0, max_tokens=160), size


def held(weight: Any) -> int:  # noqa: ANN401 - a tensor, or torchao's
    """Bytes of a weight, with its scales."""
    names = weight.__tensor_flatten__()[0] if hasattr(weight, "qdata") else []
    return sum(getattr(weight, one).nbytes for one in names) or int(weight.nbytes)


async def measure(
    out: Path, name: str, model: str, samples: Sequence[Sample], *, together: int
) -> None:
    """Judge what is not judged yet, so many samples side by side."""
    done = {row["id"] for row in rows_of(out, name)}
    left = [sample for sample in samples if sample.id not in done]
    judges = {kind: await opened(name, model, kind) for kind in KINDS}
    for some in (left[first : first + together] for first in range(0, len(left), together)):
        rows: dict[str, dict[str, Any]] = {sample.id: {"id": sample.id} for sample in some}
        for kind, (judge, size) in judges.items():
            begun = time.process_time()
            async for sample, verdict in judge.score_many(some, in_flight=together):
                rows[sample.id][kind] = {
                    "right": verdict.best == sample.best,
                    "best": verdict.best,
                    "texts": [vote.raw for vote in verdict.votes],
                    "tokens": sum(vote.usage.tokens_out for vote in verdict.votes),
                    "bytes": size,
                }
            cpu = (time.process_time() - begun) / len(some)
            for row in rows.values():
                row[kind]["cpu"] = cpu
        with (out / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in rows.values())


def rows_of(out: Path, name: str) -> list[dict[str, Any]]:
    """What was judged."""
    file = out / f"{name}.jsonl"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def table(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """A line for each kind, and what can be said of the margin."""
    right = {kind: np.array([row[kind]["right"] for row in rows], bool) for kind in KINDS}
    lost, won = (int((right[a] & ~right[b]).sum()) for a, b in (KINDS, KINDS[::-1]))
    test = non_inferiority(lost, won, len(rows), margin=MARGIN, alpha=0.025)
    lines = []
    for kind in KINDS:
        same = np.mean([row[kind]["best"] == row["full"]["best"] for row in rows])
        texts = np.mean([row[kind]["texts"] == row["full"]["texts"] for row in rows])
        speed = sum(row[kind]["tokens"] for row in rows) / sum(row[kind]["cpu"] for row in rows)
        against = (
            " | | "
            if kind == "full"
            else f"{shown(test.difference)} | {100 * same:.1f} % | {100 * texts:.1f} %"
        )
        lines.append(
            f"| `{name}` {kind} | {len(rows)} | {100 * right[kind].mean():.1f} % | {against} "
            f"| {rows[0][kind]['bytes'] / 1e6:.1f} | {speed:.0f} |"
        )
    more = "" if test.n_needed is None else f"; {test.n_needed} would be enough to show it"
    return "\n".join(
        [*lines, "", f"loses less than {100 * MARGIN:.1f} points: {said(test.difference)}{more}"]
    )


def shown(change: Estimate) -> str:
    """In points, with its interval."""
    ends = (change.value, change.low, change.high)
    value, low, high = ("–" if one is None else f"{100 * one:+.1f}" for one in ends)
    return f"{value} ({low} to {high})"


def said(change: Estimate) -> str:
    """Whether the interval lies on one side of the margin."""
    if change.low is None or change.high is None:
        return "open"
    if change.low > -MARGIN:
        return "shown"
    return "refuted" if change.high < -MARGIN else "open"


def layer_times() -> str:
    """Microseconds of processor time of a linear layer of SmolLM2-135M, by rows and kind."""
    torch.set_num_threads(1)
    lines = []
    for name, dtype, kind in (
        ("float32", torch.float32, None),
        ("bfloat16", torch.bfloat16, None),
        ("int8 of float32", torch.float32, "int8"),
        ("int8 of bfloat16", torch.bfloat16, "int8"),
    ):
        layer = torch.nn.Sequential(torch.nn.Linear(576, 1536, bias=False)).to(dtype)
        if kind is not None:
            with quiet_torchao():
                quantize_ = importlib.import_module("torchao.quantization").quantize_
                quantize_(layer, config_of(kind))
        times = [_microseconds(layer, rows, dtype) for rows in (1, 8, 256)]
        lines.append(f"| {name} | {' | '.join(f'{one:.0f}' for one in times)} |")
    return "\n".join(lines)


def _microseconds(
    layer: torch.nn.Module, rows: int, dtype: torch.dtype, repeats: int = 20
) -> float:
    given = torch.randn(rows, 576, dtype=dtype)
    found = []
    with torch.inference_mode():
        for _ in range(repeats):
            begun = time.process_time()
            layer(given)
            found.append(1e6 * (time.process_time() - begun))
    return float(np.median(found))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("model", help="nano, smol, NAME=hf:PATH of these dialects, or layer")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--together", type=int, default=1, help="samples judged side by side")
    parser.add_argument("--table", action="store_true", help="judge nothing")
    given = parser.parse_args()
    name, _, model = given.model.partition("=")
    if name == "layer":
        sys.stdout.write(f"{layer_times()}\n")
        return
    if not given.table:
        given.out.mkdir(parents=True, exist_ok=True)
        folder = package_folder(name)
        path = model or str(folder / "judge" if name == "nano" else folder)
        samples = samples_of(name, given.limit)
        asyncio.run(measure(given.out, name, path, samples, together=given.together))
    rows = rows_of(given.out, name)
    sys.stdout.write(f"{table(name, rows)}\n" if rows else "nothing was judged yet\n")


if __name__ == "__main__":
    main()
