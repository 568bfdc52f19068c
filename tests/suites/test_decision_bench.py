from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks.test_typed_decisions import CASE, write
from tests.support.command_line import deemster
from tests.support.decision_server import DecisionServer

from deemster.backends import FakeBackend
from deemster.benchmarks.typed_decisions import read_cases
from deemster.errors import InputError
from deemster.schemas import Decision, dump_decisions
from deemster.suites.decision_bench import decision_bench
from deemster.suites.metrics.decisions import Answered, decision_figures

GOLD = {"angry": (0.25, 0.75), "queue": (0.9, 0.1), "urgency": (0.2, 0.5, 0.3)}


def test_figures_against_arithmetic() -> None:
    answers = [
        Answered("choice", (0.9, 0.1), (0.6, 0.4)),
        Answered("choice", (0.2, 0.8), (0.7, 0.3)),
        Answered("score", (0.5, 0.5, 0.0), (0.0, 0.5, 0.5)),
        Answered("score", (0.5, 0.5, 0.0), None),
    ]
    found = decision_figures(answers)
    assert (found.n, found.answered) == (4, 3)
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx(1 / 3)
    assert found.brier is not None
    assert found.brier.value == pytest.approx((0.18 + 0.5 + 0.5) / 3)
    assert found.log_loss is not None
    losses = [
        -(0.9 * math.log(0.6) + 0.1 * math.log(0.4)),
        -(0.2 * math.log(0.7) + 0.8 * math.log(0.3)),
        -(0.5 * math.log(1e-12) + 0.5 * math.log(0.5)),
    ]
    assert found.log_loss.value == pytest.approx(sum(losses) / 3)
    assert found.level_error is not None
    assert found.level_error.value == pytest.approx(1.0)
    assert found.log_loss_uniform == pytest.approx((2 * math.log(2) + math.log(3)) / 3)
    assert found.ece is not None


def test_nothing_answered_has_no_figures() -> None:
    found = decision_figures([Answered("choice", (1.0, 0.0), None)])
    assert (found.n, found.answered, found.accuracy, found.brier) == (1, 0, None, None)


async def test_answers_like_the_gold_have_no_distance(tmp_path: Path) -> None:
    decisions = [Decision(name=name, probabilities=gold) for name, gold in GOLD.items()]
    backend = FakeBackend(dump_decisions(decisions))
    found = await decision_bench(backend, read_cases(write(tmp_path, CASE)))
    assert found.all.answered == 3
    for one in (found.all, *found.kinds.values()):
        assert one.accuracy is not None
        assert one.accuracy.value == 1.0
        assert one.brier is not None
        assert one.brier.value == pytest.approx(0.0, abs=1e-12)


async def test_abstentions_and_failures_are_left_out_and_said(tmp_path: Path) -> None:
    decisions = [
        Decision(name="angry", probabilities=None),
        Decision(name="queue", probabilities=(0.9, 0.1), label_mass=0.1),
        Decision(name="urgency", probabilities=(0.2, 0.5, 0.3), label_mass=0.9),
    ]
    cases = list(read_cases(write(tmp_path, CASE)))
    found = await decision_bench(FakeBackend(dump_decisions(decisions)), cases)
    assert (found.all.n, found.all.answered) == (3, 1)
    assert found.problems
    lost = await decision_bench(FakeBackend("words"), cases)
    assert lost.all.answered == 0
    with pytest.raises(InputError, match="no cases"):
        await decision_bench(FakeBackend("words"), [])


def test_the_command_asks_once_and_prints_a_table(tmp_path: Path) -> None:
    def answer(_text: str, question: dict[str, Any]) -> list[float]:
        n = len(question["options"])
        return [1 / n] * n

    path = write(tmp_path, CASE, CASE | {"id": "support_1"})
    with DecisionServer(answer) as server:
        options = [
            "decision", "bench", str(path), "-m", "decisions:hosted_vllm/small",
            "--api-base", server.url, "--cassette", str(tmp_path / "c.sqlite"),
        ]  # fmt: skip
        first, again = deemster(*options), deemster(*options, "--json")
        assert server.ledger.hits == 2
    assert "predicate" in first.stdout
    assert "2 of 2" in first.stdout
    figures = json.loads(again.stdout)
    assert figures["cases"] == 2
    assert figures["all"]["log_loss"]["value"] == pytest.approx(figures["all"]["log_loss_uniform"])
