"""Clients and judge libraries at the same model behind an API, each in its own environment.

Environments are made by pip in build/bench-envs and kept there; every client runs in processes of
its own, rounds are interleaved. Figures are printed as JSON; `python -m benchmarks --only peers`
writes them, and the tables made of them, into the page.

    python -m benchmarks.peers [--only NAME …] [--latency 0.2] [--concurrency 200]
        [--requests 400] [--rounds 5] [--at-once 1]

With --at-once 3, three clients run at a time: on a busy machine, where only CPU time counts.
`python -m benchmarks --take peers FILE` puts what was printed into FILE on the page.
"""

from __future__ import annotations

import argparse
import json

from benchmarks.peers.harness import main
from benchmarks.peers.registry import PEERS

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS], metavar="NAME")
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=1)
    given = vars(parser.parse_args())
    only = given.pop("only")
    peers = [peer for peer in PEERS if only is None or peer.name in only]
    print(json.dumps(main(**given, peers=peers), indent=2))
