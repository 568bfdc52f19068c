"""Dialects whose verdict is a label or a number in a text."""

from __future__ import annotations

import pytest

from deemster.dialects import open_dialect
from deemster.dialects.base import number, settle
from deemster.errors import AmbiguousError, InputError, ParseError
from deemster.schemas import Completion, Scale

READ: dict[str, list[tuple[str, tuple[float, ...]]]] = {
    "arena-hard": [
        ("My final verdict is: [[A>>B]]", (1, 0)),
        ("[[A>B]]", (0.75, 0.25)),
        ("a tie: [[A=B]].", (0.5, 0.5)),
        ("[[B>A]] as said: [[B > A]]", (0.25, 0.75)),
        ("<think>[[A>B]]</think>[[B>>A]]", (0, 1)),
    ],
    "mt-bench-pair": [
        ("[[A]]", (1, 0)),
        ("x [[b]] y", (0, 1)),
        ("Final Verdict: [[C]]", (0.5, 0.5)),
        ('[["a"]] is [[Assistant A]]', (1, 0)),
    ],
    "mt-bench-pair:first": [("[[A]] no, [[B]]", (1, 0))],
    "mt-bench-pair:last": [("[[A]] no, [[B]]", (0, 1)), ("[[A]] no, [[B]] no, [[A]]", (1, 0))],
    "mt-bench-single": [
        ("Rating: [[7]]", (7,)),
        ("**Rating: [[7.5]]**", (7.5,)),
        ("[[10]]", (10,)),
        ("[[7]] and [[7.0]]", (7,)),
        ("the link [[here]] and the list [[1, 2]]: [[3]]", (3,)),
    ],
    "mt-bench-single:first": [("[[8]] then [[6]]", (8,))],
    "mt-bench-single:last": [("[[8]] then [[6]]", (6,))],
    "prometheus": [
        ("Feedback: good. [RESULT] 4", (4,)),
        ("Feedback: good.\n[RESULT]\n5\n", (5,)),
        ("**[RESULT] (3)**", (3,)),
        ("[Result]: 2.", (2,)),
        ("[RESULT] 4/5", (4,)),
        ("Write [RESULT] and the score. [RESULT] 1", (1,)),
    ],
    "judgelrm": [
        ("<think>so</think><answer>8</answer><answer>5</answer>", (8, 5)),
        ("so</think>\n<answer> 8 </answer>\n<answer>5.5</answer>", (8, 5.5)),
        ("<answer>8</answer><answer>5</answer>" * 2, (8, 5)),
    ],
    "llmbar": [
        ("Therefore, Output (a) is better.", (1, 0)),
        ("Output (b)", (0, 1)),
        ("**Output (b)**", (0, 1)),
        ("Output (b)\n\nOutput (a) is long and wrong.", (0, 1)),
        ("Output (a) is long.\nOutput (b) is better because it is short.", (0, 1)),
        ("Output (a) is better written. Output (b) is better for its facts.", (0, 1)),
        ("Though one says that Output (a) is better, I find Output (b) is better.", (0, 1)),
        ("I would say that Output (b) is better than Output (a).", (0, 1)),
        ("Output (b)\n\nOutput (a) is better formatted.", (0, 1)),
    ],
    "llmbar:phrase": [("Output (b) is better. No, Output (a) is better.", (1, 0))],
    "llmbar:label": [("Output (b)\n\nOutput (a) is long.", (1, 0))],
    "llmbar-rating": [("9", (9,)), (" 0\n", (0,)), ("10", (10,))],
    "realmistake": [
        ("Therefore, the model response contains an error.", (0,)),
        ("Therefore, the model response contains no error.", (1,)),
        ("It does not cite May 2015, so the response contains an error.", (0,)),
        ("As of May 2015 the response contains an error.", (0,)),
        ("I check whether the response contains an error. The response contains no error.", (1,)),
    ],
    "realmistake:published": [
        ("The model response is correct in one point. It contains an error.", (1,)),
        ("It contains an error.", (0,)),
    ],
    "auto-j": [
        ("So, the final decision is Response 1. It is right.", (1, 0)),
        ("So, the final decision is **Response 2**", (0, 1)),
        ("the final decision is: tie", (0.5, 0.5)),
        ("So, the final decision is Response 1, because it is right.", (1, 0)),
        ("So, the final decision is Tie between both.", (0.5, 0.5)),
    ],
}

MISSING: dict[str, list[str]] = {
    "arena-hard": ["", "A is better", "[A>B]", "[[A>A]]", "[[J>>A]]", "[[A<B]]", "[ [A>B] ]"],
    "mt-bench-pair": ["", "[[Assistant C]]", '[["D"]]', "[[D]]", "[A]", "[[A>B]]"],
    "mt-bench-single": [
        "",
        "[[5, 1, 3]]",
        "[[11]]",
        "[[0]]",
        "[[-3]]",
        "[7]",
        "[[7/5]]",
        "$ERROR$",
    ],
    "prometheus": ["", "4", "[RESULT] four", "[RESULT] 6", "[RESULT] 4.5", "[RESULT] 4 or 5"],
    "judgelrm": [
        "",
        "<answer>8</answer>",
        "<answer>8, 5</answer>",
        "<answer>11</answer><answer>5</answer>",
        "<answer>8</answer><answer>5</answer><answer>5</answer>",
        "<answer>a</answer><answer>b</answer>",
        "<answer>8,5</answer><answer>5,8</answer>",
        "<think><answer>8</answer><answer>5</answer>",
    ],
    "llmbar": [
        "",
        "Neither output is better.",
        "Output (c)",
        "Output (a) does not follow it.",
        "Neither Output (a) nor Output (b) is better.",
        "I cannot claim that either Output (a) or Output (b) is better, as both are wrong.",
        "I don’t think Output (a) is better.",
        "It is unclear whether Output (a) is better.",
        "Although Output (a) is better at first sight, the other one obeys.",
        "Output (a) is better written, but Output (b) follows the instruction.",
        "Output (a) is better than nothing.",
    ],
    "llmbar:phrase": ["Output (a)"],
    "llmbar:label": ["I choose Output (a)"],
    "llmbar-rating": ["", "11", "nine", "9.5", "9²", "⑨", "9 out of 10", "-1"],
    "realmistake": [
        "",
        "The response is correct.",
        "contains errors",
        "the response contains an errorless",
        "the response contains a possible error",
        "To determine whether the model response contains an error, we must",
        "There is no evidence that the model response contains an error.",
        "I cannot conclude that the response contains errors.",
        "If the response contains no error, it must name the year.",
    ],
    "realmistake:published": ["", "contains errors"],
    "auto-j": [
        "",
        "Response 1",
        "the final decision is Response 3",
        "the final decision is Response 1/Response 2",
        "the final decision is Response 1 and Response 2 tie",
        "the final decision is Response 1, Response 2 or Tie",
        "the final decision is Response 1 is worse",
        "the final decision is tie-breaking in favour of Response 2",
        "the final decision is Response 1.5",
        "I would not say the final decision is Response 1.",
    ],
}

CONFLICT: dict[str, list[str]] = {
    "arena-hard": ["[[A>B]] or [[A>>B]]", "[[A>B]] [[B>A]]", "[[A>B]] [[A>A]]"],
    "mt-bench-pair": ["[[A]] [[B]]", "[[A]] [[C]]"],
    "mt-bench-single": ["[[7]] [[8]]", "[[7]] [[11]]"],
    "prometheus": ["[RESULT] 4\n[RESULT] 5", "[RESULT] 4\n[RESULT] 4 or 5"],
    "judgelrm": ["<answer>8</answer><answer>5</answer><answer>5</answer><answer>8</answer>"],
    "llmbar": ["Output (a) is better. Output (b) is better.", "Output (a)\nOutput (b)"],
    "realmistake": ["The response contains an error. The response contains no error."],
    "auto-j": [
        "final decision is Response 1. final decision is Tie.",
        "final decision is Response 1? No, final decision is Response 2.",
    ],
}

SINGLE = ("mt-bench-single", "prometheus", "llmbar-rating", "realmistake")


def parse(spec: str, text: str) -> tuple[float | None, ...]:
    n = 1 if spec.startswith(SINGLE) else 2
    return open_dialect(spec).parse(Completion(text=text), n=n).scores


@pytest.mark.parametrize(
    ("spec", "text", "scores"), [(spec, *case) for spec, cases in READ.items() for case in cases]
)
def test_verdicts(spec: str, text: str, scores: tuple[float, ...]) -> None:
    assert parse(spec, text) == scores


@pytest.mark.parametrize(
    ("spec", "text"), [(spec, text) for spec, texts in MISSING.items() for text in texts]
)
def test_no_verdict(spec: str, text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(spec, text)
    assert caught.value.status == "parse_error"


@pytest.mark.parametrize(
    ("spec", "text"), [(spec, text) for spec, texts in CONFLICT.items() for text in texts]
)
def test_different_verdicts_are_ambiguous(spec: str, text: str) -> None:
    with pytest.raises(AmbiguousError):
        parse(spec, text)


@pytest.mark.parametrize(
    ("text", "scores"), [("[RESULT] A", (1, 0)), ("x\n[RESULT] Response B.", (0, 1))]
)
def test_prometheus_pairs(text: str, scores: tuple[float, float]) -> None:
    assert open_dialect("prometheus").parse(Completion(text=text), n=2).scores == scores


@pytest.mark.parametrize("text", ["[RESULT] A or B", "[RESULT] A good answer", "[RESULT] 4"])
def test_prometheus_pairs_without_a_verdict(text: str) -> None:
    with pytest.raises(ParseError):
        open_dialect("prometheus").parse(Completion(text=text), n=2)


def test_judgelrm_single() -> None:
    parsed = open_dialect("judgelrm").parse(Completion(text="good <answer>7</answer>"), n=1)
    assert (parsed.scores, parsed.analysis) == ((7,), "good")


def test_a_verdict_in_many_spellings_is_one_verdict() -> None:
    text = " ".join(f"[[{' ' * (i % 4)}7.{'0' * (i % 9)}]]" for i in range(200))
    assert parse("mt-bench-single", text) == (7,)


def test_two_verdicts_are_named() -> None:
    with pytest.raises(AmbiguousError, match=r"^different verdicts: 'a' and 'b'$"):
        settle(["a", "a", "b", "c"], str)


@pytest.mark.parametrize(("unreadable", "error"), [(7, AmbiguousError), (8, ParseError)])
def test_after_eight_unreadable_findings_no_verdict_is_looked_for(
    unreadable: int, error: type[ParseError]
) -> None:
    scale = Scale(low=1, high=10)
    findings = [*map(str, range(11, 11 + unreadable)), "7"]
    with pytest.raises(ParseError) as caught:
        settle(findings, lambda finding: number(finding, scale))
    assert type(caught.value) is error


def test_many_unreadable_findings_stop_early() -> None:
    text = " ".join(f"[[{i}]]" for i in range(11, 50_000))
    with pytest.raises(ParseError, match=r"outside 1\.\.10"):
        parse("mt-bench-single", text)


@pytest.mark.parametrize("name", ["alpaca-eval", "arena-hard", "mt-bench-pair", "pandalm"])
def test_two_at_once_and_no_more(name: str) -> None:
    dialect = open_dialect(name)
    dialect.check_n(2)
    for n in (1, 3):
        with pytest.raises(InputError, match=rf"judges .*2 responses at once, got {n}"):
            dialect.check_n(n)


@pytest.mark.parametrize(("token", "high", "score"), [("1/2", 2, 1), ("**8/10**", 10, 8)])
def test_a_score_of_the_end_of_its_scale(token: str, high: int, score: float) -> None:
    assert number(token, Scale(low=0, high=high)) == score


@pytest.mark.parametrize(("token", "high"), [("1/1", 1), ("8/100", 10), ("3/5", 10)])
def test_a_score_of_something_else_is_none(token: str, high: int) -> None:
    with pytest.raises(ParseError, match=f"score {token} is of .*, not of {high}"):
        number(token, Scale(low=0, high=high))
