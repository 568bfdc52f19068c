from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deemster.errors import InputError
from deemster.schemas import (
    ImagePart,
    Message,
    Sample,
    TextPart,
    as_query,
    as_reference,
    as_response,
    as_responses,
)

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}


def test_strings_are_shorthand() -> None:
    assert as_query("hi") == (Message(role="user", content="hi"),)
    assert as_responses(["a", ""]) == (
        Message(role="assistant", content="a"),
        Message(role="assistant", content=""),
    )


def test_messages_pass() -> None:
    turns: list[Message | dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        Message(role="user", content=(TextPart(text="see"), ImagePart.model_validate(IMAGE))),
    ]
    query = as_query(turns)
    assert as_query(query) == query
    assert query[1].text == "see"
    assert len(query[1].images) == 1
    assert as_response({"content": "a"}) == as_response({"role": "assistant", "content": "a"})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("", "query is empty", id="empty"),
        pytest.param(" \n", "query is empty", id="blank"),
        pytest.param([], "query is empty", id="no-messages"),
        pytest.param([{"role": "user", "content": " "}], "query is empty", id="blank-message"),
        pytest.param(None, "query must be a string or messages, got NoneType", id="none"),
        pytest.param(3, "got int", id="number"),
        pytest.param(b"q", "query must be a string or messages, got bytes", id="bytes"),
        pytest.param(
            {"role": "user", "content": "x"}, "put a single message in a list", id="one-message"
        ),
        pytest.param(["hi"], "query message 0 must be a message with 'role'", id="text-inside"),
        pytest.param([{"content": "x"}], "query message 0: role", id="no-role"),
        pytest.param([{"role": "boss", "content": "x"}], "got 'boss'", id="unknown-role"),
        pytest.param([{"role": "user", "content": 3}], "content", id="number-content"),
        pytest.param([{"role": "user", "contents": "x"}], "contents", id="unknown-field"),
        pytest.param(
            [{"role": "user", "content": [{"type": "audio"}]}], "audio", id="unknown-part"
        ),
        pytest.param(
            [{"role": "user", "content": [{"type": {}, "text": "x"}]}], "content", id="part-type"
        ),
    ],
)
def test_bad_query(query: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        as_query(query)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("responses", "said"),
    [
        pytest.param([], "responses is empty; give 1 or more", id="empty"),
        pytest.param("one", "put a single response in a list", id="bare-text"),
        pytest.param(None, "got NoneType", id="none"),
        pytest.param({"a": "b"}, "got dict", id="mapping"),
        pytest.param(b"one", "put a single response in a list", id="bytes"),
        pytest.param(Message(role="assistant"), "in a list", id="a-message"),
        pytest.param({"a", "b"}, "1 or more in an order, got set", id="set"),
        pytest.param(np.array([["a", "b"]]), "in an order, got ndarray", id="a-table"),
        pytest.param(["a", 3], "response 1 must be a text, a message", id="number-inside"),
        pytest.param(["a", None], "or a list of turns, got NoneType", id="none-inside"),
        pytest.param(["a", b"b"], "or a list of turns, got bytes", id="bytes-inside"),
        pytest.param([{"role": "user", "content": "x"}], "must have role 'assistant'", id="role"),
        pytest.param([{"text": "x"}], "response 0: text", id="unknown-field"),
    ],
)
def test_bad_responses(responses: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        as_responses(responses)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "responses",
    [("a", "b"), iter("ab"), {"a": 1, "b": 2}.keys(), {1: "a", 2: "b"}.values(),
     np.array(["a", "b"])],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
def test_responses_from_whatever_has_an_order(responses: Any) -> None:
    assert [one.text for one in as_responses(responses)] == ["a", "b"]


def test_blank_means_nothing_said() -> None:
    assert Message(role="user").is_blank
    assert Message(role="user", content=(TextPart(text=" "),)).is_blank
    assert not Message(role="user", content=(ImagePart.model_validate(IMAGE),)).is_blank
    call = {"function": {"name": "f"}}
    assert not Message.model_validate({"role": "assistant", "tool_calls": [call]}).is_blank


def test_to_openai() -> None:
    assert Message(role="user", content="x").to_openai() == {"role": "user", "content": "x"}
    parts = Message.model_validate(
        {"role": "user", "content": [{"type": "text", "text": "t"}, IMAGE]}
    )
    assert parts.to_openai()["content"] == [
        {"type": "text", "text": "t"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "auto"}},
    ]
    call = Message.model_validate(
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f"}}]}
    )
    # `type` and `arguments` are defaults here, but the API requires them.
    assert call.to_openai()["tool_calls"] == [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]
    assert Message.model_validate(call.to_openai()) == call


CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"x": 1}'}}
SDK: dict[str, Any] = {"refusal": None, "annotations": [], "audio": None, "function_call": None}


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        pytest.param(
            {"role": "assistant", "content": "a", "tool_calls": None, **SDK},
            {"role": "assistant", "content": "a"},
            id="openai-dump",
        ),
        pytest.param(
            {"role": "assistant", "content": None, "tool_calls": [CALL], **SDK},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            id="content-null",
        ),
        pytest.param(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": None, "function": {"name": "look", "arguments": {"x": 1}}}],
            },
            {"role": "assistant", "tool_calls": [{**CALL, "id": ""}]},
            id="arguments-object",
        ),
        pytest.param(
            {"role": "assistant", "content": None, "function_call": CALL["function"]},
            {"role": "assistant", "tool_calls": [{**CALL, "id": ""}]},
            id="function-call",
        ),
        pytest.param(
            {"role": "assistant", "content": None, **SDK, "refusal": "I cannot"},
            {"role": "assistant", "content": "I cannot"},
            id="refusal",
        ),
        pytest.param(
            {"role": "assistant", "content": None, **SDK, "audio": {"transcript": "hi"}},
            {"role": "assistant", "content": "hi"},
            id="audio",
        ),
        pytest.param(
            {"role": "assistant", "content": "a", "reasoning_content": "hm", "thinking": "hm"},
            {"role": "assistant", "content": "a"},
            id="reasoning",
        ),
        pytest.param(
            {"role": "developer", "content": "Be brief."},
            {"role": "system", "content": "Be brief."},
            id="developer",
        ),
        pytest.param(
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "see"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA"},
                ],
            },
            {"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]},
            id="input-parts",
        ),
        pytest.param(
            {
                "id": "m1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a", "annotations": []}],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
            id="output-parts",
        ),
    ],
)
def test_messages_as_sdks_write_them(given: dict[str, Any], plain: dict[str, Any]) -> None:
    message = Message.model_validate(given)
    assert message == Message.model_validate(plain)
    assert Message.model_validate_json(message.model_dump_json()) == message


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("gold", "gold", id="one"),
        pytest.param(["gold"], "gold", id="list-of-one"),
        pytest.param([], None, id="no-text"),
        pytest.param(
            ["4", "four"],
            "Reference answer 1 of 2:\n4\n\nReference answer 2 of 2:\nfour",
            id="several",
        ),
    ],
)
def test_references(given: Any, shown: str | None) -> None:
    assert as_reference(given) == shown
    assert Sample(query="q", responses=["a"], reference=given).reference == shown


def test_bad_references() -> None:
    with pytest.raises(InputError, match="reference must be a text or a list of texts, got int"):
        as_reference(3)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("set_only", [False, True], ids=["all-fields", "set-fields"])
def test_what_the_openai_sdk_dumps(set_only: bool) -> None:
    chat = pytest.importorskip("openai.types.chat")
    fields = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    made = chat.ChatCompletionMessage.model_validate(fields)
    message = as_response(made.model_dump(exclude_unset=set_only))
    assert message.text == ""
    assert message.tool_calls[0].function.arguments == '{"x": 1}'


def test_what_the_responses_api_dumps() -> None:
    responses = pytest.importorskip("openai.types.responses")
    part = {"type": "output_text", "text": "an answer", "annotations": []}
    made = responses.ResponseOutputMessage.model_validate(
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
    )
    assert as_response(made.model_dump()).text == "an answer"
