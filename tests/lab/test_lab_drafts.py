"""What look-up would have drafted of stored completions is counted token by token."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("transformers")

from lab.drafts.__main__ import accuracy, replayed, told


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


def test_no_figure_is_a_dash() -> None:
    assert told(None, ".1%") == "–"
    assert accuracy([]) == "– (– to –)"
