"""Samples for the scaling study: every model on every held-out split, written as arrays.

    python -m lab.nano.study

`python -m lab.study` turns them into tables and plots. The models are those of a
finished run of `recipes/nano.yaml`, `--run`. What was drawn from the same weights and items is not
drawn again, so it may be stopped at any time, and several processes may share the work by
`--seeds`, `--models` or `--splits`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from pydantic import JsonValue

from deemster.errors import InputError
from deemster.schemas import Sample
from deemster.training.manifest import hash_file, read_manifest
from lab.nano import meta as meta_rm
from lab.nano.ablations import ABLATIONS
from lab.nano.data import Encoder
from lab.nano.device import chosen_device
from lab.nano.judging import Trajectory
from lab.nano.measure import Votes, draw_votes, pairs_or_more
from lab.nano.model import load_judge
from lab.nano.recipe import STAGES
from lab.nano.sampler import Sampler
from lab.nano.settings import DeviceName
from lab.nano.ship import META, MODEL
from lab.study.files import TRAINING
from lab.world import SPLITS, SplitName, World

_TOLD = {"stage", "seed", "device", "started", "finished", "attempts", "figures"}
WORLD_SEED = 6_000
"""Seed of the first world of the study, which no stage of training uses."""


@dataclass(frozen=True)
class Drawn:
    """A model of the study: which stage's weights, drawn how."""

    stage: str
    temperature: float = 1.0
    ablation: str | None = None
    """Of which run of `ablations.py` the weights are; None is the main run."""
    samples: int | None = None
    """Votes per item, where fewer are drawn than of the others."""

    @property
    def rated(self) -> bool:
        """Whether the meta RM reads its judgments: it was trained on those of the main run."""
        return self.ablation is None and self.temperature == 1

    def folder(self, run: Path, ablations: Path) -> Path:
        """Where its weights are."""
        root = run if self.ablation is None else ablations / self.ablation
        return root / self.stage / MODEL


MODELS = {
    "base": Drawn("distil"),
    "rft": Drawn("rft"),
    "grpo": Drawn("rl"),
    "base-cool": Drawn("distil", 0.6),
}
ABLATED = {
    f"{'' if stage == 'rl' else f'{stage}-'}{name}": Drawn(stage, ablation=name, samples=8)
    for name, ablation in ABLATIONS.items()
    for stage in ablation.stages
    if stage != "distil"
}
"""Judges without one part; after RL by the part's name alone."""


def made_from(folders: Sequence[Path], samples: Sequence[Sample], **settings: object) -> str:
    """What decides a file of the study, as a hash: weights, items and how they were drawn.

    Raises:
        InputError: a folder holds no weights.
    """
    digest = hashlib.sha256(repr(sorted(settings.items())).encode())
    for folder in folders:
        weights = folder / "model.safetensors"
        if not weights.is_file():
            raise InputError(
                f"{str(folder)!r} holds no model; make one with: deemster train recipes/nano.yaml"
            )
        digest.update(hash_file(weights).encode())
    for sample in samples:
        digest.update(sample.model_dump_json().encode())
    return digest.hexdigest()


def is_drawn(path: Path, made: str) -> bool:
    """Whether a file exists and was made from the same inputs (`made_from`)."""
    if not path.exists():
        return False
    with np.load(path, allow_pickle=False) as arrays:
        return "made" in arrays and str(arrays["made"]) == made


def write_votes(path: Path, votes: Votes, temperature: float, made: str) -> None:
    """One file of the study, written atomically."""
    part = path.with_name(f"{path.stem}.part.npz")
    np.savez_compressed(
        part,
        scores=votes.scores.astype(np.float16),  # whole numbers to 10
        meta=votes.meta,
        greedy=votes.greedy,
        n=np.array([len(sample.responses) for sample in votes.samples], dtype=np.int8),
        best=votes.best,
        domain=np.array([sample.subset for sample in votes.samples]),
        item=np.array([sample.id for sample in votes.samples]),
        temperature=np.array(temperature),
        made=np.array(made),
    )
    os.replace(part, path)  # noqa: PTH105 - in one move


def rater(
    folder: Path, encoder: Encoder, device: torch.device
) -> Callable[[Sequence[Trajectory]], Sequence[float]]:
    """A meta RM."""
    from transformers import LlamaForSequenceClassification  # noqa: PLC0415 - heavy

    from deemster.backends._local.loading import read  # noqa: PLC0415 - heavy

    _, meta = read(LlamaForSequenceClassification, str(folder), torch.float32)
    meta.eval().to(device)
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
    ablations: Path = Path("build/ablations"),
    device: torch.device | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Draw what is missing, or was drawn from other weights or items.

    Args:
        run: folder of a finished run of `recipes/nano.yaml`.
        out: where the files go.
        items: per seed and split.
        samples: K.
        seeds: each has its own items and draws.
        models: names out of `MODELS` or `ABLATED`.
        splits: held-out splits.
        ablations: folder of the runs of `ABLATED`.
        device: of judges and meta RM; None is the CPU.
        report: called with what is being drawn.

    Raises:
        InputError: a model is missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    device = device or torch.device("cpu")
    for seed in seeds:
        chosen = {split: pairs_or_more(World(WORLD_SEED + seed), items, split) for split in splits}
        for name in models:
            drawn = (MODELS | ABLATED)[name]
            judge, meta = drawn.folder(run, ablations), run / "meta" / META
            k = min(samples, drawn.samples or samples)
            made = {
                out / f"{name}-{split}-seed{seed}.npz": made_from(
                    [judge, meta] if drawn.rated else [judge], some, k=k, at=drawn.temperature
                )
                for split, some in chosen.items()
            }
            missing = [path for path in made if not is_drawn(path, made[path])]
            if not missing:
                continue
            model, tokenizer = load_judge(judge, device)
            encoder = Encoder(tokenizer)
            sampler = Sampler(model, eos=encoder.eos, pad=encoder.pad)
            rate = rater(meta, encoder, device) if drawn.rated else None
            for path, some in zip(made, chosen.values(), strict=True):
                if path not in missing:
                    continue
                report(f"{path.name}: {items} items, {k} samples each")
                votes = draw_votes(
                    sampler, encoder, some, k=k, temperature=drawn.temperature, seed=seed, rate=rate
                )
                write_votes(path, votes, drawn.temperature, made[path])


def trained_ablations(folder: Path) -> list[str]:
    """Names out of `ABLATED` whose training in `folder` is finished."""
    done = []
    for name, drawn in ABLATED.items():
        manifest = read_manifest(drawn.folder(folder, folder).parent)
        if manifest is not None and manifest.complete:
            done.append(name)
    return done


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, default=Path("build/nano"), help="a finished run")
    parser.add_argument("--out", type=Path, default=Path("docs/scaling/votes"))
    parser.add_argument("--items", type=int, default=350, help="per seed and split")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--models",
        nargs="+",
        choices=(*MODELS, *ABLATED),
        help="default: those of the main run, and the ablations that were trained",
    )
    parser.add_argument("--ablations", type=Path, default=Path("build/ablations"))
    parser.add_argument("--splits", nargs="+", choices=SPLITS[1:], default=list(SPLITS[1:]))
    parser.add_argument("--device", choices=get_args(DeviceName), default="auto")
    given = parser.parse_args(arguments)
    models = given.models or [*MODELS, *trained_ablations(given.ablations)]
    try:
        draw_study(
            given.run,
            given.out,
            items=given.items,
            samples=given.samples,
            seeds=given.seeds,
            models=models,
            splits=given.splits,
            ablations=given.ablations,
            device=chosen_device(given.device),
        )
    except InputError as error:
        parser.error(str(error))
    # An ablation may be drawn beside a run that is not the one the main votes are of.
    figures = training_figures(given.run) if MODELS.keys() & set(models) else {}
    if figures:
        (given.out / TRAINING).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def training_figures(run: Path) -> dict[str, JsonValue]:
    """What the finished stages of a run reported."""
    manifests = {stage: read_manifest(run / stage) for stage in STAGES}
    return {
        stage: manifest.model_dump(mode="json", include=_TOLD)
        for stage, manifest in manifests.items()
        if manifest is not None and manifest.complete
    }


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
