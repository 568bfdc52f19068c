"""`deemster judges`, `--judge`, and the docs page made from the same specs."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from tests.support.command_line import deemster, one_line

from deemster.judges.registry import JUDGES

ROOT = Path(__file__).parents[2]
YES = "fake:Scores: \\boxed{8, 2}"


def test_all_types_are_listed_with_their_fields() -> None:
    done = deemster("judges", "list")
    assert done.returncode == 0
    schemas = json.loads(deemster("judges", "list", "--json").stdout)
    assert list(schemas) == JUDGES.names()
    for name in JUDGES.names():
        assert f"{name}: " in done.stdout
        for field in schemas[name]["properties"]:
            assert field == "type" or field in done.stdout


def test_the_docs_page_is_current() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "judge_types.py"))["page"]()
    assert (ROOT / "docs" / "judge-types.md").read_text("utf-8") == made


SUITE = f"""name: s
data: {{samples: [{{query: q, responses: [a, b]}}]}}
judges:
  - {{name: one, model: '{YES}', orders: fixed}}
  - name: both
    members: [one, {{name: two, model: 'fake:Scores: \\boxed{{1, 9}}', orders: fixed}}]
    weights: {{one: 3, two: 1}}
"""


def test_any_judge_of_a_suite_scores(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE, encoding="utf-8")
    done = deemster("score", "--judge", f"{path}#both", "-q", "q", "-r", "a", "-r", "b", "--json")
    verdict = json.loads(done.stdout)
    assert verdict["best"] == 0
    assert [vote["judge"] for vote in verdict["votes"]] == ["one", "two"]


def test_a_judge_may_be_written_on_the_command_line() -> None:
    text = "{type: verifier, checks: [{check: matches, pattern: 'yes'}]}"
    done = deemster("score", "--judge", text, "-q", "q", "-r", "no", "-r", "yes", "--json")
    assert json.loads(done.stdout)["rewards"] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("--judge", "{type: nosuch}"), "unknown judge type 'nosuch'", id="type"),
        pytest.param(("--judge", "{model: 'fake:x', kk: 3}"), "--judge: kk", id="field"),
        pytest.param(("--judge", "{model: ["), "--judge:1: not YAML", id="yaml"),
        pytest.param(("--judge", "{}"), "--judge: model", id="empty"),
        pytest.param(("--judge", "{type: panel, members: [x, y]}"), "unknown member 'x'", id="m"),
        pytest.param(("--judge", "/none.yaml#a"), "cannot read suite", id="no-file"),
        pytest.param(("--judge", "{model: 'fake:x'}", "-k", "3"), "--k 3 does not go with", id="k"),
        pytest.param(
            ("--judge", "{model: 'fake:x'}", "--meta-rm", "nano"), "--meta-rm 'nano'", id="meta"
        ),
    ],
)
def test_bad_judges_are_one_line(arguments: tuple[str, ...], message: str) -> None:
    assert message in one_line(deemster("score", "-q", "q", "-r", "a", *arguments))


def test_a_name_that_the_suite_lacks_lists_those_it_has(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE, encoding="utf-8")
    for text in (str(path), f"{path}#three"):
        said = one_line(deemster("score", "--judge", text, "-q", "q", "-r", "a"))
        assert "with one of: one, both" in said
