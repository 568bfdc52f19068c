"""Figures of the small judge: measured in parts, kept by adapter, shown on card and page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deemster import Judge
from deemster.backends import FakeBackend, Request
from deemster.backends.shipped import smol_folder
from lab.smol.domain import fit_apart
from lab.smol.evaluate import judge_of, measured, suite_of
from lab.smol.figures import Figures
from lab.smol.page import PAGE, page


def encode(text: str) -> list[int]:
    return list(text.encode())


def test_a_domain_is_measured_on_kinds_that_it_has_not_counted() -> None:
    """Sums in another kind's place are new to it; a longer text than any, or a strange one, too."""
    by_kind = {
        "sums": [f"Request: What is {i} plus {i + 3}?\nResponse 1: {i}" for i in range(40)],
        "takes": [f"Request: What is {i} minus 3?\nResponse 1: {i} is it" for i in range(40)],
        "times": [f"Request: What is 3 times {i}?\nResponse 1: It is {i}" for i in range(40)],
    }
    domain = fit_apart(encode, by_kind, each=40, share=0.01)
    every = [prompt for many in by_kind.values() for prompt in many]
    halves = fit_apart(encode, {"one": every[::2], "other": every[1::2]}, each=40)
    assert domain.longest == max(map(len, every))
    assert 0 < domain.measured["prompts of unseen kinds refused"] <= 4 / 120  # 1 % by each figure
    assert domain.counts == halves.counts
    assert domain.least.prompt < halves.least.prompt  # kinds that it has seen are likelier

    def covers(prompt: str) -> bool:
        return domain.covers(domain.likelihood(encode, prompt))

    assert covers(by_kind["sums"][5])
    assert not covers("Request: Qui a écrit «Zaïre»?\nResponse 1: Voltaire")
    assert not covers(by_kind["sums"][5] + " and" * 20)


async def test_votes_are_drawn_once_whatever_the_limit(tmp_path: Path) -> None:
    asked: list[Request] = []

    def answer(request: Request, _draw: int) -> str:
        asked.append(request)
        return r"Scores: \boxed{7, 3}"

    parts = []
    for limit in (3, 349):
        judge = Judge(FakeBackend(answer, name="fake:first"), dialect="smol", k=2)
        suite = suite_of("heldout", "", tmp_path, limit=limit)
        run = tmp_path / f"run-{limit}"
        parts.append(await measured(judge, suite, run, votes=tmp_path / "votes.cassette"))
    small, whole = parts
    assert (small["n"], small["of"], whole["n"], whole["of"]) == (3, 349, 349, 349)
    assert len(asked) == 2 * 349  # one per order of a pair, those of the first run not again
    assert whole["ties"] == 349  # the first shown is always preferred, so both orders tie
    assert whole["votes for the first shown"] == 1
    assert whole["failed votes"] == 0
    assert set(whole["curves"]["vote"]) == {"1", "2"}


PART = {
    "model": "smol@01234567", "n": 40, "of": 349, "chance": 0.5,
    "curves": {"vote": {"1": [0.71, 0.6, 0.8], "8": [0.85, 0.75, 0.93]}},
    "overall": [0.85, 0.75, 0.93], "ties": 0, "unscored": 0, "votes": 320, "failed votes": 4,
    "same winner in both orders": 0.9, "votes for the first shown": 0.5,
    "by": {"sum": 0.9, "logic": None}, "counts": {"sum": 30, "logic": 10},
}  # fmt: skip


def test_figures_of_another_adapter_go_and_those_of_others_stay(tmp_path: Path) -> None:
    nano = {**PART, "model": "nano@76543210"}
    own = ("heldout/smol", "heldout/smol-32", "heldout/smol-meta", "llmbar/smol", "gains/8 over 1")
    check = {"generated": [0.001, 1000]}
    others: dict[str, Any] = {
        "heldout/nano": nano,
        "gains/8 over 1 of nano": nano,
        "domain/check": check,
    }
    figures = Figures({**dict.fromkeys(own, PART), **others})
    figures.write(tmp_path)
    read = Figures.read(tmp_path)
    assert read == figures
    read.keep_only("01234567")
    assert read == figures
    read.keep_only("89abcdef")
    assert read.parts == others


def test_the_page_shows_what_was_measured_and_nothing_else(tmp_path: Path) -> None:
    assert "No figures have been measured" in page(tmp_path)
    gain = {"model": "smol@01234567", "n": 40, "gain": [0.14, 0.05, 0.22]}
    Figures({"heldout/smol": PART, "llmbar/smol": PART, "gains/8 over 1": gain}).write(tmp_path)
    text = page(tmp_path)
    row = "| **`smol`** | 40 of 349 | 71.0 (60.0 to 80.0) | 85.0 (75.0 to 93.0) | – | 1.2 | 90.0 |"
    assert row in text
    assert "| 8 over 1 | 40 | 14.0 (5.0 to 22.0) |" in text
    assert "| sum | 30 | 90.0 |" in text
    assert "| logic | 10 | – |" in text
    assert "| LLMBar | **`smol`** | 40 of 349 | 71.0 (60.0 to 80.0) |" in text
    assert "`nano` |" not in text


def test_the_committed_page_is_made_of_the_committed_figures() -> None:
    assert PAGE.read_text("utf-8") == page(smol_folder()), "python -m lab.smol.page"


def test_a_judge_without_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"judge 'rft'; give smol, .* or NAME=hf:PATH"):
        judge_of("rft", "", k=2)
