"""Judge with a local model: `python examples/local_judge.py PATH_OR_REPO`.

The json dialect is decoded under a grammar: every vote parses, whatever the model.
"""

from __future__ import annotations

import sys

from deemster import Judge
from deemster.cli.render import show_verdict
from deemster.schemas import Sample


def main(path: str) -> None:
    sample = Sample(query="What is 17 * 3?", responses=["51", "17 * 3 = 54, I think."])
    judge = Judge(f"hf:{path}", k=16, dialect="json")
    show_verdict(sample, judge.score_sync(sample.query, sample.responses))


if __name__ == "__main__":
    main(sys.argv[1])
