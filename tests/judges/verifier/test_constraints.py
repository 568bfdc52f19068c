"""Constraints of form, and IFEval's instructions."""

# ruff: noqa: E501 - a case is easier to read in one line

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deemster.errors import InputError
from deemster.judges.verifier import Check, Verifier
from deemster.judges.verifier import constraints as c
from deemster.judges.verifier.constraints.counting import sentences, words

DATA = Path(__file__).parents[3].parent / "shared/data/verifiable"
TWO = c.Bound("exactly", 2)

CASES = [
    pytest.param(c.Length("words", c.Bound("at least", 3)), "It's well-made indeed", "two words", id="words"),
    pytest.param(c.Length("tokens", c.Bound("at least", 3)), "it's ok", "two words", id="tokens"),
    pytest.param(c.Length("sentences", c.Bound("less than", 3)), "Mr. Fox ran. He won!", "Ah. Be? See!", id="sentences"),
    pytest.param(c.Length("paragraphs", TWO), "a\nb\n\n\nc", "a\nb", id="paragraphs"),
    pytest.param(c.Length("divided paragraphs", TWO), "a\n***\nb\n***", "a\n***\n***\nb", id="divided"),
    pytest.param(c.Length("characters", c.Bound("at most", 3)), " añ漢 ", "four", id="characters"),
    pytest.param(c.ParagraphStartsWith(2, 2, "so"), "a\n\n*So*, b", "so a\n\nb", id="paragraph-start"),
    pytest.param(c.ParagraphStartsWith(2, 1, "so"), "So a\n\nb", "So a", id="paragraph-count"),
    pytest.param(c.HasKeywords(("cat", "dog")), "Cats and DOGS", "cats", id="keywords"),
    pytest.param(c.HasKeywords(("cat",), whole_words=True), "a cat!", "cats", id="whole-keywords"),
    pytest.param(c.AvoidsWords(("rock", "two words")), "rocks, two  birds", "a two\nwords", id="forbidden"),
    pytest.param(c.KeywordFrequency("ab", TWO), "AB cab", "ab", id="frequency"),
    pytest.param(c.LetterFrequency("t", c.Bound("less than", 3)), "That", "Ttt", id="letters"),
    pytest.param(c.LetterFrequency("#", c.Bound("at least", 2)), "##", "#", id="symbols"),
    pytest.param(c.CapitalWords(c.Bound("more than", 1)), "NASA and I", "NASA only", id="capital-words"),
    pytest.param(c.HasCase("upper"), "ALL 3!", "ALl", id="upper"),
    pytest.param(c.HasCase("lower"), "all é 3!", "123", id="lower"),
    pytest.param(c.NoCommas(), "no; none", "yes, one", id="commas"),
    pytest.param(c.NoCommas(), "no", "一，二", id="full-width-comma"),
    pytest.param(c.StartsWith("Dear Sir"), '"dear sir, hello', "Hello dear sir", id="start"),
    pytest.param(c.EndsWith("Good bye."), 'x. GOOD BYE."\n', "Good bye. x", id="end"),
    pytest.param(c.IsQuoted(), ' "x y" ', 'x "y"', id="quoted"),
    pytest.param(c.IsQuoted(), "“x”", '"', id="one-quote"),
    pytest.param(c.RepeatsFirst("Say  hi."), "say hi. Hi!", "Hi! Say hi.", id="repeat"),
    pytest.param(c.ContainsOneOf(("My answer is yes.", "My answer is no.")), "Hm. My answer is no.", "no", id="one-of"),
    pytest.param(c.HasBullets(TWO), "* a\n- b\n**bold**\n--", "* a\n* b\n* c", id="bullets"),
    pytest.param(c.HasNumberedList(TWO), "1. a\n 2) b\n1.5 c", "1. a", id="numbered"),
    pytest.param(c.HasHighlights(TWO), "*a b* and **c**", "* a\n* b\n*c*", id="highlights"),
    pytest.param(c.HasTitle(), "<<My title>>\ntext", "<< >> <x>", id="title"),
    pytest.param(c.HasSections("Section", TWO), "Section 1\na\nSection 2", "Section one", id="sections"),
    pytest.param(c.HasPostscript("P.S."), "Bye\nP. S. more", "Tips. none", id="postscript"),
    pytest.param(c.HasPostscript("P.P.S"), "Bye\np.p.s. more", "P.S. more", id="second-postscript"),
    pytest.param(c.HasPlaceholders(TWO), "[name], [street no]", "[name] []", id="placeholders"),
    pytest.param(c.TwoResponses(), "a\n******\nb", "a\n******\na", id="two-responses"),
    pytest.param(c.TwoResponses(), "******a******b******", "a******b******c", id="three-responses"),
    pytest.param(c.InLanguage("de", lambda text: "de" if "ü" in text else "en"), "für", "for", id="language"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "good", "bad"), CASES)
def test_constraint(check: Check, good: str, bad: str) -> None:
    assert check.run("q", good, None).score == 1.0, check.run("q", good, None)
    assert check.run("q", bad, None).score == 0.0, check.run("q", bad, None)
    assert 1 <= len(check.name) <= 200


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_every_constraint_decides_every_text(text: str) -> None:
    for case in CASES:
        check = case.values[0]
        assert isinstance(check, Check)
        assert check.run("q", text, None).score in (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("Hello there. Mr. Smith came. He left...", 3, id="abbreviation"),
        pytest.param("Really?! Yes.", 2, id="marks"),
        pytest.param("No full stop", 1, id="open"),
        pytest.param("J. R. Tolkien wrote.", 1, id="initials"),
        pytest.param("It is 3.5 m. Next.", 2, id="decimal"),
        pytest.param("これは文です。次の文。", 2, id="japanese"),
        pytest.param('He said "no." Then left.', 2, id="quotation"),
        pytest.param("... !!!", 0, id="marks-only"),
        pytest.param("", 0, id="empty"),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert len(sentences(text)) == count


@given(st.lists(st.sampled_from(["alpha", "don't", "well-known", "7"]), max_size=30))
def test_words_are_counted(parts: list[str]) -> None:
    assert words(" , ".join(parts)) == parts


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("." * 100_000 + "x", id="stops"),
        pytest.param('."' * 50_000 + "x", id="quotes"),
        pytest.param("* " * 50_000, id="stars"),
        pytest.param("*a" * 50_000, id="open-stars"),
        pytest.param("\n " * 50_000, id="blank-lines"),
        pytest.param("[" * 100_000, id="brackets"),
        pytest.param("<<" * 50_000, id="angles"),
        pytest.param(" " * 100_000 + "x", id="spaces"),
        pytest.param("two " * 30_000, id="keyword-halves"),
    ],
)
def test_long_texts_are_quick(text: str) -> None:
    started = time.process_time()
    for case in CASES:
        check = case.values[0]
        assert isinstance(check, Check)
        check.run("q", text, None)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("relation", "allowed"),
    [
        ("at least", {3, 4}),
        ("at most", {2, 3}),
        ("less than", {2}),
        ("more than", {4}),
        ("exactly", {3}),
    ],
)
def test_bounds(relation: c.Relation, allowed: set[int]) -> None:
    assert {n for n in (2, 3, 4) if c.Bound(relation, 3).allows(n)} == allowed


@pytest.mark.parametrize(
    ("identifiers", "kwargs", "text"),
    [
        pytest.param(["nope:nope"], [{}], "unknown instruction 'nope:nope'; known:", id="id"),
        pytest.param(["punctuation:no_comma"], [], "1 instruction ids, but 0", id="lengths"),
        pytest.param(["punctuation:no_comma"], [{"x": 1}], "unexpected keyword", id="extra"),
        pytest.param(["length_constraints:number_words"], [{}], "missing", id="missing"),
        pytest.param(
            ["length_constraints:number_words"],
            [{"num_words": 3, "relation": "about"}],
            "relation 'about'; allowed",
            id="relation",
        ),
        pytest.param(
            ["language:response_language"], [{"language": "de"}], "give detect=", id="language"
        ),
        pytest.param(["keywords:existence"], [{"keywords": []}], "1 or more", id="no-keywords"),
        pytest.param(["keywords:existence"], [{"keywords": 3}], "not iterable", id="type"),
    ],
)
def test_wrong_instructions_are_refused(
    identifiers: list[str], kwargs: list[dict[str, Any]], text: str
) -> None:
    with pytest.raises(InputError, match=text):
        c.ifeval_checks(identifiers, kwargs)


def test_every_ifeval_row_becomes_a_verifier() -> None:
    path = DATA / "ifeval_prompts.jsonl.gz"
    if not path.exists():
        pytest.skip("the IFEval prompts are not here")
    seen: Counter[str] = Counter()
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        checks = c.ifeval_checks(
            row["instruction_id_list"], row["kwargs"], detect=lambda text: "en"
        )
        verifier = Verifier(checks, combine="min")
        assert len(verifier.principles) == len(row["instruction_id_list"])
        for check in checks:
            assert check.run(row["prompt"], row["prompt"], None).score in (0.0, 1.0)
        seen.update(row["instruction_id_list"])
    assert len(rows) == 541
    assert sorted(seen) == c.ifeval_ids()
