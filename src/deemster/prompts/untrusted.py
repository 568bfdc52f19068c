r"""Text from outside, made safe to stand in a judge's prompt.

Queries, responses and references come from strangers. Before they enter a prompt:

- verdict syntax (`\boxed{`, `[[A]]`, `[RESULT]`, `<answer>`, think tags) is respelled, so that a
  judge that quotes a response never writes a verdict by quoting;
- chat-template control tokens (`<|im_end|>` and relatives) are respelled, for servers that
  would turn them into control ids;
- invisible format characters are removed.

The respelling keeps the meaning readable: `\boxed{42}` becomes `\fbox{42}`. Raw texts are kept in
the records; only the judge's view changes. No defence of this kind is complete.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

_BOXED = re.compile(r"\\boxed(?![A-Za-z])")
_DOUBLE_BRACKETS = re.compile(r"\[(?=\[)|\](?=\])")
_RESULT = re.compile(r"\[\s*(RESULT|result|Result)\s*\]")
_TAG = re.compile(r"<(/?)(?=(?:answer|think|thinking|reasoning|score|scores|verdict)\b)", re.I)
_CONTROL = re.compile(
    r"<(?=[|｜]|/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn|tool_call|tool_response)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS)\])",
)
# Cf is formatting that nobody sees: zero-width characters, bidi overrides, tags. Joiners are
# needed to spell Persian, Hindi and many emoji, so they stay.
_KEEP_FORMAT = {"\u200c", "\u200d"}
_MAYBE_INVISIBLE = re.compile(
    r"[\u00ad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def defuse(text: str) -> str:
    """The text as the judge may see it. Linear in its length; plain prose comes back unchanged."""
    text = _MAYBE_INVISIBLE.sub(_visible, text)
    text = _BOXED.sub(r"\\fbox", text)
    text = _DOUBLE_BRACKETS.sub(lambda match: match[0] + " ", text)
    text = _RESULT.sub(r"(\1)", text)
    text = _CONTROL.sub(lambda match: match[0] + " ", text)
    return _TAG.sub(r"<\1 ", text)


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    if "\ud800" <= character <= "\udfff":
        return "\N{REPLACEMENT CHARACTER}"  # a lone surrogate cannot be sent as UTF-8
    if unicodedata.category(character) == "Cf" and character not in _KEEP_FORMAT:
        return ""
    return character


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
