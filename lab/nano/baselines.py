"""The scaling study's baselines: trained on the synthetic world, sampled on the study's items.

    python -m lab.nano.baselines

They are those of the paper's Table 2, all trained from the run's base model (`RUN/distil/model`)
on items of the world that rejective fine-tuning has; `baseline_training` says how. The judges
read the prompt of the dialect `nano`, and their completion is a trajectory with the boxed index
of the best response in place of the scores. In the study they are called

- `llm-judge`: 1 for the chosen response, 0 for the others; so the sum of votes is the majority,
- `llm-judge-tokenprob`: the same verdicts with the probability of the index for 1,
- `bt`, `pair-rm`: one reward, without draws,
- `cloud`: one value for each of K critiques of each response.

What was already trained or drawn from the same base and items is not made again. Files of the
study are written atomically.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from deemster.errors import InputError
from deemster.training.manifest import read_manifest
from lab.nano.baseline_drawer import TEMPERATURE
from lab.nano.baseline_training import Course, prepare_base, train_baseline
from lab.nano.baseline_votes import JUDGES, MAJORITY, TOKENPROB
from lab.nano.measure import Votes, pairs_or_more
from lab.nano.stages import RFT_WORLD
from lab.nano.study import WORLD_SEED, is_drawn, made_from, write_votes
from lab.world import SPLITS, SplitName, World

MODELS = (MAJORITY, TOKENPROB, "bt", "pair-rm", "cloud")
_JUDGMENTS = (MAJORITY, TOKENPROB)
_TRAINED_AS = {TOKENPROB: MAJORITY}
"""Two ways to read one model."""


def path_of(study: Path, name: str, split: SplitName, seed: int) -> Path:
    """Where a baseline's file of the study is."""
    kind = "" if name in _JUDGMENTS else ".scalar"
    return study / f"{name}-{split}-seed{seed}{kind}.npz"


def write_rewards(path: Path, votes: Votes, made: str) -> None:
    """One file of a baseline without judgments, written atomically.

    It has `greedy` and `temperature` only where something was drawn.
    """
    arrays: dict[str, Any] = {
        "made": np.array(made),
        "rewards": votes.scores,
        "n": np.array([len(sample.responses) for sample in votes.samples], dtype=np.int8),
        "best": votes.best,
        "domain": np.array([sample.subset for sample in votes.samples]),
        "item": np.array([sample.id for sample in votes.samples]),
    }
    if np.isfinite(votes.greedy).any():
        arrays |= {"greedy": votes.greedy, "temperature": np.array(TEMPERATURE)}
    part = path.with_name(f"{path.stem}.part.npz")
    np.savez_compressed(part, **arrays)
    os.replace(part, path)  # noqa: PTH105 - in one move


def course_of(
    run: Path, out: Path, *, train_items: int, report: Callable[[str], None] = print
) -> Course:
    """What all baselines of a run are trained from and on.

    Raises:
        InputError: the run has no base model.
    """
    base = run / "distil" / "model"
    if not (base / "config.json").is_file():
        raise InputError(
            f"run {str(run)!r} has no base model in distil/model; make one with "
            "'deemster train recipes/nano.yaml'"
        )
    manifest = read_manifest(run / "distil")
    seed = 0 if manifest is None else manifest.seed
    return Course(
        base=prepare_base(base, out / "base"),
        samples=pairs_or_more(World(seed + RFT_WORLD), train_items, "train"),
        seed=seed,
        others=World(seed + RFT_WORLD + 1),
        report=report,
    )


def draw_baselines(
    run: Path,
    out: Path,
    study: Path,
    *,
    items: int,
    train_items: int,
    samples: int,
    seeds: Sequence[int],
    models: Sequence[str],
    splits: Sequence[SplitName],
    report: Callable[[str], None] = print,
) -> None:
    """Train and draw what is missing.

    Args:
        run: folder of a run of `recipes/nano.yaml` whose stage `distil` is finished.
        out: where the trained baselines go.
        study: where the files go.
        items: per seed and split, the study's own.
        train_items: that baselines are trained on.
        samples: K; `bt` and `pair-rm` have one reward.
        seeds: as in `study.draw_study`, whose items they decide.
        models: names out of `MODELS`.
        splits: held-out splits.
        report: called with what is being done.

    Raises:
        InputError: the run has no base model, or see the trainers.
    """
    study.mkdir(parents=True, exist_ok=True)
    course = course_of(run, out, train_items=train_items, report=report)
    for trained in JUDGES:
        names = [name for name in models if _TRAINED_AS.get(name, name) == trained]
        if not names:
            continue
        folder = train_baseline(trained, course, out / trained)
        draw = JUDGES[trained](folder)
        for seed, split in product(seeds, splits):
            chosen = pairs_or_more(World(WORLD_SEED + seed), items, split)
            made = made_from([folder], chosen, k=samples)
            paths = {name: path_of(study, name, split, seed) for name in names}
            if all(is_drawn(path, made) for path in paths.values()):
                continue
            started = time.monotonic()
            found = draw(chosen, samples, seed)
            for name, path in paths.items():
                if name in _JUDGMENTS:
                    write_votes(path, found[name], TEMPERATURE, made)
                else:
                    write_rewards(path, found[name], made)
                report(f"{path.name}: {items} items in {time.monotonic() - started:.1f} s")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, default=Path("build/nano"), help="with a base model")
    parser.add_argument("--out", type=Path, default=Path("build/baselines"), help="trained models")
    parser.add_argument(
        "--study", type=Path, default=Path("docs/scaling/votes"), help="the study's files"
    )
    parser.add_argument("--items", type=int, default=350, help="per seed and split")
    parser.add_argument("--train-items", type=int, default=2500)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--splits", nargs="+", choices=SPLITS[1:], default=list(SPLITS[1:]))
    given = parser.parse_args(arguments)
    draw_baselines(
        given.run,
        given.out,
        given.study,
        items=given.items,
        train_items=given.train_items,
        samples=given.samples,
        seeds=given.seeds,
        models=given.models,
        splits=given.splits,
    )


if __name__ == "__main__":
    main()
