"""Prompts of a model's makers, read from their own files and never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from deemster.errors import InputError
from deemster.prompts import OfficialPrompt, PromptTemplate, View, digest_of
from deemster.schemas import Scale, as_query, as_responses

SLOTS = {"question": "conversation", "a": "responses[0]", "b": "responses[1]"}
VIEW = View(
    query=as_query("q {{ 1 }}?"),
    responses=as_responses(["first {question}", "second"]),
    scale=Scale(low=1, high=10),
)
PYTHON = '''
import nothing_that_exists
raise SystemExit("never run")
SYSTEM = ("Judge {fairly}. " "Answer in {{braces}}, {% raw %} or {# none #}.")
USER: str = "Q: {question}\\n" + "A: {a}\\nB: {b} as JSON {{\\"x\\": 1}}"
TABLE = {"user": "T {question} {a} {b}"}
class Maker:
    def __init__(self):
        prompt = """
  {question} {a} {b}
""".strip()
MADE = f"{USER}"
'''


def published(**parts: str) -> OfficialPrompt:
    return OfficialPrompt("somebody/judge, eval/prompts.py", parts, SLOTS)


def texts(template: PromptTemplate) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in VIEW.render(template)]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.py"
    path.write_text(PYTHON)
    return path


def test_constants_of_a_python_file(python: Path) -> None:
    template = published(system="SYSTEM", user="USER").read(python)
    assert texts(template) == [
        ("system", "Judge {fairly}. Answer in {{braces}}, {% raw %} or {# none #}."),
        ("user", 'Q: q {{ 1 }}?\nA: first {question}\nB: second as JSON {"x": 1}'),
    ]
    assert template.provenance.startswith("official prompt of somebody/judge, eval/prompts.py, not")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("TABLE.user", "T q {{ 1 }}? first {question} second", id="mapping"),
        pytest.param(
            "Maker.__init__.prompt", "q {{ 1 }}? first {question} second", id="in a method"
        ),
    ],
)
def test_nested_names(name: str, text: str, python: Path) -> None:
    assert texts(published(user=name).read(python)) == [("user", text)]


@pytest.mark.parametrize(
    ("suffix", "content", "name"),
    [
        ("yaml", "judge:\n  pair: |\n    {question} | {a} | {b}\n", "judge.pair"),
        ("json", '{"pair": "{question} | {a} | {b}"}', "pair"),
        ("txt", "{question} | {a} | {b}", ""),
    ],
)
def test_other_files(suffix: str, content: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"prompt.{suffix}"
    path.write_text(content)
    assert texts(published(user=name).read(path)) == [
        ("user", "q {{ 1 }}? | first {question} | second")
    ]


def test_a_template_of_ones_own_making(tmp_path: Path) -> None:
    path = tmp_path / "official.j2"
    path.write_text("{{ conversation }}: {{ responses | join(' ') }}")
    assert texts(published(user="USER").read(path))[0][1] == "q {{ 1 }}?: first {question} second"


def test_messages_that_the_makers_code_puts_together(python: Path) -> None:
    prompt = OfficialPrompt(
        "x/y.py", {"system": "SYSTEM"}, {}, {"user": "{{ quote(conversation) }} {{ responses }}"}
    )
    assert texts(prompt.read(python))[1][1].startswith('"q {{ 1 }}?" [')


def test_the_known_text_is_told_from_another(python: Path) -> None:
    digest = digest_of(published(user="USER").read(python))
    known = OfficialPrompt("x/y.py", {"user": "USER"}, SLOTS, digest=digest)
    assert known.read(python).provenance == "official prompt of x/y.py, as known"
    python.write_text(PYTHON.replace("Q: ", "Question: "))
    assert "but not the text known" in known.read(python).provenance


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("NONE", PYTHON, "has no text 'NONE'; it has: SYSTEM, USER", id="no text"),
        pytest.param("MADE", PYTHON, "has no text 'MADE'", id="computed"),
        pytest.param("X", "X = '{question} {a} {b} {more}'", "placeholder {more}", id="slot"),
        pytest.param("X", "X = '{question} {a} {b} {'", "not a format string", id="format"),
        pytest.param("X", "X = (", "cannot read official prompt", id="syntax"),
        pytest.param("X", "X = '{question}'", "does not use the slot 'responses'", id="blind"),
    ],
)
def test_what_cannot_be_read(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.py"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        published(user=name).read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read official prompt"):
        published(user="X").read(tmp_path / "none.py")
