from __future__ import annotations

import gzip
import json
import re
import tracemalloc
from pathlib import Path

import pytest
import yaml

from deemster.errors import InputError
from deemster.judges import Judge
from deemster.judges.grm import GrmSpec
from deemster.suites.building import build_judges
from deemster.suites.loading import load_suite
from deemster.suites.planning import plan_suite
from deemster.suites.spec import Threshold, suite_json_schema
from deemster.yaml_text import SETTING, read_yaml

GOOD = """\
name: mine
data:
  - samples:
      - {id: a, query: q, responses: [x, y], ground_truth: [1, 0]}
      - {query: q2, responses: [x, y, z]}
judges:
  - model: "fake:text"
    k: 4
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_suite(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD))
    assert suite.spec.judges[0].label == "fake:text"
    assert [sample.id for sample in suite.samples()] == ["a", "1"]


def test_one_mapping_stands_for_a_list_of_one(tmp_path: Path) -> None:
    text = "name: m\ndata: {samples: [{query: q, responses: [x]}]}\njudges: {model: 'fake:x'}\n"
    suite = load_suite(write(tmp_path, text))
    assert len(suite.spec.data) == len(suite.spec.judges) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(("k: 4", "kk: 4"), r":8: unknown key 'judges.0.kk'; allowed: .*k,", id="key"),
        pytest.param(("name: mine", "nme: mine"), r"'nme'|name is missing", id="top-key"),
        pytest.param(("k: 4", "k: four"), r":8: judges.0.k: .*integer, got 'four'", id="type"),
        pytest.param(
            ("k: 4", "principles: [{nme: x}]"),
            r":8: judges\.0\.principles\.0\.name: Field required",
            id="principle",
        ),
        pytest.param(
            ("k: 4", "principles: [{name: x}, {name: x}]"),
            r":8: judges\.0\.principles: principle names must differ",
            id="principles",
        ),
        pytest.param(("k: 4", "k: 0"), r":8: judges.0.k: .*greater than or equal to 1", id="k-0"),
        pytest.param(("k: 4", "k: true"), r":8: judges.0.k: .*got True", id="k-bool"),
        pytest.param(
            ("k: 4", "temperature: .nan"), r":8: judges.0.temperature: .*finite", id="nan"
        ),
        pytest.param(
            ("k: 4", "k: 4\n    meta_rm: fake:x\n    k_meta: 5"),
            r":7: judges.0: k_meta must be from 1 to k=4, got 5",
            id="k-meta",
        ),
        pytest.param(("k: 4", "k: 4\n    k_meta: 2"), "k_meta needs meta_rm", id="no-meta-rm"),
        pytest.param(
            ("k: 4", "members: [x]"), "unknown key 'judges.0.model'; allowed: .*members", id="both"
        ),
        pytest.param(("model:", "modl:"), "judges.0", id="no-model"),
        pytest.param(
            ("  - samples:", "  - path: x\n    samples:"),
            "one of benchmark, path, dataset and samples; got samples and path",
            id="data",
        ),
        pytest.param(
            ("judges:", "budget: {usd: 0}\njudges:"),
            r":6: budget.usd: .*greater than 0",
            id="usd-0",
        ),
        pytest.param(("judges:", "budget: {}\njudges:"), "at least one of usd", id="no-budget"),
        pytest.param(
            ("judges:", "thresholds: {accuracy: good}\njudges:"),
            r":6: thresholds.accuracy: write a comparison such as",
            id="threshold",
        ),
        pytest.param(
            ("judges:", "thresholds: {beauty: '> 1'}\njudges:"), "thresholds", id="unknown-figure"
        ),
        pytest.param(("name: mine", "name: mine\nname: x"), "key 'name' occurs twice", id="twice"),
        pytest.param(
            ("judges:", "judge:"), r"suite.yaml:6: unknown key 'judge'; allowed", id="misspelt"
        ),
        pytest.param(("name: mine", "nmae: mine"), r":1: unknown key 'nmae'", id="misspelt-name"),
        pytest.param(("name: mine\n", ""), r"suite.yaml:1: name is missing", id="missing"),
        pytest.param(("    k: 4", "\tk: 4"), r":8: .*begins with a tab; indent", id="tab"),
        pytest.param(("    k: 4", "    k 4"), r":8: .*; write 'key: value'", id="no-colon"),
        pytest.param(("    k: 4", "  k: 4"), r":8: .*; indent it like", id="indented-less"),
        pytest.param(("name: mine", "name: a: b"), r":1: .*text with ': ' in quotes", id="colon"),
        pytest.param(("name: mine", "name: [unclosed"), r"suite.yaml:\d+: not YAML", id="yaml"),
        pytest.param(
            ("name: mine", "name: !!python/object/apply:os.system [ls]"), "not YAML", id="object"
        ),
        pytest.param(("fake:text", "${NO_SUCH}"), r":7: .*'NO_SUCH' is not set", id="variable"),
        pytest.param(("k: 4", "k: 4\n  - model: 'fake:text'"), "two judges are called", id="names"),
    ],
)
def test_bad_suites_name_the_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_suite(write(tmp_path, GOOD.replace(*change)), environment={})
    assert "\n" not in str(caught.value)
    assert "suite.yaml" in str(caught.value)


BARE = "name: n\ndata: {path: rows.jsonl}\njudges: {name: j, model: 'fake:x', k: 2}\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            ("{path: rows.jsonl}", "rows.jsonl"),
            ":2: data: a source of data is a mapping, for example {path: pairs.jsonl}, "
            "got 'rows.jsonl'",
            id="data-text",
        ),
        pytest.param(
            ("{path: rows.jsonl}", "[rows.jsonl]"),
            ":2: data.0: a source of data is a mapping, for example {path: pairs.jsonl}, "
            "got 'rows.jsonl'",
            id="data-texts",
        ),
        pytest.param(
            ("{path: rows.jsonl}", ""),
            ":2: data: a source of data is a mapping, for example {path: pairs.jsonl}, got None",
            id="data-null",
        ),
        pytest.param(
            ("{name: j, model: 'fake:x', k: 2}", "nano"),
            ":3: judges: a judge is a mapping, for example {model: nano}, got 'nano'",
            id="judge-text",
        ),
        pytest.param(
            ("{name: j, model: 'fake:x', k: 2}", "[nano]"),
            ":3: judges.0: a judge is a mapping, for example {model: nano}, got 'nano'",
            id="judge-texts",
        ),
        pytest.param(
            ("{name: j, model: 'fake:x', k: 2}", ""),
            ":3: judges: a judge is a mapping, for example {model: nano}, got None",
            id="judge-null",
        ),
        pytest.param(
            ("{name: j, model: 'fake:x', k: 2}", "[]"), ":3: judges: expected 1 or more", id="none"
        ),
        pytest.param(
            ("name: n", "name: n\nmetrics: accuracy"),
            ":2: metrics: expected a list, got 'accuracy'",
            id="metrics",
        ),
        pytest.param(
            ("rows.jsonl", "rows.jsonl, subsets: math"),
            ":2: data.subsets: expected a list, got 'math'",
            id="subsets",
        ),
        pytest.param(
            ("name: n", "name: n\nmatrix: {k: 4}"),
            ":2: matrix.k: expected a list, got 4",
            id="matrix",
        ),
        pytest.param(
            ("name: n", "name: n\nmatrix: {k: [2, x]}"),
            ": matrix: judge 'j k=x': k: Input should be a valid integer",
            id="matrix-value",
        ),
        pytest.param(
            ("name: n", "name: n\nbudget: 5"), ":2: budget: expected a mapping, got 5", id="budget"
        ),
        pytest.param(
            ("name: n", "name: n\nthresholds: [accuracy]"),
            ":2: thresholds: expected a mapping",
            id="thresholds",
        ),
        pytest.param(
            ("name: n", "name: n\nthresholds: {accuracy: 0.8}"),
            ":2: thresholds.accuracy: write a comparison such as '>= 0.8' or '<= 1%', got 0.8",
            id="threshold",
        ),
        pytest.param(
            ("k: 2", "k: 2, stop: 'decided:2'"),
            ":3: judges.stop: p of the stopping rule must be a number over 0.5 and up to 1, got 2, "
            "got 'decided:2'",
            id="said-twice-of-two-values",
        ),
    ],
)
def test_mistakes_are_told_in_words_of_yaml(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = write(tmp_path, BARE.replace(*change))
    with pytest.raises(InputError) as caught:
        load_suite(path)
    assert str(caught.value) == f"{path}{message}"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param("{a: ['" + "', '".join(["${LONG}"] * 20) + "']}", id="in-many-places"),
        pytest.param("{a: '" + "${LONG}" * 20 + "'}", id="in-one-place"),
        pytest.param("{" + ", ".join(f"a{i}: '${{LONG}}'" for i in range(20)) + "}", id="keys"),
    ],
)
def test_a_long_variable_does_not_multiply(tmp_path: Path, options: str) -> None:
    path = write(tmp_path, GOOD + f"    options: {options}\n")
    with pytest.raises(InputError, match=r":9: with \$\{LONG\} \(100,000 characters\)") as caught:
        load_suite(path, environment={"LONG": "x" * 100_000})
    assert len(str(caught.value)) < 400


def test_metrics_are_known_names(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD + "metrics: [accuracy, curve]\n"))
    assert suite.spec.metrics == ("accuracy", "curve")
    with pytest.raises(InputError, match=r":9: metrics.0: .*'accuracy'.*got 'beauty'"):
        load_suite(write(tmp_path, GOOD + "metrics: [beauty]\n"))


def test_options_that_are_settings_are_told(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD + "    options: {seed: 3}\n"))
    with pytest.raises(InputError, match="option 'seed' is a setting of the judge"):
        build_judges(suite.spec, folder=tmp_path)


def test_circles_and_unknown_members(tmp_path: Path) -> None:
    circle = GOOD.replace("k: 4", "name: a\n") + (
        "  - {name: p, members: [a, r]}\n  - {name: r, members: [p, a]}\n"
    )
    with pytest.raises(InputError, match="in a circle: p > r > p"):
        load_suite(write(tmp_path, circle))
    unknown = GOOD.replace("k: 4", "name: a\n") + "  - {name: p, members: [a, b]}\n"
    with pytest.raises(InputError, match="unknown member 'b'; known: a, p"):
        load_suite(write(tmp_path, unknown))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("- a\n- b\n", id="list"),
        pytest.param("just text", id="scalar"),
        pytest.param("{" * 5000, id="deep"),
        pytest.param(
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"b{i}: &b{i} [{','.join([f'*{p}'] * 10)}]\n"
                for i, p in enumerate(["a", "b0", "b1", "b2", "b3", "b4", "b5", "b6"])
            ),
            id="billion-laughs",
        ),
        pytest.param("name: \x00", id="control"),
    ],
)
def test_hostile_yaml(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"suite\.yaml"):
        load_suite(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("yes: 1\ntrue: 2\n", "it:2: the key 'true' is the same as 'yes'", id="bool"),
        pytest.param("1: a\n01: b\n", "it:2: the key '01' is the same as '1'", id="int"),
        pytest.param("1: a\n1.0: b\n", "it:2: the key '1.0' is the same as '1'", id="float"),
        pytest.param("0: a\nno: b\n", "it:2: the key 'no' is the same as '0'", id="int-and-bool"),
        pytest.param("~: a\nnull: b\n", "it:2: the key 'null' is the same as '~'", id="null"),
        pytest.param(".nan: a\n.NaN: b\n", "it:2: the key '.NaN' is the same", id="nan"),
        pytest.param("- {a: [{1: x, 0x1: y}]}\n", "it:1: the key '0x1' is the same", id="inside"),
    ],
)
def test_keys_that_are_one_are_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        read_yaml(text, "it", SETTING)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("yes: 1\n'true': 2\n", {True: 1, "true": 2}, id="quotes"),
        pytest.param("yes: 1\nno: 2\n2: 3\n", {True: 1, False: 2, 2: 3}, id="different"),
        pytest.param("b: &b {1: x}\nc: {<<: *b, 01: y}\n", {"b": {1: "x"}, "c": {1: "y"}}, id="<<"),
        pytest.param("a: &a {1: x}\nb: *a\n", {"a": {1: "x"}, "b": {1: "x"}}, id="alias"),
    ],
)
def test_keys_that_are_not_one_are_kept(text: str, value: object) -> None:
    assert read_yaml(text, "it", SETTING)[0] == value


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read suite"):
        load_suite(tmp_path / "none.yaml")


def test_variables_are_filled_and_never_stored(tmp_path: Path) -> None:
    text = GOOD + "    options: {api_key: '${SECRET}'}\n"
    suite = load_suite(write(tmp_path, text), environment={"SECRET": "hush"})
    judge = suite.spec.judges[0]
    assert isinstance(judge, GrmSpec)
    assert judge.options == {"api_key": "hush"}
    assert "hush" not in json.dumps(suite.written)
    assert "${SECRET}" in json.dumps(suite.written)
    careless = GOOD + "    options: {api_key: sk-hush, extra: {headers: {Authorization: hush}}}\n"
    suite = load_suite(write(tmp_path, careless))
    judge = suite.spec.judges[0]
    assert isinstance(judge, GrmSpec)
    assert judge.options["api_key"] == "sk-hush"
    assert "hush" not in json.dumps(suite.written)


def test_data_files_filters_and_sampling(tmp_path: Path) -> None:
    rows = [
        {"id": f"r{i}", "query": "q", "responses": ["x"] * (1 + i % 3), "subset": "ab"[i % 2]}
        for i in range(60)
    ]
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    text = """\
name: m
seed: {seed}
data: {{path: rows.jsonl.gz, subsets: [a], min_responses: 2, max_responses: 2, limit: 5}}
judges: {{model: "fake:x"}}
"""
    first = [s.id for s in load_suite(write(tmp_path, text.format(seed=1))).samples()]
    assert len(first) == 5
    assert all(int(name[1:]) % 2 == 0 and int(name[1:]) % 3 == 1 for name in first)
    assert first == sorted(first, key=lambda name: int(name[1:]))
    assert first == [s.id for s in load_suite(write(tmp_path, text.format(seed=1))).samples()]
    assert first != [s.id for s in load_suite(write(tmp_path, text.format(seed=2))).samples()]


@pytest.mark.parametrize("limit", ["", ", limit: 2", ", max_responses: 1"])
def test_a_subset_that_is_not_there_is_told(tmp_path: Path, limit: str) -> None:
    rows = "id,query,answer_a,answer_b,subset\n1,q,x,y,maths\n2,q,x,y,code\n3,q,x,y,code\n"
    (tmp_path / "rows.csv").write_text(rows, encoding="utf-8")
    text = "name: m\ndata: {path: rows.csv, subsets: [math, code]%s}\njudges: {model: 'fake:x'}\n"
    suite = load_suite(write(tmp_path, text % limit))
    with pytest.raises(InputError, match=r"no sample is of subset 'math'; .* 'maths', 'code'"):
        list(suite.samples())


@pytest.mark.parametrize("limit", [None, 10], ids=["all", "a-few-drawn"])
def test_samples_and_plans_hold_a_row_at_a_time(tmp_path: Path, limit: int | None) -> None:
    """Of a suite that is larger than memory too."""
    with (tmp_path / "rows.jsonl").open("w") as file:
        for i in range(100):
            row = {"id": f"r{i}", "query": "q", "responses": ["x" * 40_000, "y"]}
            file.write(f"{json.dumps(row)}\n")
    data = f"{{path: rows.jsonl, limit: {limit or 'null'}}}"
    text = f"name: m\ndata: {data}\njudges: [{{model: 'fake:x'}}, {{model: 'fake:y'}}]\n"
    suite = load_suite(write(tmp_path, text))
    plan_suite(suite)  # imports what it needs
    tracemalloc.start()
    try:
        assert sum(1 for _ in suite.samples()) == (limit or 100)
        assert [plan.samples for plan in plan_suite(suite)] == [limit or 100] * 2
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000  # half of what the rows take


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("{oops", r"rows.jsonl line 2: not JSON", id="json"),
        pytest.param('{"query": "q"}', r"rows.jsonl line 2: no responses found", id="missing"),
        pytest.param(
            '{"query": "q", "responses": []}', r"line 2: 'responses' is empty", id="empty"
        ),
        pytest.param(
            '{"query": "", "responses": ["a"]}', r"line 2: 'query': query is empty", id="no-query"
        ),
        pytest.param(
            '{"query": 3, "responses": ["a"]}',
            r"line 2: 'query' must be text or .* put it in quotes",
            id="type",
        ),
        pytest.param(
            '{"query": "q", "responses": ["a"], "subsets": 1}', "did you mean", id="extra"
        ),
        pytest.param(
            '{"query": "q", "responses": ["a"], "ground_truth": [NaN]}',
            r"line 2: ground_truth.0",
            id="nan",
        ),
        pytest.param("[1]", r"line 2: expected an object, got \[1\]", id="list"),
    ],
)
def test_bad_data_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    good = '{"query": "q", "responses": ["a"]}\n'
    (tmp_path / "rows.jsonl").write_text(good + line + "\n", encoding="utf-8")
    path = write(tmp_path, "name: m\ndata: {path: rows.jsonl}\njudges: {model: 'fake:x'}\n")
    with pytest.raises(InputError, match=message):
        list(load_suite(path).samples())


def test_matrix_makes_every_combination(tmp_path: Path) -> None:
    text = GOOD + "matrix: {k: [1, 8], orders: [balanced, fixed]}\n"
    judges = load_suite(write(tmp_path, text)).spec.expanded()
    assert [(judge.k, judge.orders) for judge in judges if isinstance(judge, GrmSpec)] == [
        (1, "balanced"), (1, "fixed"), (8, "balanced"), (8, "fixed"),
    ]  # fmt: skip
    assert judges[0].label == "fake:text k=1 orders=balanced"
    with pytest.raises(InputError, match="matrix key 'colour' is not a judge setting"):
        load_suite(write(tmp_path, GOOD + "matrix: {colour: [1]}\n"))


@pytest.mark.parametrize(
    ("text", "figure", "holds"),
    [
        pytest.param(">= 0.8", 0.8, True, id="at-least"),
        pytest.param("> 80%", 0.8, False, id="more-than"),
        pytest.param("<=1%", 0.01, True, id="percent"),
        pytest.param("< 0.5", 0.4, True, id="less"),
        pytest.param("== 0", 0.0, True, id="equal"),
        pytest.param(">= 0", None, False, id="no-figure"),
    ],
)
def test_thresholds(text: str, figure: float | None, holds: bool) -> None:
    assert Threshold.model_validate(text).holds(figure) is holds


def test_the_json_schema_ships_and_is_current() -> None:
    import deemster.suites

    path = Path(deemster.suites.__file__).with_name("suite.schema.json")
    assert json.loads(path.read_text("utf-8")) == suite_json_schema()


def test_the_json_schema_accepts_what_the_models_accept(tmp_path: Path) -> None:
    import jsonschema

    schema = suite_json_schema()
    jsonschema.validate(yaml.safe_load(GOOD), schema)
    jsonschema.validate(
        yaml.safe_load(GOOD + "thresholds: {unscored: '<= 1%'}\nbudget: {calls: 3}\n"), schema
    )
    for wrong in ("k: 0", "colour: red"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(GOOD.replace("k: 4", wrong)), schema)


PRINCIPLES = {
    "texts": ('["Clear: easy to read", Short]', [("Clear", 0.5), ("Short", 0.5)]),
    "requirement-points": (
        "[{requirement: Says the dose, points: 3}, {criterion: Invents facts, points: -1}]",
        [("Says the dose", 0.75), ("Avoids: Invents facts", 0.25)],
    ),
    "percent": (
        "[{name: a, weight: 30%}, {description: b, weight: 70%}]", [("a", 0.3), ("b", 0.7)],
    ),
    "rubric": ("{criteria: [a, b]}", [("a", 0.5), ("b", 0.5)]),
    "score-levels": (
        "{criteria: Polite, score1_description: rude, score2_description: kind}",
        [("Polite", 1.0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PRINCIPLES)
def test_principles_in_a_suite_are_read_as_in_a_rubric_file(tmp_path: Path, name: str) -> None:
    text, expected = PRINCIPLES[name]
    path = tmp_path / "suite.yaml"
    path.write_text(
        "name: s\ndata: {samples: [{query: q, responses: [a, b]}]}\n"
        f"judges: {{model: 'fake:x', principles: {text}}}\n",
        encoding="utf-8",
    )
    (judge,) = build_judges(load_suite(path, environment={}).spec, folder=tmp_path).judges
    assert isinstance(judge, Judge)
    assert {one.name: one.weight for one in judge.principles} == pytest.approx(dict(expected))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            "[a, 3]", "principles.1: must be a text, got 3; put it in quotes", id="number"
        ),
        pytest.param("[a, yes]", "principles.1: must be a text, got True", id="boolean"),
        pytest.param("[a, '']", "principles.1: blank; give a criterion", id="blank"),
        pytest.param("[]", "principles is empty", id="empty"),
        pytest.param("[{name: a, pints: 3}]", "principles.0.pints: unknown key", id="unknown-key"),
        pytest.param(
            "[{name: a, weight: 30%}, {name: b, weight: 7}]", "write all of them with %", id="mixed"
        ),
    ],
)
def test_bad_principles_in_a_suite_name_the_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(
        "name: s\ndata: {samples: [{query: q, responses: [a, b]}]}\n"
        f"judges:\n  model: 'fake:x'\n  principles: {text}\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as error:
        load_suite(path, environment={})
    assert f"{path}:5: judges" in str(error.value)
    assert told in str(error.value)


@pytest.mark.parametrize("ids", [["x", "x"], ["x", "y", "x"], ["x", "x", "x"]], ids=len)
@pytest.mark.parametrize("source", [0, 1], ids=["first", "second"])
def test_an_id_that_occurs_twice_in_a_source_is_refused(
    tmp_path: Path, ids: list[str], source: int
) -> None:
    rows = [{"id": name, "query": "q", "responses": ["a", "b"]} for name in ids]
    sources = [{"samples": rows[:1]}, {"samples": rows}][1 - source :]
    text = f"name: n\ndata: {json.dumps(sources)}\njudges: {{model: 'fake:x'}}\n"
    with pytest.raises(InputError, match="sample id 'x' occurs twice in suite"):
        list(load_suite(write(tmp_path, text)).samples())


def test_the_same_id_in_two_sources_tells_which(tmp_path: Path) -> None:
    rows = [{"id": "x", "query": "q", "responses": ["a", "b"]}]
    text = f"name: n\ndata: {json.dumps([{'samples': rows}] * 3)}\njudges: {{model: 'fake:x'}}\n"
    found = [sample.id for sample in load_suite(write(tmp_path, text)).samples()]
    assert found == ["x", "1:x", "2:x"]
