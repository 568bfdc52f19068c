"""In which orders responses are shown.

The paper shuffles before every sample (section 2). A balanced set of orders removes the same
position bias with less variance: every response stands in every place equally often, and the
draws that share an order share their prompt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import numpy as np

Orders = Literal["balanced", "random", "fixed"]
"""`balanced`: both orders of a pair, cyclic shifts of a seeded permutation for more;
`random`: an independent shuffle per draw, as in the paper; `fixed`: as the caller gave them."""


def derive_seed(*parts: int | str) -> int:
    """A seed in 0..2^31-1 that depends on all parts and on nothing else."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode(errors="surrogatepass"))
    return int.from_bytes(digest.digest()[:4], "big") >> 1


def content_seed(seed: int, texts: Iterable[str]) -> int:
    """A seed for one sample: other samples get other orders, the same sample the same."""
    return derive_seed(
        seed, *(hashlib.sha256(t.encode(errors="replace")).hexdigest() for t in texts)
    )


def order_of(draw: int, n: int, *, kind: Orders, seed: int) -> tuple[int, ...]:
    """Response indices in the order shown in draw number `draw` (from 0)."""
    if kind == "fixed" or n == 1:
        return tuple(range(n))
    if kind == "random":
        shuffled = np.random.default_rng([seed, n, draw]).permutation(n)
        return tuple(int(i) for i in shuffled)
    base = _shuffled(n, seed)
    shift = draw % n
    return base[shift:] + base[:shift]


# The draws of a sample have it in common, and starting a generator costs more than all else here.
@lru_cache(maxsize=256)
def _shuffled(n: int, seed: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng([seed, n]).permutation(n).tolist())
