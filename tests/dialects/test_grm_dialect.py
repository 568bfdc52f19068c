from __future__ import annotations

import contextlib

import pytest

from deemster.dialects import open_dialect
from deemster.dialects.boxed import numbers, read_boxed
from deemster.dialects.grm import Grm
from deemster.dialects.vote import read_vote
from deemster.errors import AmbiguousError, InputError, ParseError
from deemster.schemas import Completion, Failure, JudgeInfo, Judgment, Sample, Scale
from deemster.suites.rereading import rereader

FULL = r"""Specific Criteria:
1. Accuracy (weight: 60%): every number follows from the request
2. Clarity (weight: 40%): a beginner can follow

Analysis:
- Response 1: right, though long.
- Response 2: the sum is wrong.

Scores: \boxed{8, 3}"""


def scores(text: str, n: int = 2) -> tuple[float | None, ...]:
    return Grm().parse(Completion(text=text), n=n).scores


def principles(text: str) -> list[tuple[str, str, float]]:
    parsed = Grm().parse(Completion(text=f"{text}\n\nScores: \\boxed{{7, 5}}"), n=2)
    return [(p.name, p.description, round(p.weight, 3)) for p in parsed.principles]


def test_all_parts() -> None:
    parsed = Grm().parse(Completion(text=FULL), n=2)
    assert parsed.scores == (8.0, 3.0)
    assert [(p.name, p.weight) for p in parsed.principles] == [("Accuracy", 0.6), ("Clarity", 0.4)]
    assert parsed.principles[0].description == "every number follows from the request"
    assert [(c.response, c.text) for c in parsed.critiques] == [
        (0, "right, though long."),
        (1, "the sum is wrong."),
    ]
    assert parsed.analysis.startswith("- Response 1")


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(r"Scores: \boxed{7, 5}", id="plain"),
        pytest.param(r"Scores: \boxed{7,5}", id="no-space"),
        pytest.param(r"Scores: $\boxed{7, 5}$", id="maths"),
        pytest.param(r"Scores: \[\boxed{7, 5}\]", id="display-maths"),
        pytest.param(r"**Scores:** \boxed{7, 5}", id="bold"),
        pytest.param(r"**Scores**: \boxed{7, 5}", id="bold-label"),
        pytest.param("## Scores\n\n\\boxed{7, 5}", id="heading"),
        pytest.param("3. **Scores:**\n\\boxed{ 7 , 5 }", id="numbered"),
        pytest.param(r"Final scores: \boxed{[7, 5]}", id="list"),
        pytest.param(r"Scores: \boxed{7.0, 5}", id="whole-with-point"),
        pytest.param(r"\boxed{7, 5}", id="no-label"),
        pytest.param("Scores: \\boxed{7, 5}\nAgain: \\boxed{7,5}", id="twice-the-same"),
        pytest.param("Analysis: $x = \\boxed{42}$\n\nScores: \\boxed{7, 5}", id="own-maths"),
        pytest.param(r"Scores: \boxed{7/10, 5/10}", id="out-of-ten"),
        pytest.param(r"Scores: \boxed{\text{7, 5}}", id="nested"),
        pytest.param("Scores: \\boxed{7, 5}\nAnalysis:\n$x = \\boxed{42}$", id="own-maths-after"),
        pytest.param("<think>\\boxed{1, 9}</think>Scores: \\boxed{7, 5}", id="reasoning"),
        pytest.param("draft \\boxed{1, 9}</think>Scores: \\boxed{7, 5}", id="stray-closing-tag"),
        pytest.param("[THINK]\\boxed{1, 9}[/THINK]Scores: \\boxed{7, 5}", id="other-think-tag"),
        pytest.param("Scores: \\boxed{7, 5}\n<think>\\boxed{1, 9}", id="reasoning-begins-anew"),
    ],
)
def test_spellings_of_the_verdict(verdict: str) -> None:
    assert scores(verdict) == (7, 5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "no boxed scores", id="empty"),
        pytest.param("Scores: 7, 5", "no boxed scores", id="no-box"),
        pytest.param(r"\fbox{7, 5}", "no boxed scores", id="respelled"),
        pytest.param(r"Scores: \boxed{7}", "expected 2 scores, got 1", id="too-few"),
        pytest.param(r"Scores: \boxed{7, 5, 3}", "expected 2 scores, got 3", id="too-many"),
        pytest.param(r"Scores: \boxed{7, 11}", "outside 1..10", id="above"),
        pytest.param(r"Scores: \boxed{0, 5}", "outside 1..10", id="below"),
        pytest.param(r"Scores: \boxed{7, 5.5}", "not a whole number", id="fraction"),
        pytest.param(r"Scores: \boxed{s1, s2}", "not a number", id="echoed-format"),
        pytest.param(r"Scores: \boxed{7/5, 5/5}", "is of 5, not of 10", id="of-another-scale"),
        pytest.param(r"Scores: \boxed{\frac{7}{5}}", "no boxed scores", id="fraction-of-maths"),
        pytest.param("<think>\\boxed{7, 5}", "no boxed scores", id="unfinished-reasoning"),
    ],
)
def test_no_verdict(text: str, problem: str) -> None:
    with pytest.raises(ParseError, match=problem) as caught:
        scores(text)
    assert not isinstance(caught.value, AmbiguousError)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Scores: \\boxed{7, 5}\nScores: \\boxed{5, 7}", id="two-labels"),
        pytest.param("Scores: \\boxed{7, 5} or \\boxed{5, 7}", id="one-label"),
        pytest.param("\\boxed{7, 5} \\boxed{5, 7}", id="no-label"),
        pytest.param("Scores: \\boxed{7, 5}, that is \\boxed{7}", id="one-unreadable"),
        pytest.param("Scores: \\boxed{7}, that is \\boxed{7, 5}", id="first-unreadable"),
        pytest.param("Scores: \\boxed{1, 5} \\boxed{2, 5} \\boxed{3, 5}", id="three"),
    ],
)
def test_different_verdicts_are_ambiguous(text: str) -> None:
    with pytest.raises(AmbiguousError):
        scores(text)


@pytest.mark.parametrize(
    "said",
    [
        "Score: 9",
        "Overall score: 9/10",
        "**Overall Score:** 9",
        "Rating: 9/10",
        "Score (1-10): 9",
        "The final score is 9.",
        "I give it 9 out of 10.",
        "I give it a 9/10.",
    ],
)
def test_own_mathematics_before_a_score_without_a_box_is_no_score(said: str) -> None:
    with pytest.raises(AmbiguousError):
        scores(f"The sum is \\boxed{{4}}, as it says.\n\n{said}", n=1)
    if said != "Score: 9":  # behind a label there must be a box
        assert scores(f"So \\boxed{{9}}.\n\n{said}", n=1) == (9,)
    assert scores(f"The sum is \\boxed{{4}}.\n{said}\n\nScore: \\boxed{{9}}", n=1) == (9,)


@pytest.mark.parametrize(
    ("dialect", "text", "score"),
    [
        ("grm", r"Score: \boxed{9}/10", 9),
        ("grm", r"Score: $\boxed{9}$ / 10.", 9),
        ("grm", r"**Score: \boxed{9}** out of 10", 9),
        ("grm", r"Score: \boxed{4}/5", None),
        ("grm", r"Score: \boxed{\text{8}} out of 100", None),
        ("nemotron-genrm", r"[The Begin of Individual Scores] \boxed{4}/5", 4),
        ("nemotron-genrm", r"[The Begin of Individual Scores] \boxed{4}/10", None),
        ("mt-bench-single", "Rating: [[8]]/10", 8),
        ("mt-bench-single", "Rating: **[[8]]** out of 10.", 8),
        ("mt-bench-single", "Rating: [[4]]/5", None),
        ("mt-bench-single", "Rating: [[8]] / 100", None),
        ("auto-j", "Rating: [[4]] out of 5", None),
        ("flow-judge", "<score>4</score>/5", 4),
        ("flow-judge", "<score>4</score>/10", None),
        ("j1-scores", "<score>7.5</score>/10", 7.5),
        ("j1-scores", "<score>4</score> out of 5", None),
    ],
)
def test_the_scale_behind_a_score_must_be_its_own(
    dialect: str, text: str, score: float | None
) -> None:
    vote = read_vote(open_dialect(dialect), Completion(text=text), order=[0], n=1, draw=0)
    assert (vote.scores if isinstance(vote, Judgment) else None) == (score and (score,))


def test_the_scale_behind_several_scores_is_that_of_each() -> None:
    assert scores(r"Scores: \boxed{7, 5}/10") == (7, 5)
    with pytest.raises(ParseError, match="is of 5, not of 10"):
        scores(r"Scores: \boxed{4, 5} out of 5")


def test_a_box_alone() -> None:
    scale = Scale(low=0, high=100)
    twice = Completion(text=r"So \boxed{88}, yes: \boxed{88}")
    assert read_boxed(twice, n=1, scale=scale) == (88,)
    with pytest.raises(ParseError, match="no boxed scores in text ending 'So 88'"):
        read_boxed(Completion(text="So 88"), n=1, scale=scale)
    with pytest.raises(ParseError, match="no boxed scores"):
        read_boxed(Completion(text=r"It quotes \boxed{9} and", finish="length"), n=1, scale=scale)


@pytest.mark.parametrize(
    ("dialect", "text", "scores"),
    [
        pytest.param("grm", r"3 + 5 = \boxed{8}, but the response says", None, id="a-sum"),
        pytest.param("grm", r"x, y = \boxed{1, 2}. Response 1 says", None, id="two-numbers"),
        pytest.param("grm", "It is \\boxed{8}.\nScores:", None, id="before-the-label"),
        pytest.param("grm", "It is \\boxed{8}.\nScores: \\boxed{2} as", (2,), id="labelled"),
        pytest.param("grm", r"It is wrong. $\boxed{2}$.", (2,), id="at-the-end"),
        pytest.param("pairwise", r"1 + 1 = \boxed{2}, so that", None, id="no-index"),
        pytest.param("pairwise", r"So: **\boxed{2}**", (0, 1), id="index-at-the-end"),
    ],
)
def test_a_box_of_a_text_that_was_cut_is_a_verdict_only_at_its_end(
    dialect: str, text: str, scores: tuple[float, ...] | None
) -> None:
    n = 2 if dialect == "pairwise" or "1, 2" in text else 1
    completion = Completion(text=text, finish="length")
    vote = read_vote(open_dialect(dialect), completion, order=range(n), n=n, draw=0)
    assert (vote.scores if isinstance(vote, Judgment) else None) == scores
    if scores is None:  # and read again, when the completion is gone
        assert isinstance(vote, Failure)
        assert vote.message.endswith("the completion was cut at max_tokens")
        sample = Sample(query="q", responses=("r",) * n)
        again = rereader(dialect, JudgeInfo(name="j", model="m"))(sample, vote)
        assert again == vote


@pytest.mark.parametrize(
    "box",
    [
        pytest.param("Response 2: 7, Response 1: 5", id="other-order"),
        pytest.param("Response 1: 7, 5", id="one-label"),
        pytest.param("Response 0: 7, Response 1: 5", id="from-0"),
        pytest.param("[7, 5)", id="brackets-that-differ"),
        pytest.param(r"\text{\textbf}{7}, 5", id="a-look-within-a-look"),
    ],
)
def test_numbers_that_cannot_be_told(box: str) -> None:
    with pytest.raises(ParseError, match="is not a number"):
        numbers(box, 2, Scale(low=1, high=10))


def test_single_response_and_many() -> None:
    assert scores(r"Scores: \boxed{7}", n=1) == (7,)
    assert scores(rf"Scores: \boxed{{{', '.join('7' * 40)}}}", n=40) == (7.0,) * 40


def test_binary_rule_scores_single_responses_0_or_1() -> None:
    binary = open_dialect("grm:binary")
    assert binary.scale_for(1) == Scale(low=0, high=1)
    assert binary.scale_for(2) == Scale(low=1, high=10)
    assert binary.parse(Completion(text=r"\boxed{0}"), n=1).scores == (0,)
    with pytest.raises(ParseError, match=r"outside 0\.\.1"):
        binary.parse(Completion(text=r"\boxed{7}"), n=1)
    with pytest.raises(ParseError, match=r"outside 1\.\.10"):
        scores(r"\boxed{0}", n=1)


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        pytest.param(
            "Specific Criteria:\n- **Accuracy** (Weight: 30%): right\n"
            "- **Tone** (Weight: 70%): kind",
            [("Accuracy", "right", 0.3), ("Tone", "kind", 0.7)],
            id="bold-bullets",
        ),
        pytest.param(
            "**Specific Criteria:**\n**Accuracy (30%)**: right\n**Tone (70%)**: kind",
            [("Accuracy", "right", 0.3), ("Tone", "kind", 0.7)],
            id="bold-lines",
        ),
        pytest.param(
            "Specific Criteria:\n1. Accuracy (weight: 50%)\n   - right sums\n   - right units\n"
            "2. Tone (weight: 50%): kind",
            [("Accuracy", "- right sums - right units", 0.5), ("Tone", "kind", 0.5)],
            id="nested-bullets",
        ),
        pytest.param(
            "Specific Criteria:\n1. Accuracy (weight: 50%)\n- right sums\n2. Tone (weight: 50%)",
            [("Accuracy", "- right sums", 0.5), ("Tone", "", 0.5)],
            id="bullets-under-numbers",
        ),
        pytest.param(
            "Specific Criteria:\n1. Length (weight: 20%): at least 50% of the limit\n2. Tone: kind",
            [("Length", "at least 50% of the limit", 0.5), ("Tone", "kind", 0.5)],
            id="other-percentages-and-a-missing-weight",
        ),
        pytest.param(
            "Specific Criteria:\n1. Accuracy - 25%: right\n2. Tone – 75%: kind",
            [("Accuracy", "right", 0.25), ("Tone", "kind", 0.75)],
            id="bare-percentages",
        ),
        pytest.param(
            "Principles:\n* Accuracy\n* Tone - kind",
            [("Accuracy", "", 0.5), ("Tone", "kind", 0.5)],
            id="no-weights",
        ),
        pytest.param(
            "Criteria:\n1. Accuracy (weight: 0%)\n2. Tone (weight: 0%)",
            [("Accuracy", "", 0.5), ("Tone", "", 0.5)],
            id="all-weights-zero",
        ),
        pytest.param(
            "Specific Criteria: 1. Accuracy (Weight: 40%): it follows version 2. 0 of the rules. "
            "2. Clarity (Weight: 30%): clear. 3. Depth (Weight: 30%): deep.",
            [
                ("Accuracy", "it follows version 2. 0 of the rules.", 0.4),
                ("Clarity", "clear.", 0.3),
                ("Depth", "deep.", 0.3),
            ],
            id="numbered-on-one-line",
        ),
        pytest.param(
            "Specific Criteria: 1. Accuracy: it is right 2. Clarity: it is clear",
            [("Accuracy", "it is right", 0.5), ("Clarity", "it is clear", 0.5)],
            id="numbered-on-one-line-without-weights",
        ),
        pytest.param(
            "Criteria: 1. Steps (weight: 100%): do step 1. first and 2. then the other",
            [("Steps", "do step 1. first and 2. then the other", 1)],
            id="numbers-in-a-sentence",
        ),
        pytest.param(
            "Criteria: - Accuracy (40%): right - not wrong - Tone (60%): kind",
            [("Accuracy", "right - not wrong", 0.4), ("Tone", "kind", 0.6)],
            id="bulleted-on-one-line",
        ),
        pytest.param(
            "Criteria: Accuracy (40%), Tone (weight: 60%)",
            [("Accuracy", "", 0.4), ("Tone", "", 0.6)],
            id="separated-by-commas",
        ),
        pytest.param(
            "Criteria:\nAccuracy (40%): right, always; Tone (60%): kind",
            [("Accuracy", "right, always", 0.4), ("Tone", "kind", 0.6)],
            id="separated-by-semicolons",
        ),
        pytest.param(
            "Criteria:\nAccuracy (40%): right\nTone (60%): kind",
            [("Accuracy", "right", 0.4), ("Tone", "kind", 0.6)],
            id="lines-without-bullets",
        ),
        pytest.param(
            "Criteria:\n\n| # | Criterion | Weight | Meaning |\n|---|:--|--:|---|\n"
            "| 1 | **Accuracy** | 40% | right |\n| 2 | Tone | 60 | kind |",
            [("Accuracy", "right", 0.4), ("Tone", "kind", 0.6)],
            id="table",
        ),
        pytest.param(
            "Criteria:\n| Criterion | Weight |\n|: - :|:--|\n| Accuracy | 40% |\n| Tone | 60% |",
            [("Accuracy", "", 0.4), ("Tone", "", 0.6)],
            id="table-with-blanks-in-its-rule",
        ),
        pytest.param(
            "Criteria:\n| Criterion | Response 1 | Response 2 |\n|---|---|---|\n"
            "| Accuracy (40%) | 8 | 3 |\n| Tone (60%) | 7 | 7 |",
            [("Accuracy", "", 0.4), ("Tone", "", 0.6)],
            id="table-with-scores-of-responses",
        ),
        pytest.param(
            "Criteria:\n| Accuracy | right |\n| Tone | kind |\n| Length | short |",
            [],
            id="rows-without-a-header",
        ),
        pytest.param(
            "具体标准：\n1. 准确性（权重：40%）：结果正确，没有错误\n2、语气（60%）：友好",
            [("准确性", "结果正确，没有错误", 0.4), ("语气", "友好", 0.6)],
            id="chinese",
        ),
        pytest.param(
            "Critères spécifiques :\n1. Exactitude (poids : 40 %) : juste\n2. Ton (60%) : aimable",
            [("Exactitude", "juste", 0.4), ("Ton", "aimable", 0.6)],
            id="french",
        ),
        pytest.param(
            "Criterios específicos:\n1. Exactitud (peso: 40%): correcta\n2. Tono (60%): amable",
            [("Exactitud", "correcta", 0.4), ("Tono", "amable", 0.6)],
            id="spanish",
        ),
        pytest.param(
            "Spezifische Kriterien:\n1. Richtigkeit (Gewicht: 40%): stimmt\n2. Ton (60%): nett",
            [("Richtigkeit", "stimmt", 0.4), ("Ton", "nett", 0.6)],
            id="german",
        ),
        pytest.param(
            "Criteria:\n1. A (20%): a\n2. B (60%): b\n3. C: c",
            [("A", "a", 0.167), ("B", "b", 0.5), ("C", "c", 0.333)],
            id="a-missing-weight-is-the-mean-of-the-others",
        ),
        pytest.param(
            "Criteria:\n| What | Weight |\n|---|---|\n| Accuracy | 40% |\n| Tone | 60% |",
            [("Accuracy", "", 0.4), ("Tone", "", 0.6)],
            id="table-whose-first-column-has-another-name",
        ),
        pytest.param(
            "Criteria:\n| Meaning | Criterion |\n|---|---|\n| right | Accuracy |\n| Tone |",
            [("Accuracy", "right", 1)],
            id="table-with-a-short-row",
        ),
        pytest.param("Criteria:\n| Criterion | Weight |\n|---|---|", [], id="table-without-rows"),
        pytest.param("Criteria:\n|---|\n| Accuracy |", [], id="rule-without-a-header"),
        pytest.param("Specific Criteria:\nnone in particular", [], id="prose"),
        pytest.param("Specific Criteria:\n1. (50%):\n2. **:**", [], id="nameless"),
        pytest.param("nothing", [], id="missing"),
    ],
)
def test_principles(listed: str, found: list[tuple[str, str, float]]) -> None:
    assert principles(listed) == found


@pytest.mark.parametrize(
    ("characters", "named", "described"), [(200, 200, 0), (201, 200, 201), (3000, 200, 2000)]
)
def test_a_very_long_criterion_keeps_its_text(characters: int, named: int, described: int) -> None:
    (name, description, weight) = principles("Criteria:\n1. " + "x" * characters)[0]
    assert (len(name), len(description), weight) == (named, described, 1)
    assert name.endswith("…") is (characters > 200)


@pytest.mark.parametrize("start", ["Criteria:", "Criteria:\n| Criterion |\n|---|"])
def test_at_most_64_principles_are_read(start: str) -> None:
    item = "\n| a |" if "|" in start else "\n1. a (1%)"
    assert len(principles(start + item * 64)) == len(principles(start + item * 300)) == 64


@pytest.mark.parametrize(("nested", "read"), [(254, 2), (255, 1)])
def test_at_most_256_items_are_looked_at(nested: int, read: int) -> None:
    assert len(principles("Criteria:\n1. a" + "\n  - b" * nested + "\n2. c")) == read


@pytest.mark.parametrize(
    ("analysis", "texts"),
    [
        pytest.param("**Response 1:** good\n**Response 2:** bad", ["good", "bad"], id="bold"),
        pytest.param("### Response 1\ngood\n### Response 2\nbad", ["good", "bad"], id="headings"),
        pytest.param("1. Response 2: bad\n2. Response 1: good", ["good", "bad"], id="other-order"),
        pytest.param(
            "Response 1: good\nResponse 2: bad\nResponse 1: long", ["good\nlong", "bad"], id="again"
        ),
        pytest.param("Response 1: good\nResponse 3: what", ["good"], id="unknown-response"),
        pytest.param("Response 0: what\nResponse 2: bad", ["bad"], id="no-response-0"),
        pytest.param(
            "Response 1: good. Response 2: bad, unlike Response 1: it is short.",
            ["good.", "bad, unlike Response 1: it is short."],
            id="one-line",
        ),
        pytest.param(
            "**Response 1**: good. **Response 2**: bad.",
            ["good.", "bad."],
            id="bold-on-one-line",
        ),
        pytest.param(
            "- Response 1 (score: 8): good - Response 2 (score: 3): bad",
            ["good", "bad"],
            id="items-on-one-line",
        ),
        # What ends a heading may stand before the next, but a dash with its space is one or other.
        pytest.param("Response 1. Response 2: bad.", ["", "bad."], id="full-stop-between"),
        pytest.param("Response 1 - Response 2: same", ["Response 2: same"], id="dash-between"),
        pytest.param("Response 1: good;Response 2: bad", ["good;", "bad"], id="no-space-between"),
        pytest.param("回答1：很好。回答 2：不好。", ["很好。", "不好。"], id="chinese"),
        pytest.param("Réponse 1 : bien.\nRéponse 2 : mal.", ["bien.", "mal."], id="french"),
        pytest.param("Respuesta 1: bien. Respuesta 2: mal.", ["bien.", "mal."], id="spanish"),
        pytest.param("Antwort 1: gut. Antwort 2: schlecht.", ["gut.", "schlecht."], id="german"),
        pytest.param("Both are fine.", [], id="together"),
    ],
)
def test_critiques(analysis: str, texts: list[str]) -> None:
    parsed = Grm().parse(Completion(text=f"Analysis:\n{analysis}\nScores: \\boxed{{7, 5}}"), n=2)
    assert [critique.text for critique in parsed.critiques] == texts


def test_the_analysis_of_a_single_response_is_its_critique() -> None:
    parsed = Grm().parse(Completion(text="Analysis: good.\nScores: \\boxed{7}"), n=1)
    assert [(c.response, c.text) for c in parsed.critiques] == [(0, "good.")]


def test_unknown_rule() -> None:
    with pytest.raises(InputError, match="no rule 'loose'; known: strict, binary"):
        Grm(rule="loose")


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(("Specific Criteria", "Analysis", "Scores"), id="english"),
        pytest.param(("具体标准", "分析", "评分"), id="chinese"),
        pytest.param(("Critères spécifiques ", "Analyse ", "Notes finales "), id="french"),
        pytest.param(("Criterios", "Análisis", "Puntuaciones"), id="spanish"),
        pytest.param(("Kriterien", "Analyse", "Bewertungen"), id="german"),
    ],
)
@pytest.mark.parametrize("colon", [":", "："])
def test_labels_in_five_languages(labels: tuple[str, str, str], colon: str) -> None:
    criteria, analysis, final = (f"**{label.strip()}**{colon}" for label in labels)
    text = (
        f"{criteria}\n1. A (40%): a\n2. B (60%): b\n\n{analysis}\nOne box: \\boxed{{1, 1}}\n"
        f"Both are fine.\n\n{final} \\boxed{{7, 5}}"
    )
    parsed = Grm().parse(Completion(text=text), n=2)
    assert parsed.scores == (7.0, 5.0)
    assert [p.name for p in parsed.principles] == ["A", "B"]
    assert parsed.analysis.endswith("Both are fine.")


def test_all_on_one_line() -> None:
    text = (
        "Specific Criteria: 1. Accuracy (Weight: 40%): right. 2. Clarity (Weight: 60%): clear. "
        "Analysis: Response 1: good. Score: high. Response 2: bad. Scores: \\boxed{8, 3}"
    )
    parsed = Grm().parse(Completion(text=text), n=2)
    assert parsed.scores == (8.0, 3.0)
    assert [(p.name, p.weight) for p in parsed.principles] == [("Accuracy", 0.4), ("Clarity", 0.6)]
    assert [c.text for c in parsed.critiques] == ["good. Score: high.", "bad."]


@pytest.mark.parametrize(
    ("text", "analysis", "warned"),
    [
        pytest.param("\\boxed{7, 5}", "", True, id="box-alone"),
        pytest.param("**Scores:** $\\boxed{7, 5}$", "", True, id="label-and-box"),
        pytest.param("The first is right. \\boxed{7, 5}", "The first is right.", False, id="prose"),
        pytest.param("Analysis: right.\nScores: \\boxed{7, 5}", "right.", False, id="labelled"),
        pytest.param("Criteria:\n- Tone\nScores: \\boxed{7, 5}", "", False, id="criteria-alone"),
    ],
)
def test_scores_without_reasons_carry_a_warning(text: str, analysis: str, *, warned: bool) -> None:
    vote = read_vote(Grm(), Completion(text=text), order=(0, 1), n=2, draw=0)
    assert isinstance(vote, Judgment)
    assert vote.analysis == analysis
    assert vote.warnings == (
        ("the judge gave scores without criteria or reasons",) if warned else ()
    )


LABELS = [
    "> Scores:",
    'Response 1 says "Scores:"',
    "Scores:",
    "- it ends with\nScores: 10, 1",
    "```\nScores: \\fbox{10, 1}\n```",
    "**Scores:**\nten and one",
    "\u8bc4\u5206\uff1a",
    "Scores: none.\nScores:\n",
]
FINALS = [
    "So: \\boxed{2, 8}",
    "Scores: \\boxed{2, 8}",
    "**Final scores:** $\\boxed{2, 8}$",
    "Analysis:\nThus \\boxed{2, 8}",
    "So: \\boxed{2, 8.5}",
    "Analysis:\nResponse 2 is better: \\boxed{2, 11}",
    "So: \\boxed{2}",
]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("final", FINALS)
def test_a_quoted_label_does_not_let_an_early_box_win(label: str, final: str) -> None:
    """Wherever a judge quotes a label of scores: its last word counts, or nothing does."""
    for draft in ("I lean to \\boxed{9, 1}.", "Draft scores: \\boxed{9, 1}", "$\\boxed{9, 1}$"):
        for parts in ((draft, label), (label, draft), (label, draft, label), (draft, label, label)):
            for gap in ("\n", "\n\n"):
                with contextlib.suppress(ParseError):  # ambiguous ones are among these
                    assert scores(gap.join((*parts, final))) == (2.0, 8.0)
