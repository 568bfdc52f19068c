"""The fault server as a process: its URL is the first line of stdout; it ends with stdin."""

from __future__ import annotations

import argparse
import sys
from typing import cast, get_args

from deemster.testing.batches import BatchServer
from deemster.testing.faults import TRANSIENT, Fault, random_faults


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m deemster.testing", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer")
    parser.add_argument("--text", default="The first response is better. \\boxed{8, 5}")
    parser.add_argument("--words", type=int, default=0, help="pad the text to this many words")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument(
        "--kinds", nargs="+", choices=get_args(Fault), default=list(TRANSIENT), metavar="KIND",
        help=f"of the faults: {', '.join(get_args(Fault))}",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    given = parser.parse_args()
    padding = given.words - len(given.text.split())
    text = " ".join(["reason"] * max(0, padding) + [given.text])
    kinds = cast("list[Fault]", given.kinds)
    with BatchServer(
        lambda _call, _choice: text,
        latency=given.latency,
        faults=random_faults(given.faults, kinds, seed=given.seed) if given.faults else None,
        port=given.port,
        keep_calls=False,
    ) as server:
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
