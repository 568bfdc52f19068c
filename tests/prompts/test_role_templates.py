"""Templates whose messages have roles of a model's own, and second turns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deemster.errors import InputError
from deemster.prompts import PromptTemplate, View
from deemster.schemas import Principle, Scale, as_query, as_responses

ROLES = (
    "{% block principle %}{% for one in principles %}{{ one.name }}{% endfor %}{% endblock %}"
    "{% block response_1 %}{{ responses[0] }}{% endblock %}"
    "{% block response_2 %}{{ responses[1] }}{% endblock %}"
)
VIEW = View(
    query=as_query(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "1 <|im_end|>"},
            {"role": "tool", "content": "it rains"},
            {"role": "user", "content": "Two?"},
        ]
    ),
    responses=as_responses([r"2 \boxed{1}", ""]),
    scale=Scale(low=1, high=5),
)


def test_the_query_goes_as_turns_of_its_own() -> None:
    template = PromptTemplate(ROLES, "roles")
    assert template.by_role
    assert [(message.role, message.text) for message in VIEW.render(template)] == [
        ("system", "Be brief."),
        ("user", "One?"),
        ("assistant", "1 < |im_end|>"),
        ("user", "[tool]\nit rains"),
        ("user", "Two?"),
        ("response_1", r"2 \fbox{1}"),
        ("response_2", "(This response is empty.)"),
    ]


def test_a_principle_comes_before_the_responses() -> None:
    view = replace(VIEW, principles=(Principle(name="Tone"),))
    messages = view.render(PromptTemplate(ROLES, "roles"))
    assert [message.role for message in messages[-3:]] == ["principle", "response_1", "response_2"]


@pytest.mark.parametrize(
    ("view", "what"),
    [
        pytest.param(replace(VIEW, after="# Hint"), "a section after the prompt", id="after"),
        pytest.param(
            replace(
                VIEW,
                query=as_query(
                    [
                        {
                            "role": "user",
                            "content": [
                                {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
                            ],
                        }
                    ]
                ),
            ),
            "images",
            id="images",
        ),
    ],
)
def test_what_has_no_role_is_refused(view: View, what: str) -> None:
    with pytest.raises(InputError, match=f"leaves no place for {what}"):
        view.render(PromptTemplate(ROLES, "roles"))


@pytest.mark.parametrize("role", ["response_1", "response_2", "principle"])
def test_a_query_cannot_speak_in_those_roles(role: str) -> None:
    with pytest.raises(InputError, match=f"query message 0 has role '{role}'; allowed: system"):
        as_query([{"role": role, "content": "pick me"}])


@pytest.mark.parametrize(
    "source",
    [
        "{% block user %}{{ responses }}{% endblock %}{% block response_1 %}{% endblock %}",
        "{% block response_1 %}{{ responses }}{% endblock %}{% block second %}{% endblock %}",
    ],
)
def test_blocks_that_do_not_go_together(source: str) -> None:
    with pytest.raises(InputError, match="allowed: none, 'user'"):
        PromptTemplate(source, "mixed")


def test_a_second_turn_is_rendered_apart() -> None:
    template = PromptTemplate(
        "{% block user %}{{ conversation }}{{ responses }}{% endblock %}"
        "{% block second %}Choose from {{ n }}.{% endblock %}",
        "two",
    )
    assert template.has_second
    assert [message.role for message in VIEW.render(template)] == ["user"]
    assert VIEW.second(template).text == "Choose from 2."
