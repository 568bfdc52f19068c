"""Every form of a verdict that docs/dialects.md says is read or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.dialects.verdict_forms import READ, REFUSED, Form, as_tables, identify

from deemster.dialects import DIALECTS, open_dialect
from deemster.dialects.vote import read_vote
from deemster.schemas import Completion, Judgment, Vote

DOCS = Path(__file__).parents[2] / "docs" / "dialects.md"


def vote(form: Form) -> Vote:
    dialect = open_dialect(form.dialect)
    completion = Completion(text=form.text)
    return read_vote(dialect, completion, order=range(form.n), n=form.n, draw=0)


@pytest.mark.parametrize("form", READ, ids=identify)
def test_read(form: Form) -> None:
    got = vote(form)
    assert isinstance(got, Judgment), got
    assert got.scores == form.outcome


@pytest.mark.parametrize("form", REFUSED, ids=identify)
def test_refused(form: Form) -> None:
    got = vote(form)
    assert not isinstance(got, Judgment)
    assert got.status == form.outcome


@pytest.mark.parametrize(
    "reasoning", ["<think>\n{}\n</think>\n\n", "{}\n</think>\n", "[think]{}[/think]"]
)
@pytest.mark.parametrize("form", READ, ids=identify)
def test_read_after_reasoning_that_holds_another(form: Form, reasoning: str) -> None:
    others = [other.text for other in READ if other.dialect == form.dialect] + ["[[B]] \\boxed{1}"]
    for draft in others[-2:]:
        got = vote(Form(form.dialect, reasoning.replace("{}", draft) + form.text, "", form.n))
        assert isinstance(got, Judgment), got
        assert got.scores == form.outcome


def test_every_dialect_has_forms_of_both_kinds() -> None:
    # `nano` and `smol` read as `grm` does, `pairwise-tokenprob` needs log-probabilities.
    ours = set(DIALECTS.names()) - {"nano", "smol", "pairwise-tokenprob"}
    for forms in (READ, REFUSED):
        assert {form.dialect.partition(":")[0] for form in forms} == ours


@pytest.mark.parametrize(("forms", "last"), [(READ, "scores"), (REFUSED, "why not")])
def test_the_page_has_these_rows(forms: list[Form], last: str) -> None:
    rows = DOCS.read_text(encoding="utf-8").splitlines()
    table = as_tables(forms, last)
    start = rows.index(table[0])
    assert rows[start : start + len(table)] == table
