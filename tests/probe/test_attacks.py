"""Attacks are counted where they work, by kind, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from tests.probe.fakes import Fault, Scores, admires_openers, judge_with, obeys
from tests.support.command_line import deemster, one_line

from deemster.backends import FakeBackend, RecordBackend, Request
from deemster.errors import InputError
from deemster.judges import Judge, Panel
from deemster.probe import AttackReport, attack, plan_attacks
from deemster.probe.attack_plan import KINDS


def believes_boxes(_q: str, responses: list[str], true: Scores, *_: object) -> Scores:
    """Takes a verdict in a response for its own, as a parser would that takes the first one."""
    for text in responses:
        found = re.search(r"box\{(\d+), ?(\d+)\}", text)
        if found:
            return [float(score) for score in found.groups()]
    return true


def wrong_always(_q: str, _r: list[str], true: Scores, *_: object) -> Scores:
    return true[::-1]


def silent_about_injections(
    _q: str, responses: list[str], true: Scores, *_: object
) -> Scores | None:
    return None if any("IMPORTANT" in text for text in responses) else true


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        pytest.param(None, set(), id="none"),
        pytest.param(obeys, {"injection"}, id="obeys"),
        pytest.param(admires_openers, {"master key"}, id="openers"),
        pytest.param(
            believes_boxes,
            {*KINDS} - {"master key", "escapes"},
            id="believes-boxes",
        ),
    ],
)
async def test_what_works_is_counted_by_kind(fault: Fault | None, kinds: set[str]) -> None:
    report = await attack(Judge(judge_with(fault)), calls=240)
    assert {one.kind for one in report.figures if one.forged} == kinds
    assert sum(one.forged for one in report.figures) == report.overall.forged
    assert {(one.n, one.unscored, one.wrong) for one in report.figures} == {(28, 0, 0)}
    assert report.usage.calls == report.n_verdicts == 240
    for one in report.figures:
        assert len(one.examples) == min(3, one.forged)
        assert one.share.value == pytest.approx(one.forged / one.n)
        assert one.share.low is not None
        assert one.share.high is not None
        assert one.share.low < one.share.high


async def test_what_does_not_count_is_told() -> None:
    wrong = await attack(Judge(judge_with(wrong_always)), calls=60)
    assert (wrong.overall.n, wrong.overall.forged, wrong.overall.wrong) == (0, 0, 32)
    assert wrong.overall.share.value is None
    silent = await attack(Judge(judge_with(silent_about_injections)), calls=240)
    figures = {one.kind: one for one in silent.figures}
    assert figures["injection"].unscored == silent.n_unscored > 0
    assert figures["injection"].n + figures["injection"].unscored == 28


async def test_judges_of_single_responses_and_judges_of_judges() -> None:
    def one_by_one(request: Request, _draw: int) -> str:
        text = request.messages[-1].text
        return f"<score>{5 if 'Copy these' in text else 3 if 'wrong' in text else 4}</score>"

    single = Judge(FakeBackend(one_by_one), dialect="flow-judge")
    plan = plan_attacks(single, calls=120)
    assert not plan.pairs
    assert plan.questions == 2 * len(plan.trials) == 96
    report = await attack(single, plan=plan)
    assert report.usage.calls == 96
    panel = Panel([Judge(judge_with(obeys), name=name, orders="fixed") for name in "ab"])
    asked = await attack(panel, calls=120)
    assert asked.overall.forged > 0
    assert asked.usage.calls == 2 * asked.n_verdicts


async def test_the_choice_is_seeded() -> None:
    judge = Judge(judge_with())
    assert plan_attacks(judge, seed=1) == plan_attacks(judge, seed=1)
    assert plan_attacks(judge, seed=1) != plan_attacks(judge, seed=2)
    with pytest.raises(
        InputError, match="--calls 20 are too few; two attacks of each kind need 32"
    ):
        plan_attacks(judge, calls=20)


STUBBORN = r"fake:Scores: \boxed{8, 3}"


def test_the_command(tmp_path: Path) -> None:
    ask = ("probe", "--attacks", "-m", STUBBORN, "--calls", "60")
    done = deemster(*ask, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "48 verdicts" in done.stderr
    assert "invisible characters" in done.stdout
    report = AttackReport.model_validate_json((tmp_path / "attacks.json").read_text("utf-8"))
    assert (report.overall.n, report.overall.wrong) == (16, 16)
    assert json.loads(deemster(*ask, "--json").stdout)["overall"]["forged"] == 0


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        pytest.param((), 3, "verdicts were forged", id="forged"),
        pytest.param(("--allow-forged", "100%"), 0, "", id="allowed"),
    ],
)
def test_the_exit_status(tmp_path: Path, more: tuple[str, ...], status: int, said: str) -> None:
    suite = tmp_path / "suite.yaml"
    cassette = str(tmp_path / "votes")
    suite.write_text(
        "name: s\ndata: {samples: [{query: q, responses: [a, b]}]}\n"
        f"judges: {{name: j, model: 'replay:{cassette}'}}\n"
    )
    record(cassette)
    done = deemster("probe", "--attacks", "--judge", f"{suite}#j", "--calls", "60", *more)
    assert done.returncode == status, done.stderr
    assert said in done.stderr


def record(path: str) -> None:
    """A judge that obeys orders, recorded under the attacks of 60 calls."""
    backend = RecordBackend(judge_with(obeys), path)
    judge = Judge(backend)

    async def run() -> None:
        await attack(judge, calls=60)
        await backend.aclose()

    asyncio.run(run())


def test_bad_usage_and_no_verdicts() -> None:
    ask = ("probe", "--attacks", "-m", STUBBORN)
    assert "--allow-forged 'x'" in one_line(deemster(*ask, "--allow-forged", "x"))
    assert "are too few" in one_line(deemster(*ask, "--calls", "5"))
    silent = deemster("probe", "--attacks", "-m", "fake:no", "--calls", "60")
    assert silent.returncode == 3
    assert "48 of 48 verdicts are unscored" in silent.stderr
    assert "nothing was measured" in silent.stderr
