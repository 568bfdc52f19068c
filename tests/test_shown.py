"""Text from outside shows where people read it, and is neither markup nor a line of its own."""

from __future__ import annotations

import re

import pytest

from deemster.shown import code, inline, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\n# Passed\r\n- b\u2028c", "a \\# Passed - b c", id="lines"),
        pytest.param(
            "**b** _i_ ~~s~~ `c`", "\\*\\*b\\*\\* \\_i\\_ \\~\\~s\\~\\~ \\`c\\`", id="marks"
        ),
        pytest.param("![x](http://h/p.png)", "!\\[x\\](http:<!-- -->//h/p.png)", id="picture"),
        pytest.param("<img src=x> &lt;b>", "\\<img src=x\\> \\&lt;b\\>", id="html"),
        pytest.param("a | b \\| c", "a \\| b \\\\\\| c", id="cell"),
        pytest.param("\x1b[31mred\u202edeliaf\u2066", "\\[31mreddeliaf", id="steering"),
        pytest.param("@org/team, a@b.c", "@<!-- -->org/team, a@<!-- -->b.c", id="mention"),
        pytest.param("WWW.h.x ftp://h", "WWW<!-- -->.h.x ftp:<!-- -->//h", id="address"),
        pytest.param("$x$ &#64;b", "\\$x\\$ \\&\\#64;b", id="mathematics, entity"),
        pytest.param("half \ud83d, byte \udcff", "half \ufffd, byte \ufffd", id="surrogates"),
        pytest.param("plain, 1.5 - é 👩\u200d🔬", "plain, 1.5 - é 👩\u200d🔬", id="plain"),
    ],
)
def test_in_markdown(text: str, shown: str) -> None:
    assert inline(text) == shown


@pytest.mark.parametrize("text", ["a`b", "``` x", "`a\n# b`", "\x1b]0;x\x07`"])
def test_as_code(text: str) -> None:
    assert re.fullmatch(r"`[^`\n\x00-\x1f]*`", code(text))


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"]
)
def test_one_line(end: str) -> None:
    assert one_line(f"run{end}deemster: all passed") == "run deemster: all passed"
