"""The model card that ships with the embedded model, written from the figures of its run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from pydantic import JsonValue

from deemster.publishing.card import model_front_matter
from lab.world import DOMAINS, SPLITS


def model_card(
    figures: Mapping[str, JsonValue],
    meta: Mapping[str, JsonValue],
    *,
    parameters: int,
    tokens: JsonValue,
    seed: int,
    items: int,
    k: int,
) -> str:
    """The card in Markdown.

    Args:
        figures: of the stage `eval`, by "model split what".
        meta: figures of the stage `meta`.
        parameters: of the judge.
        tokens: it was trained on by the teacher; None if that is not known.
        seed: of the run.
        items: per split in `figures`.
        k: votes in `figures`.
    """

    def shown(model: str, split: str, what: str) -> str:
        return f"{float(str(figures[f'{model} {split} {what}'])):.3f}"

    rows = [
        f"| {label} | {split} | "
        + " | ".join(shown(model, split, what) for what in _columns(k))
        + " |"
        for model, label in (("base", "base"), ("rft", "RFT"), ("rl", "GRPO (ships)"))
        for split in SPLITS[1:]
    ]
    aucs = [
        f"{label} {_two(meta.get(f'auc {stage}'))} / {_two(meta.get(f'auc within items {stage}'))}"
        for stage, label in (("distil", "base"), ("rft", "RFT"), ("rl", "GRPO"))
    ]
    text = resources.files(__package__).joinpath("card.md").read_text(encoding="utf-8")
    said = f"{tokens:,}" if isinstance(tokens, int) else "an unknown number of"
    return text.format(
        front=model_front_matter(license="apache-2.0", language="en"),
        domains=", ".join(DOMAINS),
        parameters=f"{parameters:,}",
        tokens=said,
        seed=seed,
        items=items,
        k=k,
        rows="\n".join(rows),
        aucs="; ".join(aucs),
    )


def _columns(k: int) -> tuple[str, ...]:
    return ("greedy", "k=1", f"vote@{k}", "unparsed")


def _two(value: JsonValue) -> str:
    return "none" if value is None else f"{float(str(value)):.3f}"
