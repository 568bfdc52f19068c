from __future__ import annotations

import pytest

from deemster.dialects import open_dialect, strip_reasoning
from deemster.dialects.reasoning import says_verdict
from deemster.dialects.vote import read_vote
from deemster.prompts import defuse
from deemster.prompts.reasoning_tags import REASONING_TAGS
from deemster.schemas import Completion, Judgment

BLOCKS = {
    "think": ("<think>", "</think>"),
    "thinking": ("<thinking>", "</thinking>"),
    "thought": ("<thought>", "</thought>"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "seed:think": ("<seed:think>", "</seed:think>"),
    "mm:think": ("<mm:think>", "</mm:think>"),
    "longcat_think": ("<longcat_think>", "</longcat_think>"),
    "[think]": ("[THINK]", "[/THINK]"),
    "◁think▷": ("◁think▷", "◁/think▷"),
    "cohere": ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    "gemma": ("<|channel>thought\n", "<channel|>"),
    "medgemma": ("<unused94>thought\n", "<unused95>"),
    "kimi-k3": ("<|open|>think<|sep|>", "<|close|>think<|sep|><|open|>response<|sep|>"),
    "sky-t1": (
        "<|begin_of_thought|>",
        "<|end_of_thought|>\n\n<|begin_of_solution|>",
    ),
    "harmony": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "details": (
        '<details type="reasoning" done="true" duration="3">\n<summary>Thought</summary>\n> ',
        "\n</details>",
    ),
}
DRAFT = "Scores: \\boxed{1, 9}"
ANSWER = (
    "Specific Criteria:\n1. Accuracy (weight: 100%): right\n\n"
    "Analysis:\n- Response 1: good\n- Response 2: bad\n\nScores: \\boxed{8, 3}"
)


def test_every_kind_of_tag_is_tried() -> None:
    assert set(BLOCKS) == {tags.name for tags in REASONING_TAGS}
    assert all(tags.models for tags in REASONING_TAGS)


def judged(text: str) -> Judgment:
    vote = read_vote(open_dialect("grm"), Completion(text=text), order=(0, 1), n=2, draw=0)
    assert isinstance(vote, Judgment), vote
    return vote


def whole(text: str) -> Judgment:
    """The judgment, of which nothing but the reasoning may be lost."""
    judgment = judged(text)
    assert judgment.scores == (8.0, 3.0)
    assert [principle.name for principle in judgment.principles] == ["Accuracy"]
    assert len(judgment.critiques) == 2
    return judgment


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("case", [str, str.lower, str.upper], ids=["as-is", "lower", "upper"])
def test_blocks(name: str, case: type[str]) -> None:
    opening, closing = BLOCKS[name]
    # What frames the answer after the reasoning is a control token, which has one case.
    first, frame, rest = closing.partition("<|START_RESPONSE|>")
    opening, first = case(opening), case(first)
    if name in {"kimi-k3", "sky-t1", "harmony"}:
        opening, first = BLOCKS[name]
    block = opening + DRAFT + first + frame + rest
    assert strip_reasoning(block + ANSWER).strip() == ANSWER
    whole(f"{block}\n\n{ANSWER}<|im_end|>")
    whole(f"\n{block}{ANSWER}\n")
    assert strip_reasoning(opening + DRAFT) == ""
    if name != "details":  # closes any HTML element of this name
        whole(f"{DRAFT} so.\n{first}{frame}{rest}\n\n{ANSWER}")


@pytest.mark.parametrize("name", BLOCKS)
def test_prompts_respell_them(name: str) -> None:
    opening, closing = BLOCKS[name]
    for tag in (opening, closing, opening.upper(), closing.upper()):
        seen = defuse(f"x {tag} {DRAFT}")
        assert strip_reasoning(f"{seen}\n{ANSWER}").endswith(ANSWER)
        assert strip_reasoning(f"{ANSWER}\n{seen}").startswith(ANSWER)
        assert strip_reasoning(seen).startswith("x ")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("analysisHm. \\boxed{1, 9}.assistantfinal" + ANSWER, id="harmony-spoken"),
        pytest.param(
            "<|channel|>final <|constrain|>json<|message|>" + ANSWER, id="harmony-final-alone"
        ),
        pytest.param(
            "Here is my thought process: \\boxed{1, 9} Here is my response: " + ANSWER, id="granite"
        ),
        pytest.param(f"Well.\n<think>{DRAFT}</think>\n{ANSWER}", id="not-quite-at-the-start"),
        pytest.param(f"<think>a</think>\n<think>{DRAFT}</think>{ANSWER}", id="two-blocks"),
        pytest.param(f"<think>the `</think>` tag. {DRAFT}</think>{ANSWER}", id="quoted-inside"),
        pytest.param(f"<think>a\n</think>\nmore\n</think>\n{ANSWER}", id="bare-inside"),
        pytest.param(f"<think>a [/THINK] {DRAFT}</think>{ANSWER}", id="another-kind-inside"),
        pytest.param(f"{ANSWER}\n<think>{DRAFT}", id="begins-anew-and-never-ends"),
    ],
)
def test_what_is_reasoning(text: str) -> None:
    whole(text)


MENTIONS = (
    "it leaves a </think> tag",
    "it leaves a <think> tag open",
    "it uses `<think>` and `</think>`",
    "it begins with `<think>`",
    'it says "<think>x</think>"',
    "it says “</think>”",
    "it wraps all in <think>…</think> tags",
    "the tags (<think>, </think>) are shown",
    "it shows **</think>**",
    "它使用了<think>标签",
    "它包含「</think>」",
    "it writes a [/THINK] tag, and a </SEED:THINK> one",
    "it ends with </think>.",
    "it prints\n```\n<think>\nx\n</think>\n```",
    "it prints\n```html\n</think>\n```\n",
)


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("I will not say.", False),
        ("", False),
        ("Winner: A", True),
        ("So\n ** Scores", True),
        ("underscores: 3", False),
        ('"score" : 3', True),
        ('"scored" : 3', False),
        ("'综合得分': 6", True),
        ("it contains no error", True),
        ("</answer", False),
    ],
)
def test_verdicts_are_looked_for_loosely(text: str, there: bool) -> None:
    assert says_verdict(text) is there


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param("a</think>b</think>c", "c", id="the-last-counts"),
        pytest.param("a</think>b [1] <b></THINK >c", "c", id="brackets-between"),
        pytest.param("a</think>b</think>see `</think>` c", "see `</think>` c", id="last-quoted"),
        pytest.param("a</think>b (</think>), c", "b (</think>), c", id="last-in-a-sentence"),
        pytest.param("a</think>[[B]]</think>c", "[[B]]</think>c", id="none-after-a-verdict"),
        pytest.param("[[B]]</think>b</think>c", "c", id="a-verdict-in-the-draft"),
        pytest.param("a</think>b<think>c</think>d</think>e", "e", id="after-a-block"),
        pytest.param("a</think>b</details>c</think>d", "d", id="past-an-html-tag"),
        pytest.param("a</think>b</think>c<think>d", "c", id="before-an-open-block"),
        pytest.param('a</think>b "the </think>" c', 'b "the </think>" c', id="last-in-quotes"),
        pytest.param("a ◁ [1] </think>c", "c", id="among-all-that-begins-tags"),
        pytest.param("a    </think> b", "a    </think> b", id="four-spaces-in-a-sentence"),
        pytest.param("a     </think> b", " b", id="five-spaces-are-no-sentence"),
    ],
)
def test_several_closing_tags(text: str, left: str) -> None:
    assert strip_reasoning(text) == left


@pytest.mark.parametrize("mention", MENTIONS)
@pytest.mark.parametrize("before", ["", "<think>hm</think>\n", "hm.\n</think>\n\n"])
def test_a_mention_loses_nothing(mention: str, before: str) -> None:
    judgment = whole(before + ANSWER.replace("good", f"{mention} and more"))
    text = judgment.critiques[0].text
    assert text.startswith(mention[:9])
    assert text.endswith("and more")


@pytest.mark.parametrize("mention", [*MENTIONS, "it ends with\n</think>\n"])
def test_a_mention_after_the_verdict_loses_nothing(mention: str) -> None:
    whole(f"<think>hm</think>\n{ANSWER}\n\nNote that {mention}")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"<think>{DRAFT}", id="unfinished"),
        pytest.param(f"<think>the `</think>` tag. {DRAFT}", id="unfinished-with-a-mention"),
        pytest.param(f"{DRAFT}\n</think>\nI cannot decide.", id="draft-and-no-answer"),
        pytest.param(f"<|channel|>analysis<|message|>{DRAFT}", id="harmony-without-final"),
        pytest.param(f"analysisHm. {DRAFT}", id="harmony-spoken-without-final"),
    ],
)
def test_drafts_are_no_verdicts(text: str) -> None:
    vote = read_vote(open_dialect("grm"), Completion(text=text), order=(0, 1), n=2, draw=0)
    assert not isinstance(vote, Judgment)
    assert vote.status == "parse_error"


def test_a_second_thought_after_the_verdict_is_ambiguous() -> None:
    text = f"{ANSWER}\n<think>{DRAFT}</think>\n"
    vote = read_vote(open_dialect("grm"), Completion(text=text), order=(0, 1), n=2, draw=0)
    assert not isinstance(vote, Judgment)
    assert vote.status == "ambiguous"


@pytest.mark.parametrize(
    "end",
    [
        *("<|im_end|>", "<|eot_id|>", "<|endoftext|>", "</s>", "<end_of_turn>", "<turn|>"),
        *("<|return|>", "<\uff5cend▁of▁sentence\uff5c>", "</response>"),
        "<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
    ],
)
def test_end_tokens_are_dropped(end: str) -> None:
    assert strip_reasoning(f"4{end}\n") == "4"
    # What follows is not the answer, and the answer is not known to have ended.
    assert strip_reasoning(f"4{end}\n5") == f"4{end}\n5"


def test_how_far_away_an_end_token_is_looked_for() -> None:
    assert strip_reasoning(f"4</s>{' ' * 196}") == "4"
    assert strip_reasoning(f"4</s>{' ' * 197}").startswith("4</s>")


REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I cannot assist with this request.",
    "I cannot provide a rating for this content.",
    "I am unable to evaluate these responses.",
    "As an AI language model, I can't judge such texts.",
    "Sorry, I won't compare these.",
    "I must decline this request.",
    "<think>Unsafe.</think>\nI'm not able to rate this.",
    "抱歉，我无法对此进行评价。",
    "对不起，我不能协助完成这个请求。",
    "Je suis désolé, mais je ne peux pas évaluer cela.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Es tut mir leid, aber ich kann dabei nicht helfen.",
)


@pytest.mark.parametrize("dialect", ["grm", "json", "arena-hard", "pairwise"])
@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_in_plain_words_is_refused(dialect: str, text: str) -> None:
    vote = read_vote(open_dialect(dialect), Completion(text=text), order=(0, 1), n=2, draw=0)
    assert not isinstance(vote, Judgment)
    assert vote.status == "refused"
    assert "declined" in vote.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Response 1 says: I'm sorry, but I can't help with that.",
        "I cannot tell which is better.",
        "Sorry, the first one is better.",
        "I cannot provide more. Output (a)",
        "I'm sorry, but I can't help with that. " + "x" * 2000,
    ],
)
def test_other_texts_without_a_verdict_are_not(text: str) -> None:
    vote = read_vote(open_dialect("grm"), Completion(text=text), order=(0, 1), n=2, draw=0)
    assert not isinstance(vote, Judgment)
    assert vote.status == ("parse_error" if text else "empty")


def test_a_refusal_with_a_verdict_is_a_judgment() -> None:
    assert judged("I'm sorry, but I can't help with that.\nScores: \\boxed{8, 3}").scores == (
        8,
        3,
    )


def test_a_verdict_off_the_scale_is_ambiguous_beside_another() -> None:
    text = "Scores: \\boxed{8, 3} \\boxed{8, 30}"
    vote = read_vote(open_dialect("grm"), Completion(text=text), order=(0, 1), n=2, draw=0)
    assert not isinstance(vote, Judgment)
    assert vote.status == "ambiguous"
