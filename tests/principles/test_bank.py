"""The principle bank: what it stores, counts, merges and gives to judges."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deemster.backends import FakeBackend, Request
from deemster.errors import BackendTimeout, InputError
from deemster.judges import Judge
from deemster.principles import PrincipleBank, PrincipleSource, as_source, dump_rubric, load_rubric
from deemster.principles.ahead import fill_bank
from deemster.principles.bank_records import CheckedVote, name_key
from deemster.principles.bank_source import in_percent
from deemster.principles.usefulness import Use, filtered, measure, tally
from deemster.schemas import Principle, Sample, as_query


def principle(name: str, weight: float = 1.0, description: str = "") -> Principle:
    return Principle(name=name, weight=weight, description=description)


def outcome(key: str, right: bool, *names: str) -> CheckedVote:
    share = 1 / len(names)
    return CheckedVote(key.encode(), tuple(principle(name, share) for name in names), right)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[PrincipleBank]:
    with PrincipleBank(tmp_path / "b.bank") as bank:
        yield bank


def test_sets_are_kept_by_query_and_versioned(bank: PrincipleBank) -> None:
    first = [principle("Truth", 3, "is true"), principle("Brevity", 1)]
    assert bank.add("Why is the sea salty?", first, source="m1") == 1
    assert bank.add("  Why is the sea salty?\n", first, source="m1") == 1, "nothing has changed"
    assert bank.add("Why is the sea salty?", [principle("Truth")], source="m2") == 2
    versions = bank.versions("Why is the sea salty?")
    assert [(v.version, v.source, len(v.principles)) for v in versions] == [
        (1, "m1", 2),
        (2, "m2", 1),
    ]
    assert versions[0].principles[0].weight == 0.75
    assert bank.for_query("Why is the sea salty?") == (principle("Truth"),)
    assert bank.has("Why is the sea salty?", source="m1")
    assert not bank.has("Why is the sea salty?", source="m3")
    assert not bank.has([{"role": "system", "content": "Why is the sea salty?"}])


def test_history_only_grows(bank: PrincipleBank, tmp_path: Path) -> None:
    bank.add("q", [principle("A")], source="m")
    bank.add("q", [principle("B")], source="m")
    assert [entry.what for entry in bank.history()] == ["generated", "generated"]
    with closing(sqlite3.connect(tmp_path / "b.bank")) as db:
        for statement in ("DELETE FROM history", "UPDATE sets SET version = 9", "DELETE FROM sets"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(statement)


@pytest.mark.parametrize(
    ("principles", "message"),
    [
        pytest.param([], "too_short|at least 1", id="none"),
        pytest.param([principle("A"), principle("A")], "must differ", id="twice"),
        pytest.param([principle("A", 0)], "weights are 0", id="weightless"),
    ],
)
def test_sets_that_cannot_be_used(
    bank: PrincipleBank, principles: list[Principle], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        bank.add("q", principles, source="m")
    assert bank.queries() == []


def test_right_votes_make_the_set(bank: PrincipleBank) -> None:
    query = as_query("Is 91 prime?")
    votes = [
        outcome("1", True, "Correctness", "Method"),
        outcome("2", True, "correctness!", "Tone"),
        outcome("3", False, "Tone", "Length"),
        outcome("4", False, "Tone", "Length"),
    ]
    new, keys = bank.add_votes([(query, votes)], source="run/j")
    assert new == 4
    assert bank.keep_right(keys, source="run/j") == 1
    names = [p.name for p in bank.for_query(query)]
    assert names[0] == "Correctness"
    assert names[1:] == ["Method", "Tone"], "what stood only in wrong votes is left out"
    assert bank.add_votes([(query, votes)], source="run/j")[0] == 0, "a vote counts once"
    assert bank.keep_right(keys, source="run/j") == 0
    useful = {one.name: one for one in bank.usefulness()}
    assert (useful["Correctness"].votes, useful["Correctness"].right) == (2, 2)
    assert (useful["Tone"].votes, useful["Tone"].right, useful["Tone"].queries) == (3, 1, 1)
    assert useful["Correctness"].lift == 1.0
    assert useful["Correctness"].value > useful["Tone"].value > useful["Length"].value


def test_queries_without_right_votes_get_no_set(bank: PrincipleBank) -> None:
    _, keys = bank.add_votes([(as_query("q"), [outcome("1", False, "A")])], source="r")
    assert bank.keep_right(keys, source="r") == 0
    with pytest.raises(InputError, match="has no principles"):
        bank.source()


def test_alike_principles_are_one(bank: PrincipleBank) -> None:
    wordings = [
        ("Factual accuracy", "Are the facts and statements correct?"),
        ("Accuracy of facts", "Are all facts and statements correct?"),
        ("Tone", "Is it polite and friendly?"),
        ("Code style", "Is the code idiomatic?"),
    ]
    for i, (name, text) in enumerate(wordings):
        # The first is seen twice, so it stands for its group.
        for j in range(2 if i == 0 else 1):
            bank.add(f"query {i} {j}", [principle(name, 1, text)], source="m")
    votes = [outcome(str(i), i != 1, name) for i, (name, _) in enumerate(wordings)]
    bank.add_votes([(as_query("asked"), votes)], source="r")
    assert len(bank.usefulness()) == 4
    assert bank.deduplicate() == 1
    assert bank.deduplicate() == 1, "nothing more to merge"
    useful = {one.name: one for one in bank.usefulness()}
    assert set(useful) == {"Factual accuracy", "Tone", "Code style"}
    assert (useful["Factual accuracy"].spellings, useful["Factual accuracy"].votes) == (2, 2)
    merges = [entry for entry in bank.history() if entry.what == "merged"]
    assert len(merges) == 1
    assert "'Accuracy of facts' is 'Factual accuracy'" in merges[0].detail
    assert bank.deduplicate(threshold=0.01) == 0, "nothing is lost by merging"
    assert len(bank.usefulness()) == 4


def test_a_vote_that_uses_two_spellings_used_it_once(bank: PrincipleBank) -> None:
    bank.add(
        "q",
        [principle("Tone", 1, "polite words"), principle("tone?", 1, "polite words")],
        source="m",
    )
    bank.add_votes([(as_query("q"), [outcome("1", True, "Tone", "TONE", "Truth")])], source="r")
    [tone] = [one for one in bank.usefulness() if name_key(one.name) == "tone"]
    assert (tone.votes, tone.right) == (1, 1)
    assert tone.weight == pytest.approx(2 / 3)


def filled(bank: PrincipleBank) -> PrincipleBank:
    bank.add(
        "How do tides work on the coast?", [principle("Physics"), principle("Clarity")], source="m"
    )
    bank.add(
        "Sort a list of numbers in Python", [principle("Code"), principle("Clarity")], source="m"
    )
    return bank


def test_similar_queries_share_principles_and_others_get_the_general_set(
    bank: PrincipleBank,
) -> None:
    source = filled(bank).source()
    assert [p.name for p in source.for_query("Sort numbers of a Python list")] == [
        "Code",
        "Clarity",
    ]
    assert "similar query" in source.rubric("Sort numbers of a Python list").description
    general = source.for_query("Write a love poem")
    assert general[0].name == "Clarity", "in the sets of both queries"
    assert len(general) == 3
    assert sum(p.weight for p in general) == pytest.approx(1)
    for query in ("", " "):
        with pytest.raises(InputError, match="query is empty"):
            source.for_query(query)


def test_measured_usefulness_moves_weights(bank: PrincipleBank) -> None:
    filled(bank)
    before = {p.name: p.weight for p in bank.for_query("How do tides work on the coast?")}
    for i in range(20):
        votes = [outcome(f"{i}a", True, "Physics"), outcome(f"{i}b", False, "Clarity")]
        bank.add_votes([(as_query(f"other {i}"), votes)], source="r")
    after = {p.name: p.weight for p in bank.for_query("How do tides work on the coast?")}
    assert before["Physics"] == before["Clarity"] == 0.5
    assert after["Physics"] > 0.7
    assert after["Clarity"] > 0
    assert bank.source().general().principles[0].name == "Physics"


def test_the_name_tells_the_content(bank: PrincipleBank) -> None:
    filled(bank)
    first = bank.source()
    assert bank.source().name == first.name
    assert first.name.startswith("bank:b.bank@")
    bank.add("one more", [principle("A")], source="m")
    assert bank.source().name != first.name
    assert first.for_query("one more") != bank.for_query("one more"), "a source does not change"


def test_rubrics_can_be_exported_and_read_back(bank: PrincipleBank, tmp_path: Path) -> None:
    rubric = in_percent(filled(bank).source().general())
    path = tmp_path / "r.yaml"
    path.write_text(dump_rubric(rubric), encoding="utf-8")
    assert load_rubric(path) == rubric


async def test_judges_judge_by_the_bank(bank: PrincipleBank, tmp_path: Path) -> None:
    filled(bank)
    seen: list[str] = []

    def script(request: Request, _draw: int) -> str:
        seen.append(request.messages[-1].text)
        return r"Scores: \boxed{8, 3}"

    for told in (bank, bank.source(), f"bank:{tmp_path / 'b.bank'}"):
        judge = Judge(FakeBackend(script), principles=told)
        await judge.score("Sort a list of numbers in Python", ["a", "b"])
        assert "- Code (weight 50%)" in seen[-1]
        assert judge.info.principles == bank.source().name
        await judge.score("How do tides work on the coast?", ["a", "b"])
        assert "- Physics (weight 50%)" in seen[-1]
        await judge.score("How do tides work?", ["a", "b"], principles=["Mine: of the call"])
        assert "- Mine" in seen[-1]
        assert "Physics" not in seen[-1]


def test_what_counts_as_a_source(bank: PrincipleBank) -> None:
    assert as_source("helpfulness") is None
    assert as_source([principle("A")]) is None
    with pytest.raises(InputError, match="has no principles"):
        as_source(bank)
    with pytest.raises(InputError, match="no principle bank at"):
        as_source("bank:/none.bank")

    class Mine:
        name = "mine"

        def for_query(self, query: object) -> tuple[Principle, ...]:
            return (principle("A"),)

    mine = Mine()
    assert isinstance(mine, PrincipleSource)
    assert as_source(mine) is mine


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            b"no database at all, but long enough to be one" * 50, "not a database", id="text"
        ),
        pytest.param(None, "not a principle bank", id="other-sqlite"),
    ],
)
def test_files_that_are_no_banks(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.bank"
    if content is None:
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE t (x)")
        db.close()
    else:
        path.write_bytes(content)
    for create in (True, False):
        with pytest.raises(InputError, match=message):
            PrincipleBank(path, create=create)


def test_a_damaged_bank_is_told(bank: PrincipleBank, tmp_path: Path) -> None:
    for i in range(200):
        bank.add(f"query {i}", [principle(f"P{i}", 1, "words " * 50)], source="m")
    bank.close()
    path = tmp_path / "b.bank"
    data = bytearray(path.read_bytes())
    data[8192 : len(data) // 2] = b"\xff" * (len(data) // 2 - 8192)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"b\.bank"):
        PrincipleBank(path)
    path.write_bytes(bytes(data[:6000]))
    with pytest.raises(InputError, match=r"b\.bank"):
        PrincipleBank(path)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        pytest.param("queries", "UPDATE queries SET text = 'other'", id="query"),
        pytest.param("principles", "UPDATE principles SET same_as = 1", id="merged"),
        pytest.param("wordings", "UPDATE wordings SET description = 'other'", id="wording"),
        pytest.param("wordings", "UPDATE wordings SET seen = seen + 1", id="count"),
        pytest.param(
            "sets", "UPDATE sets SET principles = replace(principles, '1', '2')", id="set"
        ),
        pytest.param("votes", "DELETE FROM votes WHERE n_right = 0", id="vote-lost"),
        pytest.param("history", "UPDATE history SET detail = 'other' WHERE id = 1", id="history"),
        pytest.param("queries", "DELETE FROM checksums", id="no-checksums"),
        pytest.param(None, "REINDEX", id="nothing"),
    ],
)
def test_what_was_not_written_is_told(
    bank: PrincipleBank, tmp_path: Path, table: str | None, change: str
) -> None:
    bank.add("q", [principle("Truth"), principle("truth!")], source="m")
    votes = [outcome("1", True, "Truth"), outcome("2", False, "Brevity")]
    bank.keep_right(bank.add_votes([(as_query("q"), votes)], source="r")[1], source="r")
    bank.deduplicate(threshold=1.0)
    bank.close()
    with closing(sqlite3.connect(tmp_path / "b.bank")) as db:
        triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            db.execute(f"DROP TRIGGER {name}")
        assert table is None or db.execute(change).rowcount
        db.commit()
    if table is None:
        PrincipleBank(tmp_path / "b.bank").close()
        return
    with pytest.raises(InputError, match=f"is damaged: its {table} are not what was written"):
        PrincipleBank(tmp_path / "b.bank")


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "shared.bank"
    program = """
import sys
from deemster.principles import PrincipleBank
from deemster.principles.bank_records import CheckedVote
from deemster.schemas import Principle, as_query
path, me = sys.argv[1:]
for i in range(15):
    with PrincipleBank(path) as bank:
        p = (Principle(name="Shared"), )
        bank.add(f"query {me} {i}", p, source=me)
        bank.add_votes([(as_query("all"), [CheckedVote(b"%d" % i, p, True)])], source=me)
"""
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(me)]) for me in range(3)
    ]
    assert [one.wait(timeout=120) for one in started] == [0, 0, 0]
    with PrincipleBank(path, create=False) as bank:
        assert len(bank.queries()) == 45
        [shared] = bank.usefulness()
        assert shared.votes == 15, "every vote once, whoever counted it"
        assert len(bank.history()) == 45 + 15


def reply(*names: str) -> str:
    drafts = [{"name": n, "description": f"about {n}", "weight": 20} for n in names]
    return json.dumps({"principles": drafts})


async def test_filling_goes_on_where_it_stopped(bank: PrincipleBank) -> None:
    samples = [Sample(id=str(i), query=f"q{i % 3}", responses=[f"r{i}"]) for i in range(4)]
    failing = FakeBackend([reply("A", "B", "C"), BackendTimeout("late"), "garbage"], name="m")
    filled = await fill_bank(bank, failing, samples, in_flight=1)
    assert (filled.made, filled.known, len(filled.failed)) == (1, 0, 2)
    assert "late" in filled.failed[0]
    assert filled.usage.calls == 2
    again = FakeBackend(lambda *_: reply("D", "E", "F"), name="m")
    filled = await fill_bank(bank, again, samples)
    assert (filled.made, filled.known, filled.failed) == (2, 1, ())
    assert len(again.requests) == 2
    assert "r1" in again.requests[0].messages[-1].text
    assert [p.name for p in bank.for_query("q0")] == ["A", "B", "C"]
    filled = await fill_bank(bank, again, samples, again=True, show_responses=False)
    assert filled.made == 3
    assert "r1" not in again.requests[-2].messages[-1].text
    assert len(bank.versions("q0")) == 2


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.booleans(), st.dictionaries(st.integers(0, 4), st.floats(0.01, 1))
        ),
        min_size=1,
    )
)
def test_usefulness_is_a_share_with_its_interval(
    votes: list[tuple[int, bool, dict[int, float]]],
) -> None:
    counted = tally(votes, {0: 1})
    assert 0 < counted.overall < 1
    assert sum(use.votes for use in counted.totals.values()) == len(votes)
    assert 0 not in counted.uses
    for uses in counted.uses.values():
        measured = measure(uses, counted.totals, overall=counted.overall)
        assert 0 <= measured.low < measured.value < measured.high <= 1
        assert measured.lift is None or -1 <= measured.lift <= 1
        for query, use in uses.items():
            assert use.right <= use.votes <= counted.totals[query].votes


def test_few_queries_stay_near_the_usual() -> None:
    once = measure({0: Use(8, 8, 1, 1)}, {0: Use(8, 8, 1, 1)}, overall=0.5)
    often = measure(
        {q: Use(8, 8, 1, 1) for q in range(40)},
        {q: Use(8, 8, 1, 1) for q in range(40)},
        overall=0.5,
    )
    assert once.value == pytest.approx((4 * 0.5 + 1) / 5)
    assert often.value > 0.9
    assert often.high - often.low < once.high - once.low


def test_filtered_principles_are_those_of_right_votes() -> None:
    uses = {1: Use(4, 4, 2, 2), 2: Use(4, 2, 2, 1), 3: Use(4, 0, 2, 0)}
    assert list(filtered(uses, most=5)) == [1, 2]
    assert list(filtered(uses, most=1)) == [1]
