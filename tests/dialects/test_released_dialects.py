"""Released judges: what real models write around the verdict, what is kept of it, round trips."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.dialects.verdict_forms import READ, REFUSED

from deemster.backends import FakeBackend, Request
from deemster.dialects import Parsed, open_dialect
from deemster.dialects.nemotron_principle import NO_PROBABILITY
from deemster.dialects.parts import has_parts
from deemster.dialects.reward_anything import BAD_RANKING
from deemster.dialects.vote import read_vote
from deemster.errors import AmbiguousError, InputError, ParseError
from deemster.judges import Judge, rerank
from deemster.schemas import Completion, Failure, Judgment, TokenLogprob

NAMES = (
    *("deepseek-grm", "rewardanything", "nemotron-genrm", "nemotron-genrm-json"),
    *("nemotron-principle", "rm-r1", "rm-r1-distilled", "j1", "j1-scores", "think-rm"),
    *("think-rm-scale", "br-rm"),
)


def read(spec: str, text: str, *, n: int = 2) -> Parsed:
    return open_dialect(spec).parse(Completion(text=text), n=n)


@pytest.mark.parametrize("name", NAMES)
def test_there_are_outputs_of_each_kind(name: str) -> None:
    refused = {form.outcome for form in REFUSED if form.dialect == name}
    assert any(form.dialect == name for form in READ)
    assert refused >= {"parse_error", "ambiguous"}


RM_R1 = """<type>Chat</type>

<rubric>
1. Helpfulness (50%): answers what was asked
2. Accuracy (30%): facts are right
3. Tone (20%): fits the client
<justify>The client asks for advice, so 100% of it must help.</justify>
</rubric>

<eval>
<quote_A>Buy \\boxed{2}</quote_A> is exact; <summary_B>B is vague</summary_B>.
</eval>

<answer>[[A]]</answer>"""


def test_rm_r1_keeps_the_rubric_with_its_weights() -> None:
    parsed = read("rm-r1", RM_R1)
    assert list(parsed.scores) == [1, 0]
    assert [(one.name, round(one.weight, 2)) for one in parsed.principles] == [
        ("Helpfulness", 0.5),
        ("Accuracy", 0.3),
        ("Tone", 0.2),
    ]
    assert parsed.principles[0].description == "answers what was asked"
    assert "<justify>The client asks" in parsed.analysis
    assert "<quote_A>" in parsed.analysis
    assert "<answer>" not in parsed.analysis


def test_rm_r1_solves_a_reasoning_task_without_a_rubric() -> None:
    text = "<type>Reasoning</type>\n<solution>\\boxed{4}</solution>\n<eval>B errs</eval>\n"
    parsed = read("rm-r1", f"<think>[[B]] at first</think>{text}<answer>[[A]]</answer>")
    assert (parsed.scores, parsed.principles) == ((1, 0), ())
    assert parsed.analysis.endswith("<eval>B errs</eval>")


@pytest.mark.parametrize(
    ("rubric", "names"),
    [
        pytest.param("<rubric>1. Tone (60%): x</rubric>", ["Tone"], id="plain"),
        pytest.param("<RUBRIC>1. Tone: x<justify>2. no", [], id="not closed"),
        pytest.param("<rubric>1. Tone<justify>2. no</rubric>", ["Tone"], id="open reasons"),
        pytest.param(
            "<rubric><justify>why</justify>1. Tone</rubric>", ["Tone"], id="reasons first"
        ),
        pytest.param("no rubric", [], id="none"),
        pytest.param("<rubric>" * 30_000, [], id="many"),
        pytest.param("<rubric>" + "<justify>" * 30_000 + "</rubric>", [], id="many reasons"),
    ],
)
def test_forms_of_a_rubric(rubric: str, names: list[str]) -> None:
    parsed = read("rm-r1", f"{rubric}<answer>[[A]]</answer>")
    assert [one.name for one in parsed.principles] == names


NEMOTRON = r"""[The Begin of other criteria and weights]
1. Safety (weight: 40%): nothing harmful
2. Depth (weight: 60%): as deep as needed
[The End of other criteria and weights]

[The Begin of Analysis on Response 1]
It is right, \boxed{42}.
[The End of Analysis on Response 1]

[The Begin of Analysis on Response 2]
It is wrong.
[The End of Analysis on Response 2]

[The Begin of Individual Scores]
\boxed{4, 2}  (in order)
[The End of Individual Scores]

[The Begin of Ranking Score]
\boxed{1}
[The End of Ranking Score]"""


@pytest.mark.parametrize(
    ("spec", "scores"), [("nemotron-genrm", (4, 2)), ("nemotron-genrm:ranking", (1, 0))]
)
def test_nemotron_keeps_criteria_and_critiques(spec: str, scores: tuple[float, ...]) -> None:
    parsed = read(spec, NEMOTRON)
    assert parsed.scores == scores
    assert [(one.name, one.weight) for one in parsed.principles] == [
        ("Safety", 0.4),
        ("Depth", 0.6),
    ]
    assert [(one.response, one.text) for one in parsed.critiques] == [
        (0, r"It is right, \boxed{42}."),
        (1, "It is wrong."),
    ]


@pytest.mark.parametrize("cut", range(0, len(NEMOTRON), 7))
def test_a_cut_nemotron_completion_gives_the_same_scores_or_none(cut: int) -> None:
    try:
        assert read("nemotron-genrm", NEMOTRON[:cut]).scores == (4, 2)
    except AmbiguousError:
        raise
    except ParseError:
        pass


@pytest.mark.parametrize("ranking", range(1, 7))
def test_the_ranking_tells_equal_scores_apart(ranking: int) -> None:
    text = json.dumps({"score_1": 3, "score_2": 3, "ranking": ranking})
    assert read("nemotron-genrm-json", text).scores == (3, 3)
    first, second = read("nemotron-genrm-json:ranking", text).scores
    assert first is not None
    assert second is not None
    assert math.isclose(first + second, 1)
    assert math.isclose(first, (6 - ranking) / 5)


def test_a_single_response_needs_no_ranking() -> None:
    assert read(
        "nemotron-genrm:ranking", "[The Begin of Individual Scores]\n\\boxed{3}", n=1
    ).scores == (3,)


BR_RM_TURNS = (
    (
        "<think>\\boxed{2} [The Begin of Ranking Score]</think>[Quality Assessment Focus]\n"
        "Logical Reasoning, Information Accuracy\n[End of Quality Assessment Focus]\n\n"
        "[Quality Analysis for Response 1]\n- Critical Issues: None identified\n"
        "[End of Quality Analysis for Response 1]\n\n"
        "[Quality Analysis for Response 2]\n- Critical Issues: 2+2 is not 5\n"
        "[End of Quality Analysis for Response 2]"
    ),
    (
        "[The Begin of Analysis on Response 1]\nRight.\n[The End of Analysis on Response 1]\n\n"
        "[The Begin of Ranking Score]\n\\boxed{1}\n[The End of Ranking Score]"
    ),
)


async def test_br_rm_judges_in_two_turns_and_keeps_both() -> None:
    backend = FakeBackend(list(BR_RM_TURNS))
    verdict = await Judge(backend, dialect="br-rm", orders="fixed").score("2+2?", ["4", "5"])
    first, second = backend.requests
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    assert second.messages[0] == first.messages[0]
    assert second.messages[1].text.startswith("[Quality Assessment Focus]")
    (vote,) = verdict.votes
    assert isinstance(vote, Judgment)
    assert list(vote.scores) == [1, 0]
    assert [one.name for one in vote.principles] == ["Logical Reasoning", "Information Accuracy"]
    assert [one.text for one in vote.critiques] == [
        "- Critical Issues: None identified\n\nRight.",
        "- Critical Issues: 2+2 is not 5",
    ]
    assert has_parts(vote.raw)
    again = read_vote(open_dialect("br-rm"), Completion(text=vote.raw), order=(0, 1), n=2, draw=0)
    assert isinstance(again, Judgment)
    assert (again.scores, again.critiques) == (vote.scores, vote.critiques)


def test_a_verdict_in_the_first_turn_is_a_draft() -> None:
    first = BR_RM_TURNS[1].replace("{1}", "{2}")
    text = f"[The Begin of Part 1]\n{first}\n[The Begin of Part 2]\n{BR_RM_TURNS[1]}"
    assert read("br-rm", text).scores == (1, 0)


ONE_LINE = (
    "Specific Criteria: 1. Accuracy (weight: 60%): right. 2. Clarity (weight: 40%): clear. "
    r"Analysis: Response 1: right, but long. Response 2: wrong. Scores: \boxed{8, 3}"
)


def test_deepseek_grm_on_one_line() -> None:
    parsed = read("deepseek-grm", ONE_LINE)
    assert list(parsed.scores) == [8, 3]
    assert [(one.name, one.weight) for one in parsed.principles] == [
        ("Accuracy", 0.6),
        ("Clarity", 0.4),
    ]
    assert [one.text for one in parsed.critiques] == ["right, but long.", "wrong."]


@pytest.mark.parametrize(
    ("ranking", "analysis", "warnings"),
    [
        pytest.param(["model-2", "model-1"], "best to worst: model-2, model-1", (), id="tie"),
        pytest.param(["model-1"], "", (BAD_RANKING,), id="one missing"),
        pytest.param("model-1", "", (BAD_RANKING,), id="no list"),
        pytest.param([1, 2], "", (BAD_RANKING,), id="numbers"),
    ],
)
def test_rewardanything_keeps_the_ranking(
    ranking: object, analysis: str, warnings: tuple[str, ...]
) -> None:
    text = json.dumps({"scores": {"model-1": 3, "model-2": 3}, "best-to-worst": ranking})
    parsed = read("rewardanything", f"<think>hm</think>\n{text}")
    assert (parsed.scores, parsed.analysis, parsed.warnings) == ((3, 3), analysis, warnings)


def tokens(*pieces: tuple[str, float] | tuple[str, float, dict[str, float]]) -> Completion:
    made = [
        TokenLogprob(token=piece[0], logprob=piece[1], top=tuple(dict(*piece[2:]).items()))
        for piece in pieces
    ]
    return Completion(text="".join(piece[0] for piece in pieces), logprobs=tuple(made))


@pytest.mark.parametrize(
    ("word", "share"),
    [
        pytest.param((" Yes", math.log(0.6), {" No": math.log(0.2)}), 0.75, id="yes"),
        pytest.param((" No", math.log(0.6), {" Yes": math.log(0.2)}), 0.25, id="no"),
        pytest.param((" Yes", math.log(0.6), {}), 1.0, id="no alternative"),
        pytest.param(
            (" Yes", math.log(0.3), {"yes": math.log(0.3), "No": math.log(0.2)}), 0.75, id="spelt"
        ),
    ],
)  # fmt: skip
def test_nemotron_principle_is_the_probability_of_yes(
    word: tuple[str, float, dict[str, float]], share: float
) -> None:
    completion = tokens(
        ("<think>Final Judgement: No</think>", -0.1), ("Final Judgement:", -0.1), word, ("", -1.0)
    )
    parsed = open_dialect("nemotron-principle").parse(completion, n=1)
    assert parsed.scores[0] == pytest.approx(share)
    assert parsed.warnings == ()


def test_nemotron_principle_without_probabilities() -> None:
    parsed = read("nemotron-principle", "Final Judgement: No", n=1)
    assert (parsed.scores, parsed.warnings) == ((0,), (NO_PROBABILITY,))


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        pytest.param([("Other text", -0.1)], "belong to another text", id="another text"),
        pytest.param([("Final Judgement: Yes", -math.inf)], "neither Yes nor No", id="impossible"),
    ],
)
def test_probabilities_that_are_of_no_use(pieces: list[tuple[str, float]], message: str) -> None:
    completion = tokens(*pieces).model_copy(update={"text": "Final Judgement: Yes"})
    with pytest.raises(ParseError, match=message):
        open_dialect("nemotron-principle").parse(completion, n=1)


@dataclass
class Scripted:
    """A model that answers in a dialect: it likes the response that says "four" best."""

    write: Callable[[list[bool]], str]
    first_turn: str = ""

    def __call__(self, request: Request, _draw: int) -> str:
        if self.first_turn and len(request.messages) == 1:
            return self.first_turn
        roles = [message for message in request.messages if message.role.startswith("response_")]
        said = [m for m in request.messages if m.role == "assistant"]
        if roles:
            shown = [message.text for message in roles]
        elif said and not self.first_turn:
            shown = [said[0].text]
        else:
            prompt = request.messages[0 if self.first_turn else -1].text
            shown = re.findall(r"it is (?:four|five|six)", prompt)
        return self.write(["four" in text for text in shown])


def _pair(good: str, bad: str) -> Callable[[list[bool]], str]:
    return lambda right: good if right[0] else bad


def _nemotron(right: list[bool]) -> str:
    scores = ", ".join("5" if one else "2" for one in right)
    ranking = "" if len(right) == 1 else 1 if right[0] else 6
    return (
        f"[The Begin of Individual Scores]\n\\boxed{{{scores}}}\n[The End of Individual Scores]\n"
        f"[The Begin of Ranking Score]\n\\boxed{{{ranking}}}\n[The End of Ranking Score]"
    )


def _j1_scores(right: list[bool]) -> str:
    names = [""] if len(right) == 1 else ["_A", "_B"]
    return "<think>hm</think>" + " ".join(
        f"<score{name}>{9.5 if one else 3}</score{name}>"
        for name, one in zip(names, right, strict=True)
    )


SCRIPTS: dict[str, Scripted] = {
    "deepseek-grm": Scripted(
        lambda right: rf"Scores: \boxed{{{', '.join('9' if one else '2' for one in right)}}}"
    ),
    "rewardanything": Scripted(
        lambda right: "<think>hm</think>"
        + json.dumps({"scores": {f"model-{i}": 5 if one else 2 for i, one in enumerate(right, 1)}})
    ),
    "nemotron-genrm": Scripted(_nemotron),
    "nemotron-genrm:ranking": Scripted(_nemotron),
    "nemotron-genrm-json": Scripted(
        _pair(
            '{"score_1": 5, "score_2": 2, "ranking": 1}',
            '{"score_1": 2, "score_2": 5, "ranking": 6}',
        )
    ),
    "nemotron-principle": Scripted(_pair("Final Judgement: Yes", "Final Judgement: No")),
    "rm-r1": Scripted(_pair(RM_R1, RM_R1.replace("[[A]]", "[[B]]"))),
    "rm-r1-distilled": Scripted(_pair("<answer>[[A]]</answer>", "<answer>[[B]]</answer>")),
    "j1": Scripted(_pair("<answer>[[A]]</answer>", "<answer>[[B]]</answer>")),
    "j1-scores": Scripted(_j1_scores),
    "think-rm": Scripted(_pair("<answer>A</answer>", "<answer>B</answer>")),
    "think-rm-scale": Scripted(_pair("<answer>-2</answer>", "<answer>2</answer>")),
    "br-rm": Scripted(
        _pair(BR_RM_TURNS[1], BR_RM_TURNS[1].replace("{1}", "{2}")), first_turn=BR_RM_TURNS[0]
    ),
}  # fmt: skip


@pytest.mark.parametrize("spec", SCRIPTS)
@pytest.mark.parametrize("right", [0, 1])
async def test_round_trip(spec: str, right: int) -> None:
    """The best is found in both orders, wherever it stands."""
    responses = ["it is five", "it is five or more"]
    responses[right] = "it is four"
    judge = Judge(FakeBackend(SCRIPTS[spec]), dialect=spec, k=2)
    verdict = await judge.score("What is 2+2?", responses)
    assert verdict.best == right
    assert verdict.n_valid == 2
    orders = {vote.order for vote in verdict.votes}
    assert orders == ({(0, 1)} if spec == "nemotron-principle" else {(0, 1), (1, 0)})


@pytest.mark.parametrize("spec", SCRIPTS)
async def test_more_than_two_responses(spec: str) -> None:
    """All at once, one by one, or by a tournament."""
    responses = ["it is five", "it is six", "it is four"]
    judge = Judge(FakeBackend(SCRIPTS[spec]), dialect=spec, k=2)
    if judge.max_responses is None:
        assert (await judge.score("What is 2+2?", responses)).best == 2
        return
    with pytest.raises(InputError, match="responses at once, got 3"):
        await judge.score("What is 2+2?", responses)
    assert (await rerank(judge, "What is 2+2?", responses)).best == 2


async def test_a_refusal_and_a_cut_completion_are_told_apart() -> None:
    for text, finish, status in (
        ("I'm sorry, but I can't help with rating this.", "stop", "refused"),
        ("<type>Chat</type>", "length", "parse_error"),
    ):
        completion = Completion.model_validate({"text": text, "finish": finish})
        vote = read_vote(open_dialect("rm-r1"), completion, order=(0, 1), n=2, draw=0)
        assert isinstance(vote, Failure)
        assert vote.status == status
