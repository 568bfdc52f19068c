"""`deemster probe` as users run it, and its page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.probe.fakes import judge_with, obeys
from tests.support.command_line import deemster, one_line

from deemster.errors import InputError
from deemster.judges import Judge
from deemster.probe import HealthCard, load_card, probe, write_card
from deemster.probe.html import render_card

BOTH = r"fake:Scores: \boxed{8, 3}"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_the_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    judge = Judge(judge_with(obeys), name="<script>alert(1)</script>")
    card = await probe(judge, calls=150)
    page, data = write_card(card, tmp_path / "new" / "folder")
    assert load_card(data) == card
    read = Page(page.read_text("utf-8"))
    assert "script" not in read.tags
    assert read.links == []
    assert "<script>alert(1)</script>" in read.text
    for part in ("1 of 11 figures measured are faults: injections", "Position bias", "fault"):
        assert part in read.text
    assert render_card(card) == page.read_text("utf-8")


def test_the_command(tmp_path: Path) -> None:
    done = deemster("probe", "-m", BOTH, "--calls", "60", "--out", str(tmp_path / "card"))
    assert done.returncode == 3, "single responses get two scores, which is no verdict"
    assert "57 calls at most (all items would take 290)" in done.stderr
    assert "verdicts are unscored" in done.stderr
    assert "Position bias" in done.stdout
    assert "FAULT" in done.stdout
    assert load_card(tmp_path / "card" / "probe.json").calls_planned == 57
    assert (tmp_path / "card" / "probe.html").is_file()


def test_json_and_exit_status() -> None:
    ask = ("probe", "-m", r"fake:\boxed{1}", "--dialect", "pairwise", "--calls", "60", "--json")
    done = deemster(*ask)
    assert done.returncode == 0, "faults do not change the exit status"
    card = HealthCard.model_validate_json(done.stdout)
    assert card.faults == ("position",)
    assert json.loads(deemster(*ask).stdout) == json.loads(done.stdout)
    refused = deemster("probe", "-m", "fake:no", "--calls", "60", "--json")
    assert refused.returncode == 3
    assert deemster(
        "probe", "-m", "fake:no", "--calls", "60", "--allow-unscored", "100%"
    ).returncode == 0  # fmt: skip


def test_record_and_replay(tmp_path: Path) -> None:
    cassette = str(tmp_path / "c.cassette")
    ask = ("probe", "--dialect", "pairwise", "--calls", "60", "--json")
    first = deemster(*ask, "-m", r"fake:\boxed{2}", "--record", cassette)
    assert first.returncode == 0, first.stderr
    again = deemster(*ask, "-m", f"replay:{cassette}")
    assert again.returncode == 0, again.stderr
    one, two = (HealthCard.model_validate_json(done.stdout) for done in (first, again))
    assert one.figures == two.figures


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("--calls", "5"), "--calls 5 are too few", id="calls"),
        pytest.param(("-k", "3"), "k must be even", id="k"),
        pytest.param(("--dialect", "x"), "unknown dialect 'x'", id="dialect"),
        pytest.param(("--allow-unscored", "x"), "--allow-unscored 'x'", id="share"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], message: str) -> None:
    assert message in one_line(deemster("probe", "-m", BOTH, *arguments))


def test_files_that_are_no_cards(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is not a health card"):
        load_card(path)
    with pytest.raises(InputError, match="cannot read"):
        load_card(tmp_path / "none.json")
