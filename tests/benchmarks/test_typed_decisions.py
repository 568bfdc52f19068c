from __future__ import annotations

import gzip
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from deemster.benchmarks import open_benchmark
from deemster.benchmarks.typed_decisions import read_cases
from deemster.errors import InputError

CASE: dict[str, Any] = {
    "id": "support_0", "workflow": "support",
    "state": {"ticket": "My cheque is late."},
    "questions": {
        "angry": {"type": "noul", "instructions": "Is the writer angry?"},
        "queue": {
            "type": "choice", "instructions": "Where does it go?",
            "criteria": {"billing": "Money.", "other": None},
        },
        "urgency": {
            "type": "score", "instructions": "How urgent?", "criteria": ["low", "mid", "high"],
        },
    },
    "gold": {
        "angry": {"type": "noul", "noul": 0.25, "probabilities": {"false": 0.75, "true": 0.25}},
        "queue": {"type": "choice", "probabilities": {"other": 0.1, "billing": 0.9}},
        "urgency": {"type": "score", "probabilities": {"0": 0.2, "1": 0.5, "2": 0.3}},
    },
}  # fmt: skip


def changed(*path: str, to: Any) -> dict[str, Any]:
    case = json.loads(json.dumps(CASE))
    place = case
    for key in path[:-1]:
        place = place[key]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return dict(case)


def write(folder: Path, *cases: dict[str, Any]) -> Path:
    path = folder / "test.jsonl"
    path.write_text("".join(json.dumps(case) + "\n" for case in cases), encoding="utf-8")
    return path


def as_wheel(path: Path) -> Path:
    wheel = path.with_name("tool_eval_bench-3.0.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w") as archive:
        inside = "tool_eval_bench/plugins/decision/vendor/typed_decisions/test.jsonl.gz"
        archive.writestr(inside, gzip.compress(path.read_bytes()))
    return wheel


def test_a_bomb_in_a_wheel_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_bytes(b"\n" * (8 << 20))
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        list(read_cases(as_wheel(path)))


def test_a_wheel_that_holds_too_much_is_not_read_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text("{}\n" * 100, encoding="utf-8")
    monkeypatch.setattr("deemster.benchmarks.typed_decisions._MOST", 30)
    with pytest.raises(InputError, match="has more than"):
        list(read_cases(as_wheel(path)))


@pytest.mark.parametrize("wheel", [False, True], ids=["file", "wheel"])
def test_cases_and_samples(tmp_path: Path, wheel: bool) -> None:
    path = write(tmp_path, CASE)
    source = as_wheel(path) if wheel else path
    (case,) = read_cases(source)
    assert '"ticket": "My cheque is late."' in case.text
    assert [one.kind for one in case.questions] == ["predicate", "choice", "score"]
    for found, expected in zip(case.gold, ((0.25, 0.75), (0.9, 0.1), (0.2, 0.5, 0.3)), strict=True):
        assert found == pytest.approx(expected)
    samples = list(open_benchmark("typed-decisions").load(source))
    assert [one.id for one in samples] == [f"support_0/{n}" for n in ("angry", "queue", "urgency")]
    assert [one.subset for one in samples] == ["predicate", "choice", "score"]
    assert [one.text for one in samples[1].responses] == ["billing: Money.", "other"]
    assert samples[1].best == 0
    assert samples[2].ground_truth == pytest.approx((0.2, 0.5, 0.3))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        pytest.param(changed("state", to=None), "no field 'state'", id="no-state"),
        pytest.param(changed("gold", "queue", to=None), "no field 'queue'", id="no-gold"),
        pytest.param(changed("questions", "angry", "type", to="box"), "allowed: 'noul'", id="kind"),
        pytest.param(
            changed("gold", "angry", "probabilities", to={"true": 0.5, "false": 0.2}),
            "one per option",
            id="sum",
        ),
        pytest.param(
            changed("gold", "urgency", "probabilities", to={"0": 0.5, "1": 0.5}),
            "one per option",
            id="an-option-less",
        ),
        pytest.param(
            changed("questions", "urgency", "criteria", to=["low"]), "2 to 10 options", id="levels"
        ),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path: Path, case: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        list(read_cases(write(tmp_path, CASE, case)))
    assert "line 2" in str(raised.value)


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("other/__init__.py", "")
    with pytest.raises(InputError, match="holds no typed_decisions/test"):
        list(read_cases(wheel))


@pytest.mark.skipif(
    "TYPED_DECISIONS" not in os.environ,
    reason="needs TYPED_DECISIONS=the file or the wheel of tool-eval-bench 3",
)
def test_the_public_split_is_as_described() -> None:
    cases = list(read_cases(os.environ["TYPED_DECISIONS"]))
    kinds = [question.kind for case in cases for question in case.questions]
    assert len(cases) == 400
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "predicate": 600, "choice": 600, "score": 800,
    }  # fmt: skip
