"""Which prompts a server is said to have cut, by the tokens that it reports."""

from __future__ import annotations

import pytest

from deemster.backends._api.outcome import probably_cut

CODE = "\n".join(" " * 24 + "x = 1" for _ in range(100))
TABLE = "\n".join(f"| {name:<40} | {name:>40} |" for name in ("a", "bb", "ccc"))


@pytest.mark.parametrize(
    ("texts", "tokens_in", "cut"),
    [
        pytest.param(["one two three four"], 4, False, id="whole"),
        pytest.param(["one two three four"], 2, True, id="cut"),
        pytest.param(["one two three four"], 0, False, id="not-reported"),
        pytest.param(["one two", "three four"], 2, False, id="few-words"),
        pytest.param([CODE], 400, False, id="indented-code"),
        pytest.param([CODE], 200, True, id="indented-code-cut"),
        pytest.param([TABLE], 15, False, id="padded-table"),
        pytest.param(["a" + " " * 5000 + "b"], 3, False, id="blanks"),
        pytest.param(["你好" * 500], 300, False, id="no-blanks"),
        pytest.param([""], 5, False, id="empty"),
        pytest.param([], 5, False, id="nothing"),
    ],
)
def test_cut(texts: list[str], tokens_in: int, cut: bool) -> None:
    assert (probably_cut(tokens_in, texts) is not None) == cut


def test_the_warning_counts_words() -> None:
    told = probably_cut(200, [CODE])
    assert told is not None
    assert "read 200 tokens of a prompt of at least 300:" in told
