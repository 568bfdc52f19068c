"""No response makes a check slow: what reads it takes time in proportion to its length."""

# ruff: noqa: E501 - a table of short texts is easier to read in long lines

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from deemster.judges.verifier import ExactMatch, IsJson, NumericMatch, degenerate
from deemster.judges.verifier.answers import boxed, final_answer
from deemster.judges.verifier.code import defines, extract_code
from deemster.judges.verifier.constraints import (
    AvoidsWords,
    Bound,
    CapitalWords,
    ContainsOneOf,
    EndsWith,
    HasBullets,
    HasCase,
    HasHighlights,
    HasKeywords,
    HasNumberedList,
    HasPlaceholders,
    HasPostscript,
    HasSections,
    HasTitle,
    IsQuoted,
    KeywordFrequency,
    Length,
    LetterFrequency,
    NoCommas,
    ParagraphStartsWith,
    RepeatsFirst,
    StartsWith,
    TwoResponses,
)

SOME = Bound("at least", 1)

READERS: dict[str, Callable[[str], object]] = {
    "extract_code": lambda text: extract_code(text, entry_point="f"),
    "defines": lambda text: defines(text, "f"),
    "boxed": boxed,
    "final_answer": final_answer,
    "degenerate": degenerate,
    "exact": lambda text: ExactMatch().run("q", text, "a"),
    "numeric": lambda text: NumericMatch().run("q", text, "1/3"),
    "is_json": IsJson().examine,
    "words": Length("words", SOME).examine,
    "tokens": Length("tokens", SOME).examine,
    "sentences": Length("sentences", SOME).examine,
    "paragraphs": Length("paragraphs", SOME).examine,
    "divided": Length("divided paragraphs", SOME).examine,
    "characters": Length("characters", SOME).examine,
    "paragraph_starts": ParagraphStartsWith(2, 1, "a").examine,
    "bullets": HasBullets(SOME).examine,
    "highlights": HasHighlights(SOME).examine,
    "numbered": HasNumberedList(SOME).examine,
    "placeholders": HasPlaceholders(SOME).examine,
    "postscript": HasPostscript().examine,
    "sections": HasSections("Section", SOME).examine,
    "title": HasTitle().examine,
    "quoted": IsQuoted().examine,
    "two_responses": TwoResponses().examine,
    "avoids": AvoidsWords(("a a b", "x")).examine,
    "capitals": CapitalWords(SOME).examine,
    "one_of": ContainsOneOf(("aab",)).examine,
    "ends": EndsWith("a").examine,
    "case": HasCase("upper").examine,
    "keywords": HasKeywords(("a a b", "((b")).examine,
    "frequency": KeywordFrequency("a", SOME, whole_words=True).examine,
    "letters": LetterFrequency("a", SOME).examine,
    "commas": NoCommas().examine,
    "repeats": RepeatsFirst("a").examine,
    "starts": StartsWith("a").examine,
}

# Repeated to fill a response, most of them the beginning of something that never ends.
UNITS = (
    "`", "```", "```\n", "```a`\n", "~", "~~~\n````\n", "\n```python\nx", "[", "[a", "[[", "]", "{", "}", "\\",
    "\\boxed{", "\\boxed{}", "\\frac{1}{", "\\text{", "\\text ", "1", "1,", "1,234", "1 ", "1/", "1.", "1e", "1e9 ",
    "1e1000^99 ", "9" * 990 + "^99 ", "10^", "2^99 ", "x ^ ", "0.", "-", "- ", "+", "$", "*", "* ", "** ", "*a", "***\n",
    "******", "<", "<<", "<<a", ">", "> ", "#", "\n", "\n ", "\n \t", "\r\n", " ", "\t", "a", "a ", "a a ", "a'", "a-",
    "A", "a\n", "f ", "def  ", "async  ", "\ndef f", "Answer: ", "the ", "the,", "answer is ", "so the ", "let us ",
    "step by step ", ".", ".)", "Mr.", "? ", "P", "P.S", "P S", "Section 1", "Section ", '"', '["', '{"a":', "(", "((", "_",
    "|", "\u201c", "\u300d", "\u0301", "\u0301\u0327", "\uff9e\u0301\u0f73", "²", "½", "ﷺ", "\u2028", "\x85", "\u200b", "\U0001f600",
)  # fmt: skip


@dataclass(frozen=True)
class Growth:
    """CPU seconds on a short text and on one that is `FACTOR` times as long."""

    short: float
    long: float


SHORT, FACTOR = 2048, 16
SLACK = 3
"""Times as much as in proportion: a quadratic reader is off by `FACTOR`, which is more."""
NOISE = 0.002
"""CPU seconds; what takes less is not measured well."""


def growth(read: Callable[[str], object], unit: str, ending: str = "") -> Growth:
    seconds = []
    for size in (SHORT, SHORT * FACTOR):
        text = (unit * (size // len(unit) + 1))[:size] + ending
        started = time.process_time()
        read(text)
        seconds.append(time.process_time() - started)
    return Growth(*seconds)


@pytest.mark.parametrize("reader", READERS)
def test_time_grows_no_faster_than_the_response(reader: str) -> None:
    slow = {}
    for unit in UNITS:
        for ending in ("", "\nz!"):
            # The better of three: another process can only make it slower.
            for _ in range(3):
                seen = growth(READERS[reader], unit, ending)
                if seen.long <= SLACK * FACTOR * max(seen.short, NOISE):
                    break
            else:
                slow[unit[:20], ending] = seen
    assert not slow


def test_the_bound_notices_a_quadratic_reader() -> None:
    seen = growth(lambda text: [text.count("a") for _ in text[::2]], "a")
    assert seen.long > SLACK * FACTOR * max(seen.short, NOISE)


def test_a_few_characters_cannot_ask_for_a_huge_number() -> None:
    started = time.process_time()
    NumericMatch().run("q", "1e1000^99 " * 6000, "1")
    assert time.process_time() - started < 5
