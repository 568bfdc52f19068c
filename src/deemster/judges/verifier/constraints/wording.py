"""Which words and characters a response has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deemster.errors import InputError
from deemster.judges.verifier.base import Finding, TextCheck
from deemster.judges.verifier.constraints.counting import Bound, words


def count_of(phrase: str, text: str, *, whole_words: bool) -> int:
    """How often a phrase occurs, whatever its case; its words may be separated by any white space.

    Args:
        phrase: not blank.
        text: where to look.
        whole_words: `cat` does not occur in `cats`.
    """
    body = r"\s+".join(map(re.escape, phrase.split()))
    if whole_words:
        body = rf"(?<!\w){body}(?!\w)"
    return len(re.findall(body, text, re.IGNORECASE))


def _need_words(what: str, given: Sequence[str]) -> None:
    if isinstance(given, str) or not given or not all(word.strip() for word in given):
        raise InputError(f"{what} must be 1 or more words, got {given!r:.80}")


@dataclass(frozen=True)
class HasKeywords(TextCheck):
    """Every keyword occurs, in any case; a keyword may be part of a word unless `whole_words`."""

    keywords: tuple[str, ...]
    whole_words: bool = False

    def __post_init__(self) -> None:
        _need_words("keywords", self.keywords)

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"mentions {', '.join(self.keywords)}"[:200]

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        missing = [
            word
            for word in self.keywords
            if not count_of(word, response, whole_words=self.whole_words)
        ]
        return Finding.of(not missing, f"missing: {missing}" if missing else "all are there")


@dataclass(frozen=True)
class AvoidsWords(TextCheck):
    """None of the words occurs, in any case; longer words that contain one may."""

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        _need_words("words", self.words)

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"avoids {', '.join(self.words)}"[:200]

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        there = [word for word in self.words if count_of(word, response, whole_words=True)]
        return Finding.of(not there, f"found: {there}" if there else "none is there")


@dataclass(frozen=True)
class KeywordFrequency(TextCheck):
    """A keyword occurs a given number of times, in any case."""

    keyword: str
    bound: Bound
    whole_words: bool = False

    def __post_init__(self) -> None:
        _need_words("keyword", (self.keyword,))

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"{self.keyword.strip()!r} {self.bound} times"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        count = count_of(self.keyword, response, whole_words=self.whole_words)
        return self.bound.finding(count, f"times {self.keyword.strip()!r}")


@dataclass(frozen=True)
class LetterFrequency(TextCheck):
    """A character occurs a given number of times; letters in either case."""

    letter: str
    bound: Bound

    def __post_init__(self) -> None:
        if len(self.letter.strip()) != 1:
            raise InputError(f"letter must be one character, got {self.letter!r:.80}")

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"letter {self.letter.strip()!r} {self.bound} times"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        count = response.lower().count(self.letter.strip().lower())
        return self.bound.finding(count, f"times {self.letter.strip()!r}")


@dataclass(frozen=True)
class CapitalWords(TextCheck):
    """A given number of words are all capitals (`I` and `A` are such words, digits are not)."""

    bound: Bound

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"{self.bound} words in capitals"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        return self.bound.finding(sum(map(str.isupper, words(response))), "words in capitals")


@dataclass(frozen=True)
class HasCase(TextCheck):
    """Every letter is upper case, or every letter is lower case; there is at least one."""

    case: Literal["upper", "lower"]

    def __post_init__(self) -> None:
        if self.case not in ("upper", "lower"):
            raise InputError(f"case {self.case!r}; allowed: upper, lower")

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"all {self.case} case"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        passed = response.isupper() if self.case == "upper" else response.islower()
        against = str.islower if self.case == "upper" else str.isupper
        wrong = [word for word in words(response) if any(map(against, word))][:3]
        return Finding.of(
            passed, f"found {wrong}" if wrong else f"{'all' if passed else 'no'} letters"
        )


@dataclass(frozen=True)
class NoCommas(TextCheck):
    """There is no comma in any script."""

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "no commas"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        count = len(re.findall("[,\uff0c\u3001\u060c\ufe50\ufe51]", response))
        return Finding.of(count == 0, f"{count} commas")


@dataclass(frozen=True)
class StartsWith(TextCheck):
    """It begins with a phrase, in any case, after white space and quotation marks."""

    phrase: str

    def __post_init__(self) -> None:
        _need_words("phrase", (self.phrase,))

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"starts with {self.phrase.strip()!r:.150}"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        start = _bare(response)[: len(_bare(self.phrase))]
        return Finding.of(start == _bare(self.phrase), f"it starts with {start!r}")


@dataclass(frozen=True)
class EndsWith(TextCheck):
    """It ends with a phrase, in any case, before white space and quotation marks."""

    phrase: str

    def __post_init__(self) -> None:
        _need_words("phrase", (self.phrase,))

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"ends with {self.phrase.strip()!r:.150}"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        end = _bare(response)[-len(_bare(self.phrase)) :]
        return Finding.of(end == _bare(self.phrase), f"it ends with {end!r}")


@dataclass(frozen=True)
class RepeatsFirst(TextCheck):
    """It begins with a given text, word for word, in any case and with any white space."""

    text: str

    def __post_init__(self) -> None:
        _need_words("text", (self.text,))

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "repeats the request first"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        wanted, given = (" ".join(text.casefold().split()) for text in (self.text, response))
        passed = given.startswith(wanted)
        return Finding.of(passed, "it does" if passed else f"it starts with {given[:100]!r}")


@dataclass(frozen=True)
class ContainsOneOf(TextCheck):
    """One of several phrases is in it, letter for letter."""

    options: tuple[str, ...]

    def __post_init__(self) -> None:
        _need_words("options", self.options)

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"says one of: {' / '.join(self.options)}"[:200]

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        found = next((option for option in self.options if option in response), None)
        return Finding.of(found is not None, f"found {found!r}" if found else "none is there")


@dataclass(frozen=True)
class InLanguage(TextCheck):
    """It is written in a given language, according to the caller's detector.

    Attributes:
        language: as the detector names it, for example the code `de`.
        detect: text to language. What it raises leaves the response unscored.
    """

    language: str
    detect: Callable[[str], str] = field(repr=False)

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"in the language {self.language!r}"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        found = self.detect(response)
        return Finding.of(found == self.language, f"detected {found!r}")


def _bare(text: str) -> str:
    return text.strip().strip("\"'\u201c\u201d\u2018\u2019\u201e«» \n").casefold()
