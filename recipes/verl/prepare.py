"""Write preferences as the Parquet files that grpo.yaml names."""

from __future__ import annotations

import argparse
from pathlib import Path

from deemster.dialects import open_dialect
from deemster.training.data import DataSource, load_preferences
from deemster.training.verl import export_prompts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", required=True, help="JSONL or Parquet with ground truth")
    parser.add_argument("--validation", required=True, help="the same, held out")
    parser.add_argument("--out", type=Path, default=Path("data"))
    parser.add_argument("--dialect", default="grm")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name, path, epochs in (
        ("train", args.train, args.epochs),
        ("validation", args.validation, 1),
    ):
        samples = load_preferences(DataSource(path=path))
        file = args.out / f"{name}.parquet"
        rows = export_prompts(
            samples, file, dialect=open_dialect(args.dialect), epochs=epochs, seed=args.seed
        )
        print(f"{file}: {rows} prompts")


if __name__ == "__main__":
    main()
