r"""Text from outside, made safe to stand in a judge's prompt.

Queries, responses and references come from strangers. Before they enter a prompt:

- verdict syntax (`\boxed{`, `[[A]]`, `[RESULT]`, `<answer>`, `Output (a)`, `"scores"` as a whole
  JSON string, think tags) is respelled, so that a judge that quotes a response never writes a
  verdict by quoting;
- chat-template control tokens (`<|im_end|>` and relatives) are respelled, for servers that
  would turn them into control ids;
- invisible and control characters are removed.

The respelling keeps the meaning readable: `\boxed{42}` becomes `\fbox{42}`. Raw texts are kept in
the records; only the judge's view changes. No defence of this kind is complete.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_BOXED = re.compile(r"\\boxed(?![A-Za-z])")
_DOUBLE_BRACKETS = re.compile(r"\[(?=\[)|\](?=\])")
_RESULT = re.compile(r"\[[ ]{0,8}(RESULT)[ ]{0,8}\]", re.IGNORECASE)
_OUTPUT = re.compile(r"\b(output) \((?=[ab]\))", re.IGNORECASE)
_KEY = re.compile(r'"(scores|critiques|principles|ordered_models)"')
_TAG = re.compile(
    r"<(/?)(?=(?:answer|think|thinking|thought|reasoning|score|scores|verdict)\b)|◁(?=/?think)",
    re.IGNORECASE,
)
_CONTROL = re.compile(
    # The bar of DeepSeek's tokens is U+FF5C.
    "<(?=[|\uff5c]|<?/?SYS>|/?(?:"
    "s|bos|eos|pad|unk|mask|sep|cls|sop|eop|eod|eoh|eoa|gmask|seed:[a-z_]{1,40}"
    "|(?:start|end)_of_(?:turn|image|text|role)|tools?|tool_(?:call|response|result)s?)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_(?:CALLS|RESULTS|CONTENT)|THINK|IMG"
    r"|BOS|EOS|PAD|UNK|MASK|SEP|CLS|gMASK|sMASK)\])",
)
# Formatting that nobody sees: control characters, zero-width characters, bidi overrides, tags.
# Joiners (U+200C, U+200D) stay: they are needed to spell Persian, Hindi and many emoji.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def defuse(text: str) -> str:
    """The text as the judge may see it; plain prose comes back unchanged.

    Linear in its length, and idempotent: respelled text is not respelled again.
    """
    text = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)  # alone they cannot be sent as UTF-8
    text = _INVISIBLE.sub("", text)
    text = _BOXED.sub(r"\\fbox", text)
    text = _DOUBLE_BRACKETS.sub(r"\g<0> ", text)
    text = _RESULT.sub(r"(\1)", text)
    text = _OUTPUT.sub(r"\1 ( ", text)
    text = _KEY.sub(r'"\1 "', text)
    text = _CONTROL.sub(r"\g<0> ", text)
    return _TAG.sub(r"\g<0> ", text)


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
