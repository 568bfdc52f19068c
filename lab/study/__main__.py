"""`python -m lab.study FOLDER [--docs docs/scaling.md]`: analyse sampled scores."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deemster.errors import InputError
from lab.study.analysis import FILE, analyse, write_study
from lab.study.page import write_page


def main(arguments: Sequence[str] | None = None) -> int:
    """Analyse a folder; 0 if done, 2 if the input is wrong."""
    parser = argparse.ArgumentParser(prog="python -m lab.study", description=__doc__)
    parser.add_argument("folder", type=Path, help="what the sampling step wrote")
    parser.add_argument("--docs", type=Path, help="page to write, plots beside it in images/")
    given = parser.parse_args(arguments)
    try:
        study = analyse(given.folder)
        write_study(study, given.folder / FILE)
        if given.docs is not None:
            write_page(study, given.docs)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for claim in study.claims:
        sys.stdout.write(f"{claim.verdict:>16}  {claim.text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
