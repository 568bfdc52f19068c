from __future__ import annotations

import time
from pathlib import Path

import pytest

from deemster.errors import InputError
from deemster.prompts import PromptTemplate, builtin_template

BASE = "{{ conversation }} {{ responses }} "
SLOTS: dict[str, object] = {
    "conversation": "c" * 1000,
    "responses": ["a", "b"],
    "n": 2,
    "reference": None,
    "principles": [],
}

HOSTILE = [
    "{% for i in range(10**9) %}x{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in conversation %}{% for b in conversation %}{% endfor %}{% endfor %}",
    "{% for r in responses recursive %}{{ loop(responses) }}{% endfor %}",
    "{{ range(10**8) | list | length }}",
    "{{ 'a' * 10**10 }}",
    "{{ [1] * 9999 }}",
    "{{ 10**10**10 }}",
    "{{ 2**99 }}",
    "{{ '%09999999999d' % 1 }}",
    "{{ '{:>999999999}'.format('a') }}",
    "{{ 'a'.center(10**9) }}",
    "{{ 'a' | center(10**9) }}",
    "{{ conversation.replace('c', conversation) }}",
    "{{ conversation | replace('c', conversation) | replace('c', conversation) }}",
    "{% set a = conversation %}" + "{% set a = a ~ a %}" * 40,
    "{% set a = conversation %}" + "{% set a = a + a %}" * 40,
    "{% for i in range(90000) %}{{ conversation ~ conversation ~ conversation }}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% set a %}{{ conversation }}{% endset %}{{ a }}",
    "{% filter upper %}x{% endfilter %}",
    "{% call x() %}{% endcall %}",
    "{% include 'grm.j2' %}",
    "{% import 'grm.j2' as g %}",
    "{% from 'grm.j2' import g %}",
    "{% extends 'grm.j2' %}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ 'a'.__init__.__globals__ }}",
    "{{ responses.append('c') }}",
    "{{ cycler }}",
    "{{ nope }}",
    "{{ 1 / 0 }}",
    "{{ responses[7] }}",
    "{{ responses['a'] }}",
    "{{ fence(1, 2, 3) }}",
    "{{ -'a' }}",
    "{{ n.",
    "{% for %}",
]


@pytest.mark.parametrize("source", HOSTILE)
def test_hostile_templates_are_input_errors_at_once(source: str) -> None:
    start = time.perf_counter()
    with pytest.raises(InputError, match=r"template 'mine'") as caught:
        PromptTemplate(BASE + source, "mine").render(SLOTS, fence=lambda text, _label: str(text))
    assert time.perf_counter() - start < 30  # gross: machines are shared
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ n + 1 }} {{ 7 // 2 }} {{ 2 ** 3 }} {{ 'a' + 'b' }}", "3 3 8 ab"),
        ("{{ responses | join('/') }} {{ 'x' ~ n ~ 'y' }}", "a/b x2y"),
        ("{% for r in responses %}{{ loop.index }}{{ r | upper }} {% endfor %}", "1A 2B"),
        ("{{ 'a_b' | replace('_', ' ') }} {{ 'A b'.lower() }}", "a b a b"),
        ("{% if reference is not none %}r{% else %}none{% endif %}", "none"),
        ("{% for i in range(n) if i %}{{ i }}{% else %}none{% endfor %}", "1"),
        ("{% set k = n * 2 %}{{ k }}", "4"),
    ],
)
def test_what_templates_may_do(source: str, text: str) -> None:
    template = PromptTemplate(source, "mine", required=())
    assert [message.text for message in template.render(SLOTS)] == [text]


def test_values_are_never_template_source() -> None:
    template = PromptTemplate("{{ conversation }}|{{ responses[0] }}", "mine")
    slots = {"conversation": "{{ 7 * 7 }}{% x %}", "responses": ["{# gone? #}"]}
    assert template.render(slots)[0].text == "{{ 7 * 7 }}{% x %}|{# gone? #}"


def test_blocks_become_messages() -> None:
    source = (
        "{% block system %} You judge. {% endblock %}{% block user %}" + BASE + "{% endblock %}"
    )
    messages = PromptTemplate(source, "mine").render(SLOTS)
    assert [message.role for message in messages] == ["system", "user"]
    assert messages[0].text == "You judge."


def test_an_empty_system_block_is_left_out() -> None:
    source = "{% block system %}{% endblock %}{% block user %}" + BASE + "{% endblock %}"
    assert [message.role for message in PromptTemplate(source, "mine").render(SLOTS)] == ["user"]


@pytest.mark.parametrize(
    "blocks", ["{% block other %}{% endblock %}", "{% block system %}{% endblock %}"]
)
def test_unknown_blocks(blocks: str) -> None:
    with pytest.raises(InputError, match="allowed: none, 'user', 'system' and 'user', each also"):
        PromptTemplate(BASE + blocks, "mine")


@pytest.mark.parametrize(
    ("source", "slot"), [("{{ conversation }}", "responses"), ("{{ responses }}", "conversation")]
)
def test_missing_slot(source: str, slot: str) -> None:
    with pytest.raises(InputError, match=f"does not use the slot '{slot}'; it needs: "):
        PromptTemplate(source, "mine")


def test_slots_and_hash() -> None:
    template = PromptTemplate(BASE + "{{ fence(n, 'x') }}", "mine")
    assert template.slots == {"conversation", "responses", "n", "fence"}
    assert len(template.hash) == 12
    assert template.hash != PromptTemplate(BASE, "mine").hash


def test_load(tmp_path: Path) -> None:
    path = tmp_path / "mine.j2"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"template .* is not UTF-8"):
        PromptTemplate.load(path)
    path.write_text("only {{ n }}")
    assert PromptTemplate.load(path, required=("n",)).render({"n": 3})[0].text == "only 3"
    with pytest.raises(InputError, match="does not use the slot"):
        PromptTemplate.load(path)


def test_builtin_templates_are_read_once() -> None:
    assert builtin_template("grm") is builtin_template("grm")
