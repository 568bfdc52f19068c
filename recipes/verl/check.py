"""Check grpo.yaml, its files and its reward function without verl."""

from __future__ import annotations

import sys

from deemster.errors import InputError
from deemster.training.verl_check import dry_run


def main() -> int:
    try:
        found = dry_run(sys.argv[1] if len(sys.argv) > 1 else "recipes/verl/grpo.yaml")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{found['rows']} prompts, {found['steps']} steps an epoch; the reward function works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
