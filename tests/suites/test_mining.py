"""Mining principles from a run, and the commands around the bank."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.command_line import deemster, one_line

from deemster.aggregators import Sum
from deemster.errors import InputError
from deemster.judges.decide import decide
from deemster.principles import PrincipleBank, load_rubric
from deemster.schemas import (
    Failure,
    JudgeInfo,
    Judgment,
    Principle,
    Sample,
    Scale,
    Vote,
    normalise_weights,
)
from deemster.suites.mining import mine_run, vote_is_right
from deemster.suites.store import RunStore

SCALE = Scale(low=1, high=10)
INFO = JudgeInfo(name="judge", model="m")
GOOD, BAD = "Correct results", "Pleasant tone"


def judgment(draw: int, *names: str, right: bool) -> Judgment:
    principles = normalise_weights([Principle(name=name) for name in names])
    return Judgment(
        draw=draw,
        scores=(9, 2) if right else (2, 9),
        scale=SCALE,
        principles=principles,
        raw=f"{draw}",
    )


def write_run(directory: Path, n: int = 6, info: JudgeInfo = INFO) -> Path:
    with RunStore(directory, write=True) as store:
        store.set_judges([info])
        for i in range(n):
            sample = Sample(
                id=str(i), query=f"Question {i}?", responses=["a", "b"], ground_truth=(1, 0)
            )
            votes: list[Vote] = [
                judgment(0, GOOD, "Method", right=True),
                judgment(1, GOOD, BAD, right=True),
                judgment(2, BAD, right=False),
                Failure(draw=3, status="parse_error", message="no"),
                Judgment(draw=4, scores=(9, 2), scale=SCALE),  # without principles
            ]
            store.add_samples([sample])
            verdict = decide(votes, n=2, k=5, reducer=Sum(), info=info)
            store.put(0, i, verdict)
    return directory


def test_mining_counts_and_keeps_what_was_right(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with PrincipleBank(tmp_path / "b.bank") as bank:
        mined = mine_run(run, bank)
        assert (mined.votes, mined.right, mined.new, mined.sets) == (18, 12, 18, 6)
        again = mine_run(run, bank)
        assert (again.votes, again.new, again.sets) == (18, 0, 0)
        useful = {one.name: one for one in bank.usefulness()}
        assert (useful[GOOD].right, useful[GOOD].votes, useful[GOOD].queries) == (12, 12, 6)
        assert (useful[BAD].right, useful[BAD].votes) == (6, 12)
        assert useful[BAD].lift == pytest.approx(0.5 - 1)
        assert bank.usefulness()[0].name == GOOD
        [stored] = bank.versions("Question 2?")
        assert (stored.kind, stored.source) == ("mined", "run/judge")
        weights = {p.name: p.weight for p in stored.principles}
        assert weights[GOOD] > weights["Method"] > 0
        assert weights[GOOD] > weights[BAD]


def test_votes_of_another_judge_are_other_votes(tmp_path: Path) -> None:
    first = write_run(tmp_path / "one")
    second = write_run(tmp_path / "two", info=JudgeInfo(name="other", model="n"))
    copy = write_run(tmp_path / "copy")
    with PrincipleBank(tmp_path / "b.bank") as bank:
        assert [mine_run(run, bank).new for run in (first, second, copy)] == [18, 18, 0]
        with pytest.raises(InputError, match="no judge 'nobody' in the run; it has: judge"):
            mine_run(first, bank, judge="nobody")


def test_a_mining_that_died_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run")
    with PrincipleBank(tmp_path / "b.bank") as bank:
        with monkeypatch.context() as patched:
            patched.setattr(PrincipleBank, "deduplicate", lambda _self: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                mine_run(run, bank)
        assert bank.queries() == []
        assert mine_run(run, bank).sets == 6


def single(truth: float, score: float) -> tuple[Sample, Judgment]:
    sample = Sample(query="q", responses=["a"], ground_truth=(truth,))
    return sample, Judgment(scores=(score,), scale=SCALE)


@pytest.mark.parametrize(
    ("case", "right"),
    [
        pytest.param(single(1, 8), True, id="right"),
        pytest.param(single(1, 3), False, id="too-low"),
        pytest.param(single(0, 3), True, id="wrong-and-told"),
        pytest.param(single(0, 8), False, id="wrong-and-praised"),
        pytest.param(single(0.5, 8), None, id="graded-truth"),
        pytest.param(
            (Sample(query="q", responses=["a", "b"], ground_truth=(1, 0)), Judgment(scores=(5, 5))),
            False,
            id="tied",
        ),
        pytest.param(
            (Sample(query="q", responses=["a", "b"], ground_truth=(1, 1)), Judgment(scores=(5, 4))),
            None,
            id="true-tie",
        ),
        pytest.param(
            (
                Sample(query="q", responses=["a", "b"], ground_truth=(1, 0)),
                Judgment(scores=(5, None)),
            ),
            None,
            id="half-scored",
        ),
        pytest.param(
            (Sample(query="q", responses=["a", "b"]), Judgment(scores=(5, 4))), None, id="no-truth"
        ),
    ],
)
def test_when_a_vote_is_right(case: tuple[Sample, Judgment], right: bool | None) -> None:
    assert vote_is_right(*case) is right


def test_runs_that_say_nothing(tmp_path: Path) -> None:
    with RunStore(tmp_path / "run", write=True) as store:
        store.set_judges([INFO])
        store.add_samples([Sample(id="0", query="q", responses=["a", "b"])])
        store.put(0, 0, decide([judgment(0, GOOD, right=True)], n=2, k=1, reducer=Sum(), info=INFO))
    with (
        PrincipleBank(tmp_path / "b.bank") as bank,
        pytest.raises(InputError, match="no votes with principles"),
    ):
        mine_run(tmp_path / "run", bank)


def test_the_commands(tmp_path: Path) -> None:
    run, bank = write_run(tmp_path / "run"), str(tmp_path / "b.bank")
    done = deemster("principles", "mine", str(run), "--bank", bank)
    assert done.returncode == 0, done.stderr
    assert "18 votes" in done.stderr
    assert done.stdout == ""
    table = deemster("principles", "show", "--bank", bank).stdout
    assert GOOD in table
    assert "12/12" in table
    rows = deemster("principles", "show", "--bank", bank, "--json").stdout.splitlines()
    assert json.loads(rows[0])["name"] == GOOD
    path = tmp_path / "r.yaml"
    for ask in (("--rubric",), ("-q", "Question 3?"), ("--rubric", "--top", "1")):
        path.write_text(deemster("principles", "show", "--bank", bank, *ask).stdout, "utf-8")
        assert load_rubric(path).principles[0].name == GOOD
    history = deemster("principles", "show", "--bank", bank, "--history").stdout
    assert "18 votes of run/judge" in " ".join(history.split())
    versions = deemster("principles", "show", "--bank", bank, "-q", "Question 3?", "--history")
    assert "mined" in versions.stdout
    fake = "fake:Scores: \\boxed{8}"
    score = ("score", "-q", "Question 3?", "-r", "a", "-m", fake)
    assert deemster(*score, "--principles", f"bank:{bank}").returncode == 0
    assert "no principle bank" in one_line(deemster(*score, "--principles", "bank:/none"))


def test_generate_into_a_bank(tmp_path: Path) -> None:
    made = json.dumps(
        {"principles": [{"name": n, "description": f"about {n}", "weight": 20} for n in "abc"]}
    )
    data, bank = tmp_path / "in.jsonl", str(tmp_path / "b.bank")
    rows = [{"query": f"q{i}", "responses": ["a"]} for i in range(3)]
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    fill = ("principles", "generate", "--input", str(data), "--bank", bank)
    done = deemster(*fill, "-m", f"fake:{made}")
    assert done.returncode == 0, done.stderr
    assert "3 queries got principles, 0 had them, 0 failed" in done.stderr
    assert "0 queries got principles, 3 had them" in deemster(*fill, "-m", f"fake:{made}").stderr
    failed = deemster(*fill, "-m", f"fake:{made}", "--again", "--n", "2")
    assert failed.returncode == 3
    assert "asked for 2 principles" in failed.stderr
    shown = deemster("principles", "generate", "-q", "q9", "-m", f"fake:{made}", "--bank", bank)
    assert shown.returncode == 0
    assert "about a" in shown.stdout
    assert "4, 0 with mined" in deemster("principles", "show", "--bank", bank).stdout
    with PrincipleBank(bank, create=False) as opened:
        assert len(opened.queries()) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("show",), "rubric or --bank", id="show-nothing"),
        pytest.param(("show", "code", "--bank", "x"), "rubric or --bank", id="show-both"),
        pytest.param(("show", "code", "--rubric"), "go with --bank", id="rubric-alone"),
        pytest.param(("show", "--bank", "/none"), "no principle bank", id="no-bank"),
        pytest.param(("mine", "/none", "--bank", "/x"), "no run in", id="no-run"),
        pytest.param(("generate", "-m", "fake:x"), "give -q QUERY, or --input", id="nothing"),
        pytest.param(
            ("generate", "-m", "fake:x", "--input", "x"), "--input needs --bank", id="no-bank-given"
        ),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], message: str) -> None:
    assert message in one_line(deemster("principles", *arguments))


def test_a_suite_may_name_a_bank(tmp_path: Path) -> None:
    with PrincipleBank(tmp_path / "b.bank") as bank:
        bank.add("q", [Principle(name="Banked")], source="m")
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        """
name: s
data: {samples: [{query: q, responses: [a], ground_truth: [1]}]}
judges: {model: "fake:Scores: \\\\boxed{8}", principles: "bank:b.bank"}
""",
        encoding="utf-8",
    )
    done = deemster("run", str(suite), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    with RunStore(tmp_path / "out") as store:
        assert store.judges()[0].principles.startswith("bank:b.bank@")
