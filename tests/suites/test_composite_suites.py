from __future__ import annotations

import json
from pathlib import Path

import pytest

from deemster.errors import InputError
from deemster.judges import Debate, Panel, PanelWeights
from deemster.schemas import Verdict
from deemster.suites.building import build_judges
from deemster.suites.loading import load_suite
from deemster.suites.planning import plan_suite

HEAD = """name: mine
data:
  - samples: [{query: q, responses: [first, second]}]
judges:
  - {name: a, model: 'fake:Scores: \\boxed{9, 1}', orders: fixed}
  - {name: b, model: 'fake:Scores: \\boxed{2, 8}', orders: fixed}
  - {name: c, model: 'fake:Scores: \\boxed{1, 7}', orders: fixed}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def last_verdict(path: Path) -> Verdict:
    suite = load_suite(path)
    judge = build_judges(suite.spec, folder=path.parent).judges[-1]
    (sample,) = suite.samples()
    return judge.score_sync(sample.query, sample.responses)


def test_a_panel_with_settings(tmp_path: Path) -> None:
    weights = PanelWeights(method="logistic", weights={"a": 5.0, "b": 1.0, "c": 1.0}, items=9)
    weights.save(tmp_path / "weights.json")
    path = write(
        tmp_path,
        "  - {name: p, members: [a, b, c], weights: weights.json, scale: rank, deadline: 30, "
        "quorum: 3, min_valid: 2}\n",
    )
    judge = build_judges(load_suite(path).spec, folder=tmp_path).judges[-1]
    assert isinstance(judge, Panel)
    assert (judge.scale, judge.quorum, judge.min_valid) == ("rank", 3, 2)
    assert judge.deadlines == (30.0,) * 3
    verdict = last_verdict(path)
    assert verdict.best == 0
    assert verdict.judgments[0].scores == (1.0, 0.0)


def test_a_debate_with_an_arbiter_and_its_plan(tmp_path: Path) -> None:
    path = write(tmp_path, "  - {name: d, members: [a, b], rounds: 3, arbiter: c}\n")
    judge = build_judges(load_suite(path).spec, folder=tmp_path).judges[-1]
    assert isinstance(judge, Debate)
    verdict = last_verdict(path)
    assert len(verdict.votes) == 7
    assert verdict.best == 1
    plan = plan_suite(load_suite(path))[-1]
    assert (plan.votes, plan.requests, plan.shared) == (7, 5, 2)  # a and b are judges too


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        pytest.param("{name: d, members: [a, b], arbiter: c}", "unknown key .*arbiter", id="a"),
        pytest.param("{name: d, model: 'fake:x', rounds: 2}", "unknown key .*rounds", id="r"),
        pytest.param("{name: d, model: 'fake:x', scale: rank}", "unknown key .*scale", id="s"),
        pytest.param(
            "{name: d, members: [a, b], rounds: 2, quorum: 1}", "unknown key .*quorum", id="q"
        ),
        pytest.param(
            "{name: d, members: [a, b], rounds: 2, arbiter: z}", "unknown member 'z'", id="z"
        ),
        pytest.param(
            "{name: d, members: [a, b], rounds: 2, arbiter: d}", "circle: d > d", id="circle"
        ),
        pytest.param(
            "{name: d, members: [a, b], min_valid: 3}", "from 1 to the 2 members", id="min-valid"
        ),
        pytest.param("{name: d, members: [a, b], weights: {a: -1, b: 1}}", "weights", id="w"),
    ],
)
def test_bad_composites(tmp_path: Path, judge: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_suite(write(tmp_path, f"  - {judge}\n"))
    assert "\n" not in str(caught.value)


def test_missing_weights_name_the_judge(tmp_path: Path) -> None:
    path = write(tmp_path, "  - {name: p, members: [a, b], weights: {a: 1}}\n")
    with pytest.raises(InputError, match="judge 'p': no weight for member 'b'"):
        build_judges(load_suite(path).spec, folder=tmp_path)
    (tmp_path / "w.json").write_text(json.dumps({"weights": 1}), encoding="utf-8")
    path = write(tmp_path, "  - {name: p, members: [a, b], weights: w.json}\n")
    with pytest.raises(InputError, match=r"judge 'p': .*w\.json"):
        build_judges(load_suite(path).spec, folder=tmp_path)


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        pytest.param("{name: x, type: nosuch}", "unknown judge type 'nosuch'; known: cas", id="t"),
        pytest.param("{type: cascade, members: [a, b]}", "one of rule and thresholds", id="rule"),
        pytest.param(
            "{type: cascade, members: [a, b], thresholds: 2}", "less than or equal to 1", id="over"
        ),
        pytest.param("{type: verifier}", "checks is missing", id="no-checks"),
        pytest.param("{type: verifier, checks: [nice]}", "unknown check 'nice'; known: ", id="c"),
        pytest.param(
            "{type: verifier, checks: [{check: matches}]}", "not given: pattern", id="needs"
        ),
        pytest.param(
            "{type: verifier, checks: [{check: is-json, depth: 3}]}",
            "check 'is-json': unknown setting 'depth'; allowed: none",
            id="setting",
        ),
        pytest.param(
            "{type: verifier, checks: [{check: numeric-match, rel_tol: much}]}",
            "check 'numeric-match': rel_tol",
            id="value",
        ),
        pytest.param(
            "{type: panel, members: [a, {type: verifier, checks: [is-json], foo: 1}]}",
            "unknown key 'judges.3.members.1.foo'; allowed: type, name, checks",
            id="inner",
        ),
        pytest.param(
            "{type: panel, members: [a, {type: panel, members: [b, z]}]}",
            "judge 'b\\+z': unknown member 'z'",
            id="inner-member",
        ),
        pytest.param("{name: j, model: nano, tool: z}", "unknown member 'z'", id="tool"),
        pytest.param("7", "a judge is a mapping", id="number"),
    ],
)
def test_bad_judges_of_every_type(tmp_path: Path, judge: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_suite(write(tmp_path, f"  - {judge}\n"))
    assert "\n" not in str(caught.value)
    whole_suite = "unknown member" in message  # found when all judges are known: no line of one
    assert ("suite.yaml" if whole_suite else "suite.yaml:8") in str(caught.value)


def test_a_tool_must_be_a_verifier(tmp_path: Path) -> None:
    path = write(tmp_path, "  - {name: j, model: 'fake:x', tool: a}\n")
    with pytest.raises(InputError, match="judge 'j': tool 'a' must be a verifier, it is a Judge"):
        build_judges(load_suite(path).spec, folder=tmp_path)
