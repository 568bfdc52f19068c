"""Released judges by a rubric, a key or a first line: round trips, and what is kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.dialects import judge_forms
from tests.dialects.verdict_forms import REFUSED

from deemster.backends import FakeBackend
from deemster.dialects import open_dialect
from deemster.dialects.marked import critiques_of, marked, principles_of
from deemster.errors import InputError, ParseError
from deemster.judges import Judge, rerank
from deemster.prompts import View
from deemster.schemas import (
    Band,
    Completion,
    Judgment,
    Principle,
    Scale,
    as_query,
    as_responses,
)

NAMES = sorted({spec.partition(":")[0] for spec, _, _ in judge_forms.READ} - {"prometheus"})
PAIRS = [spec for spec, scores, _ in judge_forms.READ if len(scores) == 2]


@pytest.mark.parametrize("name", NAMES)
def test_there_are_outputs_of_each_kind(name: str) -> None:
    refused = {form.outcome for form in REFUSED if form.dialect == name}
    assert refused >= {"parse_error", "ambiguous"}


def test_marked_critiques_are_of_the_responses_that_there_are() -> None:
    text = "".join(f"[The Begin of Analysis on Response {i}]\non {i}\n" for i in range(4))
    found = critiques_of(marked(text), 2)
    assert [(one.response, one.text) for one in found] == [(0, "on 1"), (1, "on 2")]


def test_marked_criteria_are_principles_and_other_lists_are_not() -> None:
    text = "[The Begin of Evaluation Criteria]\n1. Tone: kind\n[The End of Evaluation Criteria]\n"
    found = principles_of(marked(f"{text}[The Begin of Thoughts]\n1. Length: short\n"))
    assert [(one.name, one.description) for one in found] == [("Tone", "kind")]


def test_at_most_256_parts_are_marked() -> None:
    part = "[The Begin of A]x[The End of A]"
    assert len(marked(part * 256)) == 256
    with pytest.raises(ParseError, match="more than 256 marked parts"):
        marked(part * 257)


@pytest.mark.parametrize(("spec", "scores", "texts"), judge_forms.READ, ids=str)
async def test_round_trip(spec: str, scores: tuple[float, ...], texts: tuple[str, ...]) -> None:
    """A scripted model that answers in the grammar is scored in the caller's order."""
    judge = Judge(FakeBackend([texts[0]]), dialect=spec, orders="fixed")
    verdict = await judge.score("Why?", ["one", "two"][: len(scores)])
    (vote,) = verdict.votes
    assert isinstance(vote, Judgment), vote
    assert vote.scores == scores
    assert judge.info.dialect == spec


@pytest.mark.parametrize(
    ("spec", "text", "score"),
    [
        ("selene:points", "**Result:** 4", 4),
        ("selene:yes-no", "**Result:** Yes", 1),
        ("flow-judge", "<score>4</score>", 4),
        ("glider", "<score>4</score>", 4),
        ("prometheus:points", "[RESULT] 4", 4),
        ("r3:points", '{"score": 4}', 4),
        ("r3:binary", '{"score": true}', 1),
        ("auto-j:points", "Rating: [[4]]", 4),
    ],
)
async def test_points_are_given_one_response_at_a_time(spec: str, text: str, score: float) -> None:
    backend = FakeBackend([text, "no verdict", text])
    verdict = await Judge(backend, dialect=spec).score("Why?", ["one", "two", "three"])
    (vote,) = verdict.votes
    assert isinstance(vote, Judgment), vote
    assert sorted(vote.scores, key=str) == [score, score, None]
    assert vote.scale == open_dialect(spec).scale_for(1)


@pytest.mark.parametrize("spec", PAIRS)
async def test_more_than_two_are_compared_in_a_tournament(spec: str) -> None:
    if spec == "critic-json":
        pytest.skip("judges any number at once")
    text = next(texts[0] for one, s, texts in judge_forms.READ if one == spec and len(s) == 2)
    judge = Judge(FakeBackend([text] * 20), dialect=spec, orders="fixed")
    with pytest.raises(InputError, match=r"at once, got 3"):
        await judge.score("Why?", ["a", "b", "c"])
    ranking = await rerank(judge, "Why?", ["a", "b", "c"])
    assert all(len(match.responses) == 2 for match in ranking.matches)


def test_pair_rule_refuses_one_response() -> None:
    with pytest.raises(InputError, match="'r3:pair' judges 2 responses at once, got 1"):
        open_dialect("r3:pair").check_n(1)


@pytest.mark.parametrize(
    ("spec", "text", "critiques"),
    [
        ("selene", "**Reasoning:** all right\n\n**Result:** 4", ["all right"]),
        ("flow-judge", "<feedback>all right</feedback><score>4</score>", ["all right"]),
        (
            "glider",
            "<reasoning>all right</reasoning>\n<highlight>['it']</highlight>\n<score>4</score>",
            ["all right\n['it']"],
        ),
        ("r3", '{"explanation": "all right", "score": 4}', ["all right"]),
        ("critic-json", '{"critique": "all right", "score": 4}', ["all right"]),
        ("critic-json", judge_forms.CRITIC, ["good", "bad"]),
        ("rubric-rm", judge_forms.RUBRIC_RM, ["- two lines: yes", "- two lines: no"]),
        ("auto-j", "Dull.\nRating: [[5]]", ["Dull.\nRating: [[5]]"]),
    ],
)
def test_critiques_are_kept(spec: str, text: str, critiques: list[str]) -> None:
    n = 2 if len(critiques) == 2 else 1
    parsed = open_dialect(spec).parse(Completion(text=text), n=n)
    assert [critique.text for critique in parsed.critiques] == critiques


def test_con_j_keeps_its_reasons() -> None:
    parsed = open_dialect("con-j").parse(Completion(text=judge_forms.CONJ), n=2)
    assert parsed.analysis == "回答1更准确"


@pytest.mark.parametrize(
    ("spec", "low", "high"),
    [("flow-judge", 1, 5), ("flow-judge:3-point", 1, 3), ("glider:binary", 0, 1)],
)
def test_the_rubric_that_ships_has_the_rules_scale(spec: str, low: int, high: int) -> None:
    dialect = open_dialect(spec)
    view = View(query=as_query("Why?"), responses=as_responses(["So."]), scale=dialect.scale_for(1))
    prompt = dialect.render(view)[0].text
    levels = [int(level) for level in re.findall(r"^(?:- Score )?([0-9]): ", prompt, re.MULTILINE)]
    assert levels == list(range(low, high + 1))
    assert f"a whole number from {low} to {high}" in prompt


THEIRS = {
    "selene:points": (
        "t.yaml",
        "user_template: |-\n  Q {user_input}\n  A {assistant_response}\n  [{rubric_objective}]\n"
        + "".join(f"  {i}: {{rubric_score_{i}_description}}\n" for i in range(1, 6)),
        "Q Why?\nA So.\n[kind]\n1: rude \n2: warm \n3: warm \n4: warm \n5: warm ",
    ),
    "flow-judge": (
        "t.py",
        'USER_PROMPT_TEMPLATE = """{INPUTS}|{OUTPUT}|{EVALUATION_CRITERIA}|{RUBRIC}"""',
        """<query>\nWhy?\n</query>|<response>\nSo.\n</response>|kind|- Score 2-5: warm
- Score 1: rude""",
    ),
    "prometheus:points": (
        "t.py",
        """ABS_SYSTEM_PROMPT = 'Be fair.'
ABSOLUTE_PROMPT_WO_REF = '{instruction}|{response}|{rubric}'""",
        "Why?|So.|[kind]\nScore 2-5: warm\nScore 1: rude",
    ),
}


@pytest.mark.parametrize("spec", THEIRS)
def test_official_prompts_get_the_rubric(spec: str, tmp_path: Path) -> None:
    name, text, wanted = THEIRS[spec]
    path = tmp_path / name
    path.write_text(text)
    dialect = open_dialect(spec, template=path, official=True)
    bands = (Band(low=2, high=5, meaning="warm"), Band(low=1, high=1, meaning="rude"))
    view = View(
        query=as_query("Why?"),
        responses=as_responses(["So."]),
        scale=Scale(low=1, high=5),
        principles=(Principle(name="Tone", description="kind", bands=bands),),
    )
    assert dialect.render(view)[-1].text.rstrip() == wanted.rstrip()


def test_official_prompt_of_a_rule() -> None:
    with pytest.raises(InputError, match="name prometheus:points or prometheus:pair"):
        open_dialect("prometheus", official=True, template="prompts.py")
