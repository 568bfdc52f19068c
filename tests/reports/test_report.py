from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from tests.reports.planted import DEFECTS, INFO, World
from tests.reports.synthetic import judged, samples, write_run

from deemster.errors import BackendError, InputError
from deemster.judges.decide import unscored
from deemster.reports import load_report, write_report
from deemster.reports.browser import Browser
from deemster.reports.collect import collect_report
from deemster.reports.policies import Compared
from deemster.schemas import JudgeInfo, Judgment, Sample, Verdict
from deemster.suites.summaries import summarise_verdicts


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = samples(60, characters=200)
    made = [judged(rows, name=name, seed=i, characters=60) for i, name in enumerate("ab")]
    return write_run(tmp_path_factory.mktemp("runs") / "two-judges", made)


def test_html_and_json_are_written_and_reproducible(run: Path, tmp_path: Path) -> None:
    report = write_report([run], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_bytes()
    assert load_report(tmp_path / "r.json") == report
    write_report([run], tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "r.json").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "again.html", "again.json", "r.html", "r.json",
    ]  # fmt: skip


def test_figures_are_those_of_the_metrics(run: Path, tmp_path: Path) -> None:
    report = write_report([run], tmp_path / "r.html", title="A <title> & more")
    rows = samples(60, characters=200)
    info, verdicts = judged(rows, name="a", seed=0, characters=60)
    _, summary = summarise_verdicts(verdicts, info)
    assert report.judges[0].summary == summary
    assert report.title == "A <title> & more"
    assert [(i.judge, i.id) for i in report.items] == [
        (judge, sample.id) for judge in (0, 1) for sample in rows
    ]
    right = sum(item.outcome == "right" for item in report.items if item.judge == 0)
    assert right / 60 == pytest.approx(report.judges[0].summary.accuracy)
    assert report.agreement is not None
    assert report.agreement.raters == ("a", "b", "human")
    assert [(c.first, c.second) for c in report.comparisons] == [("a", "b")]
    latency = report.judges[0].latency
    assert latency is not None
    assert sum(latency.counts) == latency.n == 240
    page = (tmp_path / "r.html").read_text()
    assert "<title>A &lt;title&gt; &amp; more</title>" in page


def test_of_many_items_some_are_listed_and_all_are_counted(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = write_report([run], tmp_path / "all.html")
    some = write_report([run], tmp_path / "some.html", most_items=40)
    ids = [[item.id for item in some.items if item.judge == judge] for judge in (0, 1)]
    assert ids[0] == ids[1]  # the same samples of every judge
    assert 25 <= len(some.items) <= 55
    assert set(some.items) < set(every.items)
    for one, other in zip(some.judges, every.judges, strict=True):
        assert one.summary == other.summary
        assert one.latency == other.latency
        assert one.weaknesses == other.weaknesses
    assert some.agreement == every.agreement
    assert f"{len(some.items)} of 120 judged items are listed" in some.notes[0]
    pages = [(tmp_path / f"{name}.html").read_text() for name in ("all", "some")]
    assert all("120 judged items" in page for page in pages)
    assert [page.count('type="text/plain"') for page in pages] == [5, 2]
    none = write_report([run], tmp_path / "none.html", most_items=0)
    assert none.items == ()
    assert none.judges == every.judges
    monkeypatch.setattr("deemster.reports.collect.MOST_ITEMS", 40)
    few = write_report([run], tmp_path / "few.html", most_items=0)
    assert {w.n_items for judge in few.judges for w in judge.weaknesses} == {len(ids[0])}
    assert few.notes[1] == f"a: weaknesses are those of {len(ids[0])} items, drawn by their ids."
    assert [judge.summary for judge in few.judges] == [judge.summary for judge in every.judges]
    with pytest.raises(InputError, match="most_items must be >= 0, got -1"):
        write_report([run], tmp_path / "r.html", most_items=-1)


def test_the_policy_allows_this_style_and_script_only(run: Path, tmp_path: Path) -> None:
    write_report([run], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    allowed = policy[1].replace("&#39;", "'").replace("&#43;", "+").replace("&#34;", '"')
    assert allowed.startswith("default-src 'none'; ")
    assert "unsafe" not in allowed
    for tag in ("style", "script"):
        text = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        assert len(text) == 1
        digest = base64.b64encode(hashlib.sha256(text[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in allowed
    assert not re.search(r"\sstyle=|\son[a-z]+=", page)
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", page)


def test_weaknesses_of_both_of_two_policies_and_the_change(tmp_path: Path) -> None:
    rates = {"alpha": {"rude": 0.4}, "beta": dict.fromkeys(DEFECTS, 0.02)}
    world = World(rates, True, n_items=160)
    first = write_run(tmp_path / "first", [(INFO, world.rows(1))])
    report = write_report([first], tmp_path / "first.html")
    assert [(w.policy, w.versus) for w in report.judges[0].weaknesses] == [
        ("alpha", "beta"),
        ("beta", "alpha"),
    ]
    assert len(report.judges[0].weaknesses[0].weaknesses) == 1
    second = write_run(tmp_path / "second", [(INFO, world.rows(2))])
    later = write_report(
        [second], tmp_path / "second.html", policy="alpha", before=tmp_path / "first.json"
    )
    assert [change.status for change in later.judges[0].changes] == ["same"]
    page = (tmp_path / "second.html").read_text()
    assert "Since the earlier report" in page
    quote = later.judges[0].weaknesses[0].weaknesses[0].quotes[0]
    assert f'href="#item=0:{quote.item}"' in page


def test_unusual_runs_still_give_a_page(tmp_path: Path) -> None:
    info = JudgeInfo(name="odd", model="m")
    judgment = Judgment(scores=(3.0,), raw="just text")
    rows = [
        (
            Sample(id="single", query="q", responses=["only"], ground_truth=(1,)),
            Verdict(
                rewards=(3.0,), best=0, ranking=(0,), votes=(judgment,), k=1, n_valid=1, judge=info
            ),
        ),
        (
            Sample(id="failed", query="q", responses=["a", "b", "c"]),
            unscored(BackendError("down"), k=2, info=info),
        ),
        (
            Sample(id="no texts", query=(), responses=["", ""], ground_truth=(1, 1)),
            Verdict(rewards=(1.0, 1.0), best=None, ranking=(0, 1), k=0, n_valid=0, judge=info),
        ),
    ]
    write_run(tmp_path / "odd", [(info, rows)])
    report = write_report([tmp_path / "odd"], tmp_path / "odd.html")
    assert [item.outcome for item in report.items] == ["unknown", "unscored", "unknown"]
    assert report.agreement is None
    write_run(tmp_path / "none", [(info, rows[:0])])
    assert write_report([tmp_path / "none"], tmp_path / "none.html").items == ()


def test_judges_of_one_name_are_told_apart(tmp_path: Path) -> None:
    few = samples(12, characters=60)
    a, b = (judged(few, name=name, characters=40) for name in "ab")
    run = write_run(tmp_path / "two-judges", [a, b])
    other = write_run(tmp_path / "other", [a])
    with Browser() as browser:
        report = collect_report([run, other], browser, title="", compared=Compared())
    assert [j.label for j in report.judges] == ["two-judges: a", "b", "other: a"]
    with Browser() as browser:
        twice = collect_report([run, run], browser, title="", compared=Compared())
    labels = [j.label for j in twice.judges]
    assert len(set(labels)) == 4


def test_what_cannot_be_reported_is_told_and_nothing_written(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    with pytest.raises(InputError, match="no run in"):
        write_report([tmp_path / "nowhere"], out)
    with pytest.raises(InputError, match="no run directory given"):
        write_report([], out)
    with pytest.raises(InputError, match=r"must end in \.html"):
        write_report([run], tmp_path / "report.pdf")
    with pytest.raises(InputError, match="without a policy"):
        write_report([run], out, versus="small-model")
    with pytest.raises(InputError, match="'gpt'; policies of the run: large-model, small-model"):
        write_report([run], out, policy="gpt")
    (tmp_path / "bad.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(InputError, match="is not the JSON of a report"):
        write_report([run], out, before=tmp_path / "bad.json")
    with pytest.raises(InputError, match="cannot read report"):
        write_report([run], out, before=tmp_path / "missing.json")
    assert not out.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write report"):
        write_report([run], tmp_path / "file" / "r.html")
