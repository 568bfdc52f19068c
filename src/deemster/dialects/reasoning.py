"""The visible part of a completion: without reasoning, end tokens and characters nobody sees.

Models that judge other models' outputs write reasoning tags as words, too. A tag is reasoning
where models put it: at the start of the text, or alone on its line or glued to what follows. A tag
inside a quotation, a code block or a sentence is a word, and so is one after a visible verdict.
"""

from __future__ import annotations

import re
import sys
from itertools import islice
from typing import NamedTuple

from deemster.dialects.mentions import (
    BEFORE_MARK,
    MARKS,
    Quotations,
    Span,
    in_quotation,
    without_code,
)
from deemster.prompts.normal_form import fold, visible
from deemster.prompts.reasoning_tags import REASONING_TAGS
from deemster.prompts.verdict_syntax import ANY_QUOTES, KEYS, LABELS, TAGS, WHOLE_KEYS, words

# A tag that a sentence runs around: "leaves a </think> tag", "(<think>),". What stands before is
# looked for from behind the tag's first character.
_BEFORE = "|".join(
    [r"(?<=[(\[*\u3041-\u9fff].)", *(rf"(?<=[\w,;)\]*][ \t]{{{n}}}.)" for n in range(1, 5))]
)
_AFTER = r"[ \t]{1,4}[a-z(]|[,;)\]*]|[.!?:](?=\s|\Z)|\s?[、。,;)标块符等和与或的是未没中]"

# A mark that opens a quotation right before the tag, and fails the tag if it closes right behind.
_MARK_BEFORE = rf"(?>(?<=[\n{re.escape(BEFORE_MARK)}](?P<mark>[{MARKS}]).)|)"
_MARK_AFTER = r"(?(mark)(?!(?P=mark)))"


def _tags() -> str:
    """All tags behind their first character, each as a group."""
    written = [
        (f"{kind}_{pair}", pattern)
        for pair, tags in enumerate(REASONING_TAGS)
        for kind, pattern in (("open", tags.opening), ("close", tags.closing))
    ]
    return "|".join(
        rf"(?<={first})(?:"
        + "|".join(
            f"(?P<{group}>{pattern.removeprefix(first)})"
            for group, pattern in written
            if pattern.startswith(first)
        )
        + ")"
        for first in ("<", r"\[", "◁")
    )


# Most of what stands in brackets is no tag: these look-aheads make the search quick.
_NEAR = "[/|]?[bcdelmorstu]"
# Taken is the first character alone, so that a tag inside another is found, too.
_TAG = re.compile(
    rf"[<\[◁](?={_NEAR})(?=/?(?:think|thought|reasoning|seed:|mm:|longcat|details|unused"
    r"|channel\|)|\|(?:start_|end_|channel|open|close|begin_))"
    rf"(?>(?P<before>(?u-i:{_BEFORE}))?){_MARK_BEFORE}(?=(?>{_tags()})"
    rf"(?(before)(?!(?u-i:{_AFTER}))){_MARK_AFTER})",
    re.IGNORECASE | re.ASCII,
)
_TAGS_BEGIN = "<[◁"
_KINDS = {
    name: (int(name.split("_")[1]), name.startswith("open"))
    for name in _TAG.groupindex
    if "_" in name
}
_CLOSING = [re.compile(tags.closing, re.IGNORECASE | re.ASCII) for tags in REASONING_TAGS]
# Closing tags with nothing between that might be a tag; `last` is the last of them.
_MORE_CLOSING = re.compile(
    rf"(?>(?:[^<\[◁]*+(?>(?:[<\[◁](?!{_NEAR})[^<\[◁]*+)*)(?P<last>"
    + "|".join(
        tags.closing.replace("[^<>]", "[^<>\\[◁]") for tags in REASONING_TAGS if tags.unopened
    )
    + "))+)",
    re.IGNORECASE | re.ASCII,
)
# The ends of turns, as servers leave them that do not skip special tokens, and the frame that some
# models put around what they say after their reasoning.
_END = re.compile(
    r"(?:\s*(?:<\|(?:im_end|eot_id|eom_id|end|return|endoftext|end_of_text|END_OF_TURN_TOKEN"
    r"|END_RESPONSE|end_of_solution|user)\|>|<\|close\|>response<\|sep\|>"
    r"|</s>|<eos>|<end_of_turn>|<turn\|>|\[EOS\]|</response>|<\|end▁of▁sentence\|>))+\s*\Z"
)
_LONGEST_END = 200
_BEGIN = re.compile(
    r"\s*(?:<\|(?:START_RESPONSE|begin_of_solution)\|>|<\|open\|>response<\|sep\|>|<response>"
    r"|<\|start\|>assistant|<\|message\|>)"
)
# Harmony whose special tokens the server dropped, and Granite 3.2's headings.
_SPOKEN = re.compile(
    r"\s*(?:analysis(?=[A-Z])(?s:.*?)(?:assistantfinal|\Z)"
    r"|Here is my thought process:(?s:.*?)(?:Here is my response:|\Z))"
)
# What the parsers look for, loosely: once it has been seen, the answer has begun. The characters
# that it may begin with come first and with regard to case, which makes the search quick.
_SECOND = "".join({name[0] for name in (*TAGS, *WHOLE_KEYS, *KEYS, *ANY_QUOTES)})
_VERDICT = re.compile(
    rf"(?-i:[\\\[oOfFcC<\"'])(?=[\[bruio{_SECOND}])"
    r"(?:(?<=\\)boxed|(?<=\[)(?:\[|RESULT\])"
    r"|(?<=o)utput \([ab]\)|(?<=f)inal decision is|(?<=c)ontains (?:an|no) error"
    rf"|(?<=<)(?:{'|'.join(TAGS)})>|(?<=\")(?:{'|'.join((*WHOLE_KEYS, *KEYS))})\"[ \t\n]{{0,40}}:"
    rf"|(?<=['\"])(?:{'|'.join(ANY_QUOTES)})['\"][ \t\n]{{0,40}}:)",
    re.IGNORECASE | re.ASCII,
)
_VERDICT_LINE = re.compile(
    rf"\n[ \t*#]*+(?:(?:{'|'.join(map(words, LABELS))})[*_]{{0,4}}:"
    r"|(?:specific criteria|scores?)\b)",
    re.IGNORECASE | re.ASCII,
)


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
    while folded[max(start, end - _LONGEST_END) : end].rstrip().endswith((">", "]")):
        frame = _END.search(folded, max(start, end - _LONGEST_END), end)
        if frame is None:
            break
        end = frame.start()
    return text[start:end]


def says_verdict(text: str) -> bool:
    """Whether anything in the text looks like a verdict of any dialect."""
    return _Verdicts(text).within(0, len(text))


def _kept(text: str) -> list[Span]:
    """The spans of the text that are no reasoning."""
    spoken = _SPOKEN.match(text)
    begin = checked = at = spoken.end() if spoken else 0
    if not any(mark in text for mark in _TAGS_BEGIN):
        return [(begin, len(text))]
    kept: list[Span] = []
    after_reasoning = spoken is not None
    verdicts = _Verdicts(text)
    tags = _Tags(text, begin)
    while (tag := tags.following(at)) is not None:
        at = tag.end
        if tag.opens:
            closed = tags.closing(tag)
            if closed is None:
                return [*kept, (begin, tag.start)]
            at = closed
            if not verdicts.within(checked, tag.start):
                after_reasoning = after_reasoning or not text[begin : tag.start].strip()
                kept.append((begin, tag.start))
                begin = checked = at
        elif REASONING_TAGS[tag.pair].unopened and not (
            after_reasoning and verdicts.within(checked, tag.start)
        ):
            at = tags.last_of_run(tag, verdicts.following(tag.end))
            kept, begin, checked = [], at, at
            after_reasoning = True
    return [*kept, (begin, len(text))]


class _Tag(NamedTuple):
    pair: int
    """Index in `REASONING_TAGS`."""
    opens: bool
    start: int
    end: int


class _Tags:
    """The tags of a text that are not merely mentioned, found as they are asked for."""

    def __init__(self, text: str, begin: int) -> None:
        self._answer = text
        self._text = without_code(text, begin)
        self._quotations = Quotations(text)
        self._found: list[_Tag] = []
        """The next ones, the nearest last."""
        self._seen = begin
        """Where the search goes on when they are used up."""
        self._many = 4
        self._run = begin

    def following(self, begin: int) -> _Tag | None:
        """The first that starts there or later; no tag is given twice."""
        while True:
            while self._found:
                if (tag := self._found.pop()).start >= begin:
                    return tag
            # Kept are numbers: a match holds the places of all groups.
            kinds, starts, ends = [], [], []
            begin = max(begin, self._seen)
            for found in islice(_TAG.finditer(self._text, begin), self._many):
                kind = str(found.lastgroup)
                kinds.append(kind)
                starts.append(found.start())
                ends.append(found.end(kind))  # a group begins behind the "<"
            if not kinds:
                return None
            self._seen = ends[-1]
            self._many = len(self._text)  # mentions are told apart the quicker the more there are
            self._found = [
                _Tag(*_KINDS[kinds[i]], starts[i], ends[i])
                for i, said in enumerate(self._quotations.have(starts, ends))
                if not said
            ][::-1]

    def closing(self, opening: _Tag) -> int | None:
        """Where the reasoning that a tag opens ends; None if nothing closes it."""
        if _CLOSING[opening.pair].search(self._text, opening.end) is None:
            return None
        at = opening.end
        while (tag := self.following(at)) is not None:
            if tag.pair == opening.pair and not tag.opens:
                return tag.end
            at = tag.end
        return None

    def last_of_run(self, closing: _Tag, end: int) -> int:
        """Where the last of the closing tags ends that follow each other before `end`."""
        if closing.end >= self._run:
            run = _MORE_CLOSING.match(self._text, closing.end, end)
            if run is None:
                return closing.end
            self._run = run.end()
            last, behind = run.span("last")
            if _TAG.match(self._text, last) and not in_quotation(self._answer, last, behind):
                return behind
        return closing.end


_NOWHERE = (sys.maxsize, sys.maxsize)


class _Verdicts:
    """Where a text has verdicts. What is asked for begins later each time, or at the same place."""

    def __init__(self, text: str) -> None:
        # The first line begins behind a line end, too, at the place that the line has in the text.
        self._searches = ((_VERDICT, text), (_VERDICT_LINE, "\n" + text))
        self._next = [(~sys.maxsize, sys.maxsize)] * len(self._searches)

    def following(self, begin: int) -> int:
        """Where the first starts; behind the text if there is none."""
        self._look(begin)
        return int(min(start for start, _ in self._next))

    def within(self, begin: int, end: int) -> bool:
        """Whether one is wholly between."""
        self._look(begin)
        return any(stop <= end for _, stop in self._next)

    def _look(self, begin: int) -> None:
        for i, (pattern, text) in enumerate(self._searches):
            start, _ = self._next[i]
            if start < begin:
                found = pattern.search(text, begin)
                self._next[i] = (found.start(), found.end() - i) if found else _NOWHERE
