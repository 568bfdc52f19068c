"""Copies of a text as whoever quotes it may make them: without what only decorates it.

Judges, and the programs around them, drop Markdown's emphasis, HTML tags, the targets of links,
escapes, line ends and accents. What stands around something that is dropped then stands together.

Of ordinary texts nearly all of that stands where no verdict can come about, and copies of a
mebibyte take long. So only that is copied which stands around something dropped from between
characters that follow each other in verdict syntax.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from deemster.prompts.normal_form import are_marks, code_points, fold
from deemster.prompts.syntax_pairs import (
    APART,
    BOX,
    CLASS,
    ENDS,
    FIRST,
    FOLLOWING,
    LAST,
    NEXT,
    NEXT_APART,
    THREES,
    TOGETHER,
)

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
_COMMENT = re.compile(r"<!--.{0,400}?-->", re.DOTALL)
# As a browser finds them: a quoted attribute may hold brackets, and scripts are no text.
_ELEMENT = re.compile(
    r"""<(?i:script|style)\b[^<>]{0,200}>[^<]{0,200}</|<[/!?A-Za-z](?>(?:[^<>"']|"[^"]{0,200}"|"""
    r"""'[^']{0,200}'){0,40})>|(?i:script|style)>"""
)
# Images, footnotes, tags in square brackets, and of links all but their text.
_LINK = re.compile(
    r"\[\^[\w-]{1,20}\]|\[/?(?:[biu]|\]\[\w{0,20})\]|!\[[^\[\]]{0,200}\]\([^()]{0,200}\)"
    r"|\[(?=[^\[\]]{0,200}\]\([^()]{0,200}\))|\]\([^()]{0,200}\)"
)
_AROUND = 40
"""Characters before and after: no piece of syntax is longer."""
_SHORT = 8192
"""Characters of a text that is quicker looked at run by run than in arrays."""


def copies(text: str) -> Iterator[tuple[str, Places]]:
    """Copies of the text that lack something, folded in all forms, where that could be syntax.

    Each with the places that its characters have in the text.
    """
    if len(text) < _SHORT and not _may_hide(text):
        return
    text = f"{ELSEWHERE}{text}"  # something stands before all syntax
    folded = code_points(fold(text, all_forms=True)).copy()
    classes = CLASS[folded]
    marks = _MARK[np.minimum(folded, 127)] | are_marks(text) | _prints_nothing(folded)
    structures = list(_structures(text, folded))
    near = _near(folded, classes, marks, structures)
    if not near.any():
        return
    places = np.flatnonzero(near)
    folded[places[1:][np.diff(places) > 1]] = ord(ELSEWHERE)
    folded, marks = folded[places], marks[places]
    more = [folded == ord(char) for char in _MORE if (folded == ord(char)).any()]
    for structure in structures:
        for which in itertools.product((False, True), repeat=len(more)):
            dropped = marks | structure[places]
            for mask in itertools.compress(more, which):
                dropped |= mask
            yield _text(folded[~dropped]), places[~dropped] - 1
    line_ends = np.isin(folded, _LINE_ENDS)
    if line_ends.any():
        kept = line_ends | ~marks
        yield _text(np.where(line_ends, np.uint32(ord(" ")), folded)[kept]), places[kept] - 1


_ENDS_LINE = r"\n\v\f\r\x85\u2028\u2029"
_ONE = rf"[*~`$^=+|#_\\{_ENDS_LINE}]"
_RUN = rf"(?<=\\)[,;]?+|(?<={_ONE})|(?<=\{{)\}}|(?<=-)(?=[{_ENDS_LINE}])"


def _runs(first: str, rest: str) -> re.Pattern[str]:
    """Runs of what is dropped; each element begins with one of a few characters, for speed."""
    element = rf"[*~`$^=+|#_\\{_ENDS_LINE}{{\-{first}](?:{_RUN}{rest})"
    return re.compile(rf"{element}(?>(?:{element}|[ \t])*)", re.DOTALL)


_RUNS = _runs("", "")
_TAG_RUNS = _runs("<", r"|(?<=<)(?:!--.{0,400}?-->|[^<>]*>)")
_LINK_RUNS = _runs(
    r"!\[\]",
    r"|(?<=\[)(?:\^[\w-]{1,20}\]|/?(?:[biu]|\]\[\w{0,20})\]"
    r"|(?=[^\[\]]{0,200}\]\([^()]{0,200}\)))"
    r"|(?<=!)\[[^\[\]]{0,200}\]\([^()]{0,200}\)|(?<=\])\([^()]{0,200}\)",
)
_MARKED = re.compile(rf"[*~`$^=+|#_\\{_ENDS_LINE}{{\-<\[]")
_TAGS_IN_TAGS = re.compile(r"<[^<>]*<|>[^<>]*>|>['\"]|</s", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\]\(|\[[/^biu\]]", re.IGNORECASE)


def _may_hide(text: str) -> bool:
    """Whether something dropped may stand in the middle of syntax; quicker than `_near`."""
    if not text.isascii():
        if are_marks(text).any():
            return True
        text = fold(text, all_forms=True)
    if _MARKED.search(text) is None:
        return False
    text = f"{ELSEWHERE}{text.lower()}{ELSEWHERE}{ELSEWHERE}"
    if _fits(text, _RUNS.finditer(text)):
        return True
    if "<" in text and ">" in text:
        if _TAGS_IN_TAGS.search(text):
            return True
        if _fits(text, _with(text, _TAG, _TAG_RUNS), within=True):
            return True
    return _IN_BRACKETS.search(text) is not None and _fits(
        text, _with(text, _LINK, _LINK_RUNS), within=True
    )


def _with(text: str, part: re.Pattern[str], runs: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """The runs that have such a part."""
    end = 0
    for found in part.finditer(text):
        if found.end() <= end:
            continue
        start = found.start()
        while start > end and text[start - 1] in _WALKED:
            start -= 1
        for run in runs.finditer(text, start):
            end = run.end()
            if end > found.start():
                yield run
                break


def _fits(text: str, runs: Iterable[re.Match[str]], *, within: bool = False) -> bool:
    """Whether any run of what is dropped may stand in the middle of syntax.

    `within`: the blanks in it may be within something that is dropped.
    """
    for run in runs:
        start, end = run.span()
        other = text[end]
        if other not in _SECONDS:
            continue
        while text[start - 1] in " \t":
            start -= 1
        one = text[start - 1]
        pair = one + other
        if pair in APART or (pair in TOGETHER and (within or not _BLANK.search(text, start, end))):
            behind = text[start - 2] if start > 1 else ELSEWHERE
            if one in ENDS[0] or behind in _SKIPPED or behind + pair in THREES:
                ahead = text[end + 1]
                if other in ENDS[1] or ahead in _SKIPPED or pair + ahead in THREES:
                    return True
        elif other == "b" and end - start > 1 and "\\" in run[0]:
            return True
    return False


_SECONDS = frozenset(pair[1] for pair in APART | TOGETHER) | {"b"}
_TAG = re.compile(rf"{_COMMENT.pattern}|<[^<>]*>", re.DOTALL)
_WALKED = frozenset("*~`$^=+|#_\\\n\v\f\r\x85\u2028\u2029 \t{}-,;")
_BLANK = re.compile(r"[ \t]")
_SKIPPED = frozenset("*~`$^=+|#_\\\n\v\f\r\x85\u2028\u2029 \t{}-,;<>[]()!")
"""What may be dropped, and blanks."""


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


def _near(
    codes: _Codes, classes: npt.NDArray[np.uint8], marks: _Mask, structures: list[_Mask]
) -> _Mask:
    """What stands around something dropped that may stand in the middle of syntax."""
    blank = (codes == ord(" ")) | (codes == ord("\t"))
    escapes = codes == ord("\\")
    marks = marks | escapes | (codes == ord("_"))
    steps = np.zeros(len(codes) + 1, np.int32)
    for structure in structures:
        before, after = _doubtful(classes, marks | structure, blank, escapes)
        if len(before):
            np.add.at(steps, np.maximum(before - _AROUND, 0), 1)
            np.add.at(steps, np.minimum(after + _AROUND, len(codes)), -1)
    found: _Mask = np.cumsum(steps[:-1]) > 0
    return found


def _doubtful(
    classes: npt.NDArray[np.uint8], dropped: _Mask, blank: _Mask, escapes: _Mask
) -> tuple[Places, Places]:
    """What stands before and after each run of what is dropped, where it may be syntax."""
    skipped = dropped | blank
    edges = np.flatnonzero(skipped[1:] != skipped[:-1])  # the first is no skipped one
    before, after = edges[: len(edges) // 2 * 2 : 2], edges[1::2] + 1
    one, other = classes[before], classes[after]
    # A box begins with a backslash, which may be among what is dropped.
    boxes = (other == BOX) & (after - before > 2)
    likely = np.flatnonzero(NEXT[one, other] | NEXT_APART[one, other] | boxes)
    if not len(likely):
        return likely, likely
    before, after, boxes = before[likely], after[likely], boxes[likely]
    one, other = one[likely], other[likely]
    # The characters on either side, where they are not skipped.
    behind, ahead = np.maximum(before - 1, 0), np.minimum(after + 1, len(classes) - 1)
    fits = boxes | FIRST[one] | skipped[behind] | FOLLOWING[classes[behind], one, other]
    fits &= LAST[other] | skipped[ahead] | FOLLOWING[one, other, classes[ahead]]
    if not fits.any():
        return likely[:0], likely[:0]
    so_far = np.cumsum(dropped, dtype=np.int32)
    count = so_far[after] - so_far[before]
    together = NEXT[one, other] & (count == after - before - 1)
    if boxes.any():
        escaped = np.cumsum(escapes, dtype=np.int32)
        boxes &= escaped[after] > escaped[before]
    fits &= (count > 0) & (together | NEXT_APART[one, other] | boxes)
    return before[fits], after[fits]


def _structures(text: str, codes: _Codes) -> Iterator[_Mask]:
    """What belongs to tags, comments, images and links; first, nothing."""
    yield np.zeros(len(codes), np.bool_)
    if "<" in text and ">" in text:
        comments = _spans(_COMMENT, text) if "<!--" in text else False
        yield _tags(codes, wide=False) | comments
        yield _tags(codes, wide=True) | comments
        if ">'" in text or '>"' in text or "</s" in text.lower():
            yield _spans(_ELEMENT, text)
        if "<" in text.partition("<")[2].partition(">")[0]:
            yield _tags_within(codes)
    if any(sign in text for sign in ("](", "[^", "[/", "[b", "[i", "[u", "[][")):
        yield _spans(_LINK, text)


def _prints_nothing(codes: _Codes) -> _Mask:
    """Empty groups and thin spaces of LaTeX, line ends, and hyphens before them."""
    mask = np.isin(codes, _LINE_ENDS)
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


def _spans(pattern: re.Pattern[str], text: str) -> _Mask:
    mask = np.zeros(len(text), np.bool_)
    for found in pattern.finditer(text):
        mask[found.start() : found.end()] = True
    return mask


def _text(codes: _Codes) -> str:
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")
