"""Synthetic study files whose truth is planted: how often a vote is right is known."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SPLITS = ("fresh", "numbers", "words", "templates")
DOMAINS = ("arithmetic", "facts", "spelling")


@dataclass(frozen=True)
class Skill:
    """A planted judge."""

    right: float
    """Mean chance that a sampled vote is right; items vary around it."""
    greedy: float
    """Chance that the greedy judgment is right."""
    meta: float = 0.0
    """How much higher a right vote's meta reward is, in standard deviations; 0 is no skill."""
    failed: float = 0.0
    """Chance that a vote does not parse."""
    spread: float = 0.15
    """Standard deviation of the chance over items."""
    temperature: float = 1.0


@dataclass(frozen=True)
class Items:
    """What all models of a split share."""

    item: npt.NDArray[np.str_]
    n: npt.NDArray[np.int8]
    best: npt.NDArray[np.int8]
    domain: npt.NDArray[np.str_]
    ease: Floats
    """(I,), standard normal: easy items are easy for every model."""


def items(split: str, count: int, *, seed: int = 0) -> Items:
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    n = rng.integers(1, 5, count)
    best = (rng.random(count) * n).astype(np.int8)
    domain = np.array(DOMAINS)[rng.integers(0, len(DOMAINS), count)]
    ids = np.array([f"{split}-{i}" for i in range(count)])
    return Items(ids, n.astype(np.int8), best, domain, rng.standard_normal(count))


def scores_of(right: npt.NDArray[np.bool_], given: Items, rng: np.random.Generator) -> Floats:
    """Scores (I, K, 4): the best is 2 above all others where right, 2 below a rival where not."""
    votes = right.shape[1]
    scores = rng.integers(3, 6, (*right.shape, 4)).astype(float)
    rows = np.arange(len(given.n))
    other = (given.best[:, None] + 1) % np.maximum(given.n[:, None], 1) * np.ones((1, votes), int)
    winner = np.where(right, given.best[:, None], other)
    top = scores.max(axis=-1) + 2
    scores[rows[:, None], np.arange(votes)[None], winner] = top
    scores[np.arange(4) >= given.n[:, None, None] + np.zeros((1, votes, 1))] = np.nan
    single = given.n == 1
    scores[single, :, 0] = right[single]
    return scores


def votes(skill: Skill, given: Items, *, k: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    count = len(given.n)
    chance = np.clip(skill.right + skill.spread * given.ease, 0.02, 0.98)[:, None]
    right = rng.random((count, k)) < chance
    scores = scores_of(right, given, rng)
    level = rng.standard_normal((count, k)) + skill.meta * right
    meta = 1 / (1 + np.exp(-level))
    failed = rng.random((count, k)) < skill.failed
    scores[failed] = np.nan
    meta[failed] = np.nan
    greedy = rng.random((count, 1)) < skill.greedy
    return {
        "scores": scores.astype(np.float32),
        "meta": meta.astype(np.float32),
        "greedy": scores_of(greedy, given, rng)[:, 0].astype(np.float32),
        "n": given.n,
        "best": given.best,
        "domain": given.domain,
        "item": given.item,
        "temperature": np.float32(skill.temperature),
    }


def rewards(right: float, given: Items, *, k: int = 1, seed: int = 0) -> dict[str, Any]:
    """A scalar baseline whose rewards are right with that chance."""
    rng = np.random.default_rng(seed)
    hits = rng.random((len(given.n), k)) < right
    scores = scores_of(hits, given, rng)
    noise = 0.1 * rng.standard_normal(scores.shape)
    shared = {name: getattr(given, name) for name in ("n", "best", "domain", "item")}
    return {"rewards": (scores + noise).astype(np.float32), **shared}


def write_study(
    folder: Path,
    skills: Mapping[str, Skill],
    *,
    count: int = 400,
    k: int = 32,
    seeds: int = 1,
    splits: tuple[str, ...] = SPLITS,
) -> None:
    """One file per model, split and seed; seeds share their items."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in splits:
        given = items(split, count)
        for seed in range(seeds):
            for model, skill in skills.items():
                own = zlib.crc32(f"{split}-{model}-{seed}".encode())
                drawn = votes(skill, given, k=k, seed=own)
                np.savez(folder / f"{model}-{split}-seed{seed}.npz", **drawn)
