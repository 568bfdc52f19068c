"""What only stands in a quotation or a code block, of few places and of many at once."""

from __future__ import annotations

from random import Random

import pytest

from deemster.dialects.mentions import Quotations, without_code

PIECES = (
    "x",
    " ",
    "\n",
    '"',
    "'",
    "`",
    "“",
    "”",
    "«",
    "»",
    "「",
    "」",
    "(",
    "word ",
    "y" * 70,
    "z" * 210,
)


@pytest.mark.parametrize("seed", range(8))
def test_many_at_once_are_judged_as_each_alone(seed: int) -> None:
    random = Random(seed)
    pieces = random.sample(PIECES, 6)
    text, spans = "", []
    for _ in range(60):
        text += "".join(random.choices(pieces, k=random.randint(0, 6)))
        spans.append((len(text), len(text) + 3))
        text += "TAG"
    found = Quotations(text)
    assert list(found.have(spans)) == [one for span in spans for one in found.have([span])]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        pytest.param("a\n```\nb\n```\nc", "a\n<     ```\nc", id="block"),
        pytest.param("a\n```\nb", "a\n```\nb", id="not-closed"),
        pytest.param("a ``` b ``` c", "a ``` b ``` c", id="within-a-line"),
        pytest.param("  ```py\nb\n  ```c", "<" + 9 * " " + "  ```c", id="indented-at-the-start"),
    ],
)
def test_code_blocks_are_blank(text: str, seen: str) -> None:
    assert without_code(text, 0) == seen
