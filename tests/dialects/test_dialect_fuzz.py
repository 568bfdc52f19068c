"""No text makes a parser raise anything but its own errors, or accept what is off the scale."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.dialects import judge_forms

from deemster.dialects import DIALECTS, Dialect, open_dialect
from deemster.dialects.vote import read_vote
from deemster.errors import ParseError
from deemster.schemas import Completion, Judgment, TokenLogprob

DOCUMENT = json.dumps(
    {
        "principles": [{"name": "Accuracy", "description": "right", "weight": 60}],
        "critiques": [{"text": "good", "scores": [7]}, {"text": "bad", "scores": [5]}],
        "scores": [7, 5],
    }
)
GRM = r"""Specific Criteria:
1. Accuracy (weight: 60%): results are right
2. Clarity (weight: 40%): easy to follow

Analysis:
- Response 1: right, but long
- Response 2: short, but wrong

Scores: \boxed{7, 5}"""
CORPUS = (
    GRM,
    r"\boxed{7}",
    r"Best: \boxed{2}",
    DOCUMENT,
    f"```json\n{DOCUMENT}\n```",
    "My final verdict is: [[A>>B]]",
    r"Scores: \boxed{\text{7/10, 5/10}}<|im_end|>",
    "具体标准：1. 准确（权重：60%）：对\n分析：回答1：好。回答2：差。\n评分：\\boxed{７，５}",
    f"So:\n```json\n{DOCUMENT}\n```\nDone.",
    "| Criterion | Weight |\n|---|---|\n| Accuracy | 60% |\n\nScores: \\boxed{7, 5}",
    "[[A]]",
    "Rating: [[7.5]]",
    "Feedback: good. [RESULT] 4",
    "Feedback: good. [RESULT] B",
    "<think>hm</think><answer>8</answer><answer>5</answer>",
    "Therefore, Output (a) is better.",
    "Output (b)",
    "7",
    "Therefore, the model response contains no error.",
    "So, the final decision is Response 2.",
    '{"ordered_models": [{"model": "m", "rank": 1}, {"model": "M", "rank": 2}]}',
    "[{'model': 'model_1', 'rank': 1}, {'model': 'model_2', 'rank': 2}]",
    '{"logprobs": {"content": [{"top_logprobs": [{"token": "m", "logprob": -0.1}]}]}}',
    "9 8.5\nThe first is more precise.",
    '{"reasoning": "right, but long", "score": 0.8}',
    '{"scores": {"model-1": 4, "model-2": 2}, "best-to-worst": ["model-1", "model-2"]}',
    (
        "[The Begin of Analysis on Response 1]\nGood.\n[The End of Analysis on Response 1]\n"
        "[The Begin of Individual Scores]\n\\boxed{4, 2}\n[The End of Individual Scores]\n"
        "[The Begin of Ranking Score]\n\\boxed{2}\n[The End of Ranking Score]"
    ),
    '{"overall": {"score_1": 4, "score_2": 2, "ranking": 2}}',
    "**Final Judgement:** Yes",
    "<rubric>1. Accuracy (100%)<justify>x</justify></rubric><answer>[[A]]</answer>",
    "<score_A>7.5</score_A><score_B>4</score_B>",
    "<score>7.5</score>",
    "<answer>B</answer>",
    "<answer>-2</answer>",
    (
        "[Quality Assessment Focus]\nLogical Reasoning\n[End of Quality Assessment Focus]\n"
        "[The Begin of Ranking Score]\n\\boxed{1}\n[The End of Ranking Score]"
    ),
    *(texts[0] for _, _, texts in judge_forms.READ),
)
PIECES = (
    *(r"\boxed{", "}", "{", ", ", "[[", "]]", "A>B", "A", "C", "[RESULT]", "Scores:", "Analysis:"),
    *("[/think]", "<|channel|>final<|message|>", "`</think>`", "\\text{", "８", "，", "［［"),
    *(
        "］］",
        "/10",
        "评分：",
        "\n|---|---|",
        "\n| a | 30% |",
        "回答1：",
        " Scores: ",
        "<|im_end|>",
    ),
    *("<think>", "</think>", "<answer>", "</answer>", "Response 1:", "Output (a)", " is better"),
    *("Specific Criteria:", "\n1. a (30%): b", "\n- c", "0", "1", "7", "10", "11", "-1", "7.5"),
    *(
        "1e3",
        "NaN",
        "Infinity",
        "true",
        "null",
        "٧",
        "７",
        "1_0",
        "0x7",
        "+5",
        " ",
        "\n",
        "\t",
        '"',
    ),
    *('"scores":', '"scores"', "```", "```json\n", "\\", "\\u0073", "\\ud800", "\u200b", "\x00"),
    *(
        "contains an error",
        "response ",
        "final decision is Tie",
        "m",
        "M",
        "[]",
        "[",
        "]",
        ":",
        "%",
    ),
    *("9" * 40, "9" * 5000, "model", "'", "rank", '{"model": "m", "rank": 1}', "ordered_models"),
    *("[The Begin of Ranking Score]", "[The Begin of Individual Scores]", "[The End of ", "\n"),
    *("<score_A>", "</score_A>", "<rubric>", '"score_1":', "Final Judgement:", '"model-1"'),
    *("**Result:**", "Winner:", "[Model A]", '"Choice":', '"更好的回答":', "Tie", "Response A"),
)
SPECS = [
    name if rule == "strict" else f"{name}:{rule}"
    for name in DIALECTS.names()
    for rule in DIALECTS.get(name).rules
]
QUICK = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def mutate(text: str, edits: Sequence[tuple[float, int, str]]) -> str:
    for place, length, insert in edits:
        at = int(place * len(text))
        text = text[:at] + insert + text[at + length :]
    return text


# Lone surrogates never get here: a completion is text that can be sent and stored.
letters = st.text(st.characters(codec="utf-8"), max_size=100)
texts = st.one_of(
    letters,
    st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
    st.builds(
        mutate,
        st.sampled_from(CORPUS),
        st.lists(
            st.tuples(
                st.floats(0, 1), st.integers(0, 6), st.one_of(st.sampled_from(PIECES), letters)
            ),
            max_size=6,
        ),
    ),
)
chances = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.just(-math.inf))
logprobs = st.one_of(
    st.none(),
    st.lists(
        st.builds(
            TokenLogprob,
            token=st.sampled_from([*PIECES[:12], "1", "2", "m", "M", "{2"]),
            logprob=chances,
            top=st.lists(st.tuples(st.sampled_from(["1", "2", "m", "M"]), chances)).map(tuple),
        ),
        max_size=12,
    ).map(tuple),
)


def fitting(dialect: Dialect, n: int) -> int:
    """A number of responses of one completion near `n`."""
    if dialect.judges_one_at_a_time:
        return 1
    least = 2 if dialect.rule == "pair" else dialect.min_responses
    return max(least, min(n, dialect.max_responses or n))


def check(dialect: Dialect, completion: Completion, n: int) -> None:
    try:
        parsed = dialect.parse(completion, n=n)
    except ParseError:
        return
    scale = dialect.scale_for(n)
    assert len(parsed.scores) == n
    for score in parsed.scores:
        assert score is not None
        assert isinstance(score, float)
        assert math.isfinite(score)
        assert scale.low <= score <= scale.high
        assert not scale.integer or score == int(score)
    if parsed.principles:
        assert math.isclose(sum(principle.weight for principle in parsed.principles), 1.0)
    assert all(critique.response < n for critique in parsed.critiques)


@pytest.mark.parametrize("spec", SPECS)
@QUICK
@given(text=texts, n=st.integers(1, 4), tokens=logprobs)
def test_any_text(spec: str, text: str, n: int, tokens: tuple[TokenLogprob, ...] | None) -> None:
    dialect = open_dialect(spec)
    n = fitting(dialect, n)
    check(dialect, Completion(text=text, logprobs=tokens), n)
    if tokens:
        check(dialect, Completion(text="".join(t.token for t in tokens), logprobs=tokens), n)


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
def test_a_million_texts(spec: str) -> None:
    """About 42,000 texts for each of the 24 dialects and rules, most of them nearly valid."""
    dialect = open_dialect(spec)
    random = Random(spec)
    for _ in range(1_000_000 // len(SPECS) + 1):
        if random.random() < 0.3:
            text = "".join(random.choices(PIECES, k=random.randrange(20)))
        else:
            text = mutate(
                random.choice(CORPUS),
                [
                    (random.random(), random.randrange(6), random.choice(PIECES))
                    for _ in range(random.randrange(4))
                ],
            )
        n = fitting(dialect, random.randint(1, 4))
        check(dialect, Completion(text=text), n)


@QUICK
@given(text=texts, order=st.permutations([0, 1]))
def test_any_text_becomes_a_vote(text: str, order: list[int]) -> None:
    for spec in ("grm", "json", "arena-hard", "alpaca-eval:published"):
        vote = read_vote(
            open_dialect(spec), Completion(text=text), order=order, n=2, draw=0, seed=1
        )
        assert vote.raw == text
        assert isinstance(vote, Judgment) or vote.message


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("grm", r"Scores: \boxed{@, 5}"),
        ("pairwise", r"\boxed{@}"),
        ("mt-bench-single", "[[@]]"),
        ("prometheus", "[RESULT] @"),
        ("judgelrm", "<answer>@</answer><answer>5</answer>"),
        ("llmbar-rating", "@"),
        ("json", DOCUMENT.replace("[7, 5]", "[@, 5]")),
    ],
)
@pytest.mark.parametrize(
    "token",
    [
        *("٧", "⑦", "²", "VII", "NaN", "nan", "Infinity", "-inf", "1e1", "1_0", "0x7", "true"),
        *("", "7a", "11", "-1", "99999999999999999999", "7.5.5", '"7"', "null", "7,", "--7"),
    ],
)
def test_no_number_that_is_not_one(spec: str, text: str, token: str) -> None:
    n = 1 if spec in {"mt-bench-single", "prometheus", "llmbar-rating"} else 2
    if (spec, token) == ("json", "1e1"):
        token = "15e-1"  # 1e1 is how JSON may write 10
    with pytest.raises(ParseError):
        open_dialect(spec).parse(Completion(text=text.replace("@", token)), n=n)


@pytest.mark.parametrize("huge", ["9" * 400, "9" * 5000, "-" + "9" * 400], ids=["400", "5000", "-"])
def test_numbers_of_any_length(huge: str) -> None:
    """JSON has whole numbers that no float can hold: in any place they are refused, or not read."""
    for text in CORPUS:
        for place in re.finditer(r"(?<![\w.])\d+(?![\w.])", text):
            changed = text[: place.start()] + huge + text[place.end() :]
            for spec in SPECS:
                for n in (1, 2):
                    with contextlib.suppress(ParseError):
                        parsed = open_dialect(spec).parse(Completion(text=changed), n=n)
                        assert all(math.isfinite(score or 0) for score in parsed.scores)


def test_the_corpus_is_valid() -> None:
    """Mutations start from completions that the dialects accept."""
    accepted = set()
    for spec in SPECS:
        dialect = open_dialect(spec)
        for n in (1, 2):
            if fitting(dialect, n) != n:
                continue
            for text in CORPUS:
                try:
                    dialect.parse(Completion(text=text), n=n)
                except ParseError:
                    continue
                accepted.add((spec, text))
    assert {text for _, text in accepted} == set(CORPUS)
    assert {spec for spec, _ in accepted} == {*SPECS} - {"pairwise-tokenprob"}
