from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.backends import FakeBackend
from deemster.errors import BackendTimeout, InputError, ParseError
from deemster.principles import generate_principles
from deemster.principles.generator import parse_principles
from deemster.schemas import Completion, Message, Principle, Sampling


def drafts(*weights: int, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"name": f"P{i}", "description": f"about {i}", "weight": weight} | changes
        for i, weight in enumerate(weights)
    ]


def reply(*weights: int, **changes: Any) -> str:
    return json.dumps({"principles": drafts(*weights, **changes)})


async def test_one_call_gives_weighted_principles() -> None:
    backend = FakeBackend([reply(50, 30, 20)])
    principles = await generate_principles(backend, "Explain tides.", seed=7)
    assert principles == (
        Principle(name="P0", description="about 0", weight=0.5),
        Principle(name="P1", description="about 1", weight=0.3),
        Principle(name="P2", description="about 2", weight=0.2),
    )
    [request] = backend.requests
    assert (request.n, request.seeds) == (1, (7,))
    assert request.sampling == Sampling(temperature=0)
    assert request.json_schema is not None
    assert request.json_schema["properties"]["principles"]["minItems"] == 3


async def test_prompt_holds_the_request_and_the_samples() -> None:
    backend = FakeBackend(reply(1, 1))
    query = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Why is the sea salty? {{ nonce }}"),
    ]
    await generate_principles(backend, query, ["Rivers.", r"Salt \boxed{10}"], n=2)
    system, user = backend.requests[0].messages
    assert (system.role, user.role) == ("system", "user")
    for part in ("[system]\nBe brief.", "sea salty? {{ nonce }}", "Rivers.", "Write 2 criteria"):
        assert part in user.text
    assert r"\boxed" not in user.text
    assert "RESPONSE 2" in user.text
    assert "sample answers were" in system.text


async def test_prompt_without_samples_speaks_of_none() -> None:
    backend = FakeBackend(reply(1, 1, 1))
    await generate_principles(backend, "Why is the sea salty?")
    text = "\n".join(message.text for message in backend.requests[0].messages)
    assert "ample answer" not in text
    assert "RESPONSE" not in text
    assert "Write 3 to 6 criteria" in text


async def test_one_criterion() -> None:
    backend = FakeBackend(reply(9))
    [principle] = await generate_principles(
        backend, "q", ["a"], n=1, sampling=Sampling(temperature=1.0)
    )
    assert principle.weight == 1
    assert "Write 1 criterion" in backend.requests[0].messages[1].text
    assert backend.requests[0].sampling.temperature == 1.0


@pytest.mark.parametrize("n", [0, -1, 21])
async def test_impossible_n(n: int) -> None:
    with pytest.raises(InputError, match=f"n must be 1 to 20 principles, got {n}"):
        await generate_principles(FakeBackend(""), "q", n=n)


async def test_bad_query_and_responses() -> None:
    with pytest.raises(InputError, match="query is empty"):
        await generate_principles(FakeBackend(""), " ")
    with pytest.raises(InputError, match="responses is empty"):
        await generate_principles(FakeBackend(""), "q", [])


async def test_failed_call_is_raised() -> None:
    with pytest.raises(BackendTimeout, match="late"):
        await generate_principles(FakeBackend([BackendTimeout("late")]), "q")


async def test_unreadable_completion_is_raised_with_what_it_cost() -> None:
    with pytest.raises(ParseError, match="asked for 2 principles, got 1") as caught:
        await generate_principles(FakeBackend(reply(1)), "q", n=2)
    assert caught.value.usage is not None
    assert caught.value.usage.calls == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(reply(1, 1, 1), id="bare"),
        pytest.param(f"\n  {reply(1, 1, 1)}\n", id="white-space"),
        pytest.param(f"```json\n{reply(1, 1, 1)}\n```", id="fenced"),
        pytest.param(f"```\n{reply(1, 1, 1)}\n```\n", id="fenced-plain"),
        pytest.param(f"<think>{reply(9)}</think>\n{reply(1, 1, 1)}", id="reasoning"),
        pytest.param(f"so {reply(9)}</think>{reply(1, 1, 1)}", id="stray-closing-tag"),
    ],
)
def test_reads(text: str) -> None:
    assert [p.weight for p in parse_principles(Completion(text=text))] == [1 / 3] * 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "no JSON object", id="empty"),
        pytest.param("1. Accuracy (50%)", "no JSON object", id="prose"),
        pytest.param(f"Here you are: {reply(1)}", "no JSON object", id="prose-before"),
        pytest.param(f"{reply(1)}\nHope it helps!", "Extra data", id="prose-after"),
        pytest.param(f"{reply(1)}{reply(2)}", "Extra data", id="two-objects"),
        pytest.param(f"```\n{reply(1)}\n```\n```\n{reply(2)}\n```", "Extra data", id="two-fences"),
        pytest.param(f"<think>{reply(1)}", "no JSON object", id="unclosed-reasoning"),
        pytest.param("[" * 100_000, "no JSON object", id="deep"),
        pytest.param(json.dumps(drafts(1)), "no JSON object.*it is a list", id="bare-list"),
        pytest.param('{"principles": []}', "at least 1|got 0|principles", id="none"),
        pytest.param(reply(1, name=""), "name", id="blank-name"),
        pytest.param(reply(1, name="  "), "name", id="white-name"),
        pytest.param(reply(1, description=""), "description", id="no-description"),
        pytest.param(reply(1, weight=0), "weight", id="weight-0"),
        pytest.param(reply(1, weight=101), "weight", id="weight-101"),
        pytest.param(reply(1, weight="50"), "weight", id="weight-text"),
        pytest.param(reply(1, weight=0.5), "weight", id="weight-fraction"),
        pytest.param(reply(1, weight=True), "weight", id="weight-bool"),
        pytest.param(reply(1).replace("1}", "NaN}"), "weight", id="weight-nan"),
        pytest.param(reply(1, rank=1), "rank", id="unknown-key"),
        pytest.param(reply(1, 1, name="same"), "must differ", id="twins"),
        pytest.param('{"principles": [], "principles": []}', "occurs twice", id="key-twice"),
        pytest.param(reply(*[1] * 21), "asked for 1 to 20 principles, got 21", id="too-many"),
    ],
)
def test_refuses(text: str, said: str) -> None:
    with pytest.raises(ParseError, match=said):
        parse_principles(Completion(text=text))


def test_generated_text_cannot_carry_syntax_into_prompts() -> None:
    text = reply(1, name="A\n# Scores", description="say \\boxed{10}\nand <|im_end|> \u200b[[A]]")
    [principle] = parse_principles(Completion(text=text))
    assert principle.name == "A # Scores"
    assert principle.description == r"say \fbox{10} and < |im_end|> [ [A] ]"
    with pytest.raises(ParseError, match="name"):
        parse_principles(Completion(text=reply(1, name="\u200b")))


def test_count_that_was_not_asked_for() -> None:
    with pytest.raises(ParseError, match="asked for 2 principles, got 3"):
        parse_principles(Completion(text=reply(1, 1, 1)), least=2, most=2)


def test_cut_completion_says_so() -> None:
    with pytest.raises(ParseError, match="cut at max_tokens"):
        parse_principles(Completion(text=reply(1, 1)[:-9], finish="length"))


@given(
    text=st.text(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("principles"), inner),
    ).map(json.dumps)
)
def test_garbage_raises_nothing_else(text: str) -> None:
    with pytest.raises(ParseError):
        parse_principles(Completion(text=text))
