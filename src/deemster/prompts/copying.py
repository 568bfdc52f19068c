"""Copies of a text as whoever quotes it may make them: without what only decorates it.

Judges, and the programs around them, drop Markdown's emphasis, HTML tags, the targets of links,
escapes, line ends and accents. What stands around something that is dropped then stands together.

Copies are made only where `loose_syntax` says that a verdict may come about.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from deemster.prompts.loose_syntax import may_have_syntax
from deemster.prompts.normal_form import are_marks, code_points, fold

ELSEWHERE = "\ufffd"
"""Stands for what is left out of a copy; part of no syntax."""

Places = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
_Codes = npt.NDArray[np.uint32]

_MARK = np.zeros(128, np.bool_)
_MARK[[ord(char) for char in "*~`$^=+|#"]] = True
"""Emphasis, code, highlights, headings, tables, mathematics."""
_MORE = "_\\"
"""Dropped too by some: names of verdicts have the one, boxes the other."""
_LINE_ENDS = [*map(ord, "\n\v\f\r\x85\u2028\u2029")]
# As a browser finds them: a quoted attribute may hold brackets, and scripts are no text.
_ELEMENT = re.compile(
    r"""<(?i:script|style)\b[^<>]{0,200}>[^<]{0,200}</|<[/!?A-Za-z](?>(?:[^<>"']|"[^"]{0,200}"|"""
    r"""'[^']{0,200}'){0,40})>|(?i:script|style)>"""
)
# Images, footnotes, tags in square brackets, and of links all but their text.
_LINK = re.compile(
    r"\[\^[\w-]{1,20}\]"
    r"|\[/?(?:[bius]|\]\[\w{0,20}|(?:color|size|font|url|quote|code)(?:=[^\[\]]{0,60})?)\]"
    r"|\[[0-9;]{0,12}m|!\[[^\[\]]{0,200}\]\([^()]{0,200}\)"
    r"|\[(?=[^\[\]]{0,200}\]\([^()]{0,200}\))|\]\([^()]{0,200}\)"
)
_LATEX = re.compile(
    r"\\(?:text(?:bf|it|tt|rm|sf|sc|md|up|normal)?|math(?:bf|rm|it|sf|tt|bb|cal|normal)|emph"
    r"|underline|operatorname|mbox)[ ]?\{|\}"
)
_WITHIN = re.compile(r"['\"](?<=[\w\\\[\]</(]['\"])(?=[\w\\\[\]/:({])")
"""A quotation mark in the middle of what may be syntax."""
_ROLE = re.compile(r":[a-z]{1,12}:(?=`)")
# A line end with the sign of a quotation or of a list behind it.
_ITEM = re.compile(
    r"[\n\v\f\r\x85\u2028\u2029]{1,4}[ \t]{0,8}(?:(?:>[ ]?){1,8}|[-+][ \t]|[0-9]{1,3}[.)][ \t])"
)
_MAY_BE_DROPPED = re.compile(r"""[*~`$^=+|#_\\\n\v\f\r\x85\u2028\u2029{}<\[\]'"]""")
"""All that is dropped has one of these, but for marks upon letters and pictures."""
_TIMES = 4
"""How often tags are dropped again. Each time costs as much as all else; nobody drops them so often
but until there is none, which is looked at by itself."""
_AROUND = 40
"""Characters before and after: no piece of syntax is longer."""


def copies(text: str) -> Iterator[tuple[str, Places]]:
    """Copies of the text that lack something, folded in all forms, where that may make syntax.

    Each with the places that its characters have in the text.
    """
    unseen = None if text.isascii() else are_marks(text) | _pictures(text)
    seen = None if unseen is None or not unseen.any() else np.flatnonzero(~unseen)
    text = fold(text, all_forms=True)
    if seen is None and _MAY_BE_DROPPED.search(text) is None:
        return
    codes = code_points(text)
    if seen is not None:
        codes = codes[seen]
        text = _text(codes)
    for structure in _structures(text, codes):
        for copy, places in _copies(codes, structure):
            yield copy, places if seen is None else seen[places]


def _structures(text: str, codes: _Codes) -> Iterator[_Mask]:
    """What is dropped where that may make syntax: nothing, or tags, links, commands, quotes."""
    if may_have_syntax(text):
        yield np.zeros(len(codes), np.bool_)
    if "<" in text and ">" in text:
        for tags in _all_tags(text, codes):
            if may_have_syntax(_text(codes[~tags])):
                yield tags
    latex = any(command in text for command in ("\\text", "\\math", "\\emph", "\\under"))
    for pattern, there in (
        (_LINK, "[" in text),
        (_LATEX, latex or "\\mbox" in text),
        (_ROLE, ":`" in text),
        (_ITEM, _may_have_items(text)),
    ):
        if there and pattern.search(text) and may_have_syntax(pattern.sub("", text)):
            yield _spans(pattern, text)
    if _WITHIN.search(text) and may_have_syntax(text.replace("'", "").replace('"', "")):
        yield np.isin(codes, [ord("'"), ord('"')])


def _may_have_items(text: str) -> bool:
    if not text.isascii():
        return True
    begins = (f"\n{sign}" for sign in " \t>-+0123456789")
    return "\r" in text or "\v" in text or "\f" in text or any(one in text for one in begins)


def _copies(codes: _Codes, structure: _Mask) -> Iterator[tuple[str, Places]]:
    """Copies without a structure and the marks; with and without what some drop too."""
    line_ends = np.isin(codes, _LINE_ENDS)
    dropped = structure | _MARK[np.minimum(codes, 127)] | _prints_nothing(codes, line_ends)
    more = [codes == ord(char) for char in _MORE if (codes == ord(char)).any()]
    for which in itertools.product((False, True), repeat=len(more)):
        left = ~np.logical_or.reduce([dropped, *itertools.compress(more, which)])
        yield _text(codes[left]), np.flatnonzero(left)
    if line_ends.any():
        left = (line_ends & ~structure) | ~dropped
        yield _text(np.where(line_ends, np.uint32(ord(" ")), codes)[left]), np.flatnonzero(left)


def around(text: str, pattern: re.Pattern[str]) -> str:
    """What stands around all that a pattern finds."""
    pieces: list[str] = []
    end = 0
    for found in pattern.finditer(text):
        start = found.start() - _AROUND
        if start > end or not pieces:
            start = max(start, 0)
            pieces.append(ELSEWHERE)
        else:
            start = end
        end = max(end, found.end() + 2 * _AROUND)
        pieces.append(text[start:end])
    return "".join(pieces)


def _all_tags(text: str, codes: _Codes) -> Iterator[_Mask]:
    """What is part of tags and comments, as one or another finds them."""
    comments = _comments(text)
    narrow, wide = _tags(codes, wide=False), _tags(codes, wide=True)
    yield narrow | comments
    if not np.array_equal(narrow, wide):
        yield wide | comments
        yield _tags_within(codes)
        yield from _tags_again(codes, narrow)
    if ">'" in text or '>"' in text or "</s" in text.lower():
        yield _spans(_ELEMENT, text)


def _prints_nothing(codes: _Codes, line_ends: _Mask) -> _Mask:
    """Empty groups and thin spaces of LaTeX, line ends, and hyphens before them."""
    mask = line_ends.copy()
    empty = (codes[:-1] == ord("{")) & (codes[1:] == ord("}"))
    empty |= (codes[:-1] == ord("\\")) & np.isin(codes[1:], [ord(sign) for sign in ",;"])
    mask[:-1] |= empty | ((codes[:-1] == ord("-")) & mask[1:])
    mask[1:] |= empty
    return mask


def _tags(codes: _Codes, *, wide: bool) -> _Mask:
    """From each `<` to the next `>`; `wide`: what begins within one is part of it."""
    signs = np.flatnonzero((codes == ord("<")) | (codes == ord(">")))
    opens = codes[signs] == ord("<")
    ends = np.flatnonzero(opens[:-1] & ~opens[1:]) + 1
    if wide:
        begins = np.flatnonzero(opens & np.concatenate([[True], ~opens[:-1]]))[: len(ends)]
    else:
        begins = ends - 1
    steps = np.zeros(len(codes) + 1, np.int8)
    steps[signs[begins]] = 1
    steps[signs[ends] + 1] -= 1
    mask: _Mask = np.cumsum(steps[:-1], dtype=np.int8) > 0
    return mask


def _tags_within(codes: _Codes) -> _Mask:
    """Tags with all tags within them, as whoever drops tags until there is none."""
    steps = (codes == ord("<")).astype(np.int32) - (codes == ord(">"))
    depth = np.cumsum(steps)
    depth -= np.minimum(np.minimum.accumulate(depth), 0)  # a bracket that closes nothing
    mask: _Mask = (depth > 0) | (steps < 0)
    return mask


def _tags_again(codes: _Codes, tags: _Mask) -> Iterator[_Mask]:
    """Tags, and what is one without them, as whoever drops tags twice or more."""
    for _ in range(_TIMES):
        left = np.flatnonzero(~tags)
        more = _tags(codes[left], wide=False)
        if not more.any():
            break
        tags = tags.copy()
        tags[left[more]] = True
        yield tags


def _comments(text: str) -> _Mask:
    mask = np.zeros(len(text), np.bool_)
    begin = text.find("<!--")
    while begin >= 0 and (end := text.find("-->", begin + 4)) >= 0:
        mask[begin : end + 3] = True
        begin = text.find("<!--", end + 3)
    return mask


def _pictures(text: str) -> _Mask:
    """Emoji, arrows and bullets."""
    codes = code_points(text)
    mask: _Mask = np.isin(
        codes, [ord(sign) for sign in "\u00b7\u2022\u2023\u2043\u25e6\u25aa\u25cf"]
    )
    for first, last in ((0x2190, 0x21FF), (0x2600, 0x27BF), (0x2B00, 0x2BFF), (0x1F000, 0x1FAFF)):
        mask |= (codes >= first) & (codes <= last)
    return mask & ~np.isin(codes, [ord(sign) for sign in "\u276c\u276d\u276e\u276f"])


def _spans(pattern: re.Pattern[str], text: str) -> _Mask:
    mask = np.zeros(len(text), np.bool_)
    for found in pattern.finditer(text):
        mask[found.start() : found.end()] = True
    return mask


def _text(codes: _Codes) -> str:
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")
