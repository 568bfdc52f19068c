"""Samples for the scaling study: every model on every held-out split, written as arrays.

    python -m deemster.training.nano.study --run build/nano --out build/study

`python -m deemster.training.study` turns them into tables and plots. Files that are there already
are not drawn again.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from deemster.training.nano import meta as meta_rm
from deemster.training.nano.data import Encoder
from deemster.training.nano.judging import Trajectory
from deemster.training.nano.measure import Votes, draw_votes, pairs_or_more
from deemster.training.nano.model import load_judge
from deemster.training.nano.sampler import Sampler
from deemster.training.world import SPLITS, SplitName, World

_WORLD = 6_000
"""Seed of the first world of the study, which no stage of training uses."""


@dataclass(frozen=True)
class Drawn:
    """A model of the study: which stage's weights, drawn how."""

    stage: str
    temperature: float


MODELS = {
    "base": Drawn("distil", 1.0),
    "rft": Drawn("rft", 1.0),
    "grpo": Drawn("rl", 1.0),
    "base-cool": Drawn("distil", 0.6),
}


def write_votes(path: Path, votes: Votes, temperature: float) -> None:
    """One file of the study; it appears whole."""
    part = path.with_name(f"{path.stem}.part.npz")
    np.savez_compressed(
        part,
        scores=votes.scores,
        meta=votes.meta,
        greedy=votes.greedy,
        n=np.array([len(sample.responses) for sample in votes.samples], dtype=np.int8),
        best=votes.best,
        domain=np.array([sample.subset for sample in votes.samples]),
        item=np.array([sample.id for sample in votes.samples]),
        temperature=np.array(temperature),
    )
    os.replace(part, path)  # noqa: PTH105 - in one move


def rater(run: Path, encoder: Encoder) -> Callable[[Sequence[Trajectory]], Sequence[float]]:
    """The run's meta RM."""
    from transformers import LlamaForSequenceClassification  # noqa: PLC0415 - heavy

    meta = LlamaForSequenceClassification.from_pretrained(run / "meta" / "meta").eval()
    return lambda trajectories: meta_rm.rate(meta, trajectories, encoder)


def draw_study(
    run: Path,
    out: Path,
    *,
    items: int,
    samples: int,
    seeds: Sequence[int],
    models: Sequence[str],
    splits: Sequence[SplitName],
    tell: Callable[[str], None] = print,
) -> None:
    """Draw what is missing.

    Args:
        run: folder of a finished run of `recipes/nano.yaml`.
        out: where the files go.
        items: per seed and split.
        samples: K.
        seeds: each has its own items and draws.
        models: names out of `MODELS`.
        splits: held-out splits.
        tell: told what is being drawn.
    """
    out.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for name in models:
            drawn = MODELS[name]
            model, tokenizer = load_judge(run / drawn.stage / "model")
            encoder = Encoder(tokenizer)
            sampler = Sampler(model, eos=encoder.eos, pad=encoder.pad)
            rate = rater(run, encoder)
            for split in splits:
                path = out / f"{name}-{split}-seed{seed}.npz"
                if path.exists():
                    continue
                tell(f"{path.name}: {items} items, {samples} samples each")
                votes = draw_votes(
                    sampler,
                    encoder,
                    pairs_or_more(World(_WORLD + seed), items, split),
                    k=samples,
                    temperature=drawn.temperature,
                    seed=seed,
                    rate=rate,
                )
                write_votes(path, votes, drawn.temperature)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, default=Path("build/nano"), help="a finished run")
    parser.add_argument("--out", type=Path, default=Path("build/study"))
    parser.add_argument("--items", type=int, default=350, help="per seed and split")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--splits", nargs="+", choices=SPLITS[1:], default=list(SPLITS[1:]))
    given = parser.parse_args(arguments)
    draw_study(
        given.run,
        given.out,
        items=given.items,
        samples=given.samples,
        seeds=given.seeds,
        models=given.models,
        splits=given.splits,
    )
    figures = given.run / "eval" / "figures.json"
    training = {"eval": json.loads(figures.read_text())} if figures.exists() else {}
    for stage in ("distil", "rft", "rl", "meta"):
        manifest = given.run / stage / "manifest.json"
        if manifest.exists():
            training[stage] = json.loads(manifest.read_text())
    (given.out / "training.json").write_text(json.dumps(training, indent=1), encoding="utf-8")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
