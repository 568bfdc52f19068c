"""Checks from IFEval's instruction ids and arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deemster.errors import InputError
from deemster.judges.verifier.base import Check
from deemster.judges.verifier.constraints.counting import Bound
from deemster.judges.verifier.constraints.layout import (
    HasBullets,
    HasHighlights,
    HasPlaceholders,
    HasPostscript,
    HasSections,
    HasTitle,
    IsQuoted,
    TwoResponses,
)
from deemster.judges.verifier.constraints.length import Length, ParagraphStartsWith
from deemster.judges.verifier.constraints.wording import (
    AvoidsWords,
    CapitalWords,
    ContainsOneOf,
    EndsWith,
    HasCase,
    HasKeywords,
    InLanguage,
    KeywordFrequency,
    LetterFrequency,
    NoCommas,
    RepeatsFirst,
)
from deemster.judges.verifier.json_format import IsJson

_YES_NO_MAYBE = ("My answer is yes.", "My answer is no.", "My answer is maybe.")

_BUILD: dict[str, Callable[..., Check]] = {
    "keywords:existence": lambda keywords: HasKeywords(tuple(keywords)),
    "keywords:forbidden_words": lambda forbidden_words: AvoidsWords(tuple(forbidden_words)),
    "keywords:frequency": lambda keyword, frequency, relation="at least": KeywordFrequency(
        keyword, Bound(relation, frequency)
    ),
    "keywords:letter_frequency": lambda letter, let_frequency, let_relation="at least": (
        LetterFrequency(letter, Bound(let_relation, let_frequency))
    ),
    "length_constraints:number_words": lambda num_words, relation="at least": Length(
        "tokens", Bound(relation, num_words)
    ),
    "length_constraints:number_sentences": lambda num_sentences, relation="at least": Length(
        "sentences", Bound(relation, num_sentences)
    ),
    "length_constraints:number_paragraphs": lambda num_paragraphs: Length(
        "divided paragraphs", Bound("exactly", num_paragraphs)
    ),
    "length_constraints:nth_paragraph_first_word": (
        lambda num_paragraphs, nth_paragraph, first_word: ParagraphStartsWith(
            paragraphs=num_paragraphs, nth=nth_paragraph, word=first_word
        )
    ),
    "detectable_content:number_placeholders": lambda num_placeholders: HasPlaceholders(
        Bound("at least", num_placeholders)
    ),
    "detectable_content:postscript": lambda postscript_marker: HasPostscript(
        marker=postscript_marker
    ),
    "detectable_format:number_bullet_lists": lambda num_bullets: HasBullets(
        Bound("exactly", num_bullets)
    ),
    "detectable_format:number_highlighted_sections": lambda num_highlights: HasHighlights(
        Bound("at least", num_highlights)
    ),
    "detectable_format:multiple_sections": lambda section_spliter, num_sections: HasSections(
        section_spliter, Bound("at least", num_sections)
    ),
    "detectable_format:json_format": IsJson,
    "detectable_format:title": HasTitle,
    "detectable_format:constrained_response": lambda: ContainsOneOf(_YES_NO_MAYBE),
    "combination:two_responses": TwoResponses,
    "combination:repeat_prompt": lambda prompt_to_repeat: RepeatsFirst(text=prompt_to_repeat),
    "startend:end_checker": lambda end_phrase: EndsWith(phrase=end_phrase),
    "startend:quotation": IsQuoted,
    "change_case:english_capital": lambda: HasCase("upper"),
    "change_case:english_lowercase": lambda: HasCase("lower"),
    "change_case:capital_word_frequency": lambda capital_frequency, capital_relation="at least": (
        CapitalWords(Bound(capital_relation, capital_frequency))
    ),
    "punctuation:no_comma": NoCommas,
}
_LANGUAGE = "language:response_language"


def ifeval_ids() -> list[str]:
    """The instruction ids that `ifeval_checks` knows, sorted."""
    return sorted([*_BUILD, _LANGUAGE])


def ifeval_checks(
    instruction_id_list: Sequence[str],
    kwargs: Sequence[Mapping[str, Any]],
    *,
    detect: Callable[[str], str] | None = None,
) -> list[Check]:
    """One check per instruction of an IFEval row.

    Where IFEval's own program relies on a tokenizer (sentences, words in capitals) the counts may
    differ by one or two on unusual texts. "All in capitals" checks the capitals, not that the
    language is English.

    Args:
        instruction_id_list: such as `keywords:existence`.
        kwargs: the arguments of each; entries that are None count as not given.
        detect: text to language code, for `language:response_language`.

    Raises:
        InputError: an id is unknown, an argument is missing, unknown or wrong, or a language is
            asked for and there is no `detect`.
    """
    if len(instruction_id_list) != len(kwargs):
        raise InputError(f"{len(instruction_id_list)} instruction ids, but {len(kwargs)} kwargs")
    return [_check(*pair, detect) for pair in zip(instruction_id_list, kwargs, strict=True)]


def _check(
    identifier: str, kwargs: Mapping[str, Any], detect: Callable[[str], str] | None
) -> Check:
    given = {name: value for name, value in kwargs.items() if value is not None}
    if identifier == _LANGUAGE:
        if detect is None:
            raise InputError(
                f"instruction {_LANGUAGE!r} needs a language detector; "
                "give detect=, a function from text to language code"
            )
        return InLanguage(str(given.get("language", "")), detect)
    if identifier not in _BUILD:
        raise InputError(f"unknown instruction {identifier!r}; known: {', '.join(ifeval_ids())}")
    try:
        return _BUILD[identifier](**given)
    except (TypeError, AttributeError) as error:
        raise InputError(
            f"instruction {identifier!r} with {dict(given)!r:.120}: {error}"
        ) from error
