"""Parsers are linear: bounds on huge hostile texts, generous to slow machines."""

from __future__ import annotations

import contextlib
import time

import pytest

from deemster.dialects import DIALECTS, Dialect, open_dialect
from deemster.errors import ParseError
from deemster.prompts import defuse
from deemster.schemas import Completion

MIB = 1 << 20
SEEDS = {
    "brackets": "[",
    "braces": "{",
    "open-boxes": "\\boxed{",
    "boxes": "\\boxed{7, 5}",
    "spaced-boxes": "\\boxed    {",
    "think": "<think>",
    "think-closed": "</think>",
    "closings-apart": "</think> [1] ",
    "closings-quoted": '"x </think>" ',
    "reasoned": "Hm. So it is (see [1]).\n</think>",
    "parens": "(",
    "spaces": " ",
    "tabs": "\t",
    "newlines": "\n",
    "ones": "1",
    "backslashes": "\\",
    "stars": "*",
    "bullets": "\n- a",
    "nested-bullets": "\n  - a",
    "numbered": "\n1. a: b (30%)",
    "weights": "\n1. a 30% 30% 30% weight",
    "labels": "\nScores:",
    "chinese-labels": "评分\n\n",
    "ends": "</s>",
    "criteria": "\nSpecific Criteria:",
    "responses": "\nResponse 1: x",
    "double": "[[A]]",
    "arena": "[[A>B]]",
    "ratings": "[[7]]",
    "open-double": "[[",
    "answers": "<answer>8</answer>",
    "open-answers": "<answer>",
    "results": "[RESULT] 4\n",
    "results-open": "[RESULT]          ",
    "outputs": "Output (a) is better.\n",
    "output-lines": "\nOutput (a)",
    "errors": "the response contains an error ",
    "decisions": "final decision is Response 1 ",
    "documents": "{}",
    "lists": "[],",
    "strings": '"a",',
    "quotes": '"',
    "literal": "[{'model': 'm', 'rank': ",
    "digits-comma": "7, ",
    "wide-digits": "７",
    "bold-lines": "\n**a** (20%): b",
    "quoted-tags": "`<think>` ",
    "fenced-tags": "\n```\n<think>\n```",
    "channels": "<|channel|>final<|message|>",
    "attributes": "<think " + "a" * 90,
    "details": '<details type="reasoning"',
    "one-line": "1. a (1%): b 2. c (2%): d ",
    "items-on-one-line": "- a (1%): b ",
    "weights-alone": "a (1%), ",
    "table": "\n| a | 10% | b |",
    "ruled-table": "\n|---|---|",
    "inline-responses": "Response 1: x. ",
    "chinese-responses": "回答1：好。",
    "nested-boxes": "\\boxed{\\text{",
    "looks": "\\boxed{\\text{7}, \\text{5}}",
    "objects": '{"',
    "open-objects": '{"a": {',
    "keys": '{"scores": [1]} ',
    "apologies": "I'm sorry ",
    "wide-brackets": "［［",
    "joiners": "a\u200d",
    "entities": "&lt;",
    "ligatures": "ﬁ",
    "marks": "[The Begin of Ranking Score]",
    "boxed-marks": "[The Begin of Individual Scores] \\boxed{4, 2} ",
    "quality": "[Quality Assessment Focus] a, ",
    "rubrics": "<rubric>",
    "justified": "<rubric><justify>",
    "score-tags": "<score_A>4</score_A>",
    "judgements": "Final Judgement: ",
    "nested-scores": '{"overall": {"score_1": 1, ',
    "parts": "[The Begin of Part 1]\n",
    "results-labelled": "**Result:** 4\n",
    "results-open-label": "Result:        ",
    "winners": "Winner: Response A\n",
    "choices": '{"Choice": "Model A"} ',
    "broken-choices": '{"Choice": "a "b"", ',
    "critiques-of": "\n**Response A:**",
    "ties": "Tie\n",
}


def responses(dialect: Dialect) -> int:
    return max(dialect.min_responses, min(2, dialect.max_responses or 2))


def seconds(dialect: Dialect, text: str, limit: float) -> float:
    completion = Completion(text=text)
    best = float("inf")
    for _ in range(3):  # the least disturbed of three
        start = time.process_time()
        with contextlib.suppress(ParseError):
            dialect.parse(completion, n=responses(dialect))
        best = min(best, time.process_time() - start)
        if best < limit:
            break
    return best


def slow_texts(name: str, size: int, limit: float) -> dict[str, float]:
    dialect = open_dialect(name)
    slow = {}
    for label, seed in SEEDS.items():
        for start in ("", "Specific Criteria:\n", "Analysis:\n", "Scores: "):
            if start and name != "grm":
                continue
            took = seconds(dialect, start + seed * (size // len(seed)), limit)
            if took > limit:
                slow[start + label] = round(took, 3)
    return slow


@pytest.mark.parametrize("name", DIALECTS.names())
def test_64_kib_of_anything(name: str) -> None:
    # CPU time: shared machines stutter. Anything quadratic takes seconds.
    assert not slow_texts(name, MIB // 16, 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("name", DIALECTS.names())
def test_one_mebibyte_of_anything(name: str) -> None:
    assert not slow_texts(name, MIB, 1.0)


ORDINARY = {
    "English": "The quick brown fox jumps over the lazy dog; its result is “fine”. ",
    "code": 'if (a[i] < b && c["score"] > 3) { printf("%d\\n", a[i] | x); }\n',
    "JSON": '{"a": [1, 2], "text": "b", "score": 3},\n',
    "Markdown": "## Scores\n- **a** ([link](x)): `b`\n| c | d |\n",
    "HTML": "<p class='a'>x &amp; y &lt;b&gt; <a href=\"b\">z</a></p>\n",
    "LaTeX": "so $\\frac{1}{2} \\leq x$ and \\[y = \\sqrt{2}\\] hold; ",
    "French": "Le cœur déçu mais l'âme plutôt naïve… ",
    "Chinese": "这个回答更好，因为它正确（见第２点）。",
    "Persian": "می\u200cخواهم که بدانم ",
    "Korean": "이 답변이 더 낫습니다. ",
    "emoji": "well done 👩\u200d🔬 ❤️ ",
}


@pytest.mark.parametrize("seed", ORDINARY.values(), ids=list(ORDINARY))
def test_a_mebibyte_of_ordinary_text_is_defused_at_once(seed: str) -> None:
    text = seed * (MIB // len(seed))
    start = time.process_time()
    defuse(text)
    assert time.process_time() - start < 1  # on an idle core: HTML 0.43 s, others below 0.2 s


def test_defuse_is_linear() -> None:
    for seed in SEEDS.values():
        start = time.process_time()
        defuse(seed * (MIB // 16 // len(seed)))
        assert time.process_time() - start < 0.5, seed
