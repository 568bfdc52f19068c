"""What look-up would have drafted of stored completions is counted token by token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from tests.support.tiny_model import save_tiny_model

from deemster.schemas import Sample
from lab.drafts.__main__ import accuracy, replayed, told
from lab.drafts.assisted import assisted


def words(text: str, **_: Any) -> dict[str, list[int]]:
    return {"input_ids": [sum(map(ord, word)) for word in text.split()]}


@pytest.mark.parametrize(
    ("completion", "accepted", "passes"),
    [
        ("we see the red fox ran home", 2, 4),  # after `the red`; the last word needs no draft
        ("nothing of it stands there", 0, 4),
    ],
    ids=["quoted", "new"],
)
def test_quotations_are_drafted(completion: str, accepted: int, passes: int) -> None:
    prompt = "once the red fox ran home again"
    tally = replayed(words, [(prompt, [completion])], tokens=4)
    assert (tally.accepted, tally.passes) == (accepted, passes)
    assert tally.accepted + tally.passes == len(completion.split()) - 1


def test_look_up_says_what_transformers_own_says(tmp_path: Path) -> None:
    save_tiny_model(tmp_path, spread=0.05)
    samples = [Sample(id="a", query="a b a b a", responses=["b a b", "a a b"])]
    found = assisted(str(tmp_path), samples, dialect="nano", most=32)
    assert len(found) == 4
    [first, *others] = found.values()
    assert first.texts[0]
    assert [one.texts for one in others] == [first.texts] * 3
    assert [one.tokens for one in others] == [first.tokens] * 3


def test_no_figure_is_a_dash() -> None:
    assert told(None, ".1%") == "–"
    assert accuracy([]) == "– (– to –)"
