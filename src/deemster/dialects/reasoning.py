"""The visible part of a completion: without reasoning, end tokens and characters nobody sees.

Models that judge other models' outputs write reasoning tags as words, too. A tag is reasoning
where models put it: at the start of the text, or alone on its line or glued to what follows. A tag
inside a quotation, a code block or a sentence is a word, and so is one after a visible verdict.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from deemster.prompts.normal_form import fold, visible
from deemster.prompts.reasoning_tags import REASONING_TAGS
from deemster.prompts.verdict_syntax import ANY_QUOTES, KEYS, LABELS, TAGS, WHOLE_KEYS, words

_TAG = re.compile(
    "|".join(
        rf"(?P<open_{i}>{tags.opening})|(?P<close_{i}>{tags.closing})"
        for i, tags in enumerate(REASONING_TAGS)
    ),
    re.IGNORECASE | re.ASCII,
)
_CLOSING = [re.compile(tags.closing, re.IGNORECASE | re.ASCII) for tags in REASONING_TAGS]
_MAY_BEGIN = re.compile(r"[<\[◁](?=[/|]?[A-Za-z])")  # most texts have few: 30 times as quick
# The end of a turn, as servers leave it that do not skip special tokens, and the frame that some
# models put around what they say after their reasoning.
_END = re.compile(
    r"\s*(?:<\|(?:im_end|eot_id|eom_id|end|return|endoftext|end_of_text|END_OF_TURN_TOKEN"
    r"|END_RESPONSE|end_of_solution|user)\|>|<\|close\|>response<\|sep\|>"
    r"|</s>|<eos>|<end_of_turn>|<turn\|>|\[EOS\]|</response>|<\|end▁of▁sentence\|>)\s*\Z"
)
_BEGIN = re.compile(
    r"\s*(?:<\|(?:START_RESPONSE|begin_of_solution)\|>|<\|open\|>response<\|sep\|>|<response>"
    r"|<\|start\|>assistant|<\|message\|>)"
)
# Harmony whose special tokens the server dropped, and Granite 3.2's headings.
_SPOKEN = re.compile(
    r"\s*(?:analysis(?=[A-Z])(?s:.*?)(?:assistantfinal|\Z)"
    r"|Here is my thought process:(?s:.*?)(?:Here is my response:|\Z))"
)
# What the parsers look for, loosely: once it has been seen, the answer has begun.
VERDICT = re.compile(
    r"\\boxed|\[\[|\[RESULT\]|output \([ab]\)"
    rf"|<(?:{'|'.join(TAGS)})>|\"(?:{'|'.join((*WHOLE_KEYS, *KEYS))})\"[ \t\n]{{0,40}}:"
    rf"|['\"](?:{'|'.join(ANY_QUOTES)})['\"][ \t\n]{{0,40}}:"
    rf"|^[ \t*#]*(?:{'|'.join(map(words, LABELS))})[*_]{{0,4}}:"
    r"|final decision is|contains (?:an|no) error|^[ \t*#]*(?:specific criteria|scores?)\b",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
# A tag that a sentence runs around: "leaves a </think> tag", "(<think>),".
_BEFORE = re.compile(r"[\w,;)\]*][ \t]{1,4}\Z|[(\[*]\Z|[\u3041-\u9fff]\Z")
_AFTER = re.compile(
    r"[ \t]{1,4}[a-z(]|[,;)\]*]|[.!?:](?=\s|\Z)|\s?[、。,;)标块符等和与或的是未没中]"
)
_PAIRS = ("“”", "\u2018\u2019", "«»", "「」", "『』")
_OPENS_QUOTATION = re.compile("[\"'`" + "".join(pair[0] for pair in _PAIRS) + "]")
_FENCE = re.compile(r"^[ \t]{0,3}```", re.MULTILINE)
_REACH = 200


def strip_reasoning(text: str) -> str:
    """The part of a completion that is the answer.

    Dropped are blocks of reasoning with their tags, what follows a tag that opens reasoning and
    never closes (a verdict in unfinished reasoning is a draft), and everything up to a closing
    tag without an opening one (chat templates often put that into the prompt).
    """
    text = visible(text)
    folded = fold(text)
    kept = _kept(folded)
    text, folded = ("".join(part[start:end] for start, end in kept) for part in (text, folded))
    start, end = 0, len(folded)
    while frame := _BEGIN.match(folded, start):
        start = frame.end()
    while frame := _END.search(folded, max(start, end - 200), end):
        end = frame.start()
    return text[start:end]


@dataclass(frozen=True)
class _Tag:
    pair: int
    """Index in `REASONING_TAGS`."""
    opens: bool
    start: int
    end: int


def _kept(text: str) -> list[tuple[int, int]]:
    """The spans of the text that are no reasoning."""
    spoken = _SPOKEN.match(text)
    begin = checked = at = spoken.end() if spoken else 0
    kept: list[tuple[int, int]] = []
    after_reasoning = spoken is not None
    verdict = False  # whether one is visible before the tag
    mentions = _Mentions(text, begin)
    while (tag := _next_tag(mentions, at)) is not None:
        at = tag.end
        verdict = verdict or VERDICT.search(text, checked, tag.start) is not None
        checked = tag.start
        if tag.opens:
            end = _end_of(mentions, tag)
            if end is None:
                return [*kept, (begin, tag.start)]
            at = end
            if not verdict:
                after_reasoning = after_reasoning or not text[begin : tag.start].strip()
                kept.append((begin, tag.start))
                begin = checked = end
        elif REASONING_TAGS[tag.pair].unopened and not (after_reasoning and verdict):
            kept, begin = [], tag.end
            after_reasoning, verdict, checked = True, False, tag.end
    return [*kept, (begin, len(text))]


class _Mentions:
    """Tells tags from the same characters in a quotation, a code block or a sentence.

    Args:
        text: the completion.
        begin: where its answer may begin.
    """

    def __init__(self, text: str, begin: int) -> None:
        self.text = text
        fences = [fence.start() for fence in _FENCE.finditer(text, begin)]
        # Without its closing fence a block may be anything.
        self._fences = fences if len(fences) % 2 == 0 else []
        self._quotes = _OPENS_QUOTATION.search(text) is not None

    def has(self, start: int, end: int) -> bool:
        """Whether what stands there is only mentioned."""
        if bisect_left(self._fences, start) % 2 == 1:
            return True
        if self._quotes and _quoted(self.text, start, end):
            return True
        return _in_sentence(self.text, start, end)


def _next_tag(mentions: _Mentions, begin: int) -> _Tag | None:
    """The first tag from there on."""
    for place in _MAY_BEGIN.finditer(mentions.text, begin):
        found = _TAG.match(mentions.text, place.start())
        if found is not None and not mentions.has(*found.span()):
            kind, _, pair = str(found.lastgroup).partition("_")
            return _Tag(int(pair), kind == "open", *found.span())
    return None


def _end_of(mentions: _Mentions, tag: _Tag) -> int | None:
    """Where the reasoning that a tag opens is closed; None if it is not."""
    for found in _CLOSING[tag.pair].finditer(mentions.text, tag.end):
        if not mentions.has(*found.span()):
            return found.end()
    return None


def _in_sentence(text: str, start: int, end: int) -> bool:
    before = _BEFORE.search(text, max(0, start - 5), start)
    return before is not None and _AFTER.match(text, end) is not None


def _quoted(text: str, start: int, end: int) -> bool:
    """Whether the place stands between quotation marks of one line."""
    before = text[
        max(text.rfind("\n", max(0, start - _REACH), start) + 1, start - _REACH, 0) : start
    ]
    if not _OPENS_QUOTATION.search(before):
        return False
    after, _, _ = text[end : end + _REACH].partition("\n")
    for mark in "\"'`":
        last = before.rfind(mark)
        opening = last >= 0 and (last == 0 or before[last - 1] in " \t([{,:\\*`")
        if opening and mark in after:
            return True
    return any(
        before.rfind(mark[0]) > before.rfind(mark[1]) and mark[1] in after for mark in _PAIRS
    )
