"""What only stands in a quotation or a code block."""

from __future__ import annotations

from random import Random

import pytest

from deemster.dialects.mentions import Quotations, in_quotation, without_code

PIECES = (
    *("x", " ", "\n", '"', "'", "`", "“", "”", "«", "»", "「", "」", "(", "word ", "y" * 70),
    "z" * 210,
)


@pytest.mark.parametrize("seed", range(8))
def test_many_at_once_are_judged_as_each_alone(seed: int) -> None:
    random = Random(seed)
    pieces = random.sample(PIECES, 6)
    text, starts = "", []
    for _ in range(60):
        text += "".join(random.choices(pieces, k=random.randint(0, 6)))
        starts.append(len(text))
        text += "TAG"
    ends = [start + 3 for start in starts]
    alone = [in_quotation(text, start, start + 3) for start in starts]
    assert Quotations(text).have(starts, ends) == alone
    assert Quotations(text).have(starts[:9], ends[:9]) == alone[:9]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        pytest.param('say "TAG"', True, id="double"),
        pytest.param("say 'a TAG b'", True, id="single"),
        pytest.param("`TAG`", True, id="at-the-start"),
        pytest.param("x\n`TAG`", True, id="at-the-start-of-a-line"),
        pytest.param("\n`TAG`", True, id="behind-an-empty-line"),
        pytest.param("(`TAG`), [`TAG`]", True, id="in-brackets"),
        pytest.param("a«TAG»", True, id="a-pair-needs-nothing-before-it"),
        pytest.param("“a” and “TAG”", True, id="the-second-pair"),
        pytest.param("‘TAG’", True, id="single-pair"),
        pytest.param("「TAG」", True, id="corners"),
        pytest.param("『x TAG』", True, id="white-corners"),
        pytest.param("TAG", False, id="alone"),
        pytest.param("it's TAG, isn't it's", False, id="apostrophes"),
        pytest.param('say "TAG', False, id="not-closed"),
        pytest.param('say "\nTAG"', False, id="opened-on-another-line"),
        pytest.param('say "TAG\n"', False, id="closed-on-another-line"),
        pytest.param('say `TAG"', False, id="closed-by-another-mark"),
        pytest.param("“a” TAG ”", False, id="behind-a-pair"),
        pytest.param("a «TAG”", False, id="closed-by-another-pair"),
        pytest.param("a `x TAG”", False, id="only-closed"),
        pytest.param(f'"{"x" * 199}TAG{"x" * 199}"', True, id="as-far-as-it-reaches"),
        pytest.param(f'"{"x" * 200}TAG"', False, id="opened-too-far-away"),
        pytest.param(f'"TAG{"x" * 200}"', False, id="closed-too-far-away"),
        pytest.param(f'y"{"x" * 199}TAG"', True, id="what-is-before-is-out-of-reach"),
    ],
)
def test_quotations(text: str, quoted: bool) -> None:
    start = text.index("TAG")
    assert in_quotation(text, start, start + 3) is quoted
    assert Quotations(text).have([start] * 60, [start + 3] * 60) == [quoted] * 60


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        pytest.param("a\n```\nb\n```\nc", "a\n<     ```\nc", id="block"),
        pytest.param("a\n```\nb", "a\n```\nb", id="not-closed"),
        pytest.param("a ``` b ``` c", "a ``` b ``` c", id="within-a-line"),
        pytest.param("  ```py\nb\n  ```c", "<" + 9 * " " + "  ```c", id="indented-at-the-start"),
        pytest.param("```\na\n```\nb\n```\nc\n```", "<     ```\nb\n<     ```", id="two-blocks"),
    ],
)
def test_code_blocks_are_blank(text: str, seen: str) -> None:
    assert without_code(text, 0) == seen


def test_a_fence_before_the_answer_opens_no_block() -> None:
    text = "\n```\nb\n```\nc\n```"
    assert without_code(text, 2) == "\n```\nb\n<     ```"
