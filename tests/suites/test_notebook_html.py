"""What notebooks show of verdicts and runs: the figures, with every text escaped."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from deemster.schemas import Failure, JudgeInfo, Judgment, Verdict
from deemster.suites.frames import load_run
from deemster.suites.loading import load_suite
from deemster.suites.runner import run_suite

BAD = "<script>alert('x')</script><img src=x onerror=y>"
KNOWN = {
    "div", "p", "b", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre",
    "code",
}  # fmt: skip


class Reader(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert all(name == "style" for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def verdict(rewards: tuple[float, ...] | None, best: int | None = None) -> Verdict:
    votes = (
        Judgment(scores=(7.0, 3.0), raw=BAD, warnings=(BAD,)),
        Failure(status="parse_error", message=BAD, raw=BAD, draw=1),
    )
    return Verdict(
        rewards=rewards, scores=rewards, best=best, ranking=rewards and tuple(range(len(rewards))),
        ties=((0, 1),) if rewards and len(rewards) > 1 and best is None else (),
        votes=votes, k=2, n_valid=1, judge=JudgeInfo(name=BAD, model="m"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rewards", "best", "said"),
    [
        pytest.param((7.0, 3.0), 0, "Response 1 is best", id="best"),
        pytest.param((7.0, 7.0), None, "Tied on top: responses 1, 2", id="tie"),
        pytest.param((7.0,), None, "Reward 7", id="single"),
        pytest.param(None, None, "No verdict: 1 of 2 votes valid", id="unscored"),
    ],
)
def test_a_verdict(rewards: tuple[float, ...] | None, best: int | None, said: str) -> None:
    page = Reader(verdict(rewards, best)._repr_html_())
    assert said in page.text
    assert set(page.tags) <= KNOWN
    assert page.text.count(BAD) == 4


async def test_a_run(tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "name: s\ndata: {samples: [{query: q, responses: [a, b], ground_truth: [1, 0]}]}\n"
        "judges:\n  - {name: good, model: 'fake:Scores: \\boxed{7, 3}', orders: fixed}\n"
        f"  - {{name: bad, model: \"fake:{BAD}\"}}\nthresholds: {{accuracy: '>= 0.5'}}\n"
    )
    result = await run_suite(load_suite(suite, environment={}), tmp_path / "<b>run")
    page = Reader(result._repr_html_())
    assert set(page.tags) <= KNOWN
    for part in ("<b>run", "good", "100.0%", "0 of 1", "passed", "FAILED", "parse_error"):
        assert part in page.text
    alone = Reader(result.summaries["bad"]._repr_html_())
    assert set(alone.tags) <= KNOWN
    for part in ("bad", "0 of 1", "1 of 1", "parse_error", BAD[:20]):
        assert part in alone.text
    tables = Reader(load_run(tmp_path / "<b>run")._repr_html_())
    assert set(tables.tags) <= KNOWN
    for part in ("samples1", "verdicts2", "votes2", "ground_truth", "critiques"):
        assert part in tables.text
