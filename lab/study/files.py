"""The study's input: arrays that the sampling step wrote, one file per model, split and seed.

`{model}-{split}-seed{s}.npz` holds judgments of a generative judge, the same name with `.scalar`
before `.npz` the rewards of a baseline that writes no judgments. Files are read one at a time.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue, TypeAdapter, ValidationError

from deemster.errors import InputError
from deemster.suites.metrics.estimate import Bools, Floats, Ints

SPLITS = ("fresh", "numbers", "words", "templates")
"""In-distribution items, then new numbers, new words, new query templates."""
HELD_OUT = SPLITS[1:]
MAIN = ("base", "rft", "grpo")
"""The stages of the training, in order."""
COOL = "base-cool"
"""The base sampled at a lower temperature."""
TRAINING = "training.json"

_NAME = re.compile(
    rf"(?P<model>.+)-(?P<split>{'|'.join(SPLITS)})-seed(?P<seed>\d+)(?P<scalar>\.scalar)?\.npz"
)
_MOST = 4
"""Responses a file has room for."""


@dataclass(frozen=True, order=True)
class Source:
    """One file, by what its name says."""

    split: str
    model: str
    seed: int
    scalar: bool
    path: Path


@dataclass(frozen=True, eq=False)
class Scored:
    """A file's items with at least 2 responses: I items, K votes, room for 4 responses.

    A baseline's rewards are in `scores`; it has no meta rewards, and greedy ones only if it
    draws.

    Attributes:
        items: (I,) ids.
        domains: (I,).
        n: (I,) responses, 2..4.
        best: (I,) index of the true best.
        scores: (I, K, 4); NaN where unparseable or no such response.
        meta: (I, K) meta rewards in 0..1, NaN where absent.
        greedy: (I, 4), or None.
        temperature: of the sampled scores, or None.
    """

    items: npt.NDArray[np.str_]
    domains: npt.NDArray[np.str_]
    n: Ints
    best: Ints
    scores: Floats
    meta: Floats
    greedy: Floats | None
    temperature: float | None

    @property
    def there(self) -> Bools:
        """(I, 4): which responses an item has."""
        return np.arange(_MOST) < self.n[:, None]

    def parsed(self, scores: Floats) -> Bools:
        """(I, ...): which of the scores (I, ..., 4) score every response of their item."""
        there = self.there.reshape(len(self.n), *(1,) * (scores.ndim - 2), _MOST)
        parsed: Bools = np.all(np.isfinite(scores) | ~there, axis=-1)
        return parsed


def find_sources(folder: Path) -> list[Source]:
    """The study files of a folder, in a fixed order.

    Raises:
        InputError: there is no such folder, or no study file in it.
    """
    if not folder.is_dir():
        raise InputError(f"study folder {str(folder)!r} does not exist; sample one first")
    found = []
    for path in folder.glob("*.npz"):
        if path.name.endswith(".part.npz"):  # the sampling step was stopped while writing it
            continue
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise InputError(
                f"study file {path.name!r} has no known name; allowed: MODEL-SPLIT-seedN.npz or "
                f"MODEL-SPLIT-seedN.scalar.npz with SPLIT one of {', '.join(SPLITS)}"
            )
        found.append(
            Source(name["split"], name["model"], int(name["seed"]), bool(name["scalar"]), path)
        )
    if not found:
        raise InputError(
            f"study folder {str(folder)!r} holds no .npz files; sample the study first"
        )
    return sorted(found)


def read_training(folder: Path) -> Mapping[str, JsonValue]:
    """The figures of the training, empty where there are none.

    Raises:
        InputError: the file is not a JSON object.
    """
    path = folder / TRAINING
    if not path.exists():
        return {}
    try:
        record: dict[str, JsonValue] = TypeAdapter(dict[str, JsonValue]).validate_python(
            json.loads(path.read_text(encoding="utf-8"))
        )
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(f"{TRAINING} of the study must be a JSON object: {error}") from error
    return record


def read(source: Source) -> Scored:
    """The items of a file that have at least 2 responses.

    Raises:
        InputError: it is not such a file, or an array has a wrong shape or value.
    """
    name = source.path.name
    try:
        # opened here: numpy leaves a torn file open
        with source.path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            given = {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"study file {name!r} cannot be read: {error}; write it again") from error
    needed = {"n", "best", "domain", "item", "rewards" if source.scalar else "scores"}
    if missing := sorted(needed - given.keys()):
        raise InputError(f"study file {name!r} lacks {missing}; it has {sorted(given)}")
    scores = np.asarray(given["rewards" if source.scalar else "scores"], dtype=float)
    if scores.ndim != 3 or scores.shape[-1] != _MOST or not scores.shape[1]:
        raise InputError(f"study file {name!r}: scores must be (I, K, 4), got {scores.shape}")
    meta = given.get("meta")
    greedy = given.get("greedy")
    scored = Scored(
        items=given["item"].astype(str),
        domains=given["domain"].astype(str),
        n=given["n"].astype(np.intp),
        best=given["best"].astype(np.intp),
        scores=scores,
        meta=np.full(scores.shape[:2], np.nan) if meta is None else np.asarray(meta, dtype=float),
        greedy=None if greedy is None else np.asarray(greedy, dtype=float),
        temperature=float(given["temperature"]) if "temperature" in given else None,
    )
    _check(scored, name)
    return _several(scored)


def _check(scored: Scored, name: str) -> None:
    votes = scored.scores.shape[:2]
    shapes = {
        "item": (scored.items.shape, votes[:1]),
        "domain": (scored.domains.shape, votes[:1]),
        "n": (scored.n.shape, votes[:1]),
        "best": (scored.best.shape, votes[:1]),
        "meta": (scored.meta.shape, votes),
        "greedy": ((*votes[:1], _MOST) if scored.greedy is None else scored.greedy.shape,
                   (*votes[:1], _MOST)),
    }  # fmt: skip
    for array, (got, wanted) in shapes.items():
        if got != wanted:
            raise InputError(f"study file {name!r}: {array} must be {wanted}, got {got}")
    numbers = [scored.scores, scored.meta, *([] if scored.greedy is None else [scored.greedy])]
    if any(np.isinf(array).any() for array in numbers):
        raise InputError(f"study file {name!r} holds infinite numbers; write NaN for missing ones")
    if ((scored.meta < 0) | (scored.meta > 1)).any():
        raise InputError(f"study file {name!r}: meta must be probabilities in 0..1")
    if ((scored.n < 1) | (scored.n > _MOST)).any():
        raise InputError(f"study file {name!r}: n must be in 1..{_MOST}")
    several = scored.n > 1
    if ((scored.best < 0) | (scored.best >= scored.n))[several].any():
        raise InputError(f"study file {name!r}: best must be an index of one of the n responses")
    if len(np.unique(scored.items)) != len(scored.items):
        raise InputError(f"study file {name!r}: an item id occurs twice; ids must be unique")


def _several(scored: Scored) -> Scored:
    """Only the items with at least 2 responses, with NaN in place of missing responses."""
    keep = scored.n > 1
    there = scored.there[keep]
    greedy = scored.greedy
    return Scored(
        items=scored.items[keep],
        domains=scored.domains[keep],
        n=scored.n[keep],
        best=scored.best[keep],
        scores=np.where(there[:, None, :], scored.scores[keep], np.nan),
        meta=scored.meta[keep],
        greedy=None if greedy is None else np.where(there, greedy[keep], np.nan),
        temperature=scored.temperature,
    )
