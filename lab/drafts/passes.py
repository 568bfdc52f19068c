"""How long a pass of a model takes by how many tokens are in it: what a draft costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from deemster.backends._local.decoding import Runner
from deemster.backends._local.drafted_rows import DraftedRows
from deemster.backends._local.loading import load

_PROMPT, _REPEATS = 200, 7
PLAIN = (1, 4, 8, 12, 24, 40)
"""Rows of a token each, without drafts."""
DRAFTED = ((1, 3), (1, 4), (2, 1), (4, 1), (8, 1), (8, 4))
"""Rows, and tokens drafted for each."""


def passes(model: str) -> dict[str, float]:
    """Milliseconds of processor time of a pass on one thread, the median of several.

    Args:
        model: folder or repository.
    """
    torch.set_num_threads(1)
    loaded = load(
        model, device="cpu", dtype="float32", max_context=None, sanitize=True, template_args={},
        threads=1,
    )  # fmt: skip
    runner = loaded.runner
    found = {}
    with torch.inference_mode():
        prompt = runner.prefill(list(range(100, 100 + _PROMPT)))
        for rows in PLAIN:
            plain = runner.rows(prompt, rows, _REPEATS)
            found[f"{rows}"] = _timed(partial(plain.step, [5] * rows))
        for rows, tokens in DRAFTED:
            drafted = runner.drafted_rows(prompt, rows)
            check = partial(_check, runner, drafted, [[5] * (1 + tokens)] * rows)
            found[f"{rows} × (1 + {tokens})"] = _timed(check)
    return found


def _check(runner: Runner, rows: DraftedRows, offered: list[list[int]]) -> None:
    """A pass in which no draft is accepted."""
    list(runner.check([(rows, offered)]))
    rows.took([1] * len(offered))


def _timed(step: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        begun = time.process_time()
        step()
        times.append(1e3 * (time.process_time() - begun))
    return float(np.median(times))
