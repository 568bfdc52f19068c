from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deemster.backends import FakeBackend
from deemster.dialects import DIALECTS, Dialect, Parsed, open_dialect, to_caller_order
from deemster.dialects.base import number, probability, tail
from deemster.dialects.boxed import read_boxed
from deemster.dialects.parts import join_parts
from deemster.dialects.vote import read_vote
from deemster.errors import InputError, ParseError
from deemster.judges import Judge
from deemster.prompts import OfficialPrompt, View
from deemster.schemas import (
    Completion,
    Critique,
    Failure,
    Judgment,
    Principle,
    Scale,
    as_query,
    as_responses,
)


def test_names() -> None:
    assert DIALECTS.names() == sorted(
        [
            *("alpaca-eval", "arena-hard", "auto-j", "grm", "json", "judgelrm", "llmbar"),
            *("score-json", "two-scores"),
            *("llmbar-rating", "mt-bench-pair", "mt-bench-single", "nano", "pairwise", "smol"),
            *("pairwise-tokenprob", "prometheus", "realmistake"),
            *("deepseek-grm", "rewardanything", "rm-r1", "rm-r1-distilled", "j1", "j1-scores"),
            *("nemotron-genrm", "nemotron-genrm-json", "nemotron-principle"),
            *("think-rm", "think-rm-scale", "br-rm"),
            *("selene", "flow-judge", "glider", "compass-judger", "con-j", "rise"),
            *("skywork-critic", "r3", "rubric-rm", "pandalm", "judgelm", "critic-json"),
        ]
    )


@pytest.mark.parametrize("name", DIALECTS.names())
def test_name_rules_and_template(name: str) -> None:
    dialect = open_dialect(name)
    assert (dialect.name, dialect.spec, dialect.rule) == (name, name, "strict")
    for rule in dialect.rules[1:]:
        spec = f"{name}:{rule}"
        assert open_dialect(spec).spec == spec
    needed = {"responses"} if dialect.template.by_role else {"conversation", "responses"}
    assert needed <= dialect.template.slots


def test_unknown_dialect_and_rule() -> None:
    with pytest.raises(InputError, match="unknown dialect 'klingon'; known: alpaca-eval, arena"):
        open_dialect("klingon")
    with pytest.raises(InputError, match="dialect 'json' has no rule 'x'; known: strict"):
        open_dialect("json:x")


VIEW = View(
    query=as_query("q?"),
    responses=as_responses(["first", "second"]),
    scale=Scale(low=1, high=10),
)


def test_a_users_template(tmp_path: Path) -> None:
    path = tmp_path / "mine.j2"
    path.write_text("{{ conversation }} | {{ responses | join(' / ') }} | {{ reference or '-' }}")
    dialect = open_dialect("grm", template=path)
    assert [message.text for message in dialect.render(VIEW)] == ["q? | first / second | -"]
    assert dialect.render(replace(VIEW, reference="42"))[0].text.endswith("| 42")


def test_a_template_without_a_needed_slot(tmp_path: Path) -> None:
    path = tmp_path / "blind.j2"
    path.write_text("Judge this: {{ conversation }}")
    with pytest.raises(InputError, match="does not use the slot 'responses'"):
        open_dialect("grm", template=path)
    with pytest.raises(InputError, match="cannot read template"):
        open_dialect("grm", template=tmp_path / "missing.j2")


@pytest.mark.parametrize(
    ("slot", "view"),
    [
        ("reference", replace(VIEW, reference="42")),
        ("findings", replace(VIEW, findings="it fails")),
        ("principles", replace(VIEW, principles=(Principle(name="Tone"),))),
    ],
    ids=["reference", "findings", "principles"],
)
def test_nothing_is_left_out_silently(slot: str, view: View, tmp_path: Path) -> None:
    path = tmp_path / "short.j2"
    path.write_text("{{ conversation }} {{ responses }}")
    with pytest.raises(InputError, match=f"does not use the slot '{slot}', but there is something"):
        open_dialect("grm", template=path).render(view)


def test_to_caller_order() -> None:
    parsed = Parsed(
        (7.0, 5.0),
        (Principle(name="Tone"),),
        (Critique(response=0, text="c"), Critique(response=1, text="a")),
        "together",
    )
    mapped = to_caller_order(parsed, (2, 0), 4)
    assert mapped.scores == (5.0, None, 7.0, None)
    assert [(c.response, c.text) for c in mapped.critiques] == [(0, "a"), (2, "c")]
    assert (mapped.principles, mapped.analysis) == (parsed.principles, "together")


def test_number() -> None:
    scale = Scale(low=0, high=1, integer=False)
    assert number(" 0.5 ", scale) == 0.5
    with pytest.raises(ParseError, match="'half' is not a number"):
        number("half", scale)
    with pytest.raises(ParseError, match="is of 1"):  # of a scale that ends at 1, a share
        number("1/1", scale)
    assert number("7/10", Scale(low=1, high=10)) == 7


def test_how_many_responses_a_dialect_judges() -> None:
    open_dialect("mt-bench-pair").check_n(2)
    with pytest.raises(InputError, match="judges 2 responses at once, got 3; more are ranked"):
        open_dialect("mt-bench-pair").check_n(3)
    with pytest.raises(InputError, match=r"judges 2 to many responses at once, got 1$"):
        open_dialect("pairwise").check_n(1)


def test_responses_judged_one_at_a_time_keep_what_was_said_of_each() -> None:
    parts = [
        Completion(text=f"{said}. Rating: [[{score}]]") for said, score in (("a", 7), ("b", 2))
    ]
    parsed = open_dialect("mt-bench-single").read(join_parts(parts), n=2)
    assert list(parsed.scores) == [7, 2]
    assert [critique.text[0] for critique in parsed.critiques] == ["a", "b"]


def test_tail() -> None:
    assert tail("short") == "'short'"
    assert tail("a" * 100, 3) == "'aaa'"


def test_read_boxed() -> None:
    scale = Scale(low=0, high=100)
    assert read_boxed(Completion(text=r"p is \boxed{(40)}"), n=1, scale=scale) == (40,)
    with pytest.raises(ParseError, match="no boxed scores"):
        read_boxed(Completion(text="p"), n=1, scale=scale)


def test_read_vote() -> None:
    vote = read_vote(
        open_dialect("grm"),
        Completion(text=r"Scores: \boxed{7, 5}"),
        order=(1, 0),
        n=2,
        draw=3,
        seed=9,
        judge="j",
    )
    assert isinstance(vote, Judgment)
    assert (vote.scores, vote.order, vote.draw, vote.seed) == ((5, 7), (1, 0), 3, 9)


@pytest.mark.parametrize(
    ("text", "status"),
    [("nothing", "parse_error"), (r"\boxed{7, 5} \boxed{5, 7}", "ambiguous")],
)
def test_read_vote_keeps_failures(text: str, status: str) -> None:
    completion = Completion(text=text, finish="length")
    vote = read_vote(open_dialect("grm"), completion, order=(0, 1), n=2, draw=0)
    assert isinstance(vote, Failure)
    assert (vote.status, vote.raw) == (status, text)
    assert "cut at max_tokens" in vote.message


@pytest.mark.parametrize(
    ("text", "warnings", "message"),
    [
        ("", ("the filter ate it", "try another"), "the filter ate it"),
        ("", (), "no boxed scores in text ending ''"),
        ("so", ("slow",), "no boxed scores in text ending 'so'"),
    ],
)
def test_why_there_is_no_text_is_why_there_is_no_verdict(
    text: str, warnings: tuple[str, ...], message: str
) -> None:
    completion = Completion(text=text, warnings=warnings)
    vote = read_vote(open_dialect("grm"), completion, order=(0, 1), n=2, draw=0)
    assert isinstance(vote, Failure)
    assert vote.message == message


def test_probability() -> None:
    assert probability(math.log(0.25)) == pytest.approx(0.25)
    assert probability(0.0009) == 1
    for wrong in (0.001, 0.5, math.nan):
        with pytest.raises(ParseError, match="is not a log-probability"):
            probability(wrong)


@dataclass(frozen=True)
class Generous(Dialect):
    """Somebody's dialect that scores everything 11 out of 10."""

    name = "generous"
    scale = Scale(low=1, high=10)

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        return Parsed((11.0,) * n)


def test_a_third_partys_impossible_scores_are_a_failure() -> None:
    dialect = Generous()
    vote = read_vote(dialect, Completion(text="x"), order=(0,), n=1, draw=0)
    assert isinstance(vote, Failure)
    assert vote.status == "parse_error"
    assert "off the scale" in vote.message
    assert dialect.json_schema(1) is None


OFFICIAL = [
    (name if rule == "strict" else f"{name}:{rule}", published)
    for name in DIALECTS.names()
    for rule, published in DIALECTS.get(name).officials.items()
]


def python_file(published: OfficialPrompt) -> str:
    """A file like the makers': each text at its name, with all of their placeholders."""
    text = " | ".join(f"{{{name}}}" for name in published.slots) or "Words."
    lines = []
    for block, name in published.parts.items():
        *outer, last = name.split(".")
        for depth, part in enumerate(outer):
            lines.append(f"{'    ' * depth}{'class' if depth == 0 else 'def'} {part}():")
        said = text if block == "user" else "Words."
        lines.append(f"{'    ' * len(outer)}{last} = {said!r}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("spec", "published"),
    [one for one in OFFICIAL if one[1].file.endswith(".py")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_makers_file_is_read(spec: str, published: OfficialPrompt, tmp_path: Path) -> None:
    path = tmp_path / published.file
    path.write_text(python_file(published))
    dialect = open_dialect(spec, official=True, template=path)
    n = (
        1
        if spec.endswith(":points")
        else max(dialect.min_responses, min(2, dialect.max_responses or 2))
    )
    view = replace(VIEW, responses=VIEW.responses[:n])
    said = "\n".join(message.text for message in dialect.render(view))
    assert all(text in said for text in ("q?", "first", "second")[: n + 1])
    assert published.origin in dialect.template.provenance
    assert published.digest is None or re.fullmatch("[0-9a-f]{12}", published.digest)
    assert open_dialect(spec, official=True, model_folder=tmp_path).template == dialect.template


def test_the_makers_file_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs its makers' file: fetch YzjiaoNvd/BR-RM"):
        open_dialect("br-rm", official=True, model_folder=tmp_path)
    with pytest.raises(InputError, match="'grm' knows no file with its makers' prompt"):
        open_dialect("grm", official=True)
    assert open_dialect("nemotron-genrm-json", official=True).template.provenance == ""


async def test_the_makers_file_lies_beside_a_local_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (published,) = DIALECTS.get("br-rm").officials.values()
    (tmp_path / published.file).write_text(python_file(published))
    for turn in range(2):
        judge = Judge(FakeBackend("x", name=f"hf:{tmp_path}"), dialect="br-rm", prompt="official")
        said = f"deemster: {judge.dialect.template.provenance}\n"
        assert capsys.readouterr().err == ("" if turn else said), "said once, by every road"
    assert judge.dialect.template.provenance.startswith("official prompt of YzjiaoNvd/BR-RM")
    with pytest.raises(InputError, match="prompt 'theirs'; allowed: own, official"):
        Judge(FakeBackend("x"), prompt="theirs")  # type: ignore[arg-type]
