"""Several completions as one text: the two turns of a dialect, or one for each response.

A vote keeps one text, which can be parsed again later. Where a vote took several completions, that
text holds all of them, each under a line `[The Begin of Part 1]`. Prompts respell that line in
texts from outside, so that a quotation cannot add a part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from deemster.errors import ParseError
from deemster.schemas import Completion, TokenLogprob, Usage

_LINE = "[The Begin of Part {}]"
_BREAK = "\n"
_MARK = re.compile(r"^\[The Begin of Part ([0-9]{1,4})\]\n?", re.MULTILINE | re.ASCII)


def join_parts(parts: Sequence[Completion]) -> Completion:
    """One completion that holds others; it was cut if one of them was."""
    heads = [f"{_LINE.format(i)}\n" for i in range(1, len(parts) + 1)]
    logprobs: list[TokenLogprob] = []
    for head, part in zip(heads, parts, strict=True):
        mark = TokenLogprob(token=head, logprob=0.0)
        logprobs += [mark, *(part.logprobs or ()), TokenLogprob(token=_BREAK, logprob=0.0)]
    sent = [part.sent for part in parts if part.sent is not None]
    return Completion(
        text="\n".join(head + part.text for head, part in zip(heads, parts, strict=True)),
        finish="length" if any(part.finish == "length" for part in parts) else "stop",
        logprobs=tuple(logprobs) if any(part.logprobs for part in parts) else None,
        usage=Usage.total(part.usage for part in parts),
        model=parts[0].model,
        reasoning="\n\n".join(part.reasoning for part in parts if part.reasoning),
        sent=sent[0] if sent else None,
        warnings=tuple(dict.fromkeys(warning for part in parts for warning in part.warnings)),
    )


def has_parts(text: str) -> bool:
    """Whether a text holds several completions."""
    return text.startswith(_LINE.format(1))


def split_parts(completion: Completion, n: int) -> list[Completion]:
    """The `n` completions that one holds, with their own text and log-probabilities.

    Raises:
        ParseError: it holds another number of them.
    """
    marks = list(_MARK.finditer(completion.text))
    if [int(mark[1]) for mark in marks] != list(range(1, n + 1)) or marks[0].start():
        raise ParseError(f"expected {n} completions in one, got {len(marks)}")
    ends = [mark.start() - len(_BREAK) for mark in marks[1:]] + [len(completion.text)]
    texts = [completion.text[m.end() : end] for m, end in zip(marks, ends, strict=True)]
    logprobs = _split_logprobs(completion.logprobs, n)
    return [
        completion.model_copy(update={"text": text, "logprobs": found})
        for text, found in zip(texts, logprobs, strict=True)
    ]


def _split_logprobs(
    logprobs: tuple[TokenLogprob, ...] | None, n: int
) -> list[tuple[TokenLogprob, ...] | None]:
    heads = [f"{_LINE.format(i)}\n" for i in range(1, n + 1)]
    tokens = [] if logprobs is None else [token.token for token in logprobs]
    if logprobs is None or any(tokens.count(head) != 1 for head in heads):
        return [None] * n
    starts = [tokens.index(head) for head in heads]
    return [
        logprobs[start + 1 : end - 1] or None
        for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True)
    ]
