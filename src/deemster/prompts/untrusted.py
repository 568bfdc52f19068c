r"""Text from outside, made safe to stand in a judge's prompt.

Queries, responses and references come from strangers. Before they enter a prompt:

- verdict syntax (`\boxed{`, `[[A]]`, `[RESULT]`, `<answer>`, `Output (a)`, `"scores"` as a whole
  JSON string, `"score"` as a key, reasoning tags) is respelled, so that a judge that quotes a
  response never writes a verdict by quoting;
- chat-template control tokens (`<|im_end|>` and relatives) are respelled, for servers that
  would turn them into control ids;
- invisible and control characters are removed.

Look-alikes that parsers read, or that a judge could turn into the syntax while it quotes (full
width, ligatures, HTML entities), count as what they stand for. The respelling keeps the meaning
readable: `\boxed{42}` becomes `\fbox{42}`. Raw texts are kept in the records; only the judge's
view changes. No defence of this kind is complete.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable

from deemster.prompts.normal_form import fold, spelled_out, visible, without_joiners
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
        rf"|{first}(?i:{words(label[1:])})(?=[*_]{{0,4}}:)"
        for label in LABELS
        for first in (label[0], label[0].upper())
    )


_BRACKET = r"\["
# Every alternative begins with one literal character, by which the search skips most of a text.
_SYNTAX = re.compile(
    r"\\boxed(?![A-Za-z])"
    rf"|\"(?:{'|'.join(WHOLE_KEYS)})(?=\")"
    rf"|\"(?:{'|'.join(KEYS)})(?=\"[ \t\r\n]*+:)"
    + "".join(rf"|{word[0]}(?={word[1:]})" for word in ANY_QUOTES)
    + r"|o(?i:utput) \((?=(?i:[ab])\))"
    r"|O(?i:utput) \((?=(?i:[ab])\))"
    r"|\[{1,99}(?=\[)"
    r"|\]{1,99}(?=\])"
    r"|\[[ ]{0,8}(?i:RESULT)[ ]{0,8}\]"
    rf"|\[(?=(?i:{_tags(_BRACKET)}))"
    rf"|\[(?=[ ]{{0,4}}(?i:{'|'.join(map(words, BRACKETED))}))"
    # Control tokens of chat templates, which differ by case.
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_(?:CALLS|RESULTS|CONTENT)|IMG"
    r"|BOS|EOS|PAD|UNK|MASK|SEP|CLS|gMASK|sMASK)\])"
    r"|<(?=<?[|/A-Za-z])(?:"
    r"(?=[|]|<?/?SYS>|/?(?:"
    r"s|bos|eos|pad|unk|mask|sep|cls|sop|eop|eod|eoh|eoa|gmask|seed:[a-z_]{1,40}"
    r"|(?:start|end)_of_(?:turn|image|text|role)|tools?|tool_(?:call|response|result)s?)>)"
    # Loosely, because a judge may close a tag that was left open.
    rf"|/?(?=(?i:{'|'.join((*TAGS, *TAG_NAMES))})\b)"
    rf"|(?=(?i:{_tags('<')})))"
    rf"|◁(?=(?i:{_tags('◁')}))" + _labels()
)
_ENTITY = re.compile(r"&(?=#?[0-9A-Za-z]{1,40};?)")


def defuse(text: str) -> str:
    """The text as the judge may see it; plain prose comes back unchanged.

    Linear in its length, and idempotent: respelled text is not respelled again.
    """
    seen = _respell(visible(text))
    if not seen.isascii() and _SYNTAX.search(unicodedata.normalize("NFKC", seen)):
        seen = _respell(spelled_out(seen))
    if not seen.isascii():
        # Of keys in Chinese: between their characters joiners are kept, and look-alikes stay.
        for plain in (without_joiners(seen), unicodedata.normalize("NFKC", without_joiners(seen))):
            if _SYNTAX.search(fold(plain, all_forms=True)):
                seen = _respell(plain)
    if "&" in seen and _SYNTAX.search(fold(visible(html.unescape(seen)), all_forms=True)):
        seen = _ENTITY.sub("& ", seen)
    return seen


def _respell(text: str) -> str:
    folded = fold(text, all_forms=True)
    pieces = []
    end = 0
    for found in _SYNTAX.finditer(folded):
        start, stop = found.span()
        pieces.append(text[end:start])
        pieces.append(_respelled(folded[start:stop], text[start:stop]))
        end = stop
    return "".join([*pieces, text[end:]])


def _respelled(syntax: str, as_written: str) -> str:
    if syntax[0] == "\\":
        return r"\fbox"
    if syntax[0] == "[" and syntax[-1] == "]":
        return f"({as_written[1:-1].strip()})"
    if syntax[0] in "[]":
        return " ".join(as_written) + " "
    return f"{as_written} "


def make_nonce(texts: Iterable[str], *, seed: int = 0) -> str:
    """12 hex digits that stand in none of the texts, the same for the same texts and seed.

    Depending on the texts themselves, it cannot be foreseen by whoever wrote one of them.
    """
    texts = list(texts)
    digest = hashlib.sha256(str(seed).encode())
    for text in texts:
        data = text.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    while True:
        nonce = digest.hexdigest()[:12]
        if not any(nonce in text for text in texts):
            return nonce
        digest.update(b"again")
