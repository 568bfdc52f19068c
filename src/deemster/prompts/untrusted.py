r"""Text from outside, made safe to stand in a judge's prompt.

Queries, responses and references come from strangers. Before they enter a prompt:

- verdict syntax (`\boxed{`, `[[A]]`, `[RESULT]`, `<answer>`, `Output (a)`, `"scores"` as a whole
  JSON string, `"score"` as a key, reasoning tags) is respelled, so that a judge that quotes a
  response never writes a verdict by quoting;
- chat-template control tokens (`<|im_end|>` and relatives) are respelled, for servers that
  would turn them into control ids;
- invisible and control characters are removed.

Look-alikes that parsers read, or that a judge could turn into the syntax while it quotes (full
width, ligatures, letters of other scripts, HTML entities, JSON escapes, percent-encoding), count
as what they stand for, and so does what stands together once formatting is dropped (emphasis,
tags, line ends, escapes; see `copying`). The respelling keeps the meaning readable:
`\boxed{42}` becomes `\fbox{42}`. Raw texts are kept in the records; only the judge's view changes.
No defence of this kind is complete.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import unquote

from deemster.prompts.control_tokens import following
from deemster.prompts.copying import ELSEWHERE, Places, around, copies
from deemster.prompts.normal_form import (
    fold,
    spelled_out,
    visible,
    without_joiners,
    without_marks,
)
from deemster.prompts.reasoning_tags import REASONING_TAGS, TAG_NAMES
from deemster.prompts.verdict_syntax import (
    ANY_QUOTES,
    BRACKETED,
    KEYS,
    LABELS,
    TAGS,
    WHOLE_KEYS,
    words,
)


def _tags(first: str) -> str:
    """What follows the first character of the reasoning tags that begin with it."""
    tags = [pair.opening for pair in REASONING_TAGS]
    tags += [pair.closing for pair in REASONING_TAGS if pair.unopened]
    return "|".join(tag.removeprefix(first) for tag in tags if tag.startswith(first))


def _labels() -> str:
    """The labels, each once for either case of its first letter."""
    return "".join(
        rf"|{first}(?i:{words(label[1:])})(?=[*_\\]{{0,4}}:)"
        for label in LABELS
        for first in (label[0], label[0].upper())
    )


_BRACKET = r"\["
# Every alternative begins with a literal character, and no repetition: only then does the search
# skip what begins with none of them, which is most of a text.
_SYNTAX = re.compile(
    r"\\(?i:boxed)(?![A-Za-z])"
    # In a JSON string within JSON quotation marks are escaped, in Markdown brackets may be.
    rf"|\"(?i:{'|'.join(WHOLE_KEYS)})(?=\\{{0,8}}\")"
    rf"|\"(?i:{'|'.join(KEYS)})(?=\\{{0,8}}\"[ \t\r\n]*+\\?[:{ELSEWHERE}])"
    # Where Python writes the object, which a judge may turn into JSON.
    rf"|'(?i:{'|'.join((*WHOLE_KEYS, *KEYS))})(?=\\{{0,8}}'[ \t\r\n]*+\\?[:{ELSEWHERE}])"
    + "".join(rf"|{word[0]}(?={word[1:]})" for word in ANY_QUOTES)
    + r"|o(?i:utput) \\?\((?=(?i:[ab])\\?\))"
    r"|O(?i:utput) \\?\((?=(?i:[ab])\\?\))"
    r"|\]\]{0,98}(?=\\?\])"
    rf"|\](?={following(']')})"
    # Behind `[` and `<`, what nearly all texts have there is ruled out first.
    r"|\[(?:\[{0,98}(?=\\?\[)|(?=\\?[ ]{0,8}+[|/A-Za-z])(?:"
    r"[ ]{0,8}(?i:RESULT)[ ]{0,8}\\?\]"
    rf"|(?=(?i:{_tags(_BRACKET)}))"
    rf"|(?=[ ]{{0,4}}(?P<phrase>(?i:{'|'.join(map(words, BRACKETED))})))"
    rf"|(?={following('[')})))"
    # Control tokens differ by case; tags of verdicts and reasoning do not, and are matched
    # loosely, because a judge may close one that was left open.
    rf"|<(?=\\?<?[|/_\"A-Za-z\u0100-\uffff])(?:(?={following('<')})"
    rf"|/?(?=(?i:{'|'.join((*TAGS, *TAG_NAMES))})\b)"
    rf"|(?=(?i:{_tags('<')})))"
    rf"|◁(?=(?i:{_tags('◁')}))" + _labels()
)
_REFERENCE = re.compile(r"&#?[0-9A-Za-z]{1,40};?")
# What `html.unescape` takes for one.
_ANY_REFERENCE = re.compile(r"(&(?:#(?:[0-9]+|[xX][0-9A-Fa-f]+)|[^\t\n\f <&#;]{1,32});?)")
_FEW = 32
_UNICODE = re.compile(
    r"\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2}))"
)
_OCTAL = re.compile(r"\\([0-3]?[0-7]{2})")
_CSS = re.compile(r"\\([0-9A-Fa-f]{4,6})[ ]?")
_NOTED = re.compile(r"U\+([0-9A-Fa-f]{4,6})[ ]?")
_QUOTED = re.compile(r"=([0-9A-F]{2})")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")


def _unquoted(text: str) -> str:
    """The text with its percent-codes decoded."""
    used = set(_PERCENT.findall(text))
    if len(used) > _FEW or any(code[1] not in "01234567" for code in used):
        return unquote(text)  # some are bytes of longer characters
    for code in sorted(
        used, key=lambda code: (code == "%25", code)
    ):  # last: it makes what begins a code
        text = text.replace(code, chr(int(code[1:], 16)))
    return text


def _decoded(codes: re.Pattern[str], text: str, base: int) -> str:
    """The text with the numbers of characters as these."""

    def char(code: re.Match[str]) -> str:
        number = int(next(filter(None, code.groups())), base)
        return chr(number) if number < 0x110000 else code[0]

    decoded = codes.sub(char, text)
    # Halves of one character that JSON writes one by one.
    return decoded.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# LaTeX's names of what verdicts are made of.
_NAMES = {
    "lbrack": "[", "rbrack": "]", "lbrace": "{", "rbrace": "}", "backslash": "\\", "lt": "<",
    "gt": ">", "textbackslash": "\\", "textless": "<", "textgreater": ">", "textquotedbl": '"',
}  # fmt: skip
_NAMED = rf"({'|'.join(sorted(_NAMES, reverse=True))})(?:\{{\}}|[ ])?"


# How characters are coded in HTML, strings of programs, URLs, mail and LaTeX: what begins a code,
# what breaks it as a template of `re.sub` (one that names a group takes ten times as long), and
# what decodes a text.
_CODES: tuple[tuple[re.Pattern[str], str, Callable[[str], str]], ...] = (
    (re.compile(r"&(?=#?[0-9A-Za-z]{1,40};?)"), "& ", lambda text: _unescaped(_unescaped(text))),
    (
        re.compile(r"\\(?=u\{?[0-9A-Fa-f]|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2})"),
        r"\\ ",
        lambda text: _decoded(_UNICODE, text, 16),
    ),
    (re.compile(r"\\(?=[0-7]{2})"), r"\\ ", lambda text: _decoded(_OCTAL, text, 8)),
    (re.compile(r"\\(?=[0-9A-Fa-f]{4})"), r"\\ ", lambda text: _decoded(_CSS, text, 16)),
    (re.compile(r"U\+(?=[0-9A-Fa-f]{4})"), "U+ ", lambda text: _decoded(_NOTED, text, 16)),
    (re.compile(r"=(?=[0-9A-F]{2})"), "= ", lambda text: _decoded(_QUOTED, text, 16)),
    (re.compile(r"%(?=[0-9A-Fa-f]{2})"), "% ", _unquoted),
    (
        re.compile(rf"\\(?={_NAMED})"),
        r"\\ ",
        lambda text: re.sub(rf"\\{_NAMED}", lambda name: _NAMES[name[1]], text),
    ),
)


def defuse(text: str) -> str:
    """The text as the judge may see it; plain prose comes back unchanged.

    Linear in its length, and idempotent: respelled text is not respelled again.
    """
    seen = _respell(visible(text))
    for copied in (
        spelled_out,
        without_joiners,
        lambda text: without_marks(spelled_out(without_joiners(text), all_forms=True)),
    ):
        # As whoever quotes it may write it.
        copy = copied(seen)
        if copy is not seen and copy != seen and _SYNTAX.search(fold(copy, all_forms=True)):
            seen = _respell(copy)
    for _ in range(_MOST):
        apart = _respell_apart(seen)
        if apart == seen:
            break
        seen = apart
    for code, broken, decoded in _CODES:
        if code.search(seen) and _forges(visible(decoded(around(seen, code)))):
            seen = code.sub(broken, seen)
    return seen


_MOST = 4
"""Times that copies are looked at: respelling one of them may leave, or make, syntax in another."""


def one_line(text: str) -> str:
    """The text as `defuse` gives it, on one line: it can neither end a list item nor be a heading.

    For what stands outside of fences: names, descriptions and levels of principles.
    """
    # Joined first, because `Output` and `(a)` on two lines are no verdict.
    return defuse(" ".join(visible(text).split()))


def _forges(text: str) -> bool:
    """Whether it has verdict syntax, as it is or as whoever copies it may write it."""
    return _SYNTAX.search(fold(text, all_forms=True)) is not None or any(
        _SYNTAX.search(copy) for copy, _ in copies(text)
    )


def _respell(text: str) -> str:
    folded = fold(text, all_forms=True)
    if folded == text:
        return _SYNTAX.sub(_respelled, text)
    pieces = []
    end = 0
    for found in _SYNTAX.finditer(folded):
        start, stop = found.span()
        pieces += [text[end:start], _respelled(found, text[start:stop])]
        end = stop
    return "".join([*pieces, text[end:]])


def _respell_apart(text: str) -> str:
    """The text, respelled where copies that lack some of it have verdict syntax."""
    spans = {
        (int(places[found.start()]), int(places[found.end() - 1]) + 1): (found, places)
        for copy, places in copies(text)
        for found in _SYNTAX.finditer(copy)
    }
    pieces = []
    end = 0
    for start, stop in sorted(spans):
        if start >= end:  # else it is another copy's
            found, places = spans[start, stop]
            pieces += [text[end:start], _respelled_apart(found, places, text[start:stop])]
            end = stop
    return "".join([*pieces, text[end:]])


def _respelled_apart(found: re.Match[str], places: Places, written: str) -> str:
    """The same for syntax whose characters do not follow each other where they are written."""
    if set(found[0]) <= set("[]") and not found["phrase"]:
        at = places[found.start() : found.end()] - places[found.start()]
        ends = [*at[1:], len(written)]
        return "".join(
            f"{written[here]} {written[here + 1 : there]}"
            for here, there in zip(at, ends, strict=True)
        )
    return _respelled(found, written)


def _respelled(found: re.Match[str], as_written: str | None = None) -> str:
    syntax = found[0]
    written = syntax if as_written is None else as_written
    if found["phrase"]:  # parsers read it behind blanks, too
        return f"({written[1:]}"
    if syntax[0] in "[]":
        if len(syntax) == 1:
            return f"{written} "
        if syntax[-1] != syntax[0]:
            return f"({written[1:-1].strip()})"
        return " ".join(written) + " "
    return r"\fbox" if syntax[0] == "\\" else f"{written} "


def _unescaped(text: str) -> str:
    """The text with its HTML entities decoded, those that this makes perhaps too."""
    used = set(_REFERENCE.findall(text))
    if len(used) > _FEW:
        return _unescaped_once(text)
    for reference in sorted(used, key=len, reverse=True):  # one may begin another
        text = text.replace(reference, html.unescape(reference))
    return text


def _unescaped_once(text: str) -> str:
    """`html.unescape`, quicker where references occur several times."""
    pieces = _ANY_REFERENCE.split(text)
    references = pieces[1::2]
    known = set(references)
    if 2 * len(known) > len(references):
        return html.unescape(text)
    decoded = {reference: html.unescape(reference) for reference in known}
    pieces[1::2] = map(decoded.__getitem__, references)
    return "".join(pieces)


def make_nonce(texts: Iterable[str], *, seed: int = 0, elsewhere: Sequence[str] = ()) -> str:
    """12 hex digits that stand in none of the texts, the same for the same texts and seed.

    Depending on the texts themselves, it cannot be foreseen by whoever wrote one of them. Nor does
    it stand `elsewhere`, in what may be somebody's who knows all of them.
    """
    texts = list(texts)
    digest = hashlib.sha256(str(seed).encode())
    for text in texts:
        data = text.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    while True:
        nonce = digest.hexdigest()[:12]
        if not any(nonce in text for text in (*texts, *elsewhere)):
            return nonce
        digest.update(b"again")
